"""Whether a state is entangled: observables of two copies show it, those of one don't."""

from __future__ import annotations

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset
from qkeras_hybrid.datasets.quantum.views import View


def entangled_pairs(
    n_samples: int = 300,
    n_qubits: int = 4,
    copies: int = 2,
    view: str = "states",
    lab: str | None = None,
    shots: int | None = 1000,
    locality: int = 2,
    seed: int = 0,
) -> Dataset:
    """Generated: random states, the two halves of their qubits entangled (1) or not (0).

    Draws the classes, 1 with probability 1/2; then for each sample normal numbers for a real state
    of all qubits, and for a real state of each half; then the results of the measurements. In
    class 1 the sample is the first state, normalised; in class 0 it is the product of the states of
    the halves. The average state of both classes is the maximally mixed state, so no expectation
    value of a single copy tells the classes apart. The purity of a half does, and it is the
    expectation value of an observable of two copies: 1 for a product, and on average
    `(2 d + 1) / (d**2 + 2)` in class 1, with `d = 2**(n_qubits / 2)` the dimension of a half.

    Args:
        n_samples: How many samples.
        n_qubits: The qubits of a copy: 4 or 6.
        copies: How many copies a circuit gets at once, 1 or 2. With 2 the features are amplitudes
            of `2 * n_qubits` qubits, those of one copy first.
        view: As for `ising_phases`. Single copies are measured.
        lab: As for `ising_phases`.
        shots: As for `ising_phases`. It counts single copies: with the same number, a circuit that
            takes two copies at a time can measure half as often.
        locality: As for `ising_phases`, in a line of qubits.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set; its `states` says whether the features are amplitudes.

    Raises:
        ValueError: If an argument is invalid, or the states don't fit in memory.

    References:
        - J. C. Garcia-Escartin and P. Chamorro-Posada, Swap test and Hong-Ou-Mandel effect are
          equivalent, Physical Review A 87, 052330, 2013, for the test on two copies.
        - H.-Y. Huang et al., Quantum advantage in learning from experiments, Science 376,
          1182-1186, 2022, for the advantage of two copies over one.

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> load("entangled_pairs", n_samples=20).x.shape
        (20, 256)
    """
    for name, value, known in (("n_qubits", n_qubits, (4, 6)), ("copies", copies, (1, 2))):
        if type(value) is not int or value not in known:
            raise ArgumentError(name, f"be {known[0]} or {known[1]}", value)
    seen = View(view, lab, shots, locality)
    seen.check(n_samples, n_qubits, seed, n_stored=n_qubits * copies)
    rng = np.random.default_rng(seed)
    entangled = rng.random(n_samples) < 0.5
    d = 2 ** (n_qubits // 2)
    whole = rng.normal(size=(n_samples, d * d))
    halves = rng.normal(size=(n_samples, 2, d))
    product = np.einsum("si,sj->sij", halves[:, 0], halves[:, 1]).reshape(n_samples, -1)
    states = np.where(entangled[:, np.newaxis], whole, product)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    pairs = np.einsum("si,sj->sij", states, states).reshape(n_samples, -1)
    return seen.dataset(
        "entangled_pairs",
        states if copies == 1 else pairs,
        entangled,
        "Random real states, entangled or not: H.-Y. Huang et al., Quantum advantage in learning "
        "from experiments, Science 376, 1182-1186, 2022, doi:10.1126/science.abn7293",
        rng,
        n_classes=2,
        periodic=False,
        measured=states,
    )
