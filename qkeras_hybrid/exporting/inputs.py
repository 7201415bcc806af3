"""The inputs and outputs of a model, and samples that fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError

N_RANDOM = 256
"""The number of random samples if no data are given."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Attributes:
        name: Its name in the model, and in the exported file.
        shape: The shape of one sample.
        dtype: The name of its dtype.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    def random(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Returns `n` random samples: uniform between -1 and 1, or 0 and 1 for an integer dtype."""
        shape = (n, *self.shape)
        if self.dtype == "bool" or "int" in self.dtype:
            return generator.integers(0, 2, shape).astype(self.dtype)
        return generator.uniform(-1.0, 1.0, shape).astype(self.dtype)

    def checked(self, value: Any, argument: str) -> np.ndarray:
        """Returns samples as an array of the input's dtype.

        Raises:
            ValueError: If they have the wrong shape, or are not finite numbers.
        """
        try:
            samples = np.asarray(value)
        except ValueError as error:  # such as rows of different lengths
            raise ArgumentError(argument, "be an array of numbers", value) from error
        if samples.dtype.kind not in "biuf":
            raise ArgumentError(argument, "be an array of real numbers", samples.dtype.name)
        if samples.ndim != len(self.shape) + 1 or samples.shape[1:] != self.shape:
            wanted = ", ".join(("n", *map(str, self.shape)))
            raise ArgumentError(
                argument, f"have the shape ({wanted}) for the input {self.name!r}", samples.shape
            )
        if not len(samples):
            raise ArgumentError(argument, "hold at least one sample", samples.shape)
        if not np.isfinite(samples).all():
            count = int((~np.isfinite(samples)).sum())
            raise ArgumentError(argument, "be finite", f"{count} values that are NaN or infinite")
        return samples.astype(self.dtype)


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a model, in the order in which Keras flattens them.

    Attributes:
        inputs: The inputs.
        outputs: The names of the outputs.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, model: keras.Model) -> Signature:
        """Returns the signature of a model.

        Raises:
            ValueError: If the model is not built, or has no inputs of known shape.
        """
        if not isinstance(model, keras.Model):
            raise ArgumentError("model", "be a Keras model", model)
        if not model.built:
            raise ArgumentError(
                "model",
                "be built",
                model.name,
                "Call it once, or give it a `keras.Input`, and train it or load its weights.",
            )
        if not getattr(model, "inputs", None):
            raise ArgumentError(
                "model",
                "be a Sequential or functional model",
                type(model).__name__,
                "Wrap it: `inputs = keras.Input(shape)`, `keras.Model(inputs, model(inputs))`.",
            )
        inputs = tuple(
            Input(
                tensor.name, tuple(tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype)
            )
            for tensor in keras.tree.flatten(model.inputs)
        )
        for one in inputs:
            if None in one.shape:
                raise ArgumentError(
                    "model",
                    "have inputs of known shape, except for the batch",
                    {one.name: (None, *one.shape)},
                    "Build it again with a `keras.Input` that has the widths of the data.",
                )
        # A Sequential model has one output, and no name for it.
        names = getattr(model, "output_names", None) or [model.layers[-1].name]
        return cls(inputs, _distinct(names))

    def samples(self, data: Any, argument: str = "data") -> list[np.ndarray]:
        """Returns samples as a list with an array for each input.

        Args:
            data: An array; for several inputs a list of arrays, or a mapping from names.
            argument: The argument's name, for errors.

        Raises:
            ValueError: If they don't fit the inputs.
        """
        names = [one.name for one in self.inputs]
        if isinstance(data, Mapping):
            if sorted(data) != sorted(names):
                raise ArgumentError(argument, f"have the keys {', '.join(names)}", list(data))
            given = [data[name] for name in names]
        elif len(names) == 1:
            given = [data]
        elif isinstance(data, (list, tuple)) and len(data) == len(names):
            given = list(data)
        else:
            raise ArgumentError(
                argument,
                f"be a list of {len(names)} arrays, or a mapping from the names of the inputs "
                f"({', '.join(names)})",
                type(data).__name__,
            )
        arrays = [
            one.checked(value, argument) for one, value in zip(self.inputs, given, strict=True)
        ]
        lengths = [len(array) for array in arrays]
        if len(set(lengths)) > 1:
            raise ArgumentError(argument, "have equally many samples for each input", lengths)
        return arrays

    def random(self, seed: int = 0, n: int = N_RANDOM) -> list[np.ndarray]:
        """Returns random samples, with an array for each input."""
        generator = np.random.default_rng(seed)
        return [one.random(generator, n) for one in self.inputs]


def rows(arrays: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Yields each sample as a batch of one."""
    for i in range(len(arrays[0])):
        yield [array[i : i + 1] for array in arrays]


def resized(arrays: list[np.ndarray], n: int) -> list[np.ndarray]:
    """Returns the first `n` samples, repeated if there are fewer."""
    index = np.arange(n) % len(arrays[0])
    return [array[index] for array in arrays]


def packed(model: keras.Model, arrays: list[np.ndarray]) -> Any:
    """Returns samples in the structure that the model takes."""
    structure = getattr(model, "_inputs_struct", None)  # Keras has no public name for it
    if structure is None or (len(arrays) == 1 and not isinstance(structure, (dict, list, tuple))):
        return arrays[0] if len(arrays) == 1 else arrays
    return keras.tree.pack_sequence_as(structure, arrays)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Returns names, with a number added to repeated ones."""
    found: list[str] = []
    for name in names:
        number, distinct = 1, name
        while distinct in found:
            distinct = f"{name}_{number}"
            number += 1
        found.append(distinct)
    return tuple(found)
