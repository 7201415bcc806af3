"""The inputs of a diagnosis: a circuit, and random values for its symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.program import Compiled


def compiled_of(circuit: Any, argument: str = "circuit") -> Compiled:
    """Returns the compiled circuit of an argument: itself, or that of a built quantum layer.

    Args:
        circuit: The user's argument.
        argument: The name of the argument, for the error.

    Raises:
        ValueError: If it is neither, or the layer is not built.
    """
    if isinstance(circuit, QuantumLayer):
        if not circuit.built:
            fix = "Call it on data, or build it with the shape of its input: build((None, 4))."
            raise ArgumentError(argument, "be built", f"{circuit.name}, not built yet", fix)
        return circuit.compiled
    if not isinstance(circuit, Compiled):
        raise ArgumentError(
            argument,
            "be a built quantum layer, or what compile_circuit returned",
            circuit,
            "E.g. qkeras_hybrid.compile_circuit(circuit, 'Z0').",
        )
    return circuit


def weights_of(circuit: Any, compiled: Compiled, weights: Any) -> np.ndarray:
    """Returns the values of a circuit's weights, of shape `(n_weights,)`, in radians.

    Args:
        circuit: The user's argument.
        compiled: Its compiled circuit.
        weights: The user's weights; None for those of the layer.

    Raises:
        ValueError: If there are no weights, or they are not `n_weights` finite numbers.
    """
    n_weights = len(compiled.weights)
    if weights is None and isinstance(circuit, QuantumLayer):
        weights = list(circuit.symbol_values().values())
    return vector("weights", weights, n_weights)


def inputs_of(circuit: Any, n_inputs: int, x: Any, precision: str) -> np.ndarray:
    """Returns the circuit's inputs of some samples, of shape `(batch, n_inputs)`.

    Args:
        circuit: The user's argument. For a layer, `x` holds features; otherwise, the circuit's
            inputs.
        n_inputs: How many inputs the circuit has.
        x: The samples, `(batch, n_features)`; None for a circuit without inputs.
        precision: "float32" or "float64".

    Raises:
        ValueError: If samples are missing, not finite, or have another shape.
    """
    if x is None:
        if n_inputs:
            raise ArgumentError("x", "hold samples, since the circuit has inputs", None)
        return np.zeros((1, 0))
    try:
        samples = real_array(x, precision)
    except (TypeError, ValueError) as error:
        raise ArgumentError("x", "hold finite numbers, of shape (batch, n_features)", x) from error
    if samples.ndim != 2 or not len(samples) or not np.all(np.isfinite(samples)):
        raise ArgumentError("x", "hold finite numbers, of shape (batch, n_features)", x)
    if isinstance(circuit, QuantumLayer):
        width = (circuit.get_build_config() or {}).get("input_shape", (None,))[-1]
        if width is not None and samples.shape[1] != width:
            raise ArgumentError("x", f"have {width} columns", samples.shape)
        samples = ops.convert_to_numpy(circuit.encode(ops.convert_to_tensor(samples)))
    if samples.shape[1] != n_inputs:
        raise ArgumentError("x", f"have {n_inputs} columns", samples.shape)
    return samples


def drawn(compiled: Compiled, inputs: Any, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draws values for a circuit's symbols, uniformly from a whole turn.

    Args:
        compiled: The circuit.
        inputs: None to draw its inputs too, or their values, of shape `(n_inputs,)`, in radians.
        samples: The number of samples.
        rng: Draws the values.

    Returns:
        Array of shape `(samples, n_inputs + n_weights)`.

    Raises:
        ValueError: If `inputs` has another shape, or is not finite.
    """
    n_inputs = len(compiled.inputs)
    values = rng.uniform(0.0, 2 * math.pi, (samples, n_inputs + len(compiled.weights)))
    if inputs is not None:
        values[:, :n_inputs] = vector("inputs", inputs, n_inputs)
    return values


def vector(argument: str, value: Any, size: int) -> np.ndarray:
    """Returns an argument as an array of finite numbers, of shape `(size,)`.

    Raises:
        ValueError: If it is not one.
    """
    try:
        found = real_array(value, "float64")
    except (TypeError, ValueError) as error:
        raise ArgumentError(argument, f"hold {size} finite numbers", value) from error
    if found.shape != (size,) or not np.all(np.isfinite(found)):
        raise ArgumentError(argument, f"hold {size} finite numbers", value)
    return found


def real_array(values: Any, dtype: str) -> np.ndarray:
    """Returns values as an array, and refuses complex ones, whose imaginary part NumPy drops.

    Raises:
        TypeError: If they are complex, or no numbers.
        ValueError: If they are no numbers, or lists of different lengths.
    """
    if np.iscomplexobj(values):
        raise TypeError("complex numbers")
    return np.asarray(values, dtype)


def at_least_two(argument: str, value: Any) -> int:
    """Returns a whole number of at least 2, as an interval needs.

    Raises:
        ValueError: If it is not one.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 2:
        raise ArgumentError(argument, "be a whole number of at least 2", value)
    return int(value)


def confidence(value: Any) -> float:
    """Returns the level of an interval, between 0 and 1.

    Raises:
        ValueError: If it is not one.
    """
    level = finite_number("level", value)
    if not 0 < level < 1:
        raise ArgumentError("level", "be between 0 and 1, e.g. 0.95", value)
    return level


def interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    samples: int,
    level: float,
    rng: np.random.Generator,
    resamples: int = 1000,
    centre: float | None = None,
) -> tuple[float, float]:
    """Returns a percentile bootstrap interval (Efron 1979).

    Args:
        statistic: Maps how often each sample was drawn, an array of shape `(resamples, samples)`,
            to the statistic of each row.
        samples: The number of samples.
        level: The fraction of the resampled statistics inside the interval.
        rng: Draws the resamples.
        resamples: The number of resamples.
        centre: The statistic of the samples, if it is biased. Resampling adds the bias once more,
            so the resampled statistics are shifted to this mean.
    """
    counts = rng.multinomial(samples, np.full(samples, 1.0 / samples), size=resamples)
    found = statistic(counts)
    if centre is not None:
        found = found - (np.mean(found) - centre)
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
