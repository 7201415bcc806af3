"""A circuit as cells of a drawing: which gate stands in which column, on which wires."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.program.unrolling import flat
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, Samples, State

MOST_LETTERS = 14
"""The most letters of a label; a longer one is cut."""

MOST_READ = 4
"""The most observables that are drawn in columns of their own."""

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Cell:
    """One gate, or what is read.

    Attributes:
        column: Its column, from the left.
        rows: Its wires, from the top.
        labels: For each wire "@" for a control, "o" for a control by 0, "+" for the target of a
            controlled NOT, "swap" for each end of a swap; else the text of its box.
        kind: "encoding", "trained", "entangling" (several qubits, no symbol), "fixed" or "readout".
    """

    column: int
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    kind: str


def cells_of(compiled: Compiled, readouts: tuple[Readout, ...]) -> list[Cell]:
    """Returns the cells of a circuit, then those of what is read.

    Args:
        compiled: The circuit. Identities and global phases are left out.
        readouts: What is read of it.
    """
    row_of = {qubit: row for row, qubit in enumerate(compiled.qubits)}
    inputs = {symbol.name for symbol in compiled.inputs}
    free = [0] * compiled.n_qubits  # the first free column of each wire
    found = []
    for operation in flat(compiled.circuit):
        rows = tuple(row_of[qubit] for qubit in operation.qubits)
        if not rows or isinstance(operation.gate, cirq.IdentityGate):
            continue
        between = slice(min(rows), max(rows) + 1)  # a line down crosses these wires
        column = max(free[between])
        free[between] = [column + 1] * (between.stop - between.start)
        found.append(Cell(column, rows, _labels(operation), _kind(operation, inputs)))
    last = max(free, default=0)
    for column, (rows, label) in enumerate(_read(readouts, compiled.n_qubits)):
        found += [Cell(last + column, rows, (label,) * len(rows), "readout")] if rows else []
    return found


def _kind(operation: cirq.Operation, inputs: set[str]) -> str:
    names = cirq.parameter_names(operation)
    if names & inputs:
        return "encoding"
    if names:
        return "trained"
    return "entangling" if len(operation.qubits) > 1 else "fixed"


def _labels(operation: cirq.Operation) -> tuple[str, ...]:
    info: Any = cirq.circuit_diagram_info(
        operation, cirq.CircuitDiagramInfoArgs(None, None, True, 2, None), default=None
    )
    count = len(operation.qubits)
    if info is None or len(info.wire_symbols) != count:
        return (_shown(type(operation.gate or operation).__name__),) * count
    symbols = list(info.wire_symbols)
    if info.exponent != 1:
        last = next(
            (k for k in reversed(range(count)) if symbols[k] not in ("@", "(0)")), count - 1
        )
        symbols[last] = f"{'Z' if symbols[last] == '@' else symbols[last]}^{_power(info.exponent)}"
    controlled = "@" in symbols or "(0)" in symbols
    known = {"@": "@", "(0)": "o", "\N{MULTIPLICATION SIGN}": "swap"}
    if controlled:
        known["X"] = "+"
    return tuple(known.get(symbol, _shown(symbol)) for symbol in symbols)


def _power(exponent: Any) -> str:
    text = f"{exponent:.2g}" if isinstance(exponent, float) else str(exponent)
    return text if re.fullmatch(r"-?[\w.]+", text) else f"({text})"


def _shown(text: str) -> str:
    """Returns a label with digits after letters as subscripts, cut if it is long."""
    text = re.sub(r"\bpi\b", "π", text.replace("**", "^").replace("*", "·"))
    text = re.sub(r"(?<=[A-Za-z_])_?\d+", lambda found: found[0].translate(_SUBSCRIPTS), text)
    text = " ".join(text.split())
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def _read(readouts: tuple[Readout, ...], n_qubits: int) -> list[tuple[tuple[int, ...], str]]:
    """Returns rows and a label for each column of the readout."""
    everywhere = tuple(range(n_qubits))
    columns: list[tuple[tuple[int, ...], str]] = []
    for readout in readouts:
        match readout:
            case Expectation():
                columns += _expectations(readout, everywhere)
            case Probabilities():
                columns.append((everywhere, "p"))
            case Samples():
                columns.append((everywhere, "0/1"))
            case State():
                columns.append((everywhere, "|ψ⟩"))
            case _:
                columns.append((everywhere, readout.name[:MOST_LETTERS]))
    return columns


def _expectations(
    readout: Expectation, everywhere: tuple[int, ...]
) -> list[tuple[tuple[int, ...], str]]:
    columns: list[tuple[tuple[int, ...], str]] = []
    for observable in readout.observables:
        on = tuple(sorted({qubit for term in observable.terms for qubit in term.qubits}))
        if len(observable.terms) == 1:
            term = observable.terms[0]
            label = f"⟨{term.paulis}⟩"
            # Observables of single qubits stand below each other.
            if columns and columns[-1][1] == label and len(on) == 1:
                rows = columns[-1][0]
                if len(term.paulis) == 1 and on[0] not in rows:
                    columns[-1] = ((*rows, *on), label)
                    continue
        else:
            label = "⟨sum⟩"
        columns.append((on, _shown(label)))
    if len(columns) > MOST_READ:
        left = len(columns) - MOST_READ + 1
        columns = [*columns[: MOST_READ - 1], (everywhere, f"{left} more")]
    return columns
