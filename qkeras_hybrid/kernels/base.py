"""The base class of quantum kernels: a feature map, and matrices computed block by block."""

from __future__ import annotations

import abc
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import keras
import numpy as np

from qkeras_hybrid import encodings, engines, noise
from qkeras_hybrid._checks import (
    MOST_QUBITS,
    available_memory,
    finite_number,
    known_arguments,
    one_of,
    positive_int,
)
from qkeras_hybrid._device import has_float64
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.kernels import blocks
from qkeras_hybrid.kernels.feature_maps import FeatureMap, layer_of, weights_of
from qkeras_hybrid.kernels.repair import REPAIRS, repaired
from qkeras_hybrid.layers import QuantumKernel, QuantumLayer
from qkeras_hybrid.readouts import Readout

# Arguments that affect neither the circuit nor its run.
_OF_THE_MATRIX = frozenset({"scale", "seed", "dtype", "psd", "test", "kind", "gamma", "subsystem"})

_DTYPES = ("float32", "float64")


class Kernel(Value, abc.ABC):
    """A quantum kernel: how similar two samples are, computed from their quantum states.

    The constructor's arguments describe a kernel completely: two of the same class with equal
    arguments are equal. A subclass defines the function of the states.

    Args:
        encoding: The feature map: the name of an encoding, an `Encoding`, a `cirq.Circuit`, or a
            quantum layer, whose circuit is used and, if the layer is built, its weights.
        n_qubits: The number of qubits of an encoding. By default one for each feature up to 8, or
            more where the encoding needs them.
        scale: The factor of all features, which sets the kernel's bandwidth: below 1 the kernel
            gets wider. `best_scale` finds a good one.
        inputs: For a circuit: the symbols, or their names, that take the features.
        weights: The values of the circuit's weights, in radians, in their order.
        engine: "auto", the name of an engine, or an engine.
        shots: None for exact values, or the number of measurements of each circuit.
        noise: None, a noise model of `qkeras_hybrid.noise`, or its spelling.
        seed: Integer seed of the shots; with it, computing a matrix again gives the same result.
        dtype: "float32" or "float64"; by default float32 for features in float32 or less, and
            float64 for all others, as far as the Keras backend has it.
        psd: How to make a Gram matrix with negative eigenvalues positive semidefinite: "project" or
            "shrink", see `qkeras_hybrid.kernels.repaired`. None leaves it as it is.

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(
        self,
        encoding: Any = "zz",
        n_qubits: int | None = None,
        *,
        scale: float = 1.0,
        inputs: Any = None,
        weights: Sequence[float] | None = None,
        engine: Any = "auto",
        shots: int | None = None,
        noise: Any = None,
        seed: int | None = None,
        dtype: str | None = None,
        psd: str | None = None,
    ) -> None:
        self.n_qubits = (
            None if n_qubits is None else positive_int("n_qubits", n_qubits, MOST_QUBITS)
        )
        if isinstance(encoding, dict):
            encoding = keras.saving.deserialize_keras_object(encoding)
        self.encoding = encodings.get(encoding) if isinstance(encoding, str) else encoding
        if not isinstance(self.encoding, encodings.Encoding | QuantumLayer):
            # A circuit: building the layer now raises any error early.
            self.encoding = layer_of(self.encoding, inputs, None, 0)
        elif isinstance(self.encoding, QuantumKernel):
            raise ArgumentError(
                "encoding",
                "be a feature map, not a kernel",
                self.encoding,
                "Give the layer's encoding, and its scale as `scale`.",
            )
        elif inputs is not None:
            raise ArgumentError("inputs", "be None unless `encoding` is a circuit", inputs)
        if n_qubits is not None and isinstance(self.encoding, QuantumLayer):
            raise ArgumentError(
                "n_qubits", "be None for a circuit or a layer, which has its own", n_qubits
            )
        if weights is None and isinstance(self.encoding, QuantumLayer):
            weights = weights_of(self.encoding)
        self.weights = (
            None if weights is None else tuple(finite_number("weights", w) for w in weights)
        )
        self.scale = finite_number("scale", scale)
        self.engine = engine
        engines.get(engine)
        self.shots = None if shots is None else positive_int("shots", shots)
        self.noise = _noise(noise)
        self.seed = None if seed is None else int(seed)
        self.dtype = None if dtype is None else one_of("dtype", dtype, _DTYPES)
        self.psd = None if psd is None else one_of("psd", psd, REPAIRS)
        self._maps: dict[tuple[int, str], FeatureMap] = {}

    # A subclass implements these.

    @abc.abstractmethod
    def features(self, x: Any, memory: int | None = None, seeds: Any = None) -> np.ndarray:
        """Returns the features of each sample that enter the kernel, of shape `(n, width)`.

        Args:
            x: Samples of shape `(n, n_features)`.
            memory: How many bytes the result may take before it goes into a temporary file; by
                default half of the available memory.
            seeds: A `keras.random.SeedGenerator` of shots; by default a new one of the kernel's
                seed.
        """

    @property
    @abc.abstractmethod
    def _rule(self) -> blocks.Rule:
        """The entry of the matrix, as a function of two rows of `features`."""

    @property
    @abc.abstractmethod
    def _diagonal(self) -> float | None:
        """The value on the diagonal of a Gram matrix, if it is known."""

    @abc.abstractmethod
    def on_tensors(self, n_qubits: int) -> tuple[Readout, Callable[[Any], Any]]:
        """Returns a readout of each sample, and a differentiable map from it to the Gram matrix.

        Args:
            n_qubits: The number of qubits.
        """

    # The interface for users.

    def matrix(
        self,
        x: Any,
        y: Any = None,
        *,
        out: str | os.PathLike[str] | None = None,
        progress: bool = False,
        n_jobs: int | None = None,
    ) -> np.ndarray:
        """Computes a kernel matrix.

        Args:
            x: Samples of shape `(n, n_features)`.
            y: Samples of shape `(m, n_features)`; None for `x` again, which gives the symmetric
                Gram matrix.
            out: A `.npy` file for a matrix that does not fit in memory. The result is
                memory-mapped.
            progress: Whether to show a progress bar on the error stream.
            n_jobs: None computes in this process, on all cores. A number spreads the blocks with
                joblib, also over machines: see `joblib.parallel_config`. A block whose process ends
                is computed again. It must be None if each entry is measured.

        Returns:
            Real array of shape `(n, m)`.

        Raises:
            ValueError: If the samples are not finite numbers, their widths differ, they don't fit
                the feature map, or the matrix does not fit in memory.
        """
        first = self.check("x", x)
        second = None if y is None else self.check("y", y)
        if second is not None and second.shape[1] != first.shape[1]:
            raise ArgumentError(
                "y", f"have {first.shape[1]} features, like `x`", f"{second.shape[1]}"
            )
        watch = _progress_bar if progress else None
        if second is None and self.psd is not None:
            # It is repaired as a whole, in float64.
            blocks.check_memory((len(first), len(first)), np.float64)
        found = self._matrix(first, second, out, n_jobs, watch)
        if second is None and self.psd is not None:
            found[...] = repaired(found, self.psd)
        return found

    def _matrix(
        self,
        first: np.ndarray,
        second: np.ndarray | None,
        out: str | os.PathLike[str] | None,
        n_jobs: int | None,
        watch: Callable[[Iterable[Any], int], Iterable[Any]] | None,
    ) -> np.ndarray:
        shape = (len(first), len(first) if second is None else len(second))
        blocks.check_memory(shape, first.dtype, out)
        # The features of `first` and `second` share the memory that the matrix leaves.
        taken = shape[0] * shape[1] * first.itemsize if out is None else 0
        room = self._memory(taken) // (1 if second is None else 2)
        seeds = self._seeds()
        return blocks.matrix(
            self._rule,
            self.features(first, room, seeds),
            None if second is None else self.features(second, room, seeds),
            out=out,
            diagonal=self._diagonal,
            n_jobs=n_jobs,
            watch=watch,
        )

    def diagonal(self, x: Any) -> np.ndarray:
        """Computes the kernel of each sample with itself, without the matrix.

        Args:
            x: Samples of shape `(n, n_features)`.

        Returns:
            Real array of shape `(n,)`.

        Raises:
            ValueError: Under the same conditions as `matrix`.
        """
        array = self.check("x", x)
        if self._diagonal is not None:
            return np.full(len(array), self._diagonal, array.dtype)
        return self._own(array)

    @abc.abstractmethod
    def _own(self, x: np.ndarray) -> np.ndarray:
        """Computes the diagonal if it is not known."""

    def __call__(self, x: Any, y: Any = None) -> np.ndarray:
        """Returns `matrix(x, y)`: scikit-learn's estimators take callable kernels."""
        return self.matrix(x, y)

    def with_changes(self, **changes: Any) -> Self:
        """Returns the same kernel with other arguments.

        Example:

        >>> qh.kernels.FidelityKernel("angle").with_changes(scale=0.5).scale
        0.5
        """
        changed = type(self)(**{**self._arguments(), **changes})
        if _OF_THE_MATRIX.issuperset(changes):
            changed._maps = self._maps  # the circuit is the same and already compiled
        return changed

    @property
    def layer(self) -> QuantumLayer | None:
        """The layer whose circuit is the feature map; None if it is an encoding."""
        return self.encoding if isinstance(self.encoding, QuantumLayer) else None

    def _arguments(self) -> dict[str, Any]:
        """Returns the arguments that make this kernel again, unchanged."""
        names = ("n_qubits", "scale", "weights", "engine", "shots", "noise", "seed", "dtype", "psd")
        return {"encoding": self.encoding, **{name: getattr(self, name) for name in names}}

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        weights = None if self.weights is None else list(self.weights)
        serialized = {
            name: value if value is None or isinstance(value, (str, dict)) else _serialized(value)
            for name, value in self._arguments().items()
            if name in ("encoding", "engine", "noise")
        }
        return {**self._arguments(), **serialized, "weights": weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes a kernel from what `get_config` returned.

        Raises:
            ValueError: If the config has a key that the constructor does not take.
        """
        more = set(inspect.signature(Kernel).parameters)
        return cls(**known_arguments(cls, config, more))

    def __reduce__(self) -> Any:
        # Compiled parts are left out: engines hold objects that no other process can use.
        return _restored, (type(self), self.get_config())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a value: its circuit is compiled once for all its users

    def check(self, argument: str, x: Any) -> np.ndarray:
        """Returns samples as a floating array of the kernel's precision.

        Args:
            argument: The argument's name, for errors.
            x: Samples of shape `(n, n_features)`, dense or one of SciPy's sparse matrices.

        Raises:
            ValueError: If they have another shape, or are not finite real numbers.
        """
        if hasattr(x, "toarray"):
            x = x.toarray()
        array = np.asarray(x)
        if array.ndim != 2 or not array.shape[1] or array.dtype.kind not in "biufO":
            raise ArgumentError(
                argument,
                "have shape (n_samples, n_features) and hold real numbers",
                f"shape {array.shape} of {array.dtype}",
            )
        try:
            array = array.astype(self.precision(array.dtype))
        except (TypeError, ValueError) as error:
            raise ArgumentError(argument, "hold real numbers", f"{error}") from error
        wrong = np.argwhere(~np.isfinite(array))
        if len(wrong):
            row, column = map(int, wrong[0])
            raise ArgumentError(
                argument,
                "hold finite numbers",
                f"{array[row, column]} in row {row}, column {column}",
                "Fill in or remove such rows: no state can be prepared from them.",
            )
        return array

    def precision(self, dtype: Any) -> str:
        """Returns the precision for features of a dtype: "float32" or "float64"."""
        if self.dtype is not None:
            return self.dtype
        short = np.dtype(dtype) in (np.float32, np.float16)
        return "float32" if short or not has_float64() else "float64"

    def feature_map(self, n_features: int, dtype: str) -> FeatureMap:
        """Returns the feature map for samples of a width; it is compiled once.

        Args:
            n_features: The number of features.
            dtype: "float32" or "float64".

        Raises:
            ValueError: If the features don't fit the circuit, or its weights are missing.
        """
        key = (n_features, dtype)
        if key not in self._maps:
            self._maps[key] = FeatureMap(
                layer_of(self.encoding, None, self.n_qubits, n_features),
                n_features,
                weights=self.weights,
                engine=self.engine,
                shots=self.shots,
                model=self.noise,
                dtype=dtype,
            )
        return self._maps[key]

    def _map_of(self, x: np.ndarray) -> FeatureMap:
        return self.feature_map(x.shape[1], str(x.dtype))

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        if self.scale == 1:
            return x
        with np.errstate(over="ignore"):  # the circuit's inputs are checked
            return np.asarray(x * self.scale, x.dtype)

    def _seeds(self) -> Any:
        return keras.random.SeedGenerator(self.seed)

    @staticmethod
    def _memory(taken: int = 0) -> int:
        # Half of the rest, so that the blocks also have room.
        return max(available_memory() - taken, 0) // 2


def _restored(cls: type[Kernel], config: dict[str, Any]) -> Kernel:
    return cls.from_config(config)


def _noise(given: Any) -> Any:
    return noise.get(given)


def _serialized(value: Any) -> Any:
    return keras.saving.serialize_keras_object(value)


def _progress_bar(steps: Iterable[Any], total: int) -> Iterable[Any]:
    import rich.console
    import rich.progress

    console = rich.console.Console(stderr=True)
    return rich.progress.track(steps, "kernel matrix", total, console=console)
