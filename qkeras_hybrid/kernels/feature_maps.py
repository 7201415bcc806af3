"""Feature maps: the circuit that puts a sample into a quantum state, run for many samples.

Every feature map is the circuit of a layer: of a `QuantumEmbedding` for an encoding, of a `PQC`
for a circuit, or of a layer given by the user. So kernels accept whatever layers accept.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid import engines, noise
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._overlaps import inversion_test, swap_test
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.engines import Engine
from qkeras_hybrid.layers import PQC, QuantumEmbedding, QuantumLayer
from qkeras_hybrid.layers.features import default_qubits
from qkeras_hybrid.program import Compiled, Job
from qkeras_hybrid.readouts import Readout, State

_BYTES_AT_ONCE = 2**27


def layer_of(encoding: Any, inputs: Any, n_qubits: int | None, n_features: int) -> QuantumLayer:
    """Returns the layer whose circuit is the feature map.

    Args:
        encoding: An encoding's name or an `Encoding`, a `cirq.Circuit`, a quantum layer, or the
            Keras-serialized form of one of these.
        inputs: The symbols of a circuit that take the features.
        n_qubits: The number of qubits of an encoding; None for one for each feature up to 8, or
            more where the encoding needs them.
        n_features: The number of features.
    """
    if isinstance(encoding, QuantumLayer):
        return encoding
    if isinstance(encoding, Encoding):
        own = n_qubits or default_qubits(encoding, n_features)
        return QuantumEmbedding(own, encoding=encoding, name="feature_map")
    return PQC(encoding, output="state", inputs=inputs, name="feature_map")


def weights_of(layer: QuantumLayer) -> tuple[float, ...] | None:
    """Returns the weights of a built layer's circuit, in their order; None if it is not built."""
    return tuple(layer.symbol_values().values()) if layer.built else None


class FeatureMap:
    """A layer's circuit for features of one width, with its weights, shots and noise.

    Args:
        layer: The layer with the circuit. It need not be built.
        n_features: The number of features.
        weights: The values of the circuit's weights, in their order; None for none.
        engine: "auto", the name of an engine, or an engine.
        shots: None for exact values, or the number of measurements of each circuit.
        model: The noise model, or None.
        dtype: "float32" or "float64".

    Raises:
        ValueError: If the features don't fit the circuit, or its weights are missing.
    """

    def __init__(
        self,
        layer: QuantumLayer,
        n_features: int,
        *,
        weights: Sequence[float] | None,
        engine: Any,
        shots: int | None,
        model: Any,
        dtype: str,
    ) -> None:
        self.layer = layer
        self.compiled = layer.compile(n_features)
        self.weights = _checked_weights(weights, self.compiled)
        self.engine = engines.get(engine)
        own = None if self.engine is None else self.engine.shots
        self.shots = own if shots is None else shots
        self.noise = noise.get(model)
        self.dtype = dtype
        self._runs: dict[Readout, _Batches] = {}

    @functools.cached_property
    def has_states(self) -> bool:
        """Whether state vectors are available: without shots and noise, on a simulator."""
        if self.shots is not None or self.noise is not None:
            return False
        job = self._job(self.compiled.reading(State()))
        return self.engine is None or engines.refusal(job, self.engine) is None

    def states(self, x: np.ndarray, memory: int | None = None) -> np.ndarray:
        """Prepares the state of each sample, once.

        Args:
            x: Features of shape `(n, n_features)`.
            memory: The number of bytes that the states may take in memory; if they need more, they
                go into a temporary file.

        Returns:
            Complex array of shape `(n, 2**n_qubits)`.
        """
        return self._of(State())(self._inputs(x), memory=memory)

    def read(self, x: np.ndarray, readout: Readout, seed: Any = None) -> np.ndarray:
        """Computes a readout of each sample's state, of shape `(n, ...)`."""
        return self._of(readout)(self._inputs(x), seed)

    def overlaps(
        self, first: np.ndarray, second: np.ndarray, seed: Any = None, test: str = "inversion"
    ) -> np.ndarray:
        """Computes the fidelity of pairs of samples by circuits of both.

        Args:
            first: Features of shape `(n, n_features)`.
            second: Features of the same shape.
            seed: A `keras.random.SeedGenerator`, for shots.
            test: "inversion": one sample's circuit, then the inverse of the other's; the fidelity
                is the probability of finding all qubits in 0. "swap", with shots: both circuits
                side by side, and a Bell measurement.

        Returns:
            Array of shape `(n,)`.
        """
        inputs = np.concatenate([self._inputs(first), self._inputs(second)], axis=1)
        if test == "inversion":
            return self._inversion(inputs, seed, finish=lambda probabilities: probabilities[:, 0])
        n_qubits = self.compiled.n_qubits

        def mean_sign(bits: np.ndarray) -> np.ndarray:
            both = np.sum(bits[..., :n_qubits] * bits[..., n_qubits:], axis=2)
            signs: np.ndarray = np.mean(1.0 - 2.0 * (both % 2), axis=1)
            return signs

        return self._swap(inputs, seed, finish=mean_sign, dtype=self.dtype)

    @functools.cached_property
    def _inversion(self) -> _Batches:
        return self._prepared(inversion_test(self.compiled))

    @functools.cached_property
    def _swap(self) -> _Batches:
        return self._prepared(swap_test(self.compiled))

    def _of(self, readout: Readout) -> _Batches:
        if readout not in self._runs:
            self._runs[readout] = self._prepared(self.compiled.reading(readout))
        return self._runs[readout]

    def _prepared(self, compiled: Compiled) -> _Batches:
        return _Batches(self._job(compiled), self.engine, self.weights)

    def _job(self, compiled: Compiled) -> Job:
        return compiled.job(self.dtype, shots=self.shots, noise=self.noise, gradient=False)

    def _inputs(self, x: np.ndarray) -> np.ndarray:
        features = ops.convert_to_tensor(x, dtype=self.dtype)
        inputs = np.asarray(ops.convert_to_numpy(self.layer.encode(features)))
        if not np.isfinite(inputs).all():
            row = int(np.argwhere(~np.isfinite(inputs))[0][0])
            raise ArgumentError(
                "x",
                f"be so small that its angles, or products of them, are finite in {self.dtype}",
                f"{x[row].tolist()} in row {row}",
                "Standardise the features, or give a smaller `scale`.",
            )
        return inputs


