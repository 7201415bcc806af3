"""Optimizers that set one weight after the other to its minimum of the loss."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.gradients import Adjoint, Seeds
from qkeras_hybrid.optimizers.base import AtWeights, CircuitOptimizer, Part, drawn_seeds
from qkeras_hybrid.optimizers.waves import Move, Sweep
from qkeras_hybrid.readouts import Expectation


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Rotosolve(CircuitOptimizer):
    """Sets one weight after the other to the exact minimum of the loss, without a learning rate.

    As a function of a single weight, the expectation value of an observable is a constant plus a
    few waves: one wave if the weight is the angle of one gate, up to `R` waves if it is that of `R`
    gates. `2 R + 1` values determine this function and its minimum. A training step is one sweep
    over all weights of the circuits.

    The loss must have the form of an energy: the sum of the circuit's observables times
    `coefficients`, averaged over the samples. So the quantum layer is the last layer of the model,
    and the loss is e.g. `lambda y, predicted: ops.sum(predicted, axis=-1)`.

    To detect a loss of any other form, the optimizer compares the derivative of the model's loss by
    the first weight with that of an energy. If they differ, it sets all weights to NaN: the wrong
    loss would be minimised unnoticed otherwise. It can't detect a wrong loss if both derivatives
    are zero. With shots, noise or a differentiator that estimates, it does not compare them.

    The weights of classical layers before the circuit train by Adam.

    Args:
        coefficients: The factor of each observable in the loss; None for ones.
        seed: The seed of the shots, for layers with shots; None to draw one.
        classical_learning_rate: The learning rate of all other weights.
        **kwargs: Arguments of `keras.optimizers.Adam`, for all other weights.

    Raises:
        ValueError: If a coefficient is not a number. When the optimizer is built: if a layer
            returns anything but one list of observables, the factors of a weight in the angles have
            no common period, or a weight is in an expression that is not affine.

    Reference:
        Ostaszewski, Grant, Benedetti: Structure optimization for parameterized quantum circuits,
        Quantum 5, 391 (2021), arXiv 1905.09692. Several gates: Wierichs, Izaac, Wang, Lin: General
        parameter-shift rules for quantum gradients, Quantum 6, 677 (2022), arXiv 2107.12390.

    Example:

    >>> w = sympy.Symbol("w")
    >>> layer = PQC(cirq.Circuit(cirq.ry(w)(cirq.LineQubit(0))), "Z", inputs=[])
    >>> model = keras.Sequential([keras.Input((0,)), layer])
    >>> energy = lambda y, predicted: ops.sum(predicted, axis=-1)
    >>> model.compile(optimizer=qh.optimizers.Rotosolve(), loss=energy)
    >>> history = model.fit(np.zeros((1, 0)), np.zeros((1, 1)), verbose=0)
    >>> round(float(model(np.zeros((1, 0)))[0, 0]), 5)
    -1.0
    """

    # Moves can't be averaged: a move by half a turn has no sign.
    refused = ("gradient_accumulation_steps",)

    def __init__(
        self,
        coefficients: Sequence[float] | None = None,
        *,
        seed: int | None = None,
        classical_learning_rate: float = 0.001,
        **kwargs: Any,
    ) -> None:
        super().__init__(1.0, classical_learning_rate=classical_learning_rate, **kwargs)
        self.coefficients = (
            None
            if coefficients is None
            else [finite_number("coefficients", value) for value in coefficients]
        )
        # Drawn now, since it is saved with the model.
        self.seed = random.randrange(2**30) if seed is None else int(seed)

    def prepare(self, part: Part) -> None:
        """Prepares the loss as a function of a layer's weights, and the waves of each weight.

        Raises:
            ValueError: If the layer or a weight is invalid.
        """
        read = part.layer.readouts
        if len(read) != 1 or not isinstance(read[0], Expectation):
            raise ArgumentError(
                "output",
                f"be expectation values in layer {part.layer.name!r}, whose sum is the loss",
                [readout.name for readout in read],
            )
        observables = len(read[0].observables)
        factors = self.coefficients or [1.0] * observables
        if len(factors) != observables:
            raise ArgumentError(
                "coefficients",
                f"hold {observables} numbers, one for each observable",
                self.coefficients,
            )
        moves = [Move.of(part, column) for column in part.columns]
        values = AtWeights.of(replace(part.job, readout=read[0]), part.layer.engine)
        self._kept[id(part.layer)] = Sweep(values, np.array(factors), moves, part.layer._setup)

    def direction(self, part: Part, gradient: Any, inputs: Any) -> tuple[Any, Any]:
        """Returns the change of the weights in a sweep, and the number of its circuits."""
        if self._kept[id(part.layer)].setup is not part.layer._setup:
            self.prepare(part)  # the layer has another engine now
        sweep: Sweep = self._kept[id(part.layer)]
        seeds = drawn_seeds(self.seed, self.iterations) if part.job.shots is not None else None
        weights = part.weights
        found, slope, runs = self._swept(part, sweep, inputs, weights, seeds)
        differentiator = part.layer.differentiator
        own = differentiator is None or isinstance(differentiator, Adjoint)
        exact = own and seeds is None and part.job.noise is None
        if slope is not None and exact:
            # Differences by rounding and up to a hundredth of the slope are allowed.
            off = ops.absolute(gradient[0] - slope) - 0.01 * ops.absolute(slope)
            nothing = ops.full_like(found, float("nan"))
            found = ops.where(off > 1e-3 * float(np.abs(sweep.factors).sum()), nothing, found)
        moved = ops.take(weights - found, list(part.columns))
        return moved, runs * ops.shape(inputs)[0]

    def _swept(
        self, part: Part, sweep: Sweep, inputs: Any, weights: Any, seeds: Seeds | None
    ) -> tuple[Any, Any, int]:
        """Returns the weights after a sweep, the first weight's slope, and the number of runs."""
        moves = sweep.moves
        (value,) = sweep.losses(inputs, [weights], seeds)
        first, runs = None, 1
        for number, move in enumerate(moves):
            if move.order == 0:
                continue
            place, value, slope = sweep.lowest(move, inputs, weights, value, seeds)
            weights = weights + place * move.axis(weights)
            runs += 2 * move.order
            if number == 0:
                first = slope
        return weights, first, runs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        config = super().get_config()
        del config["learning_rate"]
        coefficients = None if self.coefficients is None else list(self.coefficients)
        return {**config, "coefficients": coefficients, "seed": self.seed}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Rotoselect(Rotosolve):
    """Rotosolve that also chooses between gates: it keeps the gate that lowers the loss most.

    After a step, all weights of a choice but one are zero, so that their gates do nothing. For
    example, three rotations of a qubit about X, Y and Z, one after the other, become one rotation
    about the best axis. All other weights are set as by `Rotosolve`. The loss must have the form
    that `Rotosolve` requires, but this optimizer does not check it.

    Args:
        choices: Lists of at least two symbols; one weight of each list is used. A choice applies to
            every layer that has all of its symbols.
        coefficients: As in `Rotosolve`.
        **kwargs: The other arguments of `Rotosolve`: `seed`, `classical_learning_rate`, and those
            of `keras.optimizers.Adam`.

    Raises:
        ValueError: If a choice has fewer than two symbols, or a symbol is in two choices. When the
            optimizer is built: if no layer has all symbols of a choice, or under the conditions of
            `Rotosolve`.

    Reference:
        Ostaszewski, Grant, Benedetti 2021, arXiv 1905.09692.

    Example:

    >>> x, y, z = sympy.symbols("x y z")
    >>> q = cirq.LineQubit(0)
    >>> circuit = cirq.Circuit(cirq.rx(x)(q), cirq.ry(y)(q), cirq.rz(z)(q))
    >>> layer = PQC(circuit, "X", inputs=[], weight_initializer="zeros")
    >>> model = keras.Sequential([keras.Input((0,)), layer])
    >>> energy = lambda y, predicted: ops.sum(predicted, axis=-1)
    >>> model.compile(optimizer=qh.optimizers.Rotoselect([["x", "y", "z"]]), loss=energy)
    >>> history = model.fit(np.zeros((1, 0)), np.zeros((1, 1)), verbose=0)
    >>> {name: round(value, 3) for name, value in layer.symbol_values().items()}
    {'x': 0.0, 'y': -1.571, 'z': 0.0}
    """

    def __init__(
        self,
        choices: Sequence[Sequence[Any]],
        coefficients: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(coefficients, **kwargs)
        if isinstance(choices, str) or not all(
            isinstance(choice, (list, tuple)) and len(choice) > 1 for choice in choices
        ):
            raise ArgumentError("choices", "be lists of at least two symbols", choices)
        self.choices = [[str(symbol) for symbol in choice] for choice in choices]
        named = [symbol for choice in self.choices for symbol in choice]
        if len(set(named)) < len(named):
            raise ArgumentError("choices", "hold each symbol only once", choices)

    def build(self, variables: Any) -> None:
        """Finds the layers that the choices belong to.

        Raises:
            ValueError: If no layer has the symbols of a choice.
        """
        if self.built:
            return
        super().build(variables)
        for choice in self.choices:
            if not any(_columns(part, choice) for part in self._parts.list):
                raise ArgumentError("choices", "name trainable weights of one layer", choice)

    def _swept(
        self, part: Part, sweep: Sweep, inputs: Any, weights: Any, seeds: Seeds | None
    ) -> tuple[Any, Any, int]:
        """Returns the weights after a sweep, None for the slope, and the number of runs."""
        found = [columns for choice in self.choices if (columns := _columns(part, choice))]
        chosen = {column: columns for columns in found for column in columns}
        move_of = {move.column: move for move in sweep.moves}
        runs, done = 0, set[int]()
        for move in sweep.moves:
            if move.column in done:
                continue
            columns = chosen.get(move.column, (move.column,))
            done.update(columns)
            options = [move_of[column] for column in columns if move_of[column].order]
            if not options:
                continue
            if len(columns) > 1:
                kept = np.ones(weights.shape[0])
                kept[list(columns)] = 0.0
                weights = weights * ops.convert_to_tensor(kept, dtype=sweep.dtype(weights))
            (value,) = sweep.losses(inputs, [weights], seeds)
            lowest = [sweep.lowest(option, inputs, weights, value, seeds) for option in options]
            runs += 1 + sum(2 * option.order for option in options)
            best = ops.argmin(ops.stack([low for _, low, _ in lowest]))
            moved = [
                place * option.axis(weights)
                for option, (place, _, _) in zip(options, lowest, strict=True)
            ]
            weights = weights + ops.take(ops.stack(moved), best, axis=0)
        return weights, None, runs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return {**super().get_config(), "choices": [list(choice) for choice in self.choices]}


def _columns(part: Part, choice: Sequence[str]) -> tuple[int, ...]:
    """Returns the columns of a choice's weights; none if the layer does not train them all."""
    names = [str(symbol) for symbol in part.layer.compiled.weights]
    trained = {names[column]: column for column in part.columns}
    return tuple(trained[name] for name in choice) if set(choice) <= trained.keys() else ()
