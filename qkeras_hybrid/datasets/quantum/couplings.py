"""States that evolve under an unknown coupling, which a model learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.datasets.base import Dataset
from qkeras_hybrid.datasets.quantum.chains import CHAINS, check_sites, real_generator
from qkeras_hybrid.datasets.quantum.views import View

if TYPE_CHECKING:
    import scipy.sparse.linalg as scipy_sparse_linalg
else:
    scipy_sparse_linalg = lazy_module("scipy.sparse.linalg")


def evolved_states(
    couplings: npt.ArrayLike, drives: npt.ArrayLike, n_qubits: int, time: float = 1.0
) -> npt.NDArray[np.float64]:
    """Returns the states to which `|0...0>` evolves under cross-resonance couplings and a drive.

    The state is `exp(-i H t) |0...0>` with `H = j sum_i Z_i Y_i+1 + h sum_i Y_i` on a chain with
    open ends. Each qubit is driven at a rate that depends on its left neighbour. This is the
    cross-resonance interaction `Z X` after a rotation of all qubits by pi/2 around z, which makes
    the amplitudes real.

    Args:
        couplings: The `j` of each state, of shape `(n_states,)`.
        drives: The `h` of each state, of shape `(n_states,)`.
        n_qubits: The number of qubits.
        time: The time `t`. `2 j t` and `2 h t` are rotation angles in radians.

    Returns:
        Real amplitudes of shape `(n_states, 2**n_qubits)`.

    Raises:
        ValueError: If `couplings` and `drives` differ in length.

    Reference:
        E. Magesan and J. M. Gambetta, Effective Hamiltonian models of the cross-resonance gate,
        Physical Review A 101, 052308, 2020.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import evolved_states
        >>> state = evolved_states([0.0], [0.25], 2, time=np.pi)[0]
        >>> np.round(state, 4).tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    # -i H is real: -i Y = X Z.
    pairs = sum(real_generator({i: "Z", i + 1: "Y"}, n_qubits) for i in range(n_qubits - 1))
    single = sum(real_generator({i: "Y"}, n_qubits) for i in range(n_qubits))
    start = np.zeros(2**n_qubits)
    start[0] = 1
    found = [
        scipy_sparse_linalg.expm_multiply(time * (float(j) * pairs + float(h) * single), start)
        for j, h in zip(np.asarray(couplings), np.asarray(drives), strict=True)
    ]
    return np.array(found).reshape(-1, 2**n_qubits)


def unknown_coupling(
    n_samples: int = 300,
    n_qubits: int = 6,
    view: str = "states",
    lab: str | None = None,
    shots: int | None = 1000,
    locality: int = 2,
    time: float = 1.0,
    seed: int = 0,
) -> Dataset:
    """Generated: a regression that predicts a coupling from states that evolved under it.

    Draws for each sample a coupling `j ~ U(0, 1)`, then a drive `h ~ U(0.5, 1.5)`, which is not in
    the data; then the results of the measurements. The sample is the state to which `|0...0>`
    evolves in `time`: see `quantum.evolved_states`. The target is `j`.

    Args:
        n_samples: How many samples.
        n_qubits: The qubits of the chain, from 6 to 12.
        view: As for `ising_phases`.
        lab: As for `ising_phases`.
        shots: As for `ising_phases`.
        locality: As for `ising_phases`, in a chain with open ends.
        time: The time of evolution, above 0 and at most 10.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set; its `states` says whether the features are amplitudes.

    Raises:
        ValueError: If an argument is invalid, or the states don't fit in memory.

    Reference:
        E. Magesan and J. M. Gambetta, Effective Hamiltonian models of the cross-resonance gate,
        Physical Review A 101, 052308, 2020.

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> data = load("unknown_coupling", n_samples=20)
        >>> data.x.shape, data.task
        ((20, 64), 'regression')
    """
    n = check_sites(CHAINS["cluster"], n_qubits)
    seen = View(view, lab, shots, locality)
    seen.check(n_samples, n, seed)
    if not 0 < finite_number("time", time) <= 10:
        raise ArgumentError("time", "be above 0 and at most 10", time)
    rng = np.random.default_rng(seed)
    couplings = rng.uniform(0, 1, n_samples)
    drives = rng.uniform(0.5, 1.5, n_samples)
    return seen.dataset(
        "unknown_coupling",
        evolved_states(couplings, drives, n, time),
        couplings,
        "Cross-resonance couplings: E. Magesan and J. M. Gambetta, Physical Review A 101, 052308, "
        "2020, doi:10.1103/PhysRevA.101.052308",
        rng,
        n_classes=0,
        periodic=False,
    )
