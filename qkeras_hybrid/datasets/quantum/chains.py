"""Exact ground states of three spin chains, whose phases are known."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import scipy.linalg as scipy_linalg
    import scipy.sparse as scipy_sparse
    import scipy.sparse.csgraph as scipy_graphs
    import scipy.sparse.linalg as scipy_sparse_linalg
else:
    scipy_linalg = lazy_module("scipy.linalg")
    scipy_sparse = lazy_module("scipy.sparse")
    scipy_graphs = lazy_module("scipy.sparse.csgraph")
    scipy_sparse_linalg = lazy_module("scipy.sparse.linalg")

Terms = list[dict[int, str]]
"""Pauli strings. Each is a dictionary from its sites to their letters."""

MOST_QUBITS = 12
"""The longest chain: its states have 4096 amplitudes, and a circuit prepares them in 8190 gates."""


@dataclasses.dataclass(frozen=True)
class Chain:
    """A family of Hamiltonians on a chain: each coupling times a sum of Pauli strings, added up.

    Attributes:
        couplings: The names of the couplings.
        terms: A function of the number of sites that returns the sign and the Pauli strings of
            each coupling.
        symmetries: A function of the number of sites that returns the symmetries. Each is an array
            that maps the index of a basis state to the index of its image.
        periodic: Whether the last site is a neighbour of the first.
        even: Whether the number of sites must be even.
    """

    couplings: tuple[str, ...]
    terms: Callable[[int], list[tuple[float, Terms]]]
    symmetries: Callable[[int], list[npt.NDArray[np.int64]]]
    periodic: bool
    even: bool = False


def _ising(n: int) -> list[tuple[float, Terms]]:
    return [
        (-1.0, [{i: "Z", (i + 1) % n: "Z"} for i in range(n)]),
        (-1.0, [{i: "X"} for i in range(n)]),
    ]


def _xxz(n: int) -> list[tuple[float, Terms]]:
    def pairs(letter: str) -> Terms:
        return [{i: letter, (i + 1) % n: letter} for i in range(n)]

    return [(-1.0, pairs("X") + pairs("Y")), (1.0, pairs("Z"))]


def _cluster(n: int) -> list[tuple[float, Terms]]:
    return [
        (-1.0, [{i: "Z", i + 1: "X", i + 2: "Z"} for i in range(n - 2)]),
        (-1.0, [{i: "X"} for i in range(n)]),
        (-1.0, [{i: "X", i + 1: "X"} for i in range(n - 1)]),
    ]


def _flip(n: int, sites: range) -> npt.NDArray[np.int64]:
    """Returns the image of each basis state under X on `sites`; site 0 is the highest bit."""
    return np.arange(2**n) ^ sum(1 << (n - 1 - site) for site in sites)


def _moved(n: int, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the image of each basis state when site `i` takes the bit of site `order[i]`."""
    bits = (np.arange(2**n)[:, np.newaxis] >> np.arange(n - 1, -1, -1)) & 1
    return np.asarray(bits[:, order] @ (1 << np.arange(n - 1, -1, -1)))


def _of_a_ring(n: int) -> list[npt.NDArray[np.int64]]:
    sites = np.arange(n)
    return [_flip(n, range(n)), _moved(n, np.roll(sites, 1)), _moved(n, sites[::-1])]


def _of_the_cluster(n: int) -> list[npt.NDArray[np.int64]]:
    return [_flip(n, range(0, n, 2)), _flip(n, range(1, n, 2)), _moved(n, np.arange(n)[::-1])]


CHAINS: dict[str, Chain] = {
    "ising": Chain(("j", "h"), _ising, _of_a_ring, periodic=True),
    "xxz": Chain(("j", "delta"), _xxz, _of_a_ring, periodic=True, even=True),
    "cluster": Chain(("j", "h1", "h2"), _cluster, _of_the_cluster, periodic=False),
}


def check_sites(chain: Chain, n_qubits: Any, least: int = 6) -> int:
    """Returns the number of sites.

    Raises:
        ValueError: If it is not a whole number from `least` to `MOST_QUBITS`, or is odd where it
            must be even.
    """
    whole = hasattr(n_qubits, "__index__") and not isinstance(n_qubits, bool)
    if not whole or not least <= n_qubits <= MOST_QUBITS or (chain.even and n_qubits % 2):
        kind = "an even number" if chain.even else "a whole number"
        raise ArgumentError(
            "n_qubits",
            f"be {kind} from {least} to {MOST_QUBITS}",
            n_qubits,
            "Memory and time grow as 4**n_qubits.",
        )
    return int(n_qubits)


