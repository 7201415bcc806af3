"""The contract of a format: how to write a model, and how its runtime runs the file."""

from __future__ import annotations

import abc
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.exporting.inputs import Signature

Runner = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Runs a file: from an array for each input to an array for each output."""

EXTRA = 'pip install "qkeras-hybrid[export]"'


class Format(Value, abc.ABC):
    """A file format that models are exported to, through Keras's own `model.export`.

    Attributes:
        name: Its name in `export_model` and on the command line.
        title: Its name in sentences.
        ending: The file name's ending that Keras requires.
        folder: Whether the model is a folder.
        companions: The endings of further files next to the main one.
        backends: The Keras backends under which Keras writes it. Under any other backend, a
            separate process with the first of them writes it.
        needs: The packages that write and run it: a map from the module's name to pip's name.
        install: The command that installs them.
        int8: Whether it can be quantized.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    ending: ClassVar[str] = ""
    folder: ClassVar[bool] = False
    companions: ClassVar[Sequence[str]] = ()
    backends: ClassVar[Sequence[str]] = ("tensorflow",)
    needs: ClassVar[Mapping[str, str]] = {}
    install: ClassVar[str] = EXTRA
    int8: ClassVar[bool] = False

    @abc.abstractmethod
    def write(
        self, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
    ) -> None:
        """Writes a model.

        Args:
            model: A model without quantum layers.
            path: The path of the file, with the format's `ending`.
            calibration: None, or samples whose ranges the int8 numbers are to cover, with an array
                for each input.
        """

    @abc.abstractmethod
    def load(self, path: Path, signature: Signature) -> Runner:
        """Returns a function that runs a file in the format's own runtime, on the processor.

        Args:
            path: The file.
            signature: The signature of the model.
        """

    def writer(self) -> str:
        """Returns the Keras backend that writes the format here.

        Raises:
            ImportError: If a package that the format needs is not installed; the error says which.
        """
        missing = [package for module, package in self.needs.items() if _is_missing(module)]
        if missing:
            several = len(missing) > 1
            raise ImportError(
                f"Export to {self.title} needs the package{'s' * several} {' and '.join(missing)}, "
                f"which {'are' if several else 'is'} not installed: {self.install}."
            )
        backend: str = keras.backend.backend()
        if backend in self.backends:
            return backend
        writer = self.backends[0]
        if _is_missing(writer):
            raise ImportError(
                f"Keras writes {self.title} under {' and '.join(self.backends)}, not under "
                f"{backend}; a process with {writer} would do it here, but {writer} is not "
                f'installed: pip install "qkeras-hybrid[{writer}]".'
            )
        return writer


def not_quantized(title: str, calibration: list[np.ndarray] | None) -> None:
    """Refuses int8 for a format that has none.

    Raises:
        ValueError: If there is a calibration set.
    """
    if calibration is not None:
        raise ArgumentError("quantize", f"be None for {title}", "int8")


def by_name(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Returns the names in a file's signature that correspond to a model's, in the model's order.

    Raises:
        ValueError: If the file has other names.
    """
    if len(names) == 1 == len(wanted):
        return [names[0]]
    # TensorFlow's names have no other characters.
    plain = {re.sub(r"[^A-Za-z0-9_.]", "_", name): name for name in names}
    found = [plain.get(re.sub(r"[^A-Za-z0-9_.]", "_", name)) for name in wanted]
    if None in found:
        raise ValueError(f"The file's inputs are {', '.join(names)}, not {', '.join(wanted)}.")
    return [name for name in found if name is not None]


def outputs_in_order(names: Sequence[str]) -> list[str]:
    """Returns a signature's names of outputs in the order in which Keras flattens outputs.

    They are `output_0`, `output_1` and so on, or the keys of a dictionary, which Keras sorts.
    """
    numbers = [re.fullmatch(r"output_(\d+)", name) for name in names]
    if all(numbers):
        return sorted(names, key=lambda name: int(name.removeprefix("output_")))
    return sorted(names)


def _is_missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None