class _Batches:
    """A job on its engine, run in batches, so that memory stays bounded."""

    def __init__(self, job: Job, engine: Engine | None, weights: np.ndarray) -> None:
        self._run = engines.prepare(job, engines.choose(job, engine))
        self._shape = job.readout.shape(job.program, job.shots)
        self._dtype = job.readout.dtype(job.dtype)
        self._precision = job.dtype
        self._weights = weights.astype(job.dtype)

    def __call__(
        self,
        inputs: np.ndarray,
        seed: Any = None,
        *,
        memory: int | None = None,
        finish: Callable[[np.ndarray], np.ndarray] | None = None,
        dtype: str | None = None,
    ) -> np.ndarray:
        """Runs the job.

        Args:
            inputs: The circuit's inputs, of shape `(n, n_inputs)`.
            seed: For shots.
            memory: How many bytes the result may take before it goes into a file.
            finish: Reduces each sample's readout to one number; None keeps the readout.
            dtype: The dtype of the result; by default the readout's.
        """
        weights = ops.convert_to_tensor(self._weights)
        one = int(np.prod(self._shape)) * np.dtype(self._dtype).itemsize
        size = max(1, _BYTES_AT_ONCE // one)
        shape = (len(inputs), *(self._shape if finish is None else ()))
        result = _array(shape, dtype or self._dtype, memory)
        for start in range(0, len(inputs), size):
            batch = ops.convert_to_tensor(inputs[start : start + size], dtype=self._precision)
            values = ops.convert_to_numpy(self._run(batch, weights, seed))
            result[start : start + size] = values if finish is None else finish(values)
        return result


def _array(shape: tuple[int, ...], dtype: str, memory: int | None) -> np.ndarray:
    need = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if memory is None or need <= memory:
        return np.empty(shape, dtype)
    # Without a name: the file is deleted together with the array.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def _checked_weights(weights: Sequence[float] | None, compiled: Compiled) -> np.ndarray:
    need = len(compiled.weights)
    if weights is None and need:
        raise ArgumentError(
            "weights",
            f"hold the {need} weights of the feature map's circuit, in radians",
            None,
            "Train them with qkeras_hybrid.kernels.train_kernel, or give them.",
        )
    values = np.array(() if weights is None else weights, float)
    if values.shape != (need,):
        raise ArgumentError("weights", f"have shape ({need},)", values.shape)
    return values
