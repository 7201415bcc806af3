"""Templates that PennyLane or Qiskit have too are the same circuit, with the same weights."""

import json
import pathlib

import cirq
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import ansatz, encodings

DATA = json.loads(
    (pathlib.Path(__file__).parent / "data" / "peer_templates.json").read_text(encoding="utf-8")
)
CLASSES = {"ansatz": ansatz, "encoding": encodings}


def final_state(circuit, names, values, qubits):
    resolved = cirq.resolve_parameters(circuit, dict(zip(names, values, strict=True)))
    simulator = cirq.Simulator(dtype=np.complex128)
    return simulator.simulate(resolved, qubit_order=qubits).final_state_vector


@pytest.mark.parametrize(
    "case",
    DATA["cases"],
    ids=lambda c: f"{c['name']}-{c['n_qubits']}-{'-'.join(map(str, c['config'].values()))}",
)
def test_state_equals_the_peers_up_to_a_global_phase(case):
    n, values = case["n_qubits"], np.array(case["values"])
    qubits = cirq.LineQubit.range(n)
    template = type(CLASSES[case["kind"]].get(case["name"]))(**case["config"])
    if case["kind"] == "ansatz":
        names = [f"w{i}" for i in range(template.n_weights(n, case["n_layers"]))]
        circuit = template.circuit(qubits, sympy.symbols(names), case["n_layers"])
    else:
        # float64 keeps Keras's own float32 rounding, of the angles, out of the comparison
        # where the backend has it.
        features = ops.convert_to_tensor(values[None], dtype="float64")
        values = np.asarray(ops.convert_to_numpy(template.angles(features, n)), float)[0]
        names = [f"x{i}" for i in range(len(values))]
        circuit = template.circuit(qubits, sympy.symbols(names))
    found = final_state(circuit, names, values, qubits)
    expected = np.array([re + 1j * im for re, im in case["state"]])
    assert abs(np.vdot(expected, found)) == pytest.approx(1.0, abs=1e-6)
