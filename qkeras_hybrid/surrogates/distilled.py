"""Approximations of any circuit, fitted to its values: random waves, and a network."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid.surrogates.base import Fit, Method, Question, RefusedError, plural, size
from qkeras_hybrid.surrogates.graphs import dense, joined

Tensor = Any

_POINTS = 8192
_WAVES = 512
_UNITS = 64
_EPOCHS = 60
_BATCH = 256


class RandomFeatures(Method):
    """A linear layer on random waves with possible frequencies of the circuit, mostly low ones.

    The coefficients are those of least squares.

    Reference:
        Landman et al.: Classically approximating variational quantum machine learning with random
        Fourier features, ICLR 2023, arXiv 2210.13200.
    """

    name = "random_features"

    def fit(self, question: Question) -> Fit:
        """Draws frequencies, and fits the coefficients."""
        part = question.part
        if not part.rows:
            raise RefusedError("no value depends on the inputs")
        rng = np.random.default_rng([question.seed, 2])
        slopes = part.slopes[list(part.rows)]
        # Most frequencies have one or two angles in them.
        share = min(0.5, 2.0 / len(slopes))
        signs = rng.choice(3, (4 * _WAVES, len(slopes)), p=[share / 2, 1 - share, share / 2]) - 1
        drawn = np.concatenate([np.eye(len(slopes)), signs]) @ slopes
        first = np.array([row[np.flatnonzero(row)[0]] if row.any() else 0.0 for row in drawn])
        drawn = np.round(drawn[first != 0] * np.sign(first[first != 0])[:, None], 9)
        _, unique = np.unique(drawn, axis=0, return_index=True)
        frequencies = drawn[np.sort(unique)[:_WAVES]]
        inputs, values = question.drawn(_POINTS, 1)
        phases = inputs @ frequencies.T
        columns = np.concatenate([np.ones((len(inputs), 1)), np.cos(phases), np.sin(phases)], 1)
        square = columns.T @ columns
        square += 1e-9 * len(inputs) * np.eye(len(square))
        table = np.linalg.solve(square, columns.T @ values)

        def build(inputs: Tensor) -> Tensor:
            phases = dense(inputs, frequencies.T)
            return dense(joined([ops.cos(phases), ops.sin(phases)]), table[1:], table[0])

        says = f"about a linear layer on {plural(len(frequencies), 'random wave')}"
        return Fit(self.name, size(frequencies, table), says, None, build)


class Distilled(Method):
    """A small Dense network, trained on the circuit's values."""

    name = "distilled"

    def fit(self, question: Question) -> Fit:
        """Trains the network."""
        part = question.part
        inputs, values = question.drawn(_POINTS, 1)
        rng = np.random.default_rng([question.seed, 3])
        width = inputs.shape[1]
        # Cosines and sines of the inputs in front: the network need not learn periods.
        slopes = part.slopes[list(part.rows)]
        slopes = np.unique(np.round(slopes, 9), axis=0) if len(slopes) else np.zeros((1, width))
        dtype = "float32"
        tensor = keras.Input((width,), dtype=dtype)
        weights = [
            _glorot(rng, 2 * len(slopes), _UNITS),
            _glorot(rng, _UNITS, _UNITS),
            _glorot(rng, _UNITS, part.width),
        ]
        model = keras.Model(tensor, _network(tensor, slopes, weights))
        steps = _EPOCHS * math.ceil(len(inputs) / _BATCH)
        model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)), "mse"
        )
        order = rng.permutation(len(inputs))
        model.fit(
            inputs[order].astype(dtype),
            values[order].astype(dtype),
            batch_size=_BATCH,
            epochs=_EPOCHS,
            shuffle=False,
            verbose=0,
        )
        trained = [np.asarray(w, float) for w in model.get_weights()]
        found = [(k, b) for k, b in zip(trained[1::2], trained[2::2], strict=True)]
        says = f"about a network of two layers of {_UNITS} units"
        return Fit(
            self.name,
            size(slopes, *(a for pair in found for a in pair)),
            says,
            None,
            lambda tensor: _network(tensor, slopes, found),
        )


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    limit = math.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns)), np.zeros(columns)


def _network(
    tensor: Tensor, slopes: np.ndarray, weights: list[tuple[np.ndarray, np.ndarray]]
) -> Tensor:
    phases = dense(tensor, slopes.T, trainable=False)
    x = joined([ops.cos(phases), ops.sin(phases)])
    for kernel, bias in weights[:-1]:
        x = ops.tanh(dense(x, kernel, bias))
    return dense(x, *weights[-1])
