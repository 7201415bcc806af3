"""Classifying ground states of Ising, XXZ and cluster chains by their phase."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset
from qkeras_hybrid.datasets.quantum.chains import CHAINS, check_sites, ground_states
from qkeras_hybrid.datasets.quantum.measurements import STAGGERED
from qkeras_hybrid.datasets.quantum.views import View

_LONGEST_RANGE = 100.0


def ising_phases(
    n_samples: int = 300,
    n_qubits: int = 8,
    view: str = "states",
    lab: str | None = None,
    shots: int | None = 1000,
    locality: int = 2,
    low: float = 0.0,
    high: float = 2.0,
    seed: int = 0,
) -> Dataset:
    """Ground states of Ising rings in a transverse field: ordered (0) or not (1).

    Draws a field `h ~ U(low, high)` for each sample, then the results of the measurements. The
    sample is the ground state of `H = -sum Z_i Z_i+1 - h sum X_i`: see `quantum.ground_states`. The
    class is 1 where `h > 1`. `h = 1` is the exact transition of the infinite chain (Pfeuty 1970).

    Args:
        n_samples: How many samples.
        n_qubits: The sites of the ring, from 6 to 12.
        view: The features. "states": all `2**n_qubits` amplitudes, which are real. "expectations":
            estimates of the Pauli strings in windows of `locality` sites, from measurements of all
            sites in X, in Y and in Z. "shadows": estimates of such strings from measurements in
            random bases.
        lab: "expectations" or "shadows", for `view="states"`: adds these estimates as
            `Dataset.lab`. The benchmark gives them to models without circuits.
        shots: How many copies of each state are measured, in all settings together; None gives
            exact expectation values, for "expectations" only.
        locality: The sites of a window: 1, 2 or 3.
        low: The smallest field, at least 0.
        high: The largest field.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set; its `states` says whether the features are amplitudes.

    Raises:
        ValueError: If an argument is not as said, or the states don't fit in memory.

    References:
        - P. Pfeuty, The one-dimensional Ising model with a transverse field, Annals of Physics 57,
          79-90, 1970.
        - H.-Y. Huang, R. Kueng and J. Preskill, Predicting many properties of a quantum system from
          very few measurements, Nature Physics 16, 1050-1057, 2020, for shadows.

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> load("ising_phases", n_samples=20).x.shape
        (20, 256)
        >>> load("ising_phases", n_samples=20, view="shadows", shots=300).x.shape
        (20, 96)
    """
    n = check_sites(CHAINS["ising"], n_qubits)
    seen = View(view, lab, shots, locality)
    seen.check(n_samples, n, seed)
    _check_range("low", low, "high", high, least=0.0)
    rng = np.random.default_rng(seed)
    fields = rng.uniform(low, high, n_samples)
    states, _ = ground_states("ising", np.stack([np.ones(n_samples), fields], axis=1), n)
    return seen.dataset(
        "ising_phases",
        states,
        fields > 1,
        f"Ground states of the Ising ring of {n} sites in a transverse field: P. Pfeuty, Annals of "
        f"Physics 57, 79-90, 1970, doi:10.1016/0003-4916(70)90270-8{_measured(seen)}",
        rng,
        n_classes=2,
    )


def xxz_phases(
    n_samples: int = 300,
    n_qubits: int = 8,
    view: str = "states",
    lab: str | None = None,
    shots: int | None = 1000,
    locality: int = 2,
    low: float = -2.0,
    high: float = 3.0,
    seed: int = 0,
) -> Dataset:
    """Ground states of XXZ rings: ferromagnetic (0), critical (1) or antiferromagnetic (2).

    Draws an anisotropy `delta ~ U(low, high)` for each sample, then the results of the
    measurements. The sample is the ground state of
    `H = -sum (X_i X_i+1 + Y_i Y_i+1) + delta sum Z_i Z_i+1`: see `quantum.ground_states`. The class
    is 0 for `delta < -1`, 1 for `-1 < delta < 1` and 2 for `delta > 1`. -1 and 1 are the exact
    transitions of the infinite chain (Yang and Yang 1966).

    The transition at 1 is of infinite order, so short chains hardly show it.

    Args:
        n_samples: How many samples.
        n_qubits: The sites of the ring: 6, 8, 10 or 12.
        view: As for `ising_phases`.
        lab: As for `ising_phases`.
        shots: As for `ising_phases`.
        locality: As for `ising_phases`.
        low: The smallest anisotropy.
        high: The largest anisotropy.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set; its `states` says whether the features are amplitudes.

    Raises:
        ValueError: If an argument is not as said, or the states don't fit in memory.

    Reference:
        C. N. Yang and C. P. Yang, One-dimensional chain of anisotropic spin-spin interactions,
        Physical Review 150, 321 and 327, 1966.

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> data = load("xxz_phases", n_samples=50, n_qubits=6)
        >>> data.x.shape, data.n_classes
        ((50, 64), 3)
    """
    n = check_sites(CHAINS["xxz"], n_qubits)
    seen = View(view, lab, shots, locality)
    seen.check(n_samples, n, seed)
    _check_range("low", low, "high", high)
    rng = np.random.default_rng(seed)
    deltas = rng.uniform(low, high, n_samples)
    states, _ = ground_states("xxz", np.stack([np.ones(n_samples), deltas], axis=1), n)
    return seen.dataset(
        "xxz_phases",
        states,
        np.digitize(deltas, [-1.0, 1.0]),
        f"Ground states of the XXZ ring of {n} sites: C. N. Yang and C. P. Yang, Physical Review "
        f"150, 321, 1966, doi:10.1103/PhysRev.150.321{_measured(seen)}",
        rng,
        n_classes=3,
    )


CLUSTER_BOUNDARIES = {
    "h1": (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6),
    "upper": (1.0, 0.8, 0.71, 0.51, 0.33, 0.16, 0.0, -0.15, -0.3, -0.45),
    "lower": (-1.0, -0.99, -0.98, -1.0, -1.03, -1.07, -1.12, -1.18, -1.24, -1.29),
}
"""The lowest and highest `h2` of the cluster chain's topological phase at `j = 1`, by `h1`."""


