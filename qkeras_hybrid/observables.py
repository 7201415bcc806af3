"""Observables as sums of Pauli strings, from Cirq objects, matrices or short spellings.

| spelling | on 3 qubits | number of observables |
|---|---|---|
| `"Z"` | `Z` on each qubit | 3 |
| `"ZZ"` | `Z Z` on each pair of neighbours (0, 1), (1, 2) | 2 |
| `"XYZ"` | `X` on 0, `Y` on 1, `Z` on 2 | 1 |
| `"X0*Z1"` | the product of `X` on qubit 0 and `Z` on qubit 1 | 1 |
| `"0.5*Z0 - X1*X2 + 2"` | a weighted sum; a bare number is a multiple of the identity | 1 |
| `cirq.Z(q)`, `cirq.PauliString`, `cirq.PauliSum` | as in Cirq | 1 |
| `cirq.ProjectorString`, `cirq.ProjectorSum` | a weighted sum of probabilities of given bits | 1 |
| a Hermitian matrix of shape `(8, 8)` | the matrix; qubit 0 is the most significant bit | 1 |

Projectors and matrices are written as Pauli sums: `|0><0| = (1 + Z) / 2`, and for a matrix `M` the
coefficient of the Pauli string `P` is `tr(P M) / 2**n`.

A word without indices gives an observable for every group of neighbouring qubits that it fits on,
so `"Z"` means `Z` of each qubit. Indices count the program's qubits in their order; `"I0"` is an
identity.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq

_WORD = re.compile(r"[IXYZ]+")
_FACTOR = re.compile(r"([IXYZ])(\d+)")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_HELP = (
    'Use a word such as "Z" or "ZZ" (for all groups of neighbouring qubits), indexed Paulis such '
    'as "X0*Z1", a sum such as "0.5*Z0 - X1*X2", a cirq.PauliString, a cirq.PauliSum, a Cirq '
    "projector or a Hermitian matrix."
)


MOST_MATRIX_QUBITS = 8
"""The most qubits of a matrix: on n qubits it can be a sum of 4**n Pauli strings."""
MOST_PROJECTED_QUBITS = 12
"""The most qubits of a projector: on n qubits it is a sum of 2**n Pauli strings."""
MOST_PROJECTED_TERMS = 2**16
"""The most Pauli strings in a sum of projectors."""


@dataclass(frozen=True)
class PauliTerm:
    """A real multiple of a Pauli string.

    Attributes:
        coefficient: The factor.
        paulis: One of "X", "Y", "Z" for each qubit; empty for the identity.
        qubits: Indices of the qubits, ascending.
    """

    coefficient: float
    paulis: str
    qubits: tuple[int, ...]


@dataclass(frozen=True)
class Observable:
    """A sum of Pauli terms; an empty sum is zero."""

    terms: tuple[PauliTerm, ...]


def is_single(observable: Any) -> bool:
    """Returns whether `observable` is one of Cirq's observables or a matrix."""
    kinds = (cirq.PauliString, cirq.PauliSum, cirq.ProjectorString, cirq.ProjectorSum)
    return isinstance(observable, kinds) or (
        isinstance(observable, np.ndarray) and observable.ndim == 2 and observable.dtype != object
    )


def as_list(observables: Any) -> list[Any]:
    """Returns observables as a list; a single one becomes a list of one.

    Args:
        observables: A spelling, one of Cirq's observables, an identity such as `cirq.I(qubit)`,
            a Hermitian matrix, or an iterable of these.

    Raises:
        ValueError: If an element is none of these.
    """
    alone = isinstance(observables, str) or is_single(observables) or _is_identity(observables)
    if not alone and not isinstance(observables, Iterable):
        raise ArgumentError("observables", "be one or more observables", observables, _HELP)
    found = []
    for observable in [observables] if alone else observables:
        if _is_identity(observable):
            observable = cirq.PauliString(observable)
        if not isinstance(observable, str) and not is_single(observable):
            raise ArgumentError("observables", "only have observables", observable, _HELP)
        found.append(observable)
    return found


def to_config(observable: Any, write: Callable[[Any], str]) -> Any:
    """Returns an observable as JSON values.

    Args:
        observable: An element of a list from `as_list`.
        write: Writes Cirq's observables as text.

    Returns:
        A spelling unchanged, `{"cirq": text}`, or `{"matrix": rows}` with entries `[real, imag]`.
    """
    if isinstance(observable, str):
        return observable
    if isinstance(observable, np.ndarray):
        entries = np.asarray(observable, complex)
        return {"matrix": np.stack([entries.real, entries.imag], axis=-1).tolist()}
    return {"cirq": write(observable)}