def ground_states(
    chain: str, couplings: Any, n_qubits: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns ground states of a chain and their energies, by exact diagonalisation.

    The Hamiltonians, with Pauli matrices:

        ising:    H = -j sum Z_i Z_i+1 - h sum X_i                              (ring)
        xxz:      H = -j sum (X_i X_i+1 + Y_i Y_i+1) + delta sum Z_i Z_i+1      (ring)
        cluster:  H = -j sum Z_i-1 X_i Z_i+1 - h1 sum X_i - h2 sum X_i X_i+1    (open ends)

    In the usual form of the XXZ chain, `X X` and `Y Y` have a positive sign. Here every second
    spin is rotated by pi around z. This changes no energy and makes all amplitudes positive; it
    needs an even number of sites.

    A ground state can be degenerate, exactly or in the limit of a long chain. This function then
    returns the state that is unchanged by all symmetries: flipping all spins (for `cluster`:
    flipping those on even sites, and flipping those on odd sites), mirroring, and on a ring
    translations. An adiabatic preparation from `|+...+>` ends in this state, because it preserves
    the symmetries. In the ordered Ising phase at `h = 0` it is
    `(|0...0> + |1...1>) / sqrt(2)`, not one of the two terms. In the cluster phase it is the one of
    the four ground states on which both flips have the eigenvalue 1. So the matrix is diagonalised
    only in the small space of symmetric states.

    Args:
        chain: "ising", "xxz" or "cluster".
        couplings: Of shape `(n_states, 2)` for `ising` (`j, h`) and `xxz` (`j, delta`),
            `(n_states, 3)` for `cluster` (`j, h1, h2`); or one row of these.
        n_qubits: The number of sites, from 3 to 12; even for `xxz`.

    Returns:
        Real amplitudes of shape `(n_states, 2**n_qubits)` with norm 1, and energies of shape
        `(n_states,)`. The sign of a state makes its largest amplitude positive. The first qubit is
        the most significant bit of a basis state.

    Raises:
        ValueError: If an argument is invalid, or there is more than one symmetric ground state:
            where levels cross, such as at `delta = -j` for `xxz`.

    References:
        - P. Pfeuty, The one-dimensional Ising model with a transverse field, Annals of Physics 57,
          79-90, 1970.
        - I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural networks, Nature Physics
          15, 1273-1278, 2019, arXiv:1810.03787, equation 3 for `cluster`.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import ground_states
        >>> states, energies = ground_states("ising", [[1.0, 0.5], [1.0, 2.0]], 8)
        >>> states.shape, np.round(energies, 4).tolist()
        ((2, 256), [-8.5091, -17.0182])
    """
    family = CHAINS[one_of("chain", chain, CHAINS)]
    n = check_sites(family, n_qubits, least=4 if family.even else 3)
    count = len(family.couplings)
    values = np.asarray(couplings, dtype="float64")
    values = values[np.newaxis] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != count or not np.isfinite(values).all():
        raise ArgumentError(
            "couplings",
            f"be finite numbers of shape (n_states, {count}): {', '.join(family.couplings)}",
            couplings,
        )
    basis, terms = _symmetric(chain, n)
    amplitudes = np.empty((len(values), 2**n))
    energies = np.empty(len(values))
    for index, row in enumerate(values):
        matrix = sum(value * term for value, term in zip(row, terms, strict=True))
        energies[index], lowest = _lowest(matrix, row)
        amplitudes[index] = basis @ lowest
    largest = np.argmax(np.abs(amplitudes) > 0.999 * np.abs(amplitudes).max(1, keepdims=True), 1)
    signs = np.sign(np.take_along_axis(amplitudes, largest[:, np.newaxis], 1))
    return amplitudes * signs, energies


@functools.lru_cache(maxsize=8)
def _symmetric(chain: str, n: int) -> tuple[Any, list[Any]]:
    """Returns a basis of the symmetric states, as columns, and each coupling's matrix in it.

    Each symmetry permutes the basis states. A state is symmetric if its amplitudes are constant on
    each orbit: a set of basis states that the symmetries map to each other.
    """
    family = CHAINS[chain]
    size = 2**n
    places = np.arange(size)
    moves = scipy_sparse.coo_matrix((size, size))
    for symmetry in family.symmetries(n):
        moves = moves + scipy_sparse.coo_matrix((np.ones(size), (places, symmetry)), (size, size))
    count, orbit = scipy_graphs.connected_components(moves, directed=False)
    weights = 1 / np.sqrt(np.bincount(orbit))
    basis = scipy_sparse.csr_matrix((weights[orbit], (places, orbit)), (size, count))
    return basis, [
        sign * (basis.T @ sum(pauli_matrix(string, n) for string in strings) @ basis)
        for sign, strings in family.terms(n)
    ]


def _lowest(matrix: Any, couplings: npt.NDArray[np.float64]) -> tuple[float, Any]:
    """Returns the lowest eigenvalue of a matrix and its eigenvector."""
    if matrix.shape[0] <= _DENSE:
        levels, vectors = scipy_linalg.eigh(matrix.toarray(), subset_by_index=(0, 1))
    else:
        # Without `v0`, SciPy would draw another start vector at each call.
        start = np.random.default_rng(0).normal(size=matrix.shape[0])
        levels, vectors = scipy_sparse_linalg.eigsh(matrix, 2, which="SA", v0=start)
    first, second = np.argsort(levels)
    if levels[second] - levels[first] < _GAP * max(1.0, abs(levels[first])):
        raise ArgumentError(
            "couplings",
            "have one symmetric ground state",
            couplings.tolist(),
            "Two energy levels cross at these couplings. Use others.",
        )
    return float(levels[first]), vectors[:, first]


_DENSE = 256
# The error of an eigenvector is that of the matrix, 1e-15, divided by the gap to the next level.
_GAP = 1e-9


def pauli_matrix(string: dict[int, str], n_qubits: int) -> Any:
    """Returns a Pauli string as a sparse real matrix; its number of Y must be even."""
    source, values = pauli_action(string, n_qubits)
    size = 2**n_qubits
    return scipy_sparse.csr_matrix((values.real, (np.arange(size), source)), (size, size))


def real_generator(string: dict[int, str], n_qubits: int) -> Any:
    """Returns `-i P` as a sparse real matrix, for a Pauli string `P` with an odd number of Y.

    `exp(-i P t)` is the exponential of `t` times this matrix.
    """
    source, values = pauli_action(string, n_qubits)
    size = 2**n_qubits
    return scipy_sparse.csr_matrix((values.imag, (np.arange(size), source)), (size, size))


def pauli_action(
    string: dict[int, str], n_qubits: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.complex128]]:
    """Returns `source` and `values` with `(P psi)[b] = values[b] * psi[source[b]]`."""

    def mask(letters: str) -> int:
        return sum(1 << (n_qubits - 1 - site) for site, one in string.items() if one in letters)

    places = np.arange(2**n_qubits)
    source = places ^ mask("XY")
    # Y = i X Z: Z acts first.
    odd = np.bitwise_count(source & mask("YZ")) & 1
    phase = 1j ** (sum(letter == "Y" for letter in string.values()) % 4)
    return source, phase * (1.0 - 2.0 * odd)


def cluster_term(site: int) -> dict[int, str]:
    """Returns the stabiliser of a cluster state around a site within the chain."""
    return {site - 1: "Z", site: "X", site + 1: "Z"}


def ising_energy(j: float, h: float, n_qubits: int) -> float:
    """Returns the exact ground energy of the Ising ring, as a sum over free fermions.

    `E = -sum_k sqrt(j**2 + h**2 - 2 j h cos k)` over `k = (2 m + 1) pi / n`, for `j, h >= 0`.

    Reference:
        P. Pfeuty, The one-dimensional Ising model with a transverse field, Annals of Physics 57,
        79-90, 1970.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import ground_states, ising_energy
        >>> _, energies = ground_states("ising", [1.0, 0.7], 10)
        >>> bool(abs(energies[0] - ising_energy(1.0, 0.7, 10)) < 1e-10)
        True
    """
    k = (2 * np.arange(n_qubits) + 1) * math.pi / n_qubits
    return -float(np.sqrt(j * j + h * h - 2 * j * h * np.cos(k)).sum())
