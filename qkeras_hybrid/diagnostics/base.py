"""What a diagnosis is made of: a circuit, and random values for its symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.program import Compiled


def compiled_of(circuit: Any) -> Compiled:
    """Returns the compiled circuit of what a user names: that itself, or a built quantum layer.

    Raises:
        ValueError: If it is neither, or the layer is not built.
    """
    if isinstance(circuit, QuantumLayer):
        return circuit.compiled
    if not isinstance(circuit, Compiled):
        raise ArgumentError(
            "circuit",
            "be a built quantum layer, or what compile_circuit returned",
            circuit,
            "E.g. qkeras_hybrid.compile_circuit(circuit, 'Z0').",
        )
    return circuit


def drawn(compiled: Compiled, inputs: Any, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draws values for a circuit's symbols, uniformly from a whole turn.

    Args:
        compiled: The circuit.
        inputs: None to draw its inputs too, or their values, of shape `(n_inputs,)`, in radians.
        samples: How many.
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
        found = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise ArgumentError(argument, f"hold {size} finite numbers", value) from error
    if found.shape != (size,) or not np.all(np.isfinite(found)):
        raise ArgumentError(argument, f"hold {size} finite numbers", value)
    return found


def at_least_two(argument: str, value: Any) -> int:
    """Returns a whole number of at least 2, what an interval needs.

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
) -> tuple[float, float]:
    """Returns a percentile bootstrap interval (Efron 1979).

    Args:
        statistic: Maps how often each sample was drawn, an array of shape `(resamples, samples)`,
            to the statistic of each row.
        samples: The number of samples.
        level: Which part of the resampled statistics lies inside.
        rng: Draws the samples anew.
        resamples: How often.
    """
    counts = rng.multinomial(samples, np.full(samples, 1.0 / samples), size=resamples)
    low, high = np.quantile(statistic(counts), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