def of_config(given: Any, read: Callable[[str], Any]) -> Any:
    """Returns the observable that `to_config` wrote; any other value is returned unchanged.

    Raises:
        ValueError: If the text or the matrix can't be read.
    """
    if not isinstance(given, dict) or not {"cirq", "matrix"} & set(given):
        return given
    try:
        if "cirq" in given:
            return read(given["cirq"])
        entries = np.array(given["matrix"])
        if entries.dtype.kind not in "iuf" or entries.ndim != 3 or entries.shape[-1] != 2:
            raise ValueError("A matrix must be rows of pairs of numbers.")
        return entries[..., 0] + 1j * entries[..., 1]
    except ValueError as error:
        raise ArgumentError("observables", "be readable", given, f"({error})") from error


def _is_identity(observable: Any) -> bool:
    """Returns whether it is an identity such as `cirq.I(qubit)`: no Pauli string in Cirq."""
    return isinstance(observable, cirq.Operation) and isinstance(observable.gate, cirq.IdentityGate)


def foreign_qubits(observables: Any) -> set[cirq.Qid]:
    """Returns the qubits on which the Cirq objects among `observables` act."""
    return {
        qubit
        for observable in as_list(observables)
        if not isinstance(observable, (str, np.ndarray))
        for qubit in _qubits_of(observable)
    }


def _qubits_of(observable: Any) -> list[cirq.Qid]:
    if isinstance(observable, cirq.ProjectorString):
        return list(observable.projector_dict)
    if isinstance(observable, cirq.ProjectorSum):
        return [qubit for string in observable for qubit in string.projector_dict]
    return list(observable.qubits)


def parse(observables: Any, qubits: Sequence[cirq.Qid]) -> tuple[Observable, ...]:
    """Converts observables to sums of Pauli strings, in the given order.

    Args:
        observables: As for `as_list`.
        qubits: The qubits of the circuit, in the order of their indices.

    Returns:
        The observables; a word without indices can give several.

    Raises:
        ValueError: If a spelling can't be read, a matrix is not Hermitian or too large, a
            coefficient is not real and finite, or an observable acts on a qubit that is not among
            `qubits`.

    Example:

    >>> parse("ZZ", cirq.LineQubit.range(3))[1].terms
    (PauliTerm(coefficient=1.0, paulis='ZZ', qubits=(1, 2)),)
    """
    index = {qubit: i for i, qubit in enumerate(qubits)}
    found: list[Observable] = []
    for observable in as_list(observables):
        if isinstance(observable, str):
            found += _from_spelling(observable, len(qubits))
        elif isinstance(observable, np.ndarray):
            found.append(_from_matrix(observable, len(qubits)))
        elif isinstance(observable, (cirq.ProjectorString, cirq.ProjectorSum)):
            found.append(_from_projectors(observable, index))
        else:
            found.append(_from_cirq(observable, index))
    return tuple(found)


