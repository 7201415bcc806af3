"""Projected kernels: a classical kernel of a state's reduced states."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._overlaps import gaussians
from qkeras_hybrid.engines.statevector.products import full_precision, product
from qkeras_hybrid.kernels import blocks
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.readouts import Expectation, Readout

KINDS = ("rbf", "linear")
_MOST_PAIRS = 200


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ProjectedKernel(Kernel):
    """A kernel of the reduced states `rho_S(x)` of all sets `S` of one qubit, or of two.

    "rbf" is `K(x, y) = exp(-gamma sum_S |rho_S(x) - rho_S(y)|_F^2)`, "linear" is
    `K(x, y) = sum_S tr(rho_S(x) rho_S(y))`. A reduced state is given by the expectation values of
    Pauli strings, `rho = 2^-|S| sum_P <P> P`, so that `tr(rho rho') = 2^-|S| sum_P <P> <P>'`.
    A device can measure them. With `shots`, 3 measurement settings that all qubits share are
    enough for sets of one qubit, and 9 for pairs. The estimate of a sample is used in its row and
    in its column. So the diagonal of a "linear" Gram matrix from shots is too large on average,
    since it is the square of an estimate.

    Args:
        encoding: As in `Kernel`.
        n_qubits: The number of qubits of an encoding.
        kind: "rbf" or "linear".
        gamma: The factor `gamma` of "rbf"; by default 1 divided by the number of sets of qubits.
        subsystem: How many qubits a reduced state has: 1, or 2 for all pairs.
        **kwargs: `scale`, `inputs`, `weights`, `engine`, `shots`, `noise`, `seed`, `dtype`, `psd`
            of `Kernel`.

    Raises:
        ValueError: If an argument is invalid, or there are more than 200 pairs.

    Reference:
        Huang et al.: Power of data in quantum machine learning, Nature Communications 12, 2631
        (2021), arXiv 2011.01938, equations (7) and (8).

    Example:

    >>> kernel = qh.kernels.ProjectedKernel("angle", n_qubits=1, gamma=1.0)
    >>> x = np.array([[0.0], [np.pi]])  # orthogonal states: |rho - rho'|^2 = 2
    >>> bool(np.isclose(kernel.matrix(x)[0, 1], np.exp(-2)))
    True
    """

    def __init__(
        self,
        encoding: Any = "zz",
        n_qubits: int | None = None,
        *,
        kind: str = "rbf",
        gamma: float | None = None,
        subsystem: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoding, n_qubits, **kwargs)
        self.kind = one_of("kind", kind, KINDS)
        if gamma is not None and finite_number("gamma", gamma) <= 0:
            raise ArgumentError("gamma", "be positive", gamma)
        self.gamma = None if gamma is None else float(gamma)
        if subsystem not in (1, 2):
            raise ArgumentError("subsystem", "be 1 or 2 qubits", subsystem)
        self.subsystem = int(subsystem)

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "kind": self.kind,
            "gamma": self.gamma,
            "subsystem": self.subsystem,
        }

    def _own(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.sum(np.square(self.features(x)), axis=1))

    def on_tensors(self, n_qubits: int) -> tuple[Readout, Callable[[Any], Any]]:
        readout, rows = self._read(n_qubits)
        gamma = 4**self.subsystem / len(rows) if self.gamma is None else self.gamma

        def matrix(values: Any) -> Any:
            every = ops.concatenate([values, ops.ones_like(values[:, :1])], axis=1)
            features = ops.take(every, rows, axis=1) * 2 ** (-self.subsystem / 2)
            if self.kind == "rbf":
                return gaussians(features, features, gamma)
            with full_precision():
                return product(features, ops.transpose(features))

        return readout, matrix

    def _read(self, n_qubits: int) -> tuple[Expectation, list[int]]:
        strings, rows = reduced_states(n_qubits, self.subsystem)
        return Expectation(tuple(Observable((term,)) for term in strings)), rows

    def features(self, x: Any, memory: int | None = None, seeds: Any = None) -> np.ndarray:
        """Returns the reduced states as vectors, a real array of shape `(n, width)`.

        The scalar product of two vectors is the sum of `tr(rho_S rho_S')` over the sets. Their
        distance is that of the reduced states in the Frobenius norm. The width is
        `n_sets * 4**subsystem`.
        """
        array = self.check("x", x)
        feature_map = self._map_of(array)
        readout, rows = self._read(feature_map.compiled.n_qubits)
        values = feature_map.read(self._scaled(array), readout, seeds or self._seeds())
        ones = np.ones((len(array), 1), values.dtype)
        # The identity of each set is the last column.
        every = np.concatenate([values, ones], axis=1)
        features: np.ndarray = every[:, rows] * np.asarray(2 ** (-self.subsystem / 2), every.dtype)
        return features

    @property
    def _rule(self) -> blocks.Rule:
        return blocks.Linear() if self.kind == "linear" else _PerSet(self.gamma, self.subsystem)

    @property
    def _diagonal(self) -> float | None:
        # With shots too, the same estimate of a sample is used in its row and in its column.
        return 1.0 if self.kind == "rbf" else None


class _PerSet(blocks.Rule):
    """The Gaussian with a given `gamma`, or by default 1 divided by the number of sets."""

    def __init__(self, gamma: float | None, subsystem: int) -> None:
        self.gamma, self.subsystem = gamma, subsystem

    def block(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        n_sets = first.shape[1] // 4**self.subsystem
        return blocks.Gaussian(1 / n_sets if self.gamma is None else self.gamma).block(
            first, second
        )


def reduced_states(n_qubits: int, subsystem: int) -> tuple[list[PauliTerm], list[int]]:
    """Returns the Pauli strings that give all reduced states of a number of qubits.

    Args:
        n_qubits: The number of qubits of the whole state.
        subsystem: The number of qubits of a reduced state: 1 or 2.

    Returns:
        The strings, and the indices of the `4**subsystem` strings of each set of qubits, one set
        after the other. The identity has the index `len(strings)`.

    Raises:
        ValueError: If there are fewer than `subsystem` qubits, or more than 200 pairs.
    """
    if subsystem > n_qubits:
        raise ArgumentError("subsystem", f"be at most the number of qubits, {n_qubits}", subsystem)
    sets = list(itertools.combinations(range(n_qubits), subsystem))
    if subsystem == 2 and len(sets) > _MOST_PAIRS:
        raise ArgumentError("subsystem", f"be 1 for more than {_MOST_PAIRS} pairs", len(sets))
    number: dict[PauliTerm, int] = {}
    rows = []
    for qubits in sets:
        for letters in itertools.product("IXYZ", repeat=subsystem):
            kept = [(p, q) for p, q in zip(letters, qubits, strict=True) if p != "I"]
            if not kept:
                rows.append(-1)
                continue
            term = PauliTerm(1.0, "".join(p for p, _ in kept), tuple(q for _, q in kept))
            rows.append(number.setdefault(term, len(number)))
    return list(number), [len(number) if row < 0 else row for row in rows]
