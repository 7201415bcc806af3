"""The loss as a function of one weight: a sum of few waves, minimised exactly from few values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import arctan2, cos, sin
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._periods import common_unit
from qkeras_hybrid.gradients import Seeds
from qkeras_hybrid.optimizers.base import AtWeights, Part

_NEWTON_STEPS = 6
"""The number of refinements of a grid's lowest point: float64 precision takes five."""


@dataclass(frozen=True)
class Waves:
    """Sums of a constant and the waves `cos(m phi)` and `sin(m phi)` with `m` up to `order`.

    Attributes:
        order: The largest `m`, at least 1.
        dtype: The dtype of the values.
    """

    order: int
    dtype: str

    @property
    def points(self) -> np.ndarray:
        """The `2 order + 1` points over a turn at which the function is computed, zero first."""
        n = 2 * self.order + 1
        found: np.ndarray = 2 * np.pi * np.arange(n) / n
        return found

    def coefficients(self, values: Any) -> Any:
        """Returns the constant, the factors of the cosines, and those of the sines, by `m`.

        Args:
            values: Tensor of shape `(2 order + 1,)`: the function at `points`.
        """
        table = self._table(self.points)
        scale = np.full(len(table), 2.0 / len(table))
        scale[0] = 1.0 / len(table)
        # The waves are orthogonal on these points.
        weights = ops.convert_to_tensor(table * scale, dtype=self.dtype)
        return ops.sum(weights * values[:, None], axis=0)

    def slope(self, coefficients: Any) -> Any:
        """Returns the derivative at zero."""
        m = ops.convert_to_tensor(np.arange(1, self.order + 1), dtype=self.dtype)
        return ops.sum(m * coefficients[self.order + 1 :])

    def lowest(self, coefficients: Any) -> tuple[Any, Any]:
        """Returns where the function is lowest, from -pi to pi, and its value there.

        A function that is constant, up to rounding, is lowest at zero.
        """
        if self.order == 1:
            # `c + a cos phi + b sin phi` is lowest opposite of the direction `(a, b)`.
            place = arctan2(-coefficients[2:3], -coefficients[1:2])[0]
        else:
            place = self._improved(coefficients, self._lowest_of_a_grid(coefficients))
        at_zero = self._at(coefficients, ops.zeros_like(place))[0]
        there = self._at(coefficients, place)[0]
        # Rounding must not move a weight that the loss does not depend on.
        least = (1e-6 if self.dtype == "float32" else 1e-13) * (1.0 + ops.absolute(at_zero))
        lower = at_zero - there > least
        place = ops.where(lower, place, ops.zeros_like(place))
        turns = ops.floor(place / (2 * np.pi) + 0.5)
        return place - 2 * np.pi * turns, ops.where(lower, there, at_zero)

    def _lowest_of_a_grid(self, coefficients: Any) -> Any:
        size = 64 * self.order
        grid = 2 * np.pi * np.arange(size) / size
        table = ops.convert_to_tensor(self._table(grid), dtype=self.dtype)
        found = ops.sum(table * coefficients[None, :], axis=1)
        return ops.take(ops.convert_to_tensor(grid, dtype=self.dtype), ops.argmin(found))

    def _improved(self, coefficients: Any, place: Any) -> Any:
        for _ in range(_NEWTON_STEPS):
            _, slope, curvature = self._at(coefficients, place)
            curved = curvature > 1e-6
            step = slope / ops.where(curved, curvature, ops.ones_like(curvature))
            # The step must not leave the valley that the grid has found.
            step = ops.clip(step, -0.1 / self.order, 0.1 / self.order)
            place = place - ops.where(curved, step, ops.zeros_like(step))
        return place

    def _at(self, coefficients: Any, place: Any) -> tuple[Any, Any, Any]:
        """Returns the value, the slope and the curvature at a place, a tensor of shape `()`."""
        m = ops.convert_to_tensor(np.arange(1, self.order + 1), dtype=self.dtype)
        a, b = coefficients[1 : self.order + 1], coefficients[self.order + 1 :]
        even, odd = cos(m * place), sin(m * place)
        waves = a * even + b * odd
        return (
            coefficients[0] + ops.sum(waves),
            ops.sum(m * (b * even - a * odd)),
            -ops.sum(m * m * waves),
        )

    def _table(self, places: np.ndarray) -> np.ndarray:
        """Returns one, the cosines and the sines at some places, `(n_places, 2 order + 1)`."""
        angles = np.outer(places, np.arange(1, self.order + 1))
        ones = np.ones((len(places), 1))
        return np.concatenate([ones, np.cos(angles), np.sin(angles)], axis=1)


