"""A tensor train on the waves of a quantum layer's circuit, in place of the layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid._model_copies import DoesNotApplyError
from qkeras_hybrid.bench.frequencies import gate_frequencies
from qkeras_hybrid.bench.in_place import InPlaceOfCircuit
from qkeras_hybrid.program import AngleTable


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class WaveTrain(InPlaceOfCircuit):
    """A tensor train on the same products of waves as a quantum layer's circuit.

    The result of a circuit is a linear combination of products that take one of the factors
    `1, cos p, sin p, ..., sin Kp` from each angle `p` that depends on the inputs. `K` is the number
    of gates with this angle. `qkeras_hybrid.surrogate` has the same form. Here the coefficients are
    a train of small matrices, one for each angle, which trains from a random start. The rank is the
    largest at which the layer has no more parameters than the quantum layer has trained weights,
    but at least 1. So this is a classical model with the circuit's functions and about its number
    of parameters.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        That of `layer`: `(batch, ..., n_features)`.

    Output shape:
        That of `layer`.

    Raises:
        DoesNotApplyError: When the layer is built, if an angle is not affine in the circuit's
            inputs, or no result depends on them.

    Reference:
        E. Stoudenmire and D. J. Schwab, Supervised learning with tensor networks, NIPS 2016,
        arXiv 1605.05775.

    Example: four angles, each with the factors `1, cos p, sin p`.

    >>> layer = WaveTrain(PQCDense(4, n_layers=5))
    >>> layer.build((None, 4))
    >>> layer.rank, layer.count_params(), len(PQCDense(4, n_layers=5).compile(4).weights)
    (2, 54, 60)
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Finds the waves and creates the matrices."""
        layer, n_features = self._like.layer, int(input_shape[-1] or 0)
        compiled = layer.compile(n_features)
        self.units = int(layer.compute_output_shape(input_shape)[-1])
        found = gate_frequencies(compiled)
        if not found:
            raise DoesNotApplyError("No result of the circuit depends on its inputs.")
        self._degrees = list(found.values())
        self._table = AngleTable(
            [tuple((i, f) for i, f in enumerate(vector) if f) for vector in found]
        )
        n_weights = len(compiled.weights) if layer.trainable else 0
        self.rank = _rank([2 * degree + 1 for degree in self._degrees], self.units, n_weights)
        self.cores = []
        for number, degree in enumerate(self._degrees):
            rows = 1 if number == 0 else self.rank
            columns = self.units if number == len(self._degrees) - 1 else self.rank
            self.cores.append(
                self.add_weight(
                    name=f"core_{number}",
                    shape=(2 * degree + 1, rows, columns),
                    initializer=_near_one,
                )
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Multiplies the matrices of all angles; each is a sum over the waves of its angle."""
        leading = ops.shape(inputs)[:-1]
        phases = self._table(self.encode(inputs))
        row: Any = None
        for number, degree in enumerate(self._degrees):
            phase = phases[:, number : number + 1]
            waves = [ops.ones_like(phase)]
            for k in range(1, degree + 1):
                waves += [cos(k * phase), sin(k * phase)]
            wave = ops.cast(ops.concatenate(waves, axis=1), self.compute_dtype)
            core = ops.cast(self.cores[number], self.compute_dtype)
            matrices = ops.einsum("bn,nrc->brc", wave, core)
            row = matrices[:, 0] if row is None else ops.einsum("br,brc->bc", row, matrices)
        return ops.reshape(row, (*leading, self.units))


def _rank(sizes: Sequence[int], units: int, n_weights: int) -> int:
    """Returns the largest rank with at most `n_weights` parameters, but at least 1."""

    def count(rank: int) -> int:
        if len(sizes) == 1:
            return sizes[0] * units
        return rank * (sizes[0] + sizes[-1] * units) + rank * rank * sum(sizes[1:-1])

    rank = 1
    # No train needs a higher rank than the number of products on the shorter side.
    most = math.prod(sizes[: len(sizes) // 2])
    while rank < most and count(rank + 1) <= n_weights:
        rank += 1
    return rank


def _near_one(shape: Sequence[int], dtype: Any = None) -> Any:
    """Returns the identity for the constant wave, and small random matrices for the others.

    With these, the product of all matrices keeps its size, however many angles there are.
    """
    noise = keras.initializers.RandomNormal(stddev=0.3 / math.sqrt(shape[1]))(shape, dtype)
    one = np.zeros(shape)
    one[0] = np.eye(shape[1], shape[2])
    return noise + ops.convert_to_tensor(one, dtype)
