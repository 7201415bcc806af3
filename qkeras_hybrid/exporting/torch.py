"""PyTorch's exported program: a graph of PyTorch's operations, without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
from keras.tree import flatten, map_structure

from qkeras_hybrid.exporting.base import Format, Runner, not_quantized
from qkeras_hybrid.exporting.inputs import Signature


class TorchFormat(Format):
    """PyTorch's `.pt2`, which `torch.export.load` reads."""

    name = "torch"
    title = "PyTorch's exported program"
    ending = ".pt2"
    backends = ("torch",)
    needs: ClassVar[Mapping[str, str]] = {"torch": "torch"}
    install = 'pip install "qkeras-hybrid[torch]"'

    def write(
        self, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
    ) -> None:
        import torch

        not_quantized(self.title, calibration)
        # One dynamic dimension for all inputs: they share the batch.
        first = {0: torch.export.Dim("batch")}
        structure = getattr(model, "_inputs_struct", None)  # Keras has no public name for it
        shapes = first if structure is None else map_structure(lambda _: first, structure)
        model.export(str(path), format="torch", verbose=False, dynamic_shapes=[(shapes,)])

    def load(self, path: Path, signature: Signature) -> Runner:
        import torch
        from torch.utils._pytree import tree_unflatten

        loaded = torch.export.load(str(path))
        program, form = loaded.module(), loaded.call_spec.in_spec

        def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
            with torch.no_grad():
                args, kwargs = tree_unflatten([torch.from_numpy(array) for array in arrays], form)
                found = program(*args, **kwargs)
            return [tensor.numpy() for tensor in flatten(found)]

        return run
