"""The encoding that lets a Hamiltonian act for a time given by the features."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid import observables
from qkeras_hybrid._checks import MOST_QUBITS, MOST_REPEATS, finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module, sympy
from qkeras_hybrid.encodings.base import Encoding, whole

if TYPE_CHECKING:
    import scipy.stats
else:
    scipy = lazy_module("scipy")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class HamiltonianEncoding(Encoding):
    """Evolves a state under a Hamiltonian whose terms are weighted by the features.

    `(prod_j exp(-i (t/T) x_j H_j))**T |start>`, with `t` the time and `T` the number of Trotter
    steps. By default `H_j = X_j X_(j+1) + Y_j Y_(j+1) + Z_j Z_(j+1)`, whose three parts commute: a
    Heisenberg chain with a feature for each bond, on `n_features + 1` qubits. The initial state is
    then a product of random single-qubit states. If the parts of your own term don't commute, they
    are applied one after the other, in the order written.

    Args:
        time: The time `t`.
        trotter_steps: The number of steps `T`.
        terms: One observable for each feature: a spelling, e.g. `["X0*X1", "Z0 + Z1"]`, or a
            `cirq.PauliString` or `cirq.PauliSum` on line qubits, whose numbers are the qubits'
            indices; None for the Heisenberg chain.
        start: "random" for Haar-random states of single qubits, "plus" for `|+...+>`, "zero".
        seed: Seed of the random states.

    Features:
        As many as there are terms; on the chain, at most one less than there are qubits.

    Raises:
        ValueError: If an argument is out of its range, or the features don't fit.

    Reference:
        Huang et al.: Power of data in quantum machine learning, Nat. Commun. 12, 2631 (2021),
        arXiv 2011.01938, embedding circuit E3.

    Example:

    >>> encoding = HamiltonianEncoding(terms=["X0*X1"], start="zero", trotter_steps=1)
    >>> print(encoding.circuit(cirq.LineQubit.range(2), [sympy.Symbol("x")]))
    0: ───[X]──────────────
          │
    1: ───[X]^(2.0*x/pi)───
    """

    name = "hamiltonian"

    def __init__(
        self,
        time: float = 1.0,
        trotter_steps: int = 2,
        terms: Sequence[str | cirq.PauliString | cirq.PauliSum] | None = None,
        start: str = "random",
        seed: int = 0,
    ) -> None:
        if not isinstance(time, (int, float, np.floating)) or not math.isfinite(time):
            raise ArgumentError("time", "be a finite number", time)
        self.time = finite_number("time", time)
        self.trotter_steps = positive_int("trotter_steps", trotter_steps, MOST_REPEATS)
        if terms is not None and (not isinstance(terms, (list, tuple)) or not terms):
            raise ArgumentError("terms", "be a list of observables, one for each feature", terms)
        self.terms = None if terms is None else tuple(map(_spelling, terms))
        self.start = one_of("start", start, ("random", "plus", "zero"))
        if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:
            raise ArgumentError(
                "seed",
                "be a whole number of at least 0",
                seed,
                "Without a seed, a saved model would be loaded with other states.",
            )
        self.seed = int(seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "trotter_steps": self.trotter_steps,
            "terms": None if self.terms is None else list(self.terms),
            "start": self.start,
            "seed": self.seed,
        }

    def min_qubits(self, n_features: int) -> int:
        return n_features + 1 if self.terms is None else max(map(_width, self.terms))

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        if self.terms is not None and n_features != len(self.terms):
            raise ArgumentError(
                "features",
                f"be {len(self.terms)}, one for each term",
                n_features,
                "Put a Dense layer in front, or give a term for each feature.",
            )
        if self.terms is None and n_features >= n_qubits:
            raise ArgumentError(
                "features",
                f"be at most {n_qubits - 1} on {n_qubits} qubits",
                n_features,
                f"The chain has a feature for each bond: use {n_features + 1} qubits.",
            )
        return n_features

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        operations: list[cirq.Operation] = []
        if self.start == "plus":
            operations += [cirq.H(qubit) for qubit in qubits]
        elif self.start == "random":
            states = scipy.stats.unitary_group.rvs(
                2, size=max(2, len(qubits)), random_state=self.seed
            )
            operations += [
                cirq.MatrixGate(matrix)(qubit)
                for qubit, matrix in zip(qubits, states, strict=False)
            ]
        terms = self._observables(len(inputs), qubits)
        for _ in range(self.trotter_steps):
            for symbol, observable in zip(inputs, terms, strict=True):
                for term in observable.terms:
                    if not term.qubits:
                        continue
                    string: cirq.PauliString = cirq.PauliString(
                        {qubits[i]: p for i, p in zip(term.qubits, term.paulis, strict=True)}
                    )
                    # exp(-i a P) is the phase -a on P = 1 and a on P = -1, in half turns.
                    turn = self.time / self.trotter_steps * term.coefficient * symbol / sympy.pi
                    operations.append(
                        cirq.PauliStringPhasor(string, exponent_neg=turn, exponent_pos=-turn)
                    )
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        self.n_inputs(features.shape[-1], n_qubits)
        return features

    def _observables(
        self, n_features: int, qubits: Sequence[cirq.Qid]
    ) -> tuple[observables.Observable, ...]:
        if self.terms is not None:
            found = [observables.parse(term, qubits) for term in self.terms]
            for term, several in zip(self.terms, found, strict=True):
                if len(several) != 1:
                    raise ArgumentError(
                        "terms",
                        "be one observable for each feature",
                        term,
                        'Write indices, e.g. "Z0*Z1".',
                    )
            return tuple(several[0] for several in found)
        bonds = [f"X{j}*X{j + 1} + Y{j}*Y{j + 1} + Z{j}*Z{j + 1}" for j in range(n_features)]
        return observables.parse(bonds, qubits)


def _spelling(term: Any) -> str:
    """Returns the spelling of a term, with which it is compared and saved."""
    if isinstance(term, str):
        observables.parse(term, cirq.LineQubit.range(_width(term)))
        return term
    kinds: tuple[Any, ...] = (cirq.PauliString, cirq.PauliSum)
    if not isinstance(term, kinds) or not all(
        isinstance(qubit, cirq.LineQubit) and qubit.x >= 0 for qubit in term.qubits
    ):
        raise ArgumentError(
            "terms", "hold spellings or Cirq's Pauli sums on line qubits from 0", term
        )
    last = max((qubit.x for qubit in term.qubits), default=0)
    _check_width(last + 1, term)
    (observable,) = observables.parse(term, cirq.LineQubit.range(last + 1))
    strings = [
        "*".join([repr(t.coefficient), *map("{}{}".format, t.paulis, t.qubits)])
        for t in observable.terms
    ]
    return " + ".join(strings) or "0"


def _width(spelling: str) -> int:
    """Returns the number of qubits that a spelling needs: a word's letters, or the last index."""
    text = re.sub(r"\s+", "", spelling)
    if re.fullmatch("[IXYZ]+", text):
        width = len(text)
    else:
        # A longer index exceeds the bound, whatever its digits.
        indices = [int(digits[:20]) for digits in re.findall(r"[IXYZ](\d+)", text)]
        width = 1 + max(indices, default=0)
    _check_width(width, spelling)
    return width


def _check_width(width: int, term: Any) -> None:
    if width > MOST_QUBITS:
        raise ArgumentError("terms", f"act on at most {MOST_QUBITS:,} qubits", term)
