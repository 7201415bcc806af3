"""Zero-noise extrapolation: values at several noise levels, extrapolated to zero noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines.base import Run
from qkeras_hybrid.engines.mitigation.base import Mitigation, irreversible, seeds_for
from qkeras_hybrid.engines.mitigation.folding import folded, units_of
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Job

EXTRAPOLATIONS = ("linear", "polynomial", "richardson", "exponential")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ZeroNoiseExtrapolation(Mitigation):
    """Runs longer equivalent circuits, and extrapolates their values to zero noise.

    Folding makes a circuit longer: gates are undone and repeated, so that the noise grows by a
    factor and the ideal value stays the same. With the value `E_k` at each factor, the value
    without noise is `sum_k c_k E_k` for the polynomial methods, which multiplies the variance by
    `sum_k c_k**2`.

    Args:
        engine: The engine that computes.
        scale_factors: The factors by which the noise grows, at least 1, all different. A circuit of
            `d` gates has the factors `1 + 2 k / d`; the nearest are taken.
        folding: "global" folds the whole circuit, then its last gates; "local" folds each gate.
        extrapolation: "linear", "polynomial" of an `order`, "richardson" (of the order that goes
            through all values) or "exponential" (`a + b exp(-c scale)`, with `a` the `asymptote`).
        order: The order of "polynomial".
        asymptote: The value at infinite noise, for "exponential": 0 for a traceless observable
            under depolarizing noise. Values must lie on one side of it.

    Raises:
        ValueError: If a factor is below 1 or appears twice, or there are too few for the method.

    References:
        Temme, Bravyi, Gambetta: Error mitigation for short-depth quantum circuits, Phys. Rev.
        Lett. 119, 180509 (2017), arXiv 1612.02058. Giurgica-Tiron et al. (2020), arXiv 2005.10921.

    Example:

    >>> engine = engines.ZeroNoiseExtrapolation(engines.StatevectorEngine(), (1, 3, 5))
    >>> engine.extrapolation
    'linear'
    """

    name = "zero_noise_extrapolation"

    def __init__(
        self,
        engine: Any,
        scale_factors: Sequence[float] = (1, 2, 3),
        folding: str = "global",
        extrapolation: str = "linear",
        order: int | None = None,
        asymptote: float = 0.0,
    ) -> None:
        super().__init__(engine)
        factors = tuple(finite_number("scale_factors", factor) for factor in scale_factors)
        if any(factor < 1 for factor in factors) or len(set(factors)) < len(factors):
            raise ArgumentError("scale_factors", "be at least 1, all different", scale_factors)
        self.scale_factors = factors
        self.folding = one_of("folding", folding, ("global", "local"))
        self.extrapolation = one_of("extrapolation", extrapolation, EXTRAPOLATIONS)
        self.asymptote = finite_number("asymptote", asymptote)
        if (order is not None) != (extrapolation == "polynomial"):
            raise ArgumentError(
                "order", "be given for the extrapolation 'polynomial', and for no other", order
            )
        self.order = None if order is None else positive_int("order", order)
        least = self._degree + 1
        if len(factors) < least:
            raise ArgumentError(
                "scale_factors", f"be at least {least} for this extrapolation", scale_factors
            )

    @property
    def _degree(self) -> int:
        if self.extrapolation == "richardson":
            return max(1, len(self.scale_factors) - 1)
        return self.order or 1

    def arguments(self) -> dict[str, Any]:
        return {
            "scale_factors": list(self.scale_factors),
            "folding": self.folding,
            "extrapolation": self.extrapolation,
            "order": self.order,
            "asymptote": self.asymptote,
        }

    def unsuitable(self, job: Job) -> str | None:
        kind = irreversible(job.program.instructions)
        if kind is not None:
            return f"a {kind} can't be folded"
        reached = {self._reached(job, factor) for factor in self.scale_factors}
        if units_of(job.program.instructions)[1] and len(reached) < len(self.scale_factors):
            return "a circuit with so few gates does not reach all scale factors; use odd factors"
        return None

    def _reached(self, job: Job, factor: float) -> float:
        return folded(job, factor, self.folding)[1]

    def _levels(self, job: Job) -> tuple[list[Job], np.ndarray]:
        """Returns the folded jobs and the factors by which their noise grows."""
        pairs = [folded(job, factor, self.folding) for factor in self.scale_factors]
        scales = [scale for _, scale in pairs]
        if len(set(scales)) < len(scales):  # nothing to fold
            scales = list(self.scale_factors)
        return [job for job, _ in pairs], np.array(scales)

    def _coefficients(self, scales: np.ndarray) -> np.ndarray:
        """Returns the weights of values in the constant of the polynomial of least squares."""
        powers = np.vander(scales, self._degree + 1, increasing=True)
        weights: np.ndarray = np.linalg.pinv(powers)[0]
        return weights

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        jobs, scales = self._levels(job)
        runs = [self.inner(each, differentiator) for each in jobs]

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            seeds = seeds_for(seed, len(runs))
            values = [each(inputs, weights, own) for each, own in zip(runs, seeds, strict=True)]
            return self._extrapolated(values, scales)

        return run

    def _extrapolated(self, values: Sequence[Any], scales: np.ndarray) -> Any:
        weights = self._coefficients(scales)
        if self.extrapolation != "exponential":
            return sum(float(c) * value for c, value in zip(weights, values, strict=True))
        # The logarithm of the distance from the asymptote is linear in the scale.
        apart = [value - self.asymptote for value in values]
        logs = [ops.log(ops.maximum(ops.abs(each), 1e-7)) for each in apart]
        at_zero = sum(float(c) * each for c, each in zip(weights, logs, strict=True))
        return self.asymptote + ops.sign(apart[0]) * ops.exp(at_zero)

    def cost(self, job: Job, point: tuple[Any, Any], seed: Any) -> tuple[Any, int]:
        jobs, scales = self._levels(job)
        weights = self._coefficients(scales)
        if self.extrapolation != "exponential":
            return float(np.sum(weights**2)), len(jobs)
        seeds = seeds_for(seed, len(jobs))
        values = [
            ops.convert_to_numpy(self.inner(each)(*point, own))
            for each, own in zip(jobs, seeds, strict=True)
        ]
        found = ops.convert_to_numpy(self._extrapolated(values, scales))
        # d E(0) / d E_k = c_k (E(0) - a) / (E_k - a)
        slopes = [
            c * (found - self.asymptote) / (value - self.asymptote)
            for c, value in zip(weights, values, strict=True)
        ]
        return np.sum(np.square(slopes), axis=0), len(jobs)
