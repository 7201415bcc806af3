"""Reads every OpenQASM text in a folder, and compares its state with the one Qiskit computes.

    PYTHONPATH=. python tests/qasm_folder.py FOLDER [MOST_QUBITS]

prints a line for each text and a count. The test of `test_interop_texts.py` runs the same on
`tests/data/qasm`, and with `--slow` on the folder that the environment variable
`QKERAS_HYBRID_QASM` names, for example a clone of https://github.com/pnnl/QASMBench, or what
`tests/data/make_qasm_texts.py` writes. OpenQASM 3 needs `pip install qiskit-qasm3-import` for
Qiskit's side.

A text is "not unitary" where Qiskit finds a reset, a condition or a gate after a measurement in it,
and "invalid" where Qiskit does not read it. All others must be "equal".
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cirq
import numpy as np

from qkeras_hybrid.interop import from_qasm


class Compared(NamedTuple):
    """What came of one text."""

    path: Path
    n_qubits: int
    outcome: str
    reason: str = ""


def compare_folder(folder: Path, most_qubits: int = 20) -> Iterator[Compared]:
    """Yields what came of each `*.qasm` below a folder, small ones first."""
    for path in sorted(folder.rglob("*.qasm"), key=lambda path: (path.stat().st_size, path)):
        yield compare(path, most_qubits)


def compare(path: Path, most_qubits: int = 20) -> Compared:
    """Compares one text's state with Qiskit's, for a random product of qubits as first state."""
    text = path.read_text(encoding="utf-8")
    declared = re.findall(r"qreg\s+\w+\s*\[(\d+)\]|qubit\[(\d+)\]", text)
    n_declared = sum(int(a or b) for a, b in declared)
    if n_declared > most_qubits:
        return Compared(path, n_declared, "too large")
    try:
        circuit = _by_qiskit(text)
    except Exception as error:  # of several kinds
        return Compared(
            path, n_declared, "invalid", f"{type(error).__name__}: {error}".replace("\n", " ")
        )
    n_qubits = circuit.num_qubits
    why = _not_unitary(circuit)
    names = [parameter.name for parameter in circuit.parameters]
    values = np.random.default_rng(0).normal(size=len(names))
    circuit = circuit.assign_parameters(values)
    try:
        ours = cirq.resolve_parameters(
            from_qasm(text), dict(zip(names, values.tolist(), strict=True))
        )
    except ValueError as error:
        outcome = "not unitary" if why else "refused"
        return Compared(path, n_qubits, outcome, why or str(error))
    if why:
        return Compared(path, n_qubits, "read although not unitary", why)
    qubits = sorted(ours.all_qubits())
    if len(qubits) != n_qubits:
        return Compared(path, n_qubits, "different", f"{len(qubits)} qubits")
    overlap = _overlap(ours, qubits, circuit)
    # Of complex64, after up to 200,000 gates.
    equal = abs(overlap - 1) < 1e-3
    return Compared(path, n_qubits, "equal" if equal else "different", f"overlap {overlap:.6f}")


def _by_qiskit(text: str) -> Any:
    from qiskit import qasm2, qasm3

    if re.search(r"OPENQASM\s+3", text):
        return qasm3.loads(text)
    return qasm2.loads(text, include_path=(), custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)


def _not_unitary(circuit: Any) -> str:
    measured: set[Any] = set()
    for instruction in circuit.data:
        name = instruction.operation.name
        if name == "measure":
            measured.update(instruction.qubits)
        elif name in ("reset", "if_else", "while_loop", "for_loop", "switch_case"):
            return f"{name!r}"
        elif name not in ("barrier", "delay") and measured.intersection(instruction.qubits):
            return f"{name!r} after a measurement"
    return ""


def _overlap(ours: cirq.Circuit, qubits: list[cirq.Qid], circuit: Any) -> float:
    from qiskit.quantum_info import Statevector

    rng = np.random.default_rng(0)
    n_qubits = len(qubits)
    state = np.ones(1, complex)
    for _ in range(n_qubits):
        amplitudes = rng.normal(size=4).view(complex)
        state = np.kron(state, amplitudes / np.linalg.norm(amplitudes))
    bare = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.operation.name not in ("measure", "barrier", "delay"):
            bare.append(instruction)
    # Qiskit counts bits from the other end.
    axes = range(n_qubits)[::-1]
    reverse = state.reshape((2,) * n_qubits).transpose(axes).reshape(-1)
    theirs = Statevector(reverse).evolve(bare).data
    theirs = theirs.reshape((2,) * n_qubits).transpose(axes).reshape(-1)
    simulator = cirq.Simulator(dtype=np.complex64, seed=0)
    mine = simulator.simulate(
        ours, qubit_order=qubits, initial_state=state.astype(np.complex64)
    ).final_state_vector
    return float(abs(np.vdot(theirs, mine)) / np.linalg.norm(mine))


def main() -> None:
    """Prints what came of each text, and how many there are of each outcome."""
    outcomes: Counter[str] = Counter()
    for compared in compare_folder(Path(sys.argv[1]), *map(int, sys.argv[2:3])):
        outcomes[compared.outcome] += 1
        print(*compared, sep="\t", flush=True)
    print(dict(outcomes))


if __name__ == "__main__":
    main()
