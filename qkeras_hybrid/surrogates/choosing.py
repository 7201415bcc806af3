"""Chooses the method for a part of a circuit: the smallest within the tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._registry import Registry
from qkeras_hybrid.surrogates.base import Fit, Method, Question, RefusedError
from qkeras_hybrid.surrogates.distilled import Distilled, RandomFeatures
from qkeras_hybrid.surrogates.series import FourierSeries, ProductFeatures
from qkeras_hybrid.surrogates.trains import TensorTrain
from qkeras_hybrid.surrogates.unitaries import Unitaries

EXACT: tuple[type[Method], ...] = (Unitaries, ProductFeatures, FourierSeries, TensorTrain)
APPROXIMATE: tuple[type[Method], ...] = (RandomFeatures, Distilled)
METHODS: Registry[Method] = Registry(
    "method", Method, {kind.name: kind for kind in (*EXACT, *APPROXIMATE)}
)

_APPROXIMATE_FROM = 1e-3
"""The smallest tolerance for which "auto" tries approximate methods."""


_SMALL = 100_000
"""If a surrogate has at most this size, "auto" skips methods that take long to find a smaller one.
"""


class NothingKeepsError(ValueError):
    """No method stays within the tolerance.

    Attributes:
        reasons: The reason for each method.
        best: The method with the smallest largest difference, and this difference; None if no
            surrogate was made.
    """

    def __init__(self, reasons: dict[str, str], best: tuple[str, float] | None) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in reasons.items()))
        self.reasons, self.best = reasons, best


@dataclass(frozen=True)
class Choice:
    """The method of a part.

    Attributes:
        fit: The surrogate.
        worst: The largest difference from the circuit, at random inputs and the user's.
        mean: The mean difference.
        others: Why each other method was not chosen.
    """

    fit: Fit
    worst: float
    mean: float
    others: dict[str, str]


def choose(question: Question, method: str, dtype: str) -> Choice:
    """Makes surrogates of a part, and chooses the smallest within the tolerance.

    Args:
        question: The part and the tolerance.
        method: "auto", or the name of the one method to use.
        dtype: The precision that the surrogate computes in.

    Raises:
        NothingKeepsError: If none does.
    """
    if not question.part.rows:
        method = "auto"  # no value depends on the inputs, so any method finds the same constants
    reasons: dict[str, str] = {}
    best: tuple[str, float] | None = None
    rounds = [EXACT, APPROXIMATE] if method == "auto" else [(type(METHODS.get(method)),)]
    for kinds in rounds:
        if method == "auto" and kinds is APPROXIMATE and question.tolerance < _APPROXIMATE_FROM:
            why = f"approximate, not tried for a tolerance below {_APPROXIMATE_FROM:g}"
            reasons |= {kind.name: why for kind in kinds}
            break
        fits: list[Fit] = []
        for kind in kinds:
            least = min((fit.numbers for fit in fits), default=math.inf)
            if method == "auto" and least <= _SMALL and kind().slow(question):
                reasons[kind.name] = f"slow, not tried since {least:,} numbers are few enough"
                continue
            try:
                fits.append(kind().fit(question))
            except RefusedError as error:
                reasons[kind.name] = str(error)
                best = _better(best, kind.name, error.reached)
        fits.sort(key=lambda fit: fit.numbers)
        for number, fit in enumerate(fits):
            worst, mean = _differences(question, fit, dtype)
            if worst <= question.tolerance:
                reasons |= {f.method: f"larger, {f.numbers:,} numbers" for f in fits[number + 1 :]}
                if method == "auto" and kinds is EXACT:
                    reasons |= {kind.name: "approximate" for kind in APPROXIMATE}
                return Choice(fit, worst, mean, reasons)
            reasons[fit.method] = f"differs by up to {worst:.2g}"
            best = _better(best, fit.method, worst)
    raise NothingKeepsError(reasons, best)


def _better(
    best: tuple[str, float] | None, name: str, reached: float | None
) -> tuple[str, float] | None:
    if reached is None or not math.isfinite(reached) or (best is not None and best[1] <= reached):
        return best
    return name, reached


def _differences(question: Question, fit: Fit, dtype: str) -> tuple[float, float]:
    """Returns the largest and the mean difference of a surrogate from the circuit."""
    inputs, exact = question.checked
    tensor = keras.Input((inputs.shape[1],), dtype=dtype)
    model = keras.Model(tensor, fit.build(tensor))
    found = np.concatenate(
        [
            ops.convert_to_numpy(model(ops.convert_to_tensor(inputs[i : i + 256], dtype)))
            for i in range(0, len(inputs), 256)
        ]
    )
    differences = np.abs(found - exact)
    return float(differences.max(initial=0.0)), float(differences.mean())
