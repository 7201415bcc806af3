"""Output states of a noisy device, from which a model recognises the kind of its errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset
from qkeras_hybrid.datasets.quantum.chains import ground_states, pauli_matrix
from qkeras_hybrid.datasets.quantum.views import View

MOST_DEVICE_QUBITS = 6


def noisy_outputs(
    n_samples: int = 300,
    n_qubits: int = 4,
    view: str = "states",
    lab: str | None = None,
    shots: int | None = 1000,
    locality: int = 2,
    least: float = 0.05,
    most: float = 0.3,
    seed: int = 0,
) -> Dataset:
    """Generated: outputs of a noisy device, with bit flips (0) or phase flips (1) on all qubits.

    Draws the classes, 1 with probability 1/2; then for each sample a field `h ~ U(0.2, 2)` and the
    probability of an error, `p ~ U(least, most)`, neither of which is in the data; then the
    results of the measurements. The device prepares the ground state of an Ising ring in the field
    `h`: see `quantum.ground_states`. Then X (class 0) or Z (class 1) acts on each qubit with the
    probability `p`.

    A state with noise is mixed. The amplitudes are those of a purification: for each qubit of the
    device, one more qubit of an environment stores whether there was an error,
    `sum_e sqrt(p_e) P_e |psi> |e>`. A circuit must not use the environment. With
    `n_idle=n_qubits`, `circuit_on_states` leaves the environment's qubits alone, and so computes
    with the mixed state exactly.

    Args:
        n_samples: How many samples.
        n_qubits: The qubits of the device, from 4 to 6.
        view: As for `ising_phases`. States have `2 * n_qubits` qubits, those of the device first.
            Only the qubits of the device are measured.
        lab: As for `ising_phases`.
        shots: As for `ising_phases`.
        locality: As for `ising_phases`; at most half of the qubits.
        least: The smallest probability of an error, at least 0.
        most: The largest probability of an error, above `least` and at most 0.5.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set; its `states` says whether the features are amplitudes.

    Raises:
        ValueError: If an argument is invalid, or the states don't fit in memory.

    Reference:
        M. A. Nielsen and I. L. Chuang, Quantum Computation and Quantum Information, 2010, sections
        8.3.3 (bit and phase flips) and 2.5 (purifications).

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> load("noisy_outputs", n_samples=20).x.shape
        (20, 256)
        >>> load("noisy_outputs", n_samples=20, view="expectations", shots=None).x.shape
        (20, 24)
    """
    if type(n_qubits) is not int or not 4 <= n_qubits <= MOST_DEVICE_QUBITS:
        raise ArgumentError(
            "n_qubits",
            f"be a whole number from 4 to {MOST_DEVICE_QUBITS}",
            n_qubits,
            "With the environment, a state has twice as many qubits.",
        )
    seen = View(view, lab, shots, locality)
    seen.check(n_samples, n_qubits, seed, n_stored=2 * n_qubits)
    if not 0 <= finite_number("least", least) < finite_number("most", most) <= 0.5:
        raise ArgumentError(
            "least", f"be at least 0 and below `most`, {most}, which must be at most 0.5", least
        )
    rng = np.random.default_rng(seed)
    phase = rng.random(n_samples) < 0.5
    fields = rng.uniform(0.2, 2, n_samples)
    chances = rng.uniform(least, most, n_samples)
    ideal, _ = ground_states("ising", np.stack([np.ones(n_samples), fields], axis=1), n_qubits)
    return seen.dataset(
        "noisy_outputs",
        _with_environment(ideal, chances, phase),
        phase,
        "Outputs of a noisy device: M. A. Nielsen and I. L. Chuang, Quantum Computation and "
        "Quantum Information, section 8.3.3, 2010, doi:10.1017/CBO9780511976667",
        rng,
        n_classes=2,
        n_sites=n_qubits,
    )


def _with_environment(
    states: npt.NDArray[np.float64], chances: npt.NDArray[np.float64], phase: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Returns states with errors on each qubit, which the qubits of an environment store."""
    n = int(states.shape[1]).bit_length() - 1
    found = states[:, :, np.newaxis]
    stay, leave = (np.sqrt(c)[:, np.newaxis, np.newaxis] for c in (1 - chances, chances))
    for site in range(n):
        flipped, signed = (
            np.stack([pauli_matrix({site: letter}, n) @ state for state in found])
            for letter in "XZ"
        )
        wrong = np.where(phase[:, np.newaxis, np.newaxis], signed, flipped)
        # The environment's qubit of this site becomes the last qubit so far.
        found = np.stack([stay * found, leave * wrong], axis=3).reshape(len(states), 2**n, -1)
    return found.reshape(len(states), -1)
