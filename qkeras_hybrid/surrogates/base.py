"""The contract of a method, which turns a part of a circuit into Keras layers."""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qkeras_hybrid.surrogates.coefficients import Coefficients, RefusedError, coefficients, phases
from qkeras_hybrid.surrogates.parts import Part

Tensor = Any

CHECKED = 1024
"""The number of random inputs at which a surrogate is compared with the circuit."""

__all__ = ["Fit", "Method", "Question", "RefusedError"]


@dataclass(frozen=True, eq=False)
class Question:
    """A part to find a surrogate for.

    Attributes:
        part: The part.
        tolerance: The largest allowed difference of any value.
        samples: Inputs of the part on the user's data, of shape `(n, n_inputs)`; `n` may be 0.
        seed: The seed of all random draws.
    """

    part: Part
    tolerance: float
    samples: np.ndarray
    seed: int = 0

    @functools.cached_property
    def checked(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs at which a surrogate is compared with the circuit, and the circuit's values.

        The inputs are those of the user's data, and random ones, uniform in a period of each input.
        """
        return self.drawn(CHECKED, 0)

    def drawn(self, count: int, stream: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns random inputs and some of the user's, and the circuit's values at them.

        Args:
            count: The number of random inputs, and the largest number of the user's inputs.
            stream: Each stream gives other random numbers.
        """
        rng = np.random.default_rng([self.seed, stream])
        width = self.part.slopes.shape[1]
        own = self.samples
        if len(own) > count:
            own = own[rng.choice(len(own), count, replace=False)]
        uniform = rng.uniform(-math.pi, math.pi, (count, width))
        inputs = np.concatenate([own.reshape(len(own), width), uniform])
        return inputs, self.part.at(inputs)

    @functools.cached_property
    def _coefficients(self) -> Coefficients | RefusedError:
        try:
            return coefficients(self.part, self.tolerance)
        except RefusedError as error:
            return error

    @functools.cached_property
    def n_coefficients(self) -> int:
        """The number of coefficients, computed or not."""
        return phases(self.part).n_products * self.part.width

    @property
    def coefficients(self) -> Coefficients:
        """The coefficients, which methods share.

        Raises:
            RefusedError: If there are too many.
        """
        found = self._coefficients
        if isinstance(found, RefusedError):
            raise found
        return found


@dataclass(frozen=True)
class Fit:
    """A surrogate of a part.

    Attributes:
        method: The name of the method.
        numbers: The number of values that it stores.
        says: A description for the sentence "the circuit equals ...".
        bound: The largest possible difference of a value, apart from rounding; 0 for an exact
            method, None if the difference is measured.
        build: Maps the part's inputs to its values: symbolic tensors of shapes
            `(batch, n_inputs)` and `(batch, width)`.
    """

    method: str
    numbers: int
    says: str
    bound: float | None
    build: Callable[[Tensor], Tensor]


class Method(abc.ABC):
    """A way to compute what a circuit computes."""

    name: ClassVar[str]

    @abc.abstractmethod
    def fit(self, question: Question) -> Fit:
        """Finds a surrogate.

        Raises:
            RefusedError: If there is none. The message gives the reason.
        """

    def slow(self, question: Question) -> bool:
        """Tells whether a surrogate takes long to find."""
        return False


def plural(count: int, word: str) -> str:
    """Returns a number with a noun, e.g. "81 products"."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def size(*arrays: np.ndarray) -> int:
    """Returns how many numbers arrays hold."""
    return sum(array.size for array in arrays)
