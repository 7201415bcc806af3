"""Readouts of final states."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid.engines.base import frequencies, sample_bits
from qkeras_hybrid.engines.statevector.angles import AngleBook, Computed
from qkeras_hybrid.engines.statevector.gates import TO_Z, Gate, OneQubit, fixed
from qkeras_hybrid.engines.statevector.plan import Plan, plan
from qkeras_hybrid.engines.statevector.products import Pair, as_complex, product, real_constant
from qkeras_hybrid.engines.statevector.steps import MOST_TABLE_ELEMENTS, Order, moved, patterns
from qkeras_hybrid.program import Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, Samples, State

if TYPE_CHECKING:
    from qkeras_hybrid.observables import Observable, PauliTerm

Reader = Callable[[Pair, Computed, Any], Any]
"""`read(states, computed, seed)`, of states of the shape `(2**n, batch)`."""


def bases(readout: Readout) -> list[dict[int, str]]:
    """Returns the bases in which a readout measures: a letter for each qubit that matters.

    Terms that agree on their shared qubits are read in the same basis.
    """
    return [basis for basis, _ in _in_bases(readout)]


def _in_bases(readout: Readout) -> list[tuple[dict[int, str], list[PauliTerm]]]:
    found: list[tuple[dict[int, str], list[PauliTerm]]] = []
    if not isinstance(readout, Expectation):
        return [({}, [])]
    for term in _terms(readout.observables):
        letters = dict(zip(term.qubits, term.paulis, strict=True))
        for basis, terms in found:
            if all(basis.get(q, p) == p for q, p in letters.items()):
                basis.update(letters)
                terms.append(term)
                break
        else:
            found.append((letters, [term]))
    return found


def _terms(observables: Sequence[Observable]) -> list[PauliTerm]:
    """Returns one term for each Pauli string."""
    terms = {
        (term.paulis, term.qubits): term
        for observable in observables
        for term in observable.terms
        if term.qubits
    }
    return list(terms.values())


def turned(basis: dict[int, str]) -> list[Gate]:
    """Returns the gates that turn a basis into that of `Z`."""
    return [OneQubit(q, fixed(TO_Z[p], q)) for q, p in basis.items() if p != "Z"]


def reader(job: Job, order: Order, book: AngleBook) -> Reader:
    """Returns a function that reads the job's readout.

    Args:
        job: The job.
        order: The order of the states' qubits. If everything is measured in one basis, the states
            are already in the basis of `Z`.
        book: Takes the angles.
    """
    n, shots, readout = job.program.n_qubits, job.shots, job.readout
    whole = tuple(range(n))

    def probabilities(state: Pair) -> Any:
        return ops.reshape(moved(_squares(state), order, whole), (2**n, -1))

    def bits(state: Pair, seed: Any) -> Any:
        chances = ops.transpose(probabilities(state))
        return sample_bits(chances, n, positive_int("shots", shots), seed)

    match readout:
        case Expectation():
            return _Expectation(readout, order, book)
        case Probabilities() if shots is None:
            return lambda state, computed, seed: ops.transpose(probabilities(state))
        case Probabilities():
            return lambda state, computed, seed: frequencies(bits(state, seed), n, computed.dtype)
        case Samples():
            return lambda state, computed, seed: bits(state, seed)
        case State():
            return lambda state, computed, seed: _complex_states(state, order)
        case _:
            raise NotImplementedError(readout)


def _squares(state: Pair) -> Any:
    re, im = state
    return re * re if im is None else re * re + im * im


def _complex_states(state: Pair, order: Order) -> Any:
    n = len(order)
    re, im = (
        None
        if part is None
        else ops.transpose(ops.reshape(moved(part, order, tuple(range(n))), (2**n, -1)))
        for part in state
    )
    return as_complex(re, ops.zeros_like(re) if im is None else im)


@dataclass(frozen=True)
class _String:
    """A product of signs, for `patterns`."""

    qubits: tuple[int, ...]
    parity: bool = True


class _Signs:
    """Sums probabilities with the signs of Z strings, and combines the sums."""

    def __init__(self, terms: Sequence[PauliTerm], order: Order, coefficients: np.ndarray) -> None:
        """Takes coefficients of shape `(n_values, n_terms)`."""
        high, low = patterns([_String(term.qubits) for term in terms], order)
        self._table: np.ndarray | None = None
        if max(coefficients.shape) * 2 ** len(order) <= MOST_TABLE_ELEMENTS:
            signs = (high[:, :, None] * low[:, None]).reshape(len(terms), -1)
            self._table = coefficients @ signs
        # Many strings are equal on one half of the qubits.
        self._high, of_high = np.unique(high, axis=0, return_inverse=True)
        self._low, of_low = np.unique(low, axis=0, return_inverse=True)
        both = of_low.ravel() * len(self._high) + of_high.ravel()
        self._choice = coefficients @ np.eye(len(self._high) * len(self._low))[both]

    def __call__(self, probabilities: Any, dtype: str) -> Any:
        """Returns values of shape `(n_values, batch)`."""
        if self._table is not None:
            return product(real_constant(self._table, dtype), probabilities)
        (u, high), (v, low) = self._high.shape, self._low.shape
        halves = ops.reshape(probabilities, (high, -1))
        first = product(real_constant(self._high, dtype), halves)
        swapped = ops.transpose(ops.reshape(first, (u, low, -1)), (1, 0, 2))
        both = product(real_constant(self._low, dtype), ops.reshape(swapped, (low, -1)))
        return product(real_constant(self._choice, dtype), ops.reshape(both, (v * u, -1)))


class _Expectation:
    """Reads expectation values."""

    def __init__(self, readout: Expectation, order: Order, book: AngleBook) -> None:
        self._size = 2 ** len(order)
        n_observables = len(readout.observables)
        groups = _in_bases(readout)
        terms = [term for _, group in groups for term in group]
        number = {(term.paulis, term.qubits): k for k, term in enumerate(terms)}
        self._offsets = np.zeros((n_observables, 1))
        coefficients = np.zeros((n_observables, len(terms)))
        for row, observable in enumerate(readout.observables):
            for term in observable.terms:
                if term.qubits:
                    coefficients[row, number[term.paulis, term.qubits]] += term.coefficient
                else:
                    self._offsets[row] += term.coefficient
        self._bases: list[tuple[Plan | None, _Signs]] = []
        done = 0
        for basis, group in groups:
            tail = None
            if len(groups) > 1 and any(p != "Z" for p in basis.values()):
                tail = plan(turned(basis), len(order), book, order)
            wanted = coefficients[:, done : done + len(group)]
            self._bases.append((tail, _Signs(group, order if tail is None else tail.order, wanted)))
            done += len(group)

    def __call__(self, state: Pair, computed: Computed, seed: Any) -> Any:
        dtype = computed.dtype
        n = len(self._offsets)
        measured = []
        for tail, signs in self._bases:
            final = state if tail is None else tail(computed, state)
            chances = ops.reshape(_squares(final), (self._size, -1))
            measured.append(signs(chances, dtype))
        if not measured:
            nothing = ops.zeros_like(ops.transpose(state[0][:1]))
            offsets = real_constant(self._offsets[:, 0], dtype)
            return nothing + offsets if n else nothing[:, :0]
        found = functools.reduce(operator.add, measured)
        if np.any(self._offsets):
            found = found + real_constant(self._offsets, dtype)
        return ops.transpose(found)
