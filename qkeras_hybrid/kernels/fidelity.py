"""The fidelity kernel: the overlap of two samples' states."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import engines
from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._overlaps import fidelities
from qkeras_hybrid.kernels import blocks
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.readouts import Readout, State

TESTS = ("inversion", "swap")
_PAIRS_AT_ONCE = 4096


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class FidelityKernel(Kernel):
    """`K(x, y) = |<x|y>|^2`, with `|x> = E(x)|0...0>` the state of a sample.

    On a simulator the state of each sample is prepared once, and the matrix is a matrix product.
    With `shots` or `noise`, and on devices, each entry is measured by an inversion test: one
    sample's circuit runs, then the inverse of the other's. The fidelity is the probability of
    finding all qubits in 0. The test needs no further qubits and no swap. With noise the diagonal
    is measured as well, since it is no longer 1.

    Args:
        encoding: As in `Kernel`, like all other arguments.
        n_qubits: The number of qubits of an encoding.
        test: How devices compare two states: "inversion", or "swap" for both circuits side by side
            and a Bell measurement, which takes twice the qubits at half the depth.
        **kwargs: `scale`, `inputs`, `weights`, `engine`, `shots`, `noise`, `seed`, `dtype`, `psd`.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        Havlíček et al., Nature 567, 209 (2019), arXiv 1804.11326; Schuld, arXiv 2101.11020.

    Example:

    >>> kernel = qh.kernels.FidelityKernel("angle", n_qubits=1)
    >>> x = np.array([[0.0], [np.pi / 2], [np.pi]])
    >>> kernel.matrix(x).round(6) + 0.0  # cos((x - y) / 2)**2
    array([[1. , 0.5, 0. ],
           [0.5, 1. , 0.5],
           [0. , 0.5, 1. ]])
    """

    def __init__(
        self,
        encoding: Any = "zz",
        n_qubits: int | None = None,
        *,
        test: str = "inversion",
        **kwargs: Any,
    ) -> None:
        super().__init__(encoding, n_qubits, **kwargs)
        self.test = one_of("test", test, TESTS)
        own = engines.get(self.engine)
        if test == "swap" and self.shots is None and (own is None or own.shots is None):
            raise ArgumentError("test", 'be "inversion" without `shots`', test)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "test": self.test}

    @property
    def _rule(self) -> blocks.Rule:
        return blocks.Fidelity()

    @property
    def _diagonal(self) -> float | None:
        return 1.0 if self.noise is None else None

    def _own(self, x: np.ndarray) -> np.ndarray:
        scaled = self._scaled(x)
        return self._map_of(x).overlaps(scaled, scaled, self._seeds(), self.test)

    def on_tensors(self, n_qubits: int) -> tuple[Readout, Callable[[Any], Any]]:
        return State(), lambda states: fidelities(states, states)

    def features(self, x: Any, memory: int | None = None, seeds: Any = None) -> np.ndarray:
        """Returns the states, a complex array of shape `(n, 2**n_qubits)`.

        The first qubit is the most significant bit of the index of a basis state.

        Raises:
            ValueError: If the kernel has shots or noise: then there are no states.
        """
        array = self.check("x", x)
        feature_map = self._map_of(array)
        if not feature_map.has_states:
            raise ArgumentError(
                "shots",
                "be None, and `noise` too, to get state vectors from a simulator",
                self.shots,
            )
        room = self._memory() if memory is None else memory
        return feature_map.states(self._scaled(array), room)

    def _matrix(
        self,
        first: np.ndarray,
        second: np.ndarray | None,
        out: str | os.PathLike[str] | None,
        n_jobs: int | None,
        watch: Callable[[Iterable[Any], int], Iterable[Any]] | None,
    ) -> np.ndarray:
        feature_map = self._map_of(first)
        if feature_map.has_states:
            return super()._matrix(first, second, out, n_jobs, watch)
        if n_jobs is not None:
            raise ArgumentError(
                "n_jobs",
                "be None if each entry is measured",
                n_jobs,
                "The engine runs its circuits in batches.",
            )
        shape = (len(first), len(first if second is None else second))
        result = blocks.output(shape, first.dtype, out)
        known_diagonal = self._diagonal is not None
        if second is None and known_diagonal:
            np.fill_diagonal(result, 1.0)
        pairs = _Pairs(shape, int(known_diagonal) if second is None else None)
        first = self._scaled(first)
        others = first if second is None else self._scaled(second)
        seed = self._seeds()

        def measured() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
            for rows, columns in pairs:
                yield (
                    rows,
                    columns,
                    feature_map.overlaps(first[rows], others[columns], seed, self.test),
                )

        steps: Iterable[Any] = measured()
        if watch is not None:
            steps = watch(steps, len(pairs))
        for rows, columns, values in steps:
            result[rows, columns] = values
            if second is None:
                result[columns, rows] = values
        return result


class _Pairs:
    """The measured entries of a matrix, some rows at a time.

    Args:
        shape: The shape of the matrix.
        above: None for all entries; for a symmetric matrix, the first diagonal to measure, 0 for
            the main diagonal and 1 for the one above it.
    """

    def __init__(self, shape: tuple[int, int], above: int | None) -> None:
        self._shape, self._above = shape, above
        self._rows = max(1, _PAIRS_AT_ONCE // max(1, shape[1]))

    def __len__(self) -> int:
        return -(-self._shape[0] // self._rows)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields row and column indices."""
        for start in range(0, self._shape[0], self._rows):
            rows = np.arange(start, min(start + self._rows, self._shape[0]))
            i, j = np.repeat(rows, self._shape[1]), np.tile(np.arange(self._shape[1]), len(rows))
            kept = slice(None) if self._above is None else j >= i + self._above
            if len(i[kept]):
                yield i[kept], j[kept]
