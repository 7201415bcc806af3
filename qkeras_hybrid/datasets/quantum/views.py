"""Data sets of states, with amplitudes as features, or with estimates from measurements."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import available_memory, bytes_text, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset, check_seed, make_dataset
from qkeras_hybrid.datasets.quantum.measurements import (
    UNIFORM,
    check_locality,
    check_shots,
    expectation_values,
    measure,
    shadow_values,
)

REPORTS = ("expectations", "shadows")
VIEWS = ("states", *REPORTS)


@dataclasses.dataclass(frozen=True)
class View:
    """How the features of a data set are made from states.

    Attributes:
        view: The features: "states" for amplitudes, or estimates of local Pauli strings from
            copies of each state: "expectations" measures them in a few settings, "shadows" in
            random bases.
        lab: "expectations" or "shadows", if a data set of states also holds such estimates.
        shots: The copies of each state that are measured; None for exact "expectations".
        locality: The sites of a window; see `local_strings`.
    """

    view: str
    lab: str | None
    shots: int | None
    locality: int

    def check(
        self,
        n_samples: int,
        n_qubits: int,
        seed: int,
        *,
        n_settings: int = len(UNIFORM),
        n_stored: int | None = None,
    ) -> None:
        """Raises a ValueError if an argument is invalid, before anything is computed.

        Args:
            n_samples: How many states.
            n_qubits: The number of measured qubits.
            seed: The seed of the data set.
            n_settings: The number of settings for "expectations".
            n_stored: The qubits of the states in the data set, if they are not `n_qubits`.
        """
        positive_int("n_samples", n_samples)
        check_seed(seed)
        one_of("view", self.view, VIEWS)
        if self.lab is not None:
            one_of("lab", self.lab, REPORTS)
            if self.view != "states":
                raise ArgumentError(
                    "lab",
                    f"be left out for the view {self.view!r}",
                    self.lab,
                    'Only view="states" has it.',
                )
        check_locality(self.locality, n_qubits)
        report = self.report
        if report is not None and (self.shots is not None or report == "shadows"):
            check_shots(self.shots, n_samples, n_settings if report == "expectations" else 1)
        # Amplitudes in float64 and float32, with copies.
        n_qubits = n_qubits if n_stored is None else n_stored
        need = n_samples * 2**n_qubits * 24
        if report is not None:
            # An int8 basis and an int8 result for each qubit of each copy.
            need += 2 * n_samples * n_qubits * int(self.shots or 0)
        if need > available_memory():
            raise ArgumentError(
                "n_samples",
                f"be so few that the states fit in memory ({n_samples:,} states of {n_qubits} "
                f"qubits need {bytes_text(need)}, but {bytes_text(available_memory())} are "
                "available)",
                n_samples,
            )

    @property
    def report(self) -> str | None:
        """The kind of estimates to compute: "expectations" or "shadows"; None for neither."""
        return self.lab if self.view == "states" else self.view

    def dataset(
        self,
        name: str,
        states: npt.NDArray[Any],
        y: Any,
        source: str,
        rng: np.random.Generator,
        *,
        n_classes: int,
        periodic: bool = True,
        settings: tuple[str, ...] = UNIFORM,
        measured: npt.NDArray[Any] | None = None,
        n_sites: int | None = None,
    ) -> Dataset:
        """Returns states and their labels as a data set.

        Args:
            name: Its name in `load`.
            states: Amplitudes of shape `(n_samples, 2**n_qubits)`.
            y: Classes or targets of shape `(n_samples,)`.
            source: The source of the samples, to cite.
            rng: Draws the results of measurements.
            n_classes: The number of classes; 0 for regression.
            periodic: Whether the last site is a neighbour of the first.
            settings: The settings for "expectations".
            measured: The states that are measured; None measures `states`.
            n_sites: Only results of the first `n_sites` qubits are used; None for all.
        """
        reported = None
        copied = states if measured is None else measured
        if self.report == "expectations":
            _, reported = expectation_values(
                copied,
                self.shots,
                rng,
                self.locality,
                periodic=periodic,
                settings=settings,
                n_sites=n_sites,
            )
        elif self.report == "shadows":
            n_qubits = int(copied.shape[1]).bit_length() - 1
            assert self.shots is not None
            bases = rng.integers(3, size=(len(states), self.shots, n_qubits), dtype="int8")
            # All qubits are measured; the results of those beyond `n_sites` are dropped.
            outcomes = measure(copied, bases, rng)[..., :n_sites]
            bases = bases[..., :n_sites]
            reported = shadow_values(bases, outcomes, self.locality, periodic=periodic)
        if self.view != "states":
            return make_dataset(name, reported, y, source, n_classes=n_classes)
        return make_dataset(name, states, y, source, n_classes=n_classes, states=True, lab=reported)
