"""Picks the engine of a circuit, and makes it a differentiable function of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._device import current_device
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.qaoa.circuit import Circuit
from qkeras_hybrid.annealing.qaoa.native import Native
from qkeras_hybrid.annealing.qaoa.portable import Portable
from qkeras_hybrid.engines._host import array_call
from qkeras_hybrid.engines.native import library

ENGINES = ("auto", "native", "portable")


def refusal(tilted: bool) -> str | None:
    """Returns why the native engine can't run a circuit here, or None if it can.

    Args:
        tilted: Whether the mixer is tilted, as for a warm start.
    """
    if tilted:
        return "it has no mixer for warm starts"
    backend, device = keras.backend.backend(), current_device()
    if backend != "tensorflow" and device != "cpu":
        return f"it runs on the CPU, but {backend} computes on the {device}"
    return library.unavailable()


def chosen(engine: str, tilted: bool) -> str:
    """Returns "native" or "portable" for an argument `engine`.

    Args:
        engine: "auto", "native" or "portable".
        tilted: Whether the mixer is tilted.

    Raises:
        ValueError: If the name is unknown, or it is "native" and the native engine can't run.
    """
    one_of("engine", engine, ENGINES)
    if engine == "portable":
        return engine
    reason = refusal(tilted)
    if reason is None:
        return "native"
    if engine == "native":
        raise ArgumentError(
            "engine", f"be another engine here: {reason}", engine, 'Use "auto" or "portable".'
        )
    return "portable"


def prepare(
    engine: str, circuit: Circuit, n_fields: int, dtype: str, probabilities: bool = False
) -> Callable[[Any], Any]:
    """Returns a differentiable function of tensors that runs a circuit.

    Args:
        engine: "native" or "portable".
        circuit: The circuit.
        n_fields: The number of qubits, or 0 if samples have no fields.
        dtype: "float32" or "float64".
        probabilities: Whether it returns the probabilities of the basis states, of shape `(batch,
            2**n_qubits)`, instead of the means of the spins and the mean cost, of shape `(batch,
            n_qubits + 1)`.

    Returns:
        A function of the parameters of each sample (fields, gammas, betas), of shape `(batch,
        n_fields + 2 n_layers)`.
    """
    if engine == "portable":
        portable = Portable(circuit, n_fields, dtype)
        return portable.probabilities if probabilities else portable.values
    native = Native(circuit, n_fields, dtype)
    size = 2**circuit.n_qubits if probabilities else circuit.n_qubits + 1
    forward = native.probabilities if probabilities else native.values
    backward = native.probabilities_gradient if probabilities else native.values_gradient

    def keeping(parameters: Any) -> Any:
        """Runs with the final states handed from the forward pass to the gradient."""

        def with_gradient(parameters: Any) -> Any:
            both = array_call(
                lambda rows: native.values_and_states(np.asarray(rows)),
                (parameters,),
                (size + native.kept_numbers,),
                dtype,
            )
            states = both[:, size:]

            def gradient(*args: Any, upstream: Any = None) -> Any:
                above = args[-1] if upstream is None else upstream
                return array_call(
                    lambda *arrays: native.gradient_of_kept(*map(np.asarray, arrays)),
                    (parameters, above, states),
                    (native.width,),
                    dtype,
                )

            return both[:, :size], gradient

        return ops.custom_gradient(with_gradient)(parameters)

    def run(parameters: Any) -> Any:
        if not probabilities and native.keeps(parameters.shape[0]):
            return keeping(parameters)

        def with_gradient(parameters: Any) -> Any:
            def gradient(*args: Any, upstream: Any = None) -> Any:
                # Backends pass different arguments, but the upstream gradient always comes last.
                above = args[-1] if upstream is None else upstream
                return array_call(
                    lambda rows, above: backward(np.asarray(rows), np.asarray(above)),
                    (parameters, above),
                    (native.width,),
                    dtype,
                )

            result = array_call(
                lambda rows: forward(np.asarray(rows)), (parameters,), (size,), dtype
            )
            return result, gradient

        return ops.custom_gradient(with_gradient)(parameters)

    return run
