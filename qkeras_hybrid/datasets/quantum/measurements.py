"""Measurements of copies of states, and estimates of local Pauli strings from them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.quantum.chains import pauli_action

LETTERS = "XYZ"
"""The bases of a measurement: the eigenvectors of these Pauli matrices."""

UNIFORM = ("X", "Y", "Z")
"""Settings that measure every site in the same basis."""

STAGGERED = (*UNIFORM, "XZ", "ZX")
"""`UNIFORM`, and two settings that alternate X and Z and measure a cluster state's stabilisers."""

MOST_MEASUREMENTS = 100_000_000
"""The most measurements of one data set."""

# For X, Y and Z: rows are the conjugated eigenvectors, that of the eigenvalue +1 first.
_PLUS_MINUS = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
_BRAS = np.stack([_PLUS_MINUS, _PLUS_MINUS @ np.diag([1, -1j]), np.eye(2)]).astype("complex128")
# The number of amplitudes in memory at a time: 64 MiB.
_AT_A_TIME = 2**22


def check_shots(shots: Any, n_states: int, settings: int = 1) -> int:
    """Returns the number of measurements of each state.

    Raises:
        ValueError: If it is not a whole number, smaller than the number of settings, or so large
            that all measurements together are more than `MOST_MEASUREMENTS`.
    """
    most = max(settings, MOST_MEASUREMENTS // max(1, n_states))
    whole = hasattr(shots, "__index__") and not isinstance(shots, bool)
    if not whole or not settings <= shots <= most:
        raise ArgumentError(
            "shots",
            f"be a whole number from {settings} to {most:,}",
            shots,
            f"Each of the {n_states:,} states is measured so many times, in {settings} "
            f"{'setting' if settings == 1 else 'settings'}.",
        )
    return int(shots)


def measure(states: Any, bases: Any, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Measures every qubit of copies of states, each qubit in its own basis.

    The first qubit is measured first; its result collapses the state of the others.

    Args:
        states: Real or complex amplitudes of shape `(n_states, 2**n_qubits)`, with norm 1.
        bases: 0 for X, 1 for Y or 2 for Z, of shape `(n_states, shots, n_qubits)`.
        rng: Draws a number for each qubit of each copy.

    Returns:
        Eigenvalues, 1 or -1, in an int8 array of the shape of `bases`.

    Raises:
        ValueError: If the shapes don't fit, a state does not have norm 1, or a basis is not 0, 1
            or 2.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import measure
        >>> plus = np.full((1, 4), 0.5)
        >>> measure(plus, np.zeros((1, 3, 2), int), np.random.default_rng(0)).tolist()
        [[[1, 1], [1, 1], [1, 1]]]
    """
    states, bases = _states(states), np.asarray(bases)
    n_qubits = int(states.shape[1]).bit_length() - 1
    if bases.ndim != 3 or bases.shape[::2] != (len(states), n_qubits):
        raise ArgumentError(
            "bases", f"have the shape ({len(states)}, shots, {n_qubits})", bases.shape
        )
    if bases.dtype.kind not in "iu" or (bases.size and not 0 <= bases.min() <= bases.max() <= 2):
        raise ArgumentError("bases", "be whole numbers: 0 for X, 1 for Y, 2 for Z", bases)
    found = np.empty(bases.shape, "int8")
    step = max(1, _AT_A_TIME // states.shape[1])
    for index, state in enumerate(states):
        for start in range(0, bases.shape[1], step):
            part = slice(start, start + step)
            found[index, part] = _collapsed(state, bases[index, part], rng)
    return found


def _collapsed(
    state: npt.NDArray[Any], bases: npt.NDArray[Any], rng: np.random.Generator
) -> npt.NDArray[np.int8]:
    """Returns the results of measuring copies of a state in `bases` `(copies, n_qubits)`."""
    found = np.empty(bases.shape, "int8")
    # Copies with the same bases and results so far have the same state, which is computed once.
    left, past = state[np.newaxis], np.zeros(len(bases), "int64")
    for site in range(bases.shape[1]):
        kinds, kind = np.unique(past * 3 + bases[:, site], return_inverse=True)
        halves = _BRAS[kinds % 3] @ left[kinds // 3].reshape(len(kinds), 2, -1)
        weights = (np.abs(halves) ** 2).sum(axis=2)
        up = (weights[:, 0] / weights.sum(axis=1))[kind]
        down = rng.random(len(bases)) >= up
        found[:, site] = 1 - 2 * down
        chosen, past = np.unique(2 * kind + down, return_inverse=True)
        left = halves[chosen // 2, chosen % 2]
        left = left / np.linalg.norm(left, axis=1, keepdims=True)
    return found


def _states(states: Any) -> npt.NDArray[Any]:
    states = np.asarray(states)
    size = states.shape[-1] if states.ndim == 2 else 0
    if size < 2 or size & (size - 1) or states.dtype.kind not in "fc":
        raise ArgumentError(
            "states", "be amplitudes of shape (n_states, 2**n_qubits)", states.shape
        )
    norms = np.linalg.norm(states, axis=1)
    # The tolerance accepts float32 amplitudes; the comparison is False for NaN.
    if not (np.abs(norms - 1) < 1e-4).all():
        raise ArgumentError("states", "have norm 1", norms[~(np.abs(norms - 1) < 1e-4)][0])
    amplitudes: npt.NDArray[Any] = states
    return amplitudes


def local_strings(n_qubits: int, locality: int = 2, *, periodic: bool = True) -> tuple[str, ...]:
    """Returns the Pauli strings that fit in a window of neighbouring sites, in order.

    They are sorted by their first site, then by the letters from there on, in lexicographic order
    of identity, X, Y, Z.

    Args:
        n_qubits: The number of sites.
        locality: The sites of a window: 1, 2 or 3, and at most half of all sites.
        periodic: Whether the last site is a neighbour of the first.

    Returns:
        Observables as text, such as `"X0*Z1"`: on a ring `3 * 4**(locality - 1)` for each site,
        with open ends fewer.

    Raises:
        ValueError: If `locality` is not a whole number from 1 to 3, or more than half of
            `n_qubits`.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import local_strings
        >>> local_strings(6, 2)[:5], len(local_strings(6, 2))
        (('X0', 'X0*X1', 'X0*Y1', 'X0*Z1', 'Y0'), 72)
    """
    return tuple(
        "*".join(f"{letter}{site}" for site, letter in string.items())
        for string in _strings(n_qubits, locality, periodic=periodic)
        if string is not None
    )


def check_locality(locality: int, n_qubits: int) -> int:
    """Returns the number of sites in a window.

    Raises:
        ValueError: If it is not a whole number from 1 to 3, or more than half of `n_qubits`.
    """
    return positive_int("locality", locality, min(3, n_qubits // 2))


def _strings(n_qubits: int, locality: int, *, periodic: bool) -> list[dict[int, str] | None]:
    """Returns a string for each site and letters of its window; None if it crosses the end."""
    check_locality(locality, n_qubits)
    found: list[dict[int, str] | None] = []
    for first in range(n_qubits):
        for letters in itertools.product(LETTERS, *["I" + LETTERS] * (locality - 1)):
            sites = {first + i: letter for i, letter in enumerate(letters) if letter != "I"}
            inside = periodic or max(sites) < n_qubits
            found.append({s % n_qubits: one for s, one in sites.items()} if inside else None)
    return found


def shadow_values(
    bases: Any, outcomes: Any, locality: int = 2, *, periodic: bool = True
) -> npt.NDArray[np.float64]:
    """Estimates local Pauli strings from classical shadows: from measurements in random bases.

    Each copy gives one estimate of a string of `w` sites. If the copy's bases agree with the string
    on all these sites, the estimate is `3**w` times the product of the eigenvalues there; else it
    is 0. The mean over copies is unbiased and has a variance of at most `3**w / shots`.

    Args:
        bases: As for `measure`, drawn from 0, 1 and 2 with equal probabilities.
        outcomes: The result of `measure`.
        locality: As for `local_strings`.
        periodic: As for `local_strings`.

    Returns:
        An estimate of each of `local_strings`, of shape `(n_states, n_strings)`.

    Raises:
        ValueError: If the shapes don't fit, or `locality` is invalid.

    Reference:
        H.-Y. Huang, R. Kueng and J. Preskill, Predicting many properties of a quantum system from
        very few measurements, Nature Physics 16, 1050-1057, 2020, arXiv:2002.08953.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import measure, shadow_values
        >>> rng = np.random.default_rng(0)
        >>> bases = rng.integers(3, size=(1, 9000, 4))
        >>> values = shadow_values(bases, measure(np.eye(1, 16), bases, rng))
        >>> values.shape, bool(abs(values[0, 8] - 1) < 0.1)  # of |0000>; the ninth is Z0
        ((1, 48), True)
    """
    bases, outcomes = np.asarray(bases), np.asarray(outcomes)
    if bases.ndim != 3 or bases.shape != outcomes.shape or not bases.shape[1]:
        raise ArgumentError(
            "outcomes",
            "have the shape (n_states, shots, n_qubits) of `bases`, with at least one shot",
            outcomes.shape,
        )
    n_states, shots, n_qubits = bases.shape
    inside = [string is not None for string in _strings(n_qubits, locality, periodic=periodic)]
    found = np.empty((n_states, sum(inside)))
    letters = "abc"[:locality]
    product = ",".join(f"si{letter}" for letter in letters) + f"->i{letters}"
    for index in range(n_states):
        # For each copy and site: the factors of the estimate for identity, X, Y and Z.
        counts = np.ones((shots, n_qubits, 4))
        hits = bases[index][..., np.newaxis] == np.arange(3)
        counts[..., 1:] = 3.0 * hits * outcomes[index][..., np.newaxis]
        windows = [counts[..., 1:], *(np.roll(counts, -i, axis=1) for i in range(1, locality))]
        sums = np.einsum(product, *windows, optimize=True)
        found[index] = sums.reshape(-1)[inside] / shots
    return found


def expectation_values(
    states: Any,
    shots: int | None,
    rng: np.random.Generator | None = None,
    locality: int = 2,
    *,
    periodic: bool = True,
    settings: tuple[str, ...] = UNIFORM,
    n_sites: int | None = None,
) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Estimates local Pauli strings from measurements in a few settings.

    The copies are divided evenly among the settings; if some are left over, the first settings get
    one more each. The estimate of a string is the mean over the copies of all settings that measure
    it.

    Args:
        states: As for `measure`.
        shots: The copies of each state in all settings together; None for exact values.
        rng: Draws the results; None takes a generator with seed 0.
        locality: As for `local_strings`.
        periodic: As for `local_strings`.
        settings: The letters of each setting, which repeat along the chain.
        n_sites: Only strings on the first `n_sites` qubits are estimated; None for all qubits.

    Returns:
        The strings of `local_strings` that a setting measures, and their estimates, of shape
        `(n_states, n_strings)`.

    Raises:
        ValueError: If an argument is invalid, or there are fewer copies than settings.

    Example:
        >>> from qkeras_hybrid.datasets.quantum import expectation_values
        >>> names, values = expectation_values(np.eye(1, 16), None)
        >>> dict(zip(names, values[0].tolist()))["Z0*Z1"]
        1.0
    """
    states = _states(states)
    n_qubits = int(states.shape[1]).bit_length() - 1
    patterns = [[setting[i % len(setting)] for i in range(n_qubits)] for setting in settings]
    seen: dict[str, tuple[dict[int, str], list[int]]] = {}
    for string in _strings(n_sites or n_qubits, locality, periodic=periodic):
        fitting = [
            number
            for number, pattern in enumerate(patterns)
            if string is not None and all(pattern[site] == one for site, one in string.items())
        ]
        if string is not None and fitting:
            seen["*".join(f"{one}{site}" for site, one in string.items())] = (string, fitting)
    found = np.empty((len(states), len(seen)))
    if shots is None:
        for column, (string, _) in enumerate(seen.values()):
            source, phases = pauli_action(string, n_qubits)
            found[:, column] = (states.conj() * phases * states[:, source]).sum(axis=1).real
        return tuple(seen), found
    shots = check_shots(shots, len(states), len(settings))
    rng = np.random.default_rng(0) if rng is None else rng
    outcomes = []
    for number, pattern in enumerate(patterns):
        copies = shots // len(settings) + (number < shots % len(settings))
        bases = np.array([LETTERS.index(letter) for letter in pattern])
        outcomes.append(
            measure(states, np.broadcast_to(bases, (len(states), copies, n_qubits)), rng)
        )
    for column, (string, fitting) in enumerate(seen.values()):
        sites = list(string)
        found[:, column] = np.concatenate(
            [outcomes[number][..., sites].prod(axis=2, dtype="int8") for number in fitting], axis=1
        ).mean(axis=1)
    return tuple(seen), found
