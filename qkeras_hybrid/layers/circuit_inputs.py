"""Lets a layer take TensorFlow Quantum's string tensors of circuits, one for each sample."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keras import ops

from qkeras_hybrid import gradients
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.program import Compiled, Job
from qkeras_hybrid.readouts import Expectation

Shape = Sequence[int | None]


class CircuitInputs(QuantumLayer):
    """A quantum layer whose input may also be circuits, which run before the layer's own.

    The first call decides which of the two it takes. Circuits are a string tensor of shape
    `(batch,)`, made by `tfq.convert_to_tensor`; if the layer's circuit has inputs too, pass
    `[circuits, values]`, with values of shape `(batch, n_inputs)`.
    """

    _takes_circuits = False

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer on circuits or on numbers."""
        circuits = _are_circuits(inputs[0] if _is_pair(inputs) else inputs)
        if not self.built:
            self._takes_circuits = circuits
        elif circuits != self._takes_circuits:
            raise ValueError(
                f"Layer {self.name!r} was built for inputs of "
                f"{'circuits' if self._takes_circuits else 'numbers'}, but got "
                f"{'circuits' if circuits else 'numbers'}. Use a separate layer for those."
            )
        return super().__call__(inputs, *args, **kwargs)

    def job(self, compiled: Compiled) -> Job:
        """Returns the job for an engine, circuits as inputs included."""
        job = super().job(compiled)
        if not self._takes_circuits:
            return job
        if not isinstance(self.differentiator, gradients.Adjoint | None):
            raise ValueError(
                f"Layer {self.name!r} takes circuits as inputs only with the engine's own "
                f"gradient, but got {type(self.differentiator).__name__}. "
                "Give it engine=TFQEngine(gradient='parameter_shift'), for example."
            )
        return replace(job, circuits=True)

    def build(self, input_shape: Any) -> None:
        """Builds the layer, and warns if its seed has no effect."""
        super().build(input_shape)
        estimates = any(isinstance(readout.source, Expectation) for readout in self.readouts)
        if self._takes_circuits and self._shots and estimates and self.seed is not None:
            warnings.warn(
                f"Layer {self.name!r}: `seed` has no effect on expectation values from shots if "
                "the inputs are circuits, since TensorFlow Quantum's sampling takes no seed.",
                stacklevel=2,
            )

    def call(self, inputs: Any) -> Any:
        """Computes the circuit for every sample."""
        if not self._takes_circuits:
            return super().call(inputs)
        circuits, values = inputs if _is_pair(inputs) else (inputs, None)
        if values is None:
            values = ops.zeros((ops.shape(circuits)[0], 0), self._precision)
        return self._read((circuits, ops.cast(values, self._precision)))

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the input's shapes, and whether the inputs are circuits."""
        config = super().get_build_config()
        return {**config, "circuits": True} if config and self._takes_circuits else config

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the inputs that it had when it was saved."""
        if isinstance(config, dict):
            self._takes_circuits = config.get("circuits", False)
            config = {k: v for k, v in config.items() if k != "circuits"}
        super().build_from_config(config)

    def _check_shape(self, input_shape: Any) -> int:
        """Returns the number of features that come with the circuits."""
        if not self._takes_circuits:
            return super()._check_shape(input_shape)
        if not _is_pair(input_shape):
            return 0
        values = tuple(input_shape[1])
        if len(values) != 2 or values[1] is None:
            raise ValueError(
                f"Layer {self.name!r} must have values of shape (batch, {self._n_values()}) in "
                f"addition to its circuits, but got shape {values}."
            )
        return int(values[1])

    def _n_values(self) -> int:
        """Returns how many values each sample needs in addition to its circuit."""
        raise NotImplementedError


def _is_pair(inputs: Any) -> bool:
    return (
        isinstance(inputs, (list, tuple))
        and len(inputs) == 2
        and (hasattr(inputs[0], "shape") or isinstance(inputs[0], (list, tuple)))
    )


def _are_circuits(inputs: Any) -> bool:
    """Whether these are a vector of strings; the layer itself takes or refuses anything else."""
    kind = getattr(inputs, "dtype", None)
    name = getattr(kind, "name", kind)  # names of TensorFlow's, NumPy's and Keras's dtypes
    of_strings = isinstance(name, str) and name.startswith(("string", "str", "bytes", "object"))
    return of_strings and len(inputs.shape) == 1
