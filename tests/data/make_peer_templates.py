"""Writes peer_templates.json: states of PennyLane's and Qiskit's templates, to compare ours with.

Run with both installed: python make_peer_templates.py. The tests read the file and need neither.
"""

import json
import pathlib

import numpy as np
import pennylane as qml
import qiskit
from qiskit.circuit.library import efficient_su2, n_local, z_feature_map, zz_feature_map
from qiskit.quantum_info import Statevector

RNG = np.random.default_rng(7)


def pennylane_state(n, template, *args, **kwargs):
    @qml.qnode(qml.device("default.qubit", wires=n))
    def node():
        template(*args, wires=range(n), **kwargs)
        return qml.state()

    return np.asarray(node())


def qiskit_state(circuit, values):
    bound = circuit.assign_parameters(values)
    # Qiskit's qubit 0 is the least significant bit.
    return Statevector(bound.reverse_bits()).data


def case(kind, name, config, n, layers, values, state):
    values = [round(float(v), 12) for v in np.ravel(values)]
    parts = [[round(float(z.real), 12), round(float(z.imag), 12)] for z in state]
    return {
        "kind": kind,
        "name": name,
        "config": config,
        "n_qubits": n,
        "n_layers": layers,
        "values": values,
        "state": parts,
    }


def draw(*shape):
    return np.round(RNG.uniform(-3, 3, shape), 6)


def block(weights, wires):
    qml.CNOT(wires=[wires[0], wires[1]])
    qml.RY(weights[0], wires=wires[0])
    qml.RY(weights[1], wires=wires[1])


def cases():
    for n in (1, 2, 3, 4):
        w = draw(2, n)
        yield case(
            "ansatz",
            "basic_entangler",
            {},
            n,
            2,
            w,
            pennylane_state(n, qml.BasicEntanglerLayers, w),
        )
        w = draw(3, n, 3)
        yield case(
            "ansatz",
            "strongly_entangling",
            {},
            n,
            3,
            w,
            pennylane_state(n, qml.StronglyEntanglingLayers, w),
        )
        w = draw(2, 5)
        for seed in (42, 3):
            yield case(
                "ansatz",
                "random_layers",
                {"n_rotations": 5, "seed": seed},
                n,
                2,
                w,
                pennylane_state(n, qml.RandomLayers, w, seed=seed),
            )
    w = draw(2, 4)
    yield case(
        "ansatz",
        "basic_entangler",
        {"axis": "Y"},
        4,
        2,
        w,
        pennylane_state(4, qml.BasicEntanglerLayers, w, rotation=qml.RY),
    )
    for n in (2, 4):
        w = draw(n - 1, 2)
        yield case(
            "ansatz",
            "tree_tensor",
            {},
            n,
            1,
            w,
            pennylane_state(
                n, qml.TTN, n_block_wires=2, block=block, n_params_block=2, template_weights=w
            ),
        )
    for n in (2, 3, 4):
        w = draw(n - 1, 2)
        yield case(
            "ansatz",
            "mps",
            {},
            n,
            1,
            w,
            pennylane_state(
                n, qml.MPS, n_block_wires=2, block=block, n_params_block=2, template_weights=w
            ),
        )
    for pattern in ("full", "linear", "reverse_linear", "circular", "pairwise", "sca"):
        for coupling in ("cx", "crz"):
            for n in (2, 3, 4):
                circuit = n_local(n, ["ry", "rz"], coupling, pattern, reps=2)
                w = draw(circuit.num_parameters)
                config = {"rotations": ["ry", "rz"], "coupling": coupling, "entanglement": pattern}
                yield case("ansatz", "two_local", config, n, 2, w, qiskit_state(circuit, w))
    for coupling in ("cy", "cz", "crx", "cry", "rxx", "ryy", "rzz", "swap", "iswap"):
        circuit = n_local(3, ["rx"], coupling, "linear", reps=1, skip_final_rotation_layer=True)
        w = draw(circuit.num_parameters)
        config = {
            "rotations": ["rx"],
            "coupling": coupling,
            "entanglement": "linear",
            "skip_final_rotations": True,
        }
        yield case("ansatz", "two_local", config, 3, 1, w, qiskit_state(circuit, w))
    for n in (2, 3, 4):
        circuit = efficient_su2(n, reps=2)
        w = draw(circuit.num_parameters)
        yield case("ansatz", "hardware_efficient", {}, n, 2, w, qiskit_state(circuit, w))

    for n in (1, 2, 3):
        x = draw(n)
        for axis in "XYZ":
            yield case(
                "encoding",
                "angle",
                {"axis": axis},
                n,
                0,
                x,
                pennylane_state(n, qml.AngleEmbedding, x, rotation=axis),
            )
        x = draw(2**n)
        yield case(
            "encoding",
            "amplitude",
            {},
            n,
            0,
            x,
            pennylane_state(n, qml.AmplitudeEmbedding, x, normalize=True),
        )
        bits = RNG.integers(0, 2, n)
        yield case(
            "encoding", "basis", {}, n, 0, bits, pennylane_state(n, qml.BasisEmbedding, bits)
        )
        x = draw(n)
        for repeats in (1, 2):
            yield case(
                "encoding",
                "iqp",
                {"n_layers": repeats},
                n,
                0,
                x,
                pennylane_state(n, qml.IQPEmbedding, x, n_repeats=repeats),
            )
    x = draw(6)
    yield case(
        "encoding",
        "amplitude",
        {"pad_with": 0.5},
        3,
        0,
        x,
        pennylane_state(3, qml.AmplitudeEmbedding, x, normalize=True, pad_with=0.5),
    )
    for n in (2, 3, 4):
        x = draw(n)
        for pattern in ("full", "linear", "circular", "pairwise", "sca"):
            circuit = zz_feature_map(n, reps=2, entanglement=pattern)
            yield case(
                "encoding",
                "zz",
                {"n_layers": 2, "entanglement": pattern},
                n,
                0,
                x,
                qiskit_state(circuit, x),
            )
        # Qiskit's phase is twice the feature.
        yield case("encoding", "phase", {}, n, 0, 2 * x, qiskit_state(z_feature_map(n, reps=1), x))


if __name__ == "__main__":
    found = {
        "versions": {"pennylane": qml.__version__, "qiskit": qiskit.__version__},
        "cases": list(cases()),
    }
    path = pathlib.Path(__file__).with_name("peer_templates.json")
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(found["cases"]), "cases")
