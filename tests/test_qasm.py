"""OpenQASM 2 and 3 as they are written: what is read, in which order of qubits, what is refused."""

from __future__ import annotations

import cmath
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import cirq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from qasm_folder import compare_folder
from qkeras_hybrid import PQC
from qkeras_hybrid.interop import from_qasm, from_qiskit, to_qasm, to_qiskit

HEAD_2 = 'OPENQASM 2.0; include "qelib1.inc"; '
HEAD_3 = 'OPENQASM 3.0; include "stdgates.inc"; '
TEXTS = Path(__file__).parent / "data" / "qasm"

# Of gates multiplied in double precision, once each.
ATOL = 1e-8


def unitary(text: str, **values: float) -> np.ndarray:
    return cirq.resolve_parameters(from_qasm(text), values).unitary()


def equal(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two unitaries are the same up to a global phase."""
    return bool(cirq.equal_up_to_global_phase(first, second, atol=ATOL))


def qiskit_unitary(circuit: Any) -> np.ndarray:
    from qiskit.quantum_info import Operator

    return np.asarray(Operator(circuit.reverse_bits()).data)


def controlled(matrix: np.ndarray) -> np.ndarray:
    whole = np.eye(2 * len(matrix), dtype=complex)
    whole[len(matrix) :, len(matrix) :] = matrix
    return whole


def u(theta: float, phi: float, lam: float) -> np.ndarray:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return np.array(
        [
            [cos, -cmath.exp(1j * lam) * sin],
            [cmath.exp(1j * phi) * sin, cmath.exp(1j * (phi + lam)) * cos],
        ]
    )


def rotation(pauli: np.ndarray, angle: float) -> np.ndarray:
    return math.cos(angle / 2) * np.eye(len(pauli)) - 1j * math.sin(angle / 2) * pauli


X, Y, Z = (np.array(m) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]))


# Gates.


@pytest.mark.parametrize(
    ("gate", "matrix"),
    [
        ("cu1(0.7)", np.diag([1, 1, 1, cmath.exp(0.7j)])),
        ("cp(0.7)", np.diag([1, 1, 1, cmath.exp(0.7j)])),
        ("crz(0.7)", np.diag([1, 1, cmath.exp(-0.35j), cmath.exp(0.35j)])),
        ("cu3(0.3,0.5,0.7)", controlled(u(0.3, 0.5, 0.7))),
        ("cu(0.3,0.5,0.7,0.9)", controlled(cmath.exp(0.9j) * u(0.3, 0.5, 0.7))),
        ("rzz(0.7)", rotation(np.kron(Z, Z), 0.7)),
        ("rxx(0.7)", rotation(np.kron(X, X), 0.7)),
        ("crx(0.7)", controlled(rotation(X, 0.7))),
        ("cry(0.7)", controlled(rotation(Y, 0.7))),
        ("csx", controlled(cmath.exp(0.25j * math.pi) * rotation(X, math.pi / 2))),
    ],
)
def test_a_gate_on_two_qubits_is_its_matrix(gate: str, matrix: np.ndarray) -> None:
    assert equal(unitary(f"{HEAD_2} qreg q[2]; {gate} q[0],q[1];"), matrix)


def test_the_texts_give_the_states_that_qiskit_computes() -> None:
    compared = list(compare_folder(TEXTS))
    assert len(compared) == 4
    assert [c for c in compared if c.outcome != "equal"] == []


@pytest.mark.slow
def test_a_folder_of_texts_gives_the_states_that_qiskit_computes() -> None:
    folder = os.environ.get("QKERAS_HYBRID_QASM")
    if not folder:
        pytest.skip("set QKERAS_HYBRID_QASM to a folder of texts; see tests/qasm_folder.py")
    compared = list(compare_folder(Path(folder)))
    print(Counter(c.outcome for c in compared))
    bad = ("refused", "different", "read although not unitary")
    assert [c for c in compared if c.outcome in bad] == []


@pytest.mark.parametrize("version", [2, 3])
def test_each_gate_that_qiskit_writes_is_read(version: int) -> None:
    from qiskit import QuantumCircuit, qasm2, qasm3
    from qiskit.circuit.library import get_standard_gate_name_mapping

    wrong = []
    # What Qiskit writes for `global_phase` on its own is not valid.
    left_out = {"measure", "reset", "delay", "global_phase"}
    for name, gate in get_standard_gate_name_mapping().items():
        if name in left_out:
            continue
        numbers = [0.3 + 0.2 * i for i in range(len(gate.params))]
        circuit = QuantumCircuit(gate.num_qubits)
        circuit.append(gate.base_class(*numbers), range(gate.num_qubits))
        text = (qasm2 if version == 2 else qasm3).dumps(circuit)
        try:
            right = equal(unitary(text), qiskit_unitary(circuit))
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            continue
        if not right:
            wrong.append(name)
    assert wrong == []


# Qubits.


def test_qubits_without_a_gate_keep_their_place() -> None:
    circuit = from_qasm(f"{HEAD_2} qreg q[3]; x q[0]; x q[2];")
    assert sorted(circuit.all_qubits()) == [cirq.NamedQubit(f"q_{i}") for i in range(3)]
    layer = PQC(circuit, ["Z0", "Z1", "Z2"])
    np.testing.assert_allclose(layer(np.zeros((1, 3))), [[-1, 1, -1]], atol=1e-6)
    everything_idle = from_qasm(f"{HEAD_2} qreg q[2];")
    assert len(everything_idle.all_qubits()) == 2


def test_registers_keep_the_order_of_their_declarations() -> None:
    circuit = from_qasm(f"{HEAD_2} qreg b[1]; qreg a[1]; x b[0];")
    assert [str(q) for q in sorted(circuit.all_qubits())] == ["0_b_0", "1_a_0"]
    layer = PQC(circuit, ["Z0", "Z1"])
    np.testing.assert_allclose(layer(np.zeros((1, 2))), [[-1, 1]], atol=1e-6)


@pytest.mark.parametrize(
    "registers", [["q"], ["a", "b"], ["b", "a"], ["q", "q_1"], ["q2", "q10"], ["q10", "q2"]]
)
def test_qubits_sort_as_declared(registers: list[str]) -> None:
    declared = "".join(f"qreg {name}[12]; " for name in registers)
    gates = "".join(f"rx({i + 1}) {name};" for i, name in enumerate(registers))
    circuit = from_qasm(HEAD_2 + declared + gates)
    angle = {op.qubits[0]: op.gate.exponent * math.pi for op in circuit.all_operations()}
    found = [angle[qubit] for qubit in sorted(angle)]
    np.testing.assert_allclose(found, np.repeat(np.arange(len(registers)) + 1, 12))


def test_one_register_has_the_names_that_it_always_had() -> None:
    circuit = from_qasm(f"{HEAD_2} qreg alpha[2]; h alpha[0]; cx alpha[0],alpha[1];")
    a, b = cirq.NamedQubit.range(2, prefix="alpha_")
    assert circuit == cirq.Circuit(cirq.H(a), cirq.CNOT(a, b))


def test_qubits_of_a_device_count_from_0() -> None:
    circuit = from_qasm(f"{HEAD_3} x $2; cx $2, $0;")
    assert [str(q) for q in sorted(circuit.all_qubits())] == ["$0", "$1", "$2"]


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_a_circuit_with_idle_qubits_comes_back(version: str) -> None:
    text = f"{HEAD_2} qreg q[3]; rx(0.3) q[2];"
    circuit = from_qasm(text)
    assert len(from_qasm(to_qasm(circuit, version=version)).all_qubits()) == 3
    there = to_qiskit(circuit)
    assert there.num_qubits == 3
    assert equal(from_qiskit(there).unitary(), circuit.unitary())


# OpenQASM 3.


@pytest.mark.parametrize("version", ["OPENQASM 3;", "OPENQASM 3.0;", "OPENQASM  3.1 ;", ""])
def test_the_version_is_written_in_several_ways(version: str) -> None:
    text = f'{version} include "stdgates.inc"; qubit[2] q; cx q[0], q[1];'
    assert equal(unitary(text), controlled(X))


def test_inputs_become_symbols() -> None:
    text = f"{HEAD_3} input float[64] a; input angle b; qubit q; rz(a*b) q; ry(sin(a)/2) q;"
    circuit = from_qasm(text)
    assert cirq.parameter_names(circuit) == {"a", "b"}
    expected = rotation(Y, math.sin(0.4) / 2) @ rotation(Z, 0.4 * 1.3)
    assert equal(unitary(text, a=0.4, b=1.3), expected)


def test_the_parameters_that_qiskit_writes_train() -> None:
    from qiskit import qasm3
    from qiskit.circuit.library import efficient_su2

    ansatz = efficient_su2(3, reps=1)
    circuit = from_qasm(qasm3.dumps(ansatz))
    names = sorted(cirq.parameter_names(circuit))
    assert len(names) == ansatz.num_parameters
    values = np.random.default_rng(0).normal(size=len(names))
    # Qiskit writes theta[3] as _theta_3_, so that names sort as its numbers do up to ten.
    order = sorted(names, key=lambda name: int(name.strip("_").split("_")[-1]))
    found = cirq.resolve_parameters(circuit, dict(zip(order, values, strict=True)))
    assert equal(found.unitary(), qiskit_unitary(ansatz.assign_parameters(values)))


@pytest.mark.parametrize(
    ("gate", "matrix"),
    [
        ("ctrl @ x q[0], q[1]", controlled(X)),
        ("negctrl @ x q[0], q[1]", np.kron(X, np.eye(2)) @ controlled(X) @ np.kron(X, np.eye(2))),
        ("ctrl @ rz(0.7) q[0], q[1]", controlled(rotation(Z, 0.7))),
        ("ctrl @ inv @ p(0.7) q[0], q[1]", controlled(np.diag([1, cmath.exp(-0.7j)]))),
        (
            "ctrl @ pow(1/2) @ x q[0], q[1]",
            controlled(cmath.exp(0.25j * math.pi) * rotation(X, math.pi / 2)),
        ),
        ("pow(-2) @ u q[0], q[1]", np.kron(rotation(X, -0.6), np.eye(2))),
        ("ctrl @ gphase(0.7) q[0]", np.diag([1, 1, cmath.exp(0.7j), cmath.exp(0.7j)])),
        ("ctrl @ shifted q[0], q[1]", controlled(cmath.exp(0.7j) * X)),
        ("inv @ ctrl @ shifted q[0], q[1]", controlled(cmath.exp(-0.7j) * X)),
        # In stdgates.inc, u3 has the determinant 1.
        ("ctrl @ U(0.3,0.5,0.7) q[0], q[1]", controlled(u(0.3, 0.5, 0.7))),
        ("ctrl @ u3(0.3,0.5,0.7) q[0], q[1]", controlled(cmath.exp(-0.6j) * u(0.3, 0.5, 0.7))),
    ],
)
def test_a_modifier_keeps_the_phase(gate: str, matrix: np.ndarray) -> None:
    own = "gate shifted a { gphase(0.7); x a; } gate u a, b { rx(0.3) a; } "
    assert equal(unitary(f"{HEAD_3} {own} qubit[2] q; {gate};"), matrix)


def test_loops_slices_and_aliases_are_carried_out() -> None:
    text = """
        OPENQASM 3.0;
        include "stdgates.inc";
        const int n = 3;
        const float step = 2 * pi / 5;
        qubit[n + 1] q;
        bit[4] c;
        let ends = q[{0, 3}];
        let all = ends ++ q[1:2];
        for int i in [0:2:n] { rx(i * step) q[i]; }
        for int i in {1, 3} { ry(step / (i + 1)) all[-1]; }
        cx ends, q[1:2];
        delay[100ns] q;
        c = measure q;
    """
    q = cirq.LineQubit.range(4)
    step = 2 * math.pi / 5
    expected = cirq.Circuit(
        cirq.rx(0)(q[0]), cirq.rx(2 * step)(q[2]), cirq.ry(step / 2)(q[2]), cirq.ry(step / 4)(q[2]),
        cirq.CNOT(q[0], q[1]), cirq.CNOT(q[3], q[2]),
    )  # fmt: skip
    assert equal(unitary(text), expected.unitary())


# What is refused.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "line 1: 'hello' is not OpenQASM"),
        ("", "declares qubits, but got ''"),
        ("OPENQASM 4.0; qubit q;", "version 4 is unknown"),
        ("OPENQASM 2.0;\nqreg q[1];\nnothing q[0];", "line 3: the gate 'nothing' is not defined"),
        ("OPENQASM 3.0;\nqubit q;\nx q", "line 3: the text ends inside a statement"),
        ("OPENQASM 3.0;\n\nqubit q;\nx # q;", "line 4: '#.*is not OpenQASM"),
        ("OPENQASM 3.0; /* qubit q;", "does not end"),
        (HEAD_2 + "qreg q[1]; reset q[0];", "is reset.*qubits start in"),
        (HEAD_2 + "qreg q[1]; creg c[1]; if (c==1) x q[0];", "depends on a measurement"),
        (HEAD_2 + "qreg q[1]; creg c[1]; measure q->c; x q[0];", "only measure at its end"),
        (HEAD_3 + "qubit q; if (true) { x q; }", "depends on a measurement"),
        (
            HEAD_3 + "def f(qubit a) { x a; } qubit q; f(q);",
            "SubroutineDefinition is not supported",
        ),
        (HEAD_2 + "qreg q[2]; cx q[0], q[0];", "different qubits"),
        (HEAD_2 + "qreg q[2]; qreg r[3]; cx q, r;", "equal size"),
        (HEAD_2 + "qreg q[2]; x q[2];", "no qubit 2 in the register"),
        (HEAD_2 + "qreg q[2]; x r[0];", "no qubits named 'r'"),
        (HEAD_2 + "qreg q[2]; rx q[0];", "takes 1 angles and 1 qubits, but got 0 and 1"),
        (HEAD_2 + "opaque f a; qreg q[1]; f q[0];", "the gate 'f' is not defined"),
        (HEAD_2 + "qreg q[1]; rx(1/0) q[0];", "division by zero"),
        (HEAD_2 + "qreg q[1]; rx(sqrt(-1)) q[0];", "math domain error"),
        (HEAD_2 + "qreg q[1]; rx(1e999) q[0];", "finite"),
        (HEAD_3 + "qubit q; rx(1/2) q;", r"write 1\.0/2"),
        (HEAD_3 + "input int n; qubit q;", "'n' must be an input of the type float or angle"),
    ],
)
def test_what_is_not_read_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"Argument `text` must .*{message}"):
        from_qasm(text)


def test_a_gate_after_a_measurement_of_another_qubit_is_read() -> None:
    circuit = from_qasm(f"{HEAD_2} qreg q[2]; creg c[2]; measure q[0]->c[0]; x q[1];")
    assert cirq.X(cirq.NamedQubit("q_1")) in circuit.all_operations()


def test_include_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "mine.inc").write_text("gate g a { x a; }")
    for name in (tmp_path / "mine.inc", "../qelib1.inc", "/etc/passwd"):
        with pytest.raises(ValueError, match=r"is not read; only qelib1\.inc and stdgates\.inc"):
            from_qasm(f'OPENQASM 2.0; include "{name}"; qreg q[1]; g q[0];')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Each gate applies the one before twice, the first none at all.
        (
            HEAD_2
            + "gate g0 a { } "
            + "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}" for i in range(1, 60))
            + "qreg q[1]; g59 q[0];",
            "more than 10,000 gates",
        ),
        # Each gate's angle has twice the size of the one before.
        (
            HEAD_3
            + "gate g0(a, b) q { rx(a) q; } "
            + "".join(
                f"gate g{i}(a, b) q {{ g{i - 1}(sin(a*b) + cos(a/b), a*b - sin(b)) q; }}"
                for i in range(1, 60)
            )
            + "input float x; input float y; qubit q; g59(x, y) q;",
            "more than 10000 parts",
        ),
        (HEAD_3 + "qubit q; for int i in [0:1000000000] { }", "more than 10,000 gates"),
        (HEAD_3 + "qubit q; pow(100000000) @ x q;", "more than 10,000 gates"),
        (HEAD_2 + "gate g a { g a; } qreg q[1]; g q[0];", "'g' is not defined above"),
        (HEAD_2 + "qreg q[1000000000];", "1 to 10,000 qubits"),
        (HEAD_3 + "x $1000000000;", "is not below 10,000"),
        (HEAD_3 + "qubit[3] q; x q[0:1000000000];", "longer than its register"),
        (HEAD_2 + "qreg q[1]; rx(10^10^9) q[0];", "no value"),
        (HEAD_3 + "input float a; qubit q; rx((2*a)**1000000000) q;", None),
        (HEAD_2 + "qreg q[1]; rx(" + "9" * 10_000 + ") q[0];", "is not OpenQASM"),
        (HEAD_2 + "qreg q[1]; rx(" + "(" * 1500 + "1" + ")" * 1500 + ") q[0];", "too deep"),
        (HEAD_2 + "qreg q[1]; rx(" + "-" * 1500 + "1) q[0];", "too deep"),
        (HEAD_3 + "qubit q; " + "for int i in [0:0] {" * 500 + "}" * 500, "too deep"),
        (
            HEAD_2
            + "gate g0 a { x a; } "
            + "".join(f"gate g{i} a {{ g{i - 1} a; }}" for i in range(1, 2000))
            + "qreg q[1]; g1999 q[0];",
            "too deep",
        ),
    ],
)
def test_a_text_that_would_grow_without_end_is_refused(
    text: str, message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qkeras_hybrid.interop._qasm_reader._MOST_STEPS", 10_000)
    if message is None:  # SymPy's numbers have an exponent as large as it takes
        assert cirq.parameter_names(from_qasm(text)) == {"a"}
        return
    with pytest.raises(ValueError, match=message):
        from_qasm(text)


PIECES = """
    OPENQASM 2.0 3 ; qreg q [ 1 ] { } ( ) , include "qelib1.inc" gate g a x rx cx pi * / ^ ** -
    input float let for in : @ ctrl inv pow gphase measure -> = ++ if reset // 0 1e9 sin
"""


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(PIECES.split()), max_size=12),
    st.integers(0, 200),
    st.sampled_from(sorted(TEXTS.iterdir())),
)
def test_a_mutated_text_is_read_or_refused(words: list[str], at: int, path: Path) -> None:
    text = path.read_text(encoding="utf-8")[:600]
    try:
        from_qasm(text[:at] + " ".join(words) + text[at + len(words) :])
    except ValueError as error:
        assert str(error).startswith("Argument `text` must")


def test_text_is_never_evaluated(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    code = f"__import__('os').system('touch {canary}')"
    for place in (f"rx({code}) q;", f"{code} q;", f"input float {code};", f"x q[{code}];"):
        with pytest.raises(ValueError, match="Argument `text` must"):
            from_qasm(f"{HEAD_3} qubit[2] q; {place}")
    # Words that SymPy would take for its own are parameters here.
    circuit = from_qasm(f"{HEAD_3} input float E; input float I; qubit q; rx(E*I) q;")
    assert cirq.parameter_names(circuit) == {"E", "I"}
    assert not canary.exists()
    assert sympy.Symbol("E") in next(circuit.all_operations()).gate.exponent.free_symbols
