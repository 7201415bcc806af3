"""The contract of a layer: everything that Keras users do with layers works."""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid.testing.numbers import assert_close


def run_layer_test(
    layer_cls: type[keras.layers.Layer],
    init_kwargs: dict[str, Any],
    input_shape: tuple[int, ...],
    *,
    tolerance: float = 2e-6,
    seed: int = 0,
) -> None:
    """Checks that everything that Keras users do with layers works for a layer.

    The checks are:

    - the declared output shape is the real one;
    - eager calls, functional models and clones agree;
    - a batch gives the same as its samples one by one, and an empty batch an empty output;
    - leading axes are positions, also inside TimeDistributed, and a mask of them is passed on;
    - the config round-trips through JSON;
    - a saved and loaded model has equal predictions, whether all or only its weights were saved;
    - training changes the weights and nothing else;
    - NaN passes through;
    - precision follows the dtype policy.

    Args:
        layer_cls: The layer's class.
        init_kwargs: Arguments of its constructor.
        input_shape: Shape of a batch, `(batch, ..., n_features)`.
        tolerance: Largest absolute difference between two ways to compute the same thing.
        seed: The seed of the data.

    Raises:
        AssertionError: If one of these checks fails.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, input_shape).astype("float32")
    layer = layer_cls(**init_kwargs)
    y = ops.convert_to_numpy(layer(x))

    def same(other: Any, what: str) -> None:
        assert_close(ops.convert_to_numpy(other), y, tolerance, what, layer)

    shape = tuple(layer.compute_output_shape((None, *input_shape[1:])))
    assert shape == (None, *y.shape[1:]), f"declared {shape}, returned {y.shape}"
    same(layer(x), "two calls")
    singles = [ops.convert_to_numpy(layer(x[i : i + 1])) for i in range(len(x))]
    same(np.concatenate(singles), "samples one by one")
    assert tuple(layer(x[:0]).shape) == (0, *y.shape[1:]), "an empty batch"
    stacked = np.stack([x, x], axis=1)
    assert_close(layer(stacked)[:, 1], y, tolerance, "a further leading axis", layer)

    config = json.loads(json.dumps(layer.get_config()))
    again = layer_cls.from_config(config)
    assert json.dumps(again.get_config(), sort_keys=True) == json.dumps(config, sort_keys=True)

    distributed = keras.layers.TimeDistributed(layer_cls.from_config(config))
    distributed.build(stacked.shape)
    distributed.set_weights(layer.get_weights())
    assert_close(distributed(stacked)[:, 1], y, tolerance, "TimeDistributed", layer)
    steps = keras.Input((None, input_shape[-1]))
    masked = layer_cls.from_config(config)(keras.layers.Masking()(steps))
    assert getattr(masked, "_keras_mask", None) is not None, "a mask of the steps is lost"

    model = _model(layer, input_shape)
    same(model.predict(x, verbose=0), "a functional model")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    same(clone(x), "a clone")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        same(keras.models.load_model(path).predict(x, verbose=0), "a saved model")
        path = pathlib.Path(folder) / "model.weights.h5"
        model.save_weights(path)
        other = _model(layer_cls.from_config(config), input_shape)
        other.load_weights(path)
        same(other(x), "saved weights")

    frozen = layer_cls(**init_kwargs, trainable=False)
    frozen.build(x.shape)
    assert not frozen.trainable_weights, "trainable=False leaves something to train"

    _check_training(layer_cls(**init_kwargs), x, y)
    bad = x.copy()
    bad[0] = np.nan
    after = ops.convert_to_numpy(layer(bad))
    assert_close(after[1:], y[1:], tolerance, "samples in a batch with NaN", layer)
    assert np.isnan(after[0]).any() or not np.isnan(bad[0]).any(), "NaN did not pass through"

    half = layer_cls(**init_kwargs, dtype="mixed_float16")
    dtype = keras.backend.standardize_dtype(half(x).dtype)
    assert dtype == "float16", f"under mixed_float16 the output is {dtype}"


def _model(layer: keras.layers.Layer, input_shape: tuple[int, ...]) -> keras.Model:
    inputs = keras.Input(input_shape[1:])
    return keras.Model(inputs, layer(inputs))


def _check_training(layer: keras.layers.Layer, x: np.ndarray, y: np.ndarray) -> None:
    """Trains a model of Dense, the layer and Dense, and checks which weights changed."""
    inputs = keras.Input(x.shape[1:])
    hidden = keras.layers.Dense(x.shape[-1])(inputs)
    outputs = keras.layers.Dense(1)(layer(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = model.get_weights()
    target = np.ones((*y.shape[:-1], 1), "float32")
    history = model.fit(x, target, epochs=2, batch_size=len(x), verbose=0)
    assert np.isfinite(history.history["loss"]).all(), "the loss is not finite"
    for variable, new in zip(model.weights, model.get_weights(), strict=True):
        if variable.trainable:
            assert np.isfinite(new).all(), f"{variable.path} is not finite after training"
    moved = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved[0], "no gradient reaches the layer before"
    if layer.trainable_weights:
        names = [variable.path for variable in model.weights]
        own = [names.index(variable.path) for variable in layer.trainable_weights]
        assert all(moved[i] for i in own), "training does not move the layer's weights"
