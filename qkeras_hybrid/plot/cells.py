"""A circuit as cells of a drawing: the column and the wires of each gate."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.program.unrolling import flat
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, Samples, State

MOST_LETTERS = 20
"""The most letters of a label; longer labels are cut."""

MOST_READ = 4
"""The most observables that are drawn in columns of their own."""

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Cell:
    """One gate, or one readout.

    Attributes:
        column: Its column, from the left.
        rows: Its wires, from the top.
        labels: The label of each wire: "@" for a control, "o" for a control by 0, "+" for the
            target of a controlled NOT, "swap" for each end of a swap, otherwise the text of its
            box.
        kind: "encoding", "trained", "entangling" (several qubits, no symbol), "fixed" or "readout".
    """

    column: int
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    kind: str


def cells_of(compiled: Compiled, readouts: tuple[Readout, ...]) -> list[Cell]:
    """Returns the cells of a circuit, then those of its readouts.

    Args:
        compiled: The circuit. Identities and global phases are left out.
        readouts: Its readouts.
    """
    row_of = {qubit: row for row, qubit in enumerate(compiled.qubits)}
    inputs = {symbol.name for symbol in compiled.inputs}
    free = [0] * compiled.n_qubits  # first free column of each wire
    found = []
    for operation in flat(compiled.circuit):
        rows = tuple(row_of[qubit] for qubit in operation.qubits)
        if not rows or isinstance(operation.gate, cirq.IdentityGate):
            continue
        between = slice(min(rows), max(rows) + 1)  # a line down crosses these wires
        column = max(free[between])
        free[between] = [column + 1] * (between.stop - between.start)
        found.append(Cell(column, rows, _labels(operation), _kind(operation, inputs)))
    found += _read(readouts, compiled.n_qubits, max(free, default=0))
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
    boxes_of_numbers = info is not None and any("\n" in text for text in info.wire_symbols)
    if info is None or len(info.wire_symbols) != count or boxes_of_numbers:
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


def _read(readouts: tuple[Readout, ...], n_qubits: int, first: int) -> list[Cell]:
    """Returns the cells of the readouts, from a column on."""
    everywhere = tuple(range(n_qubits))
    of_all = {Probabilities: "p", Samples: "0/1", State: "|ψ⟩"}
    columns: list[list[Cell]] = []
    for readout in readouts:
        if isinstance(readout, Expectation):
            columns += _expectations(readout)
        else:
            label = of_all.get(type(readout), _shown(readout.name))
            columns.append([Cell(0, everywhere, (label,) * n_qubits, "readout")])
    if len(columns) > MOST_READ:
        more = f"{len(columns) - MOST_READ + 1} more"
        rest = Cell(0, everywhere, (more,) * n_qubits, "readout")
        columns = [*columns[: MOST_READ - 1], [rest]]
    return [
        replace(cell, column=first + number)
        for number, column in enumerate(columns)
        for cell in column
    ]


def _expectations(readout: Expectation) -> list[list[Cell]]:
    """Returns columns of cells. Observables of single qubits share a column."""
    columns: list[list[Cell]] = []
    for observable in readout.observables:
        if len(observable.terms) == 1:
            (term,) = observable.terms
            letters = dict(zip(term.qubits, term.paulis, strict=True))
        else:
            letters = {qubit: "sum" for term in observable.terms for qubit in term.qubits}
        rows = tuple(sorted(letters))
        if not rows:
            continue  # a constant, which reads nothing
        alone = len(rows) == 1 and letters[rows[0]] != "sum"
        labels = tuple(f"⟨{letters[row]}⟩" if alone else letters[row] for row in rows)
        cell = Cell(0, rows, labels, "readout")
        last = columns[-1] if columns else []
        beside = all(len(other.rows) == 1 and other.rows != rows for other in last)
        if alone and last and beside:
            last.append(cell)
        else:
            columns.append([cell])
    return columns