@dataclass(frozen=True)
class Move:
    """A weight in which the loss is a sum of waves.

    Attributes:
        column: The index of the circuit's weight.
        unit: The unit of the frequencies, of which all are multiples.
        order: The highest frequency in this unit; 0 if the readout does not depend on the weight.
    """

    column: int
    unit: float
    order: int

    @classmethod
    def of(cls, part: Part, column: int) -> Move:
        """Finds the frequencies of a weight from the gates that have it in their angles.

        Raises:
            ValueError: If the loss is not a sum of waves in this weight.
        """
        angles, factors = part.layer.compiled.angles, []
        symbol = angles.weights[column]
        for row in part.layer.program.observed_rows:
            angle = angles.rows[row]
            if angle.expression is not None and symbol in angle.expression.free_symbols:
                raise ArgumentError(
                    "circuit", f"have angles that are affine in {symbol}", angle.expression
                )
            factors += [abs(factor) for j, factor in angle.weights if j == column and factor]
        if not factors:
            return cls(column, 1.0, 0)
        found = common_unit(factors)
        if found is None:
            raise ArgumentError(
                "circuit", f"have factors of {symbol} with a common period", factors
            )
        return cls(column, *found)

    def axis(self, weights: Any) -> Any:
        """Returns a vector of all weights' shape, with 1 at this weight and 0 elsewhere."""
        one = np.zeros(weights.shape[0])
        one[self.column] = 1.0
        return ops.convert_to_tensor(one, dtype=Sweep.dtype(weights))


@dataclass(frozen=True)
class Sweep:
    """The loss of a layer as a function of its weights.

    Attributes:
        values: Computes the layer's observables.
        factors: Their coefficients.
        moves: The weights that train.
        setup: The engine, shots and noise of the layer when it was prepared.
    """

    values: AtWeights
    factors: np.ndarray
    moves: list[Move]
    setup: Any

    @staticmethod
    def dtype(tensor: Any) -> str:
        """Returns a tensor's dtype by name."""
        return str(keras.backend.standardize_dtype(tensor.dtype))

    def losses(self, inputs: Any, weights: list[Any], seeds: Seeds | None) -> list[Any]:
        """Returns the loss at some weights."""
        found = self.values(inputs, weights, None if seeds is None else seeds.next())
        found = ops.reshape(found, (len(weights), -1, len(self.factors)))
        factors = ops.convert_to_tensor(self.factors, dtype=self.dtype(found))
        means = ops.sum(ops.mean(found, axis=1) * factors[None], axis=1)
        return [means[k] for k in range(len(weights))]

    def lowest(
        self, move: Move, inputs: Any, weights: Any, value: Any, seeds: Seeds | None
    ) -> tuple[Any, Any, Any]:
        """Returns the change of a weight, the loss after it, and the slope before it.

        Args:
            move: The weight.
            inputs: The circuit's inputs.
            weights: The current weights.
            value: The current loss.
            seeds: The seeds of the shots.
        """
        waves = Waves(move.order, self.dtype(weights))
        axis = move.axis(weights)
        there = [weights + float(point) / move.unit * axis for point in waves.points[1:]]
        values = ops.stack([value, *self.losses(inputs, there, seeds)])
        coefficients = waves.coefficients(values)
        place, low = waves.lowest(coefficients)
        return place / move.unit, low, waves.slope(coefficients) * move.unit
