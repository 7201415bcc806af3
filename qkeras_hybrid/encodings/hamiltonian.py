"""The encoding that lets a Hamiltonian act for a time given by the features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from qkeras_hybrid import observables
from qkeras_hybrid._checks import must, one_of, positive_int
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.encodings.base import Encoding, whole

if TYPE_CHECKING:
    import cirq
    import scipy.stats
    import sympy
else:
    cirq = lazy_module("cirq")
    scipy = lazy_module("scipy")
    sympy = lazy_module("sympy")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class HamiltonianEncoding(Encoding):
    """Evolves a state under a Hamiltonian whose terms the features weigh.

    `(prod_j exp(-i (t/T) x_j H_j))**T |start>`, with `t` the time and `T` the number of Trotter
    steps. By default `H_j = X_j X_(j+1) + Y_j Y_(j+1) + Z_j Z_(j+1)`, a Heisenberg chain with a
    feature for each bond, on `n_features + 1` qubits (its three parts commute), and the start is
    a product of random states, one for each qubit. Parts of a term of your own that don't
    commute are applied one after the other, in the order written.

    Args:
        time: The time `t`.
        trotter_steps: The number of steps `T`.
        terms: One spelling of an observable for each feature, e.g. `["X0*X1", "Z0 + Z1"]`; None
            for the Heisenberg chain.
        start: "random" for Haar-random states of single qubits, "plus" for `|+...+>`, "zero".
        seed: Seed of the random states.

    Features:
        As many as there are terms; on the chain at most one less than qubits.

    Raises:
        ValueError: If an argument is out of its range, or the features don't fit.

    Reference:
        Huang et al.: Power of data in quantum machine learning, Nat. Commun. 12, 2631 (2021),
        arXiv 2011.01938, equation (E3).

    Example:

    >>> encoding = HamiltonianEncoding(terms=["X0*X1"], start="zero", trotter_steps=1)
    >>> print(encoding.circuit(cirq.LineQubit.range(2), [sympy.Symbol("x")]))
    0: ───[X]───────────
          │
    1: ───[X]^(2*x/pi)───
    """

    name = "hamiltonian"

    def __init__(
        self,
        time: float = 1.0,
        trotter_steps: int = 2,
        terms: Sequence[str] | None = None,
        start: str = "random",
        seed: int = 0,
    ) -> None:
        if not isinstance(time, (int, float)) or not math.isfinite(time):
            raise ValueError(must("time", "be a finite number", time))
        self.time = float(time)
        self.trotter_steps = positive_int("trotter_steps", trotter_steps)
        if terms is not None and (
            isinstance(terms, str) or not all(isinstance(t, str) for t in terms) or not len(terms)
        ):
            raise ValueError(must("terms", "be spellings of observables, one a feature", terms))
        self.terms = None if terms is None else tuple(terms)
        self.start = one_of("start", start, ("random", "plus", "zero"))
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "trotter_steps": self.trotter_steps,
            "terms": None if self.terms is None else list(self.terms),
            "start": self.start,
            "seed": self.seed,
        }

    def min_qubits(self, n_features: int) -> int:
        return n_features + 1 if self.terms is None else 1

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
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
                    string = cirq.PauliString(
                        {qubits[i]: p for i, p in zip(term.qubits, term.paulis, strict=True)}
                    )
                    # exp(-i a P) is the phase -a on P = 1 and a on P = -1, in half turns.
                    turn = self.time / self.trotter_steps * term.coefficient * symbol / sympy.pi
                    operations.append(
                        cirq.PauliStringPhasor(string, exponent_neg=turn, exponent_pos=-turn)
                    )
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        width = features.shape[-1]
        if self.terms is not None and width != len(self.terms):
            raise ValueError(must("features", f"be {len(self.terms)}, one a term", width))
        if self.terms is None and width >= n_qubits:
            raise ValueError(
                must("features", f"be at most {n_qubits - 1} on {n_qubits} qubits", width)
                + " The chain has a feature for each bond."
            )
        return features

    def _observables(
        self, n_features: int, qubits: Sequence[cirq.Qid]
    ) -> tuple[observables.Observable, ...]:
        if self.terms is not None:
            found = [observables.parse(term, qubits) for term in self.terms]
            for term, several in zip(self.terms, found, strict=True):
                if len(several) != 1:
                    raise ValueError(
                        must("terms", "be one observable a feature", term)
                        + ' Write indices, e.g. "Z0*Z1".'
                    )
            return tuple(several[0] for several in found)
        bonds = [f"X{j}*X{j + 1} + Y{j}*Y{j + 1} + Z{j}*Z{j + 1}" for j in range(n_features)]
        return observables.parse(bonds, qubits)
