"""Sets how a model's circuits are computed, from a table of `bench.execution`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from qkeras_hybrid.bench import execution
from qkeras_hybrid.bench.inspection import engine_name
from qkeras_hybrid.layers.setup import KEEP
from qkeras_hybrid.layers.switching import quantum_layers, set_engine


def put(model: keras.Model, table: Mapping[str, Any]) -> str | None:
    """Gives the quantum layers of a built model the engine, shots, noise and mitigation of a table.

    Settings that the table lacks stay unchanged, as does a model without quantum layers.

    Args:
        model: The model, which is changed.
        table: See `qkeras_hybrid.bench.execution.normalized`.

    Returns:
        The names of the engines that compute the circuits now, without those that mitigate errors;
        None without a quantum layer.

    Raises:
        ValueError: If no engine, or not the given one, can compute a layer's circuit in this way.

    Example:

        >>> model = keras.Sequential([keras.Input((2,)), PQCDense(2), keras.layers.Dense(1)])
        >>> put(model, {"shots": 100, "noise": "depolarizing:0.01", "mitigation": "zne"})
        'density'
        >>> model.layers[0].engine.name, model.layers[0].shots
        ('zero_noise_extrapolation', 100)
    """
    layers = quantum_layers(model)
    if not layers or not table:
        return engine_name(model)
    set_engine(
        model,
        table.get("engine", KEEP),
        shots=table.get("shots", KEEP),
        noise=table.get("noise", KEEP),
    )
    names = engine_name(model)
    if "mitigation" in table:
        for layer in layers:
            engine = layer.engine
            for method in execution.methods(table["mitigation"]):
                engine = method(engine)
            set_engine(layer, engine)
        set_engine(model, KEEP)  # Forgets what Keras has compiled.
    return names
