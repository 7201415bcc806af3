"""The map from inputs and weights to the angles of a program."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import _expressions
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import sympy


@dataclass(frozen=True)
class Angle:
    """An angle: `offset + sum_i c_i inputs[i] + sum_j d_j weights[j]`, in radians.

    Attributes:
        offset: The constant part.
        inputs: Pairs (index of an input, coefficient).
        weights: Pairs (index of a weight, coefficient).
        expression: A SymPy expression that is not affine; if given, it alone is the angle.
    """

    offset: float = 0.0
    inputs: tuple[tuple[int, float], ...] = ()
    weights: tuple[tuple[int, float], ...] = ()
    expression: sympy.Expr | None = None

    @property
    def varies(self) -> bool:
        """Whether the angle depends on anything."""
        return bool(self.inputs or self.weights or self.expression is not None)


@dataclass(frozen=True)
class AngleMap:
    """A differentiable map from inputs and weights to angles.

    Attributes:
        inputs: The symbols that take a sample's values, in order.
        weights: The symbols that take the layer's weights, in order.
        rows: The angles, in the order of the program.
    """

    inputs: tuple[sympy.Symbol, ...]
    weights: tuple[sympy.Symbol, ...]
    rows: tuple[Angle, ...]

    def bare(self) -> AngleMap:
        """Returns the map whose inputs are the angles themselves, without weights.

        Constant angles stay constant; their inputs are not read.
        """
        symbols = tuple(sympy.Dummy(f"angle_{row}") for row in range(len(self.rows)))
        rows = tuple(
            Angle(inputs=((row, 1.0),)) if angle.varies else angle
            for row, angle in enumerate(self.rows)
        )
        return AngleMap(symbols, (), rows)

    def __call__(self, inputs: Any, weights: Any) -> Any:
        """Computes the angles.

        Args:
            inputs: Floating tensor of shape `(batch, n_inputs)`.
            weights: Floating tensor of shape `(n_weights,)`, of the same dtype.

        Returns:
            Tensor of shape `(batch, n_angles)`, in radians.

        Raises:
            ValueError: If ranks or widths are wrong.
        """
        self.check_shapes(inputs, weights)
        inputs, weights = self.extend(inputs, weights)
        of_inputs, of_weights = self.affine.tables
        shape = (ops.shape(inputs)[0], len(self.rows))
        return ops.broadcast_to(of_weights(weights)[None, :], shape) + of_inputs(inputs)

    def check_shapes(self, inputs: Any, weights: Any) -> None:
        """Makes sure that inputs and weights have the shapes that this map takes.

        Raises:
            ValueError: If ranks or widths are wrong.
        """
        n_inputs, n_weights = len(self.inputs), len(self.weights)
        if len(inputs.shape) != 2 or inputs.shape[1] not in (n_inputs, None):
            shape = f"have shape (batch, {n_inputs})"
            raise ArgumentError("inputs", shape, tuple(inputs.shape))
        if len(weights.shape) != 1 or weights.shape[0] not in (n_weights, None):
            raise ArgumentError("weights", f"have shape ({n_weights},)", tuple(weights.shape))

    @functools.cached_property
    def affine(self) -> AngleMap:
        """The same map with each angle affine, for engines that take no expressions.

        Each expression becomes one more input, or one more weight where it holds weights only;
        `extend` computes their values.
        """
        inputs, weights, rows = list(self.inputs), list(self.weights), list(self.rows)
        for row, angle in enumerate(self.rows):
            if angle.expression is None:
                continue
            symbol = sympy.Dummy(f"angle_{row}")
            if self._is_weight_only(angle.expression):
                rows[row] = Angle(weights=((len(weights), 1.0),))
                weights.append(symbol)
            else:
                rows[row] = Angle(inputs=((len(inputs), 1.0),))
                inputs.append(symbol)
        if len(inputs) == len(self.inputs) and len(weights) == len(self.weights):
            return self
        return replace(self, inputs=tuple(inputs), weights=tuple(weights), rows=tuple(rows))

    def extend(self, inputs: Any, weights: Any) -> tuple[Any, Any]:
        """Returns the inputs and weights of the `affine` map.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensor of shape `(n_weights,)`.

        Returns:
            Tensors of shapes `(batch, n_inputs + more)` and `(n_weights + more,)`.
        """
        expressions = [row.expression for row in self.rows if row.expression is not None]
        if not expressions:
            return inputs, weights
        values = {s: inputs[:, i : i + 1] for i, s in enumerate(self.inputs)}
        values |= {s: weights[j : j + 1] for j, s in enumerate(self.weights)}
        more_inputs, more_weights = [], []
        for expression, value in zip(
            expressions, _expressions.evaluate(expressions, values), strict=True
        ):
            if self._is_weight_only(expression):
                more_weights.append(value)
            else:
                more_inputs.append(value)
        if more_inputs:
            inputs = ops.concatenate([inputs, *more_inputs], axis=1)
        if more_weights:
            weights = ops.concatenate([weights, *more_weights], axis=0)
        return inputs, weights

    def _is_weight_only(self, expression: sympy.Expr) -> bool:
        held: set[Any] = expression.free_symbols
        return held.isdisjoint(self.inputs)

    @functools.cached_property
    def tables(self) -> tuple[AngleTable, AngleTable]:
        """The affine rows in two tables: for the inputs, and for the weights and offsets."""
        return (
            AngleTable([row.inputs for row in self.rows]),
            AngleTable([row.weights for row in self.rows], [row.offset for row in self.rows]),
        )


class AngleTable:
    """A sparse affine map from values to angles.

    It gathers and adds, and never uses a matrix product: accelerators by default round a product's
    factors to 10 bits, which is too coarse for angles.
    """

    def __init__(
        self,
        rows: Sequence[tuple[tuple[int, float], ...]],
        offsets: Sequence[float] | None = None,
    ) -> None:
        terms = max((len(row) for row in rows), default=0)
        self.index = np.zeros((terms, len(rows)), "int32")
        self.coefficient = np.zeros((terms, len(rows)))
        self.offset = np.asarray(offsets if offsets is not None else np.zeros(len(rows)), float)
        for r, row in enumerate(rows):
            for k, (i, c) in enumerate(row):
                self.index[k, r], self.coefficient[k, r] = i, c

    def __call__(self, values: Any) -> Any:
        """Maps values of shape `(..., n_values)` to angles of shape `(..., n_rows)`."""
        dtype = keras.backend.standardize_dtype(values.dtype)
        angles = ops.convert_to_tensor(self.offset, dtype=dtype)
        for index, coefficient in zip(self.index, self.coefficient, strict=True):
            # Rows with fewer terms than others are padded with value 0 and coefficient 0: the
            # padding is masked, so that a NaN in value 0 does not spread to rows that don't depend
            # on it.
            used = coefficient != 0
            term = ops.take(values, index, axis=-1) * ops.convert_to_tensor(coefficient, dtype)
            angles = angles + (term if used.all() else ops.where(used, term, 0.0))
        return angles