def _from_matrix(matrix: np.ndarray, n_qubits: int) -> Observable:
    """Converts a Hermitian matrix: the coefficient of `P` is `tr(P M) / 2**n`."""
    size = 2**n_qubits
    if matrix.shape != (size, size):
        raise ArgumentError(
            "observables",
            f"be matrices of shape ({size}, {size}) on {n_qubits} qubits",
            matrix.shape,
        )
    if n_qubits > MOST_MATRIX_QUBITS:
        raise ArgumentError(
            "observables",
            f"be matrices on at most {MOST_MATRIX_QUBITS} qubits",
            matrix.shape,
            "Write it as a sum of Pauli strings.",
        )
    # Tolerances are relative to the largest entry, because energies in joules are around 1e-19.
    scale = np.abs(matrix).max()
    if not np.isfinite(scale) or np.abs(matrix - matrix.conj().T).max() > 1e-8 * scale:
        raise ArgumentError("observables", "be Hermitian, finite matrices", matrix)
    index = np.arange(size)
    terms = []
    for x in range(size):
        # <j ^ x|M|j> for all j; their Walsh-Hadamard transform has an entry for each Z mask.
        moved = np.asarray(matrix[index ^ x, index], complex)
        for k in range(n_qubits):
            pairs = moved.reshape(-1, 2, 2**k)
            moved = np.stack([pairs.sum(axis=1), pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        for z in range(size):
            # P|j> = i**|x & z| (-1)**|z & j| |j ^ x> with Y = i X Z.
            coefficient = (moved[z] * (-1j) ** (x & z).bit_count() / size).real
            if abs(coefficient) > 1e-15 * scale:
                terms.append(_term_of_masks(float(coefficient), x, z, n_qubits))
    return Observable(tuple(terms))


def _term_of_masks(coefficient: float, x: int, z: int, n_qubits: int) -> PauliTerm:
    letters = {
        q: "IXZY"[(x >> (n_qubits - 1 - q) & 1) + 2 * (z >> (n_qubits - 1 - q) & 1)]
        for q in range(n_qubits)
    }
    qubits = tuple(q for q, letter in letters.items() if letter != "I")
    return PauliTerm(coefficient, "".join(letters[q] for q in qubits), qubits)


def _from_projectors(observable: Any, index: dict[cirq.Qid, int]) -> Observable:
    """Converts products of `|b><b| = (1 + (-1)**b Z) / 2`."""
    strings = [observable] if isinstance(observable, cirq.ProjectorString) else list(observable)
    if sum(2 ** len(string.projector_dict) for string in strings) > MOST_PROJECTED_TERMS:
        raise ArgumentError(
            "observables",
            f"be sums of projectors with at most {MOST_PROJECTED_TERMS:,} Pauli strings",
            f"{len(strings)} projectors",
            "A projector on n qubits has 2**n of them. Use several observables instead.",
        )
    terms = []
    for string in strings:
        _check_known(string, list(string.projector_dict), index)
        bits = sorted((index[qubit], bit) for qubit, bit in string.projector_dict.items())
        if len(bits) > MOST_PROJECTED_QUBITS:
            raise ArgumentError(
                "observables", f"have projectors on at most {MOST_PROJECTED_QUBITS} qubits", string
            )
        if any(bit not in (0, 1) for _, bit in bits):
            raise ArgumentError("observables", "project on bits 0 and 1", string)
        share = _real(string.coefficient, observable) / 2 ** len(bits)
        for size in range(len(bits) + 1):
            for chosen in itertools.combinations(bits, size):
                sign = (-1) ** sum(bit for _, bit in chosen)
                terms.append(PauliTerm(sign * share, "Z" * size, tuple(q for q, _ in chosen)))
    return Observable(tuple(terms))


def _check_known(string: Any, qubits: list[cirq.Qid], index: dict[cirq.Qid, int]) -> None:
    foreign = [qubit for qubit in qubits if qubit not in index]
    if foreign:
        raise ValueError(
            f"Argument `observables` must act on qubits of the circuit, but {string} acts on "
            f"{foreign[0]!r}, which the circuit {sorted(index)!r} doesn't have. To measure a qubit "
            "without a gate, name it in `qubits`, or put cirq.I on it."
        )


def _from_cirq(observable: Any, index: dict[cirq.Qid, int]) -> Observable:
    strings = [observable] if isinstance(observable, cirq.PauliString) else list(observable)
    terms = []
    for string in strings:
        _check_known(string, list(string.qubits), index)
        if cirq.is_parameterized(string):
            raise ArgumentError("observables", "have numbers as coefficients", observable)
        pairs = sorted((index[qubit], str(pauli)) for qubit, pauli in string.items())
        terms.append(
            PauliTerm(
                _real(string.coefficient, observable),
                "".join(pauli for _, pauli in pairs),
                tuple(i for i, _ in pairs),
            )
        )
    return Observable(tuple(terms))


def _real(coefficient: Any, observable: Any) -> float:
    value = complex(coefficient)
    if value.imag != 0 or value.real != value.real or abs(value.real) == float("inf"):
        raise ArgumentError(
            "observables",
            "have real, finite coefficients",
            observable,
            "An observable must be Hermitian.",
        )
    return value.real


def _from_spelling(spelling: str, n_qubits: int) -> list[Observable]:
    text = re.sub(r"\s+", "", spelling)
    if _WORD.fullmatch(text):
        if len(text) > n_qubits:
            raise ArgumentError(
                "observables", f"fit on {n_qubits} qubits", spelling, "Use a shorter word."
            )
        return [
            Observable((_term(1.0, [(p, start + k) for k, p in enumerate(text)], spelling),))
            for start in range(n_qubits - len(text) + 1)
        ]
    return [Observable(tuple(_terms(text, spelling, n_qubits)))]


def _terms(text: str, spelling: str, n_qubits: int) -> list[PauliTerm]:
    terms: list[PauliTerm] = []
    position = 0
    while position < len(text) or not terms:
        sign = 1.0
        while position < len(text) and text[position] in "+-":
            sign *= -1.0 if text[position] == "-" else 1.0
            position += 1
        factors: list[tuple[str, int]] = []
        while True:
            if pauli := _FACTOR.match(text, position):
                factors.append((pauli[1], int(pauli[2])))
                position = pauli.end()
            elif number := _NUMBER.match(text, position):
                sign *= float(number[0])
                position = number.end()
            else:
                raise ArgumentError("observables", "be readable", spelling, _HELP)
            if position < len(text) and text[position] == "*":
                position += 1
            else:
                break
        if position < len(text) and text[position] not in "+-":
            raise ArgumentError("observables", "be readable", spelling, _HELP)
        for _, qubit in factors:
            if qubit >= n_qubits:
                raise ArgumentError(
                    "observables", f"name qubits 0 to {n_qubits - 1} only", spelling
                )
        terms.append(_term(_real(sign, spelling), factors, spelling))
    return terms


def _term(coefficient: float, factors: list[tuple[str, int]], spelling: str) -> PauliTerm:
    pairs = sorted((qubit, pauli) for pauli, qubit in factors if pauli != "I")
    qubits = tuple(qubit for qubit, _ in pairs)
    if len(set(qubits)) < len(qubits):
        raise ArgumentError("observables", "name each qubit of a product only once", spelling)
    return PauliTerm(coefficient, "".join(pauli for _, pauli in pairs), qubits)
