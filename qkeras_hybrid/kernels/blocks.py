"""Kernel matrices block by block, from one row of features for each sample.

A rule defines an entry as a function of two rows, and computes a block by products of real
matrices. For a symmetric matrix, only the blocks on and above the diagonal are computed.
"""

from __future__ import annotations

import abc
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import available_memory, bytes_text
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import joblib
else:
    joblib = lazy_module("joblib")

Array = np.ndarray

_ROWS = 1024
_ATTEMPTS = 3


class Rule(abc.ABC):
    """The definition of a kernel matrix's entries."""

    @abc.abstractmethod
    def block(self, first: Array, second: Array) -> Array:
        """Returns the entries of a block.

        Args:
            first: Features of shape `(n, width)`.
            second: Features of shape `(m, width)`.

        Returns:
            Real array of shape `(n, m)`.
        """


class Fidelity(Rule):
    """`|<a|b>|^2` of state vectors.

    `<a|b>` of complex vectors is computed as two real products, since `Re <a|b>` is the scalar
    product of the vectors `(Re a_0, Im a_0, Re a_1, ...)`, the memory layout of complex numbers,
    and `Im <a|b> = Re <a|-i b>`.
    """

    def block(self, first: Array, second: Array) -> Array:
        rows, columns = _as_real(first), _as_real(second)
        values = rows @ columns.T
        np.square(values, out=values)
        imaginary = rows @ _as_real(-1j * second).T
        np.square(imaginary, out=imaginary)
        values += imaginary
        # Rounding may leave a fidelity above 1 by some units in the last place.
        np.minimum(values, 1, out=values)
        result: Array = values
        return result


class Gaussian(Rule):
    """`exp(-gamma |a - b|^2)` of real vectors.

    Args:
        gamma: The factor of the exponent, positive.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def block(self, first: Array, second: Array) -> Array:
        distances = first @ (-2 * second.T)
        distances += np.sum(np.square(first), axis=1)[:, None]
        distances += np.sum(np.square(second), axis=1)
        np.maximum(distances, 0, out=distances)
        distances *= -self.gamma
        result: Array = np.exp(distances, out=distances)
        return result


class Linear(Rule):
    """`a . b` of real vectors."""

    def block(self, first: Array, second: Array) -> Array:
        result: Array = first @ second.T
        return result


def _as_real(states: Array) -> Array:
    states = np.ascontiguousarray(states)
    return states.view(states.real.dtype)


def matrix(
    rule: Rule,
    first: Array,
    second: Array | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    diagonal: float | None = None,
    n_jobs: int | None = None,
    watch: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> Array:
    """Computes a kernel matrix.

    Args:
        rule: The definition of the entries.
        first: Features of shape `(n, width)`.
        second: Features of shape `(m, width)`; None for `first` again, which gives a symmetric
            matrix.
        out: A `.npy` file for a matrix that does not fit in memory.
        diagonal: The value on the diagonal of a symmetric matrix, if it is known.
        n_jobs: None computes in this process, whose matrix products use all cores. A number
            spreads the blocks with joblib, over this machine or, with
            `joblib.parallel_config(backend=...)`, over others.
        watch: Wraps the iteration over the blocks, to show progress.

    Returns:
        Array of shape `(n, m)`, of the features' real dtype; in the file if there is one.

    Raises:
        ValueError: If the matrix does not fit in memory and there is no file.
        RuntimeError: If blocks are lost again and again because their processes end.
    """
    shape = (len(first), len(first) if second is None else len(second))
    result = output(shape, first.real.dtype, out)
    others = first if second is None else second
    rows, columns = _slices(shape[0]), _slices(shape[1])
    places = [
        (i, j)
        for number, i in enumerate(rows)
        for j in (columns[number:] if second is None else columns)
    ]
    finished: Iterable[tuple[Place, Array]] = (
        ((i, j), rule.block(first[i], others[j])) for i, j in places
    )
    if n_jobs is not None:
        finished = _spread(rule, first, others, places, n_jobs)
    watched = finished if watch is None else watch(finished, len(places))
    for (i, j), values in watched:
        result[i, j] = values
        if second is None and i != j:
            result[j, i] = values.T
        elif second is None:
            # A matrix product may round `a.b` and `b.a` differently.
            lower = np.tril_indices(len(values), -1)
            part = result[i, j]
            part[lower] = part.T[lower]
    if second is None and diagonal is not None:
        np.fill_diagonal(result, diagonal)
    if isinstance(result, np.memmap):
        result.flush()
    return result


def _slices(count: int) -> list[slice]:
    # At least four, so that symmetry saves nearly half; few, so that the products are large.
    size = max(64, min(_ROWS, -(-count // 4)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def output(shape: tuple[int, int], dtype: Any, out: str | os.PathLike[str] | None) -> Array:
    """Returns an array for a matrix, in memory or in a file.

    Args:
        shape: The shape of the matrix.
        dtype: The dtype of its entries.
        out: The file, or None.

    Raises:
        ValueError: If it does not fit in memory and there is no file.
    """
    if out is not None:
        path = Path(out)
        if path.suffix != ".npy":
            raise ArgumentError("out", "name a file that ends in .npy", str(out))
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # others may have mapped the old file, which stays unchanged
        mapped: Array = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            path, mode="w+", dtype=dtype, shape=shape
        )
        return mapped
    check_memory(shape, dtype, out)
    return np.empty(shape, dtype)


def check_memory(
    shape: tuple[int, int], dtype: Any, out: str | os.PathLike[str] | None = None
) -> None:
    """Makes sure that a matrix fits in memory, or has a file.

    Raises:
        ValueError: If it does not fit and has no file.
    """
    if out is not None:
        return
    need, have = shape[0] * shape[1] * np.dtype(dtype).itemsize, available_memory()
    if need > have:
        raise ArgumentError(
            "x",
            f"give a matrix that fits in memory ({bytes_text(have)} are available)",
            f"{shape[0]:,} x {shape[1]:,} entries, {bytes_text(need)}",
            'Write the matrix to a file with out="kernel.npy", or compute the Nyström features of '
            "some landmarks with QuantumKernelTransformer.",
        )


Place = tuple[slice, slice]


def _block(rule: Rule, first: Array, second: Array, place: Place) -> tuple[Place, Array]:
    return place, rule.block(first, second)


def _spread(
    rule: Rule, first: Array, second: Array, places: list[Place], n_jobs: int
) -> Iterator[tuple[Place, Array]]:
    """Yields blocks as joblib's workers finish them; repeats those of a worker that died."""
    missing = {(i.start, j.start): (i, j) for i, j in places}
    for attempt in range(_ATTEMPTS):
        work = [
            joblib.delayed(_block)(rule, first[i], second[j], (i, j)) for i, j in missing.values()
        ]
        try:
            parallel = _parallel(n_jobs)
            for (i, j), values in parallel(work):
                del missing[i.start, j.start]
                yield (i, j), values
            return
        except Exception as error:
            # Loky's and other backends' errors of a lost worker have no common class but these.
            if not isinstance(error, (RuntimeError, OSError)) or attempt == _ATTEMPTS - 1:
                raise


def _parallel(n_jobs: int) -> Any:
    try:
        return joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:
        # A backend that returns all results at once: if a worker dies, all are lost.
        return joblib.Parallel(n_jobs=n_jobs)