def cluster_boundaries(h1: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
    """Returns the lowest and highest `h2` of the cluster chain's topological phase at `j = 1`.

    Both come from a table for `h1` from 0 to 1.6, with linear interpolation: see `cluster_phases`.
    Beyond the table, its first and last values are returned.

    Args:
        h1: The field, of any shape.

    Returns:
        The lower and the upper boundary, each of the shape of `h1`.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import cluster_boundaries
        >>> lower, upper = cluster_boundaries([0.0, 1.0])
        >>> lower.tolist(), upper.tolist()
        ([-1.0, -1.12], [1.0, 0.0])
    """
    table = CLUSTER_BOUNDARIES
    values = np.asarray(h1, dtype="float64")
    return tuple(np.interp(values, table["h1"], table[side]) for side in ("lower", "upper"))


def cluster_phases(
    n_samples: int = 300,
    n_qubits: int = 9,
    view: str = "states",
    lab: str | None = None,
    shots: int | None = 1000,
    locality: int = 3,
    line: bool = False,
    margin: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Ground states of cluster-Ising chains: topological (1) or not (0), after Cong et al. 2019.

    Draws `h1 ~ U(0, 1.6)` and `h2 ~ U(-1.6, 1.6)`, `n_samples` at a time, until there are
    `n_samples` whose `h2` is at least `margin` away from both phase boundaries. Then it draws the
    results of the measurements. The sample is the ground state of
    `H = -sum Z_i-1 X_i Z_i+1 - h1 sum X_i - h2 sum X_i X_i+1` with open ends: see
    `quantum.ground_states`. The class is 1 if `h2` lies between `quantum.cluster_boundaries(h1)`:
    in the topological phase, which is protected by the symmetries of flipping all even and all odd
    sites. Above lies the paramagnet, below the antiferromagnet.

    The boundaries are exact at `h1 = 0` and at `h2 = 0`. At `h1 = 0`, exchanging `Z X Z` and `X X`
    does not change the algebra of the terms, so the boundaries are `h2 = 1` and `h2 = -1`. At
    `h2 = 0` the chain consists of two Ising chains, so the boundary is `h1 = 1`. Elsewhere they are
    estimated as the points at which gap times length is the same for different chains of up to 17
    sites (`benchmarks/quantum_data/boundaries.py`). The estimates are accurate to 0.05; this is the
    reason for the margin.

    Args:
        n_samples: How many samples.
        n_qubits: The sites of the chain, from 6 to 12. With 9 the symmetric state is the ground
            state everywhere. Some other lengths don't fit antiferromagnetic order; there the
            symmetric state may lie above the ground state.
        view: As for `ising_phases`. "expectations" has two more settings, which measure X and Z on
            alternating sites, so five settings share the copies.
        lab: As for `ising_phases`.
        shots: As for `ising_phases`.
        locality: As for `ising_phases`; `Z X Z` needs 3.
        line: Whether to draw `h1 ~ U(0, 2)` at `h2 = 0`, the line on which the paper trains.
            `margin` is then a distance in `h1`.
        margin: The smallest distance of a sample from a boundary, from 0 to 0.3.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set; its `states` says whether the features are amplitudes.

    Raises:
        ValueError: If an argument is not as said, or the states don't fit in memory.

    Reference:
        I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural networks, Nature Physics
        15, 1273-1278, 2019, arXiv:1810.03787.

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> data = load("cluster_phases", n_samples=40, lab="shadows", shots=200)
        >>> data.x.shape, data.lab.shape
        ((40, 512), (40, 351))
    """
    n = check_sites(CHAINS["cluster"], n_qubits)
    seen = View(view, lab, shots, locality)
    seen.check(n_samples, n, seed, n_settings=len(STAGGERED))
    if not isinstance(line, bool):
        raise ArgumentError("line", "be True or False", line)
    if not 0 <= finite_number("margin", margin) <= 0.3:
        raise ArgumentError("margin", "be from 0 to 0.3", margin)
    rng = np.random.default_rng(seed)
    fields = np.empty((0, 2))
    while len(fields) < n_samples:
        h1 = rng.uniform(0, 2 if line else 1.6, n_samples)
        h2 = np.zeros(n_samples) if line else rng.uniform(-1.6, 1.6, n_samples)
        lower, upper = cluster_boundaries(h1)
        away = abs(h1 - 1) if line else np.minimum(abs(h2 - lower), abs(h2 - upper))
        fields = np.concatenate([fields, np.stack([h1, h2], axis=1)[away >= margin]])
    fields = fields[:n_samples]
    lower, upper = cluster_boundaries(fields[:, 0])
    topological = fields[:, 0] < 1 if line else (lower < fields[:, 1]) & (fields[:, 1] < upper)
    couplings = np.concatenate([np.ones((n_samples, 1)), fields], axis=1)
    states, _ = ground_states("cluster", couplings, n)
    return seen.dataset(
        "cluster_phases",
        states,
        topological,
        f"Ground states of the cluster-Ising chain of {n} sites: I. Cong, S. Choi and M. D. Lukin, "
        f"Nature Physics 15, 1273-1278, 2019, doi:10.1038/s41567-019-0648-8{_measured(seen)}",
        rng,
        n_classes=2,
        periodic=False,
        settings=STAGGERED,
    )


def _check_range(
    low_name: str, low: float, high_name: str, high: float, least: float | None = None
) -> None:
    bottom = -_LONGEST_RANGE if least is None else least
    if not bottom <= finite_number(low_name, low) < _LONGEST_RANGE:
        raise ArgumentError(low_name, f"be at least {bottom:g} and below {_LONGEST_RANGE:g}", low)
    if not low < finite_number(high_name, high) <= _LONGEST_RANGE:
        raise ArgumentError(
            high_name, f"be above `{low_name}`, {low:g}, and at most {_LONGEST_RANGE:g}", high
        )


def _measured(seen: View) -> str:
    if seen.report != "shadows":
        return ""
    return (
        "; classical shadows: H.-Y. Huang, R. Kueng and J. Preskill, Nature Physics 16, 1050-1057, "
        "2020, doi:10.1038/s41567-020-0932-7"
    )
