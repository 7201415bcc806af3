"""Observables as sums of Pauli strings, read from Cirq objects or short spellings.

| spelling | on 3 qubits | number of observables |
|---|---|---|
| `"Z"` | `Z` on each qubit | 3 |
| `"ZZ"` | `Z Z` on each pair of neighbours (0, 1), (1, 2) | 2 |
| `"XYZ"` | `X` on 0, `Y` on 1, `Z` on 2 | 1 |
| `"X0*Z1"` | the product of `X` on qubit 0 and `Z` on qubit 1 | 1 |
| `"0.5*Z0 - X1*X2 + 2"` | a weighted sum; a bare number is a multiple of the identity | 1 |
| `cirq.Z(q)`, `cirq.PauliString`, `cirq.PauliSum` | as Cirq means it | 1 |

A word without indices is read on every run of neighbouring qubits it fits on, so `"Z"` means
"`Z` of each qubit". Indices count the program's qubits in their order; `"I0"` is an identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qkeras_hybrid._checks import must
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import cirq
else:
    cirq = lazy_module("cirq")

_WORD = re.compile(r"[IXYZ]+")
_FACTOR = re.compile(r"([IXYZ])(\d+)")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_HELP = (
    'Write a word such as "Z" or "ZZ" (on every run of neighbouring qubits), indexed Paulis '
    'such as "X0*Z1", a sum such as "0.5*Z0 - X1*X2", or give a cirq.PauliString or '
    "cirq.PauliSum."
)


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


def is_pauli(observable: Any) -> bool:
    """Tells whether `observable` is a single Cirq observable (a Pauli string or sum)."""
    return isinstance(observable, (cirq.PauliString, cirq.PauliSum))


def as_list(observables: Any) -> list[Any]:
    """Returns observables as a list: one alone becomes a list of one.

    Args:
        observables: A spelling, a `cirq.PauliString`, a `cirq.PauliSum`, an identity such as
            `cirq.I(qubit)`, or an iterable of these.

    Raises:
        ValueError: If an element is none of these.
    """
    alone = isinstance(observables, str) or is_pauli(observables) or _is_identity(observables)
    if not alone and not isinstance(observables, Iterable):
        raise ValueError(must("observables", "be Pauli sums or spellings", observables, _HELP))
    found = []
    for observable in [observables] if alone else observables:
        if _is_identity(observable):
            observable = cirq.PauliString(observable)
        if not isinstance(observable, str) and not is_pauli(observable):
            raise ValueError(must("observables", "hold Pauli sums or spellings", observable, _HELP))
        found.append(observable)
    return found


def _is_identity(observable: Any) -> bool:
    """Tells whether it is Cirq's identity on qubits, which is no Pauli string to Cirq."""
    return isinstance(observable, cirq.Operation) and isinstance(observable.gate, cirq.IdentityGate)


def foreign_qubits(observables: Any) -> set[cirq.Qid]:
    """Returns the qubits that Cirq observables among `observables` name."""
    return {
        qubit
        for observable in as_list(observables)
        if not isinstance(observable, str)
        for qubit in observable.qubits
    }


def parse(observables: Any, qubits: Sequence[cirq.Qid]) -> tuple[Observable, ...]:
    """Reads observables in the order given.

    Args:
        observables: What `as_list` takes.
        qubits: The qubits that indices count.

    Returns:
        The observables; a word without indices may give several.

    Raises:
        ValueError: If a spelling can't be read, a coefficient is not real and finite, or an
            observable acts on a qubit that is not among `qubits`.

    Example:

    >>> parse("ZZ", cirq.LineQubit.range(3))[1].terms
    (PauliTerm(coefficient=1.0, paulis='ZZ', qubits=(1, 2)),)
    """
    index = {qubit: i for i, qubit in enumerate(qubits)}
    found: list[Observable] = []
    for observable in as_list(observables):
        if isinstance(observable, str):
            found += _from_spelling(observable, len(qubits))
        else:
            found.append(_from_cirq(observable, index))
    return tuple(found)


def _from_cirq(observable: Any, index: dict[cirq.Qid, int]) -> Observable:
    strings = [observable] if isinstance(observable, cirq.PauliString) else list(observable)
    terms = []
    for string in strings:
        foreign = [qubit for qubit in string.qubits if qubit not in index]
        if foreign:
            raise ValueError(
                f"Argument `observables` must act on qubits of the circuit, but {string} acts on "
                f"{foreign[0]!r}, which the circuit {sorted(index)!r} doesn't have. Name it in "
                "`qubits`, or put cirq.I on it, to read a qubit that no gate touches."
            )
        if cirq.is_parameterized(string):
            raise ValueError(must("observables", "have numbers as coefficients", observable))
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
        raise ValueError(
            must("observables", "have real, finite coefficients", observable)
            + " An observable must be Hermitian."
        )
    return value.real


def _from_spelling(spelling: str, n_qubits: int) -> list[Observable]:
    text = re.sub(r"\s+", "", spelling)
    if _WORD.fullmatch(text):
        if len(text) > n_qubits:
            raise ValueError(
                must("observables", f"fit on {n_qubits} qubits", spelling, "Use a shorter word.")
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
                raise ValueError(must("observables", "be readable", spelling, _HELP))
            if position < len(text) and text[position] == "*":
                position += 1
            else:
                break
        if position < len(text) and text[position] not in "+-":
            raise ValueError(must("observables", "be readable", spelling, _HELP))
        for _, qubit in factors:
            if qubit >= n_qubits:
                raise ValueError(
                    must("observables", f"name qubits 0 to {n_qubits - 1} only", spelling)
                )
        terms.append(_term(_real(sign, spelling), factors, spelling))
    return terms


def _term(coefficient: float, factors: list[tuple[str, int]], spelling: str) -> PauliTerm:
    pairs = sorted((qubit, pauli) for pauli, qubit in factors if pauli != "I")
    qubits = tuple(qubit for qubit, _ in pairs)
    if len(set(qubits)) < len(qubits):
        raise ValueError(must("observables", "name each qubit of a product once", spelling))
    return PauliTerm(coefficient, "".join(pauli for _, pauli in pairs), qubits)
