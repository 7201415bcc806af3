"""TensorFlow's SavedModel: a folder that TensorFlow, TF Serving and TF.js's converter read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np

from qkeras_hybrid.exporting.base import (
    Format,
    Runner,
    by_name,
    not_quantized,
    outputs_in_order,
)
from qkeras_hybrid.exporting.inputs import Signature

# They call the Python function of the process that wrote them.
_TIED_TO_PYTHON = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})


class SavedModelFormat(Format):
    """TensorFlow's SavedModel, with only TensorFlow's own operations."""

    name = "saved_model"
    title = "SavedModel"
    folder = True
    needs: ClassVar[Mapping[str, str]] = {"tensorflow": "tensorflow"}
    install = 'pip install "qkeras-hybrid[tensorflow]"'

    def write(
        self, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
    ) -> None:
        not_quantized(self.title, calibration)
        model.export(str(path), format="tf_saved_model", verbose=False)
        foreign = custom_operations(path)
        if foreign:
            raise ValueError(f"it holds operations that are not TensorFlow's: {', '.join(foreign)}")

    def load(self, path: Path, signature: Signature) -> Runner:
        import tensorflow as tf

        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        names = by_name(
            list(serve.structured_input_signature[1]), [one.name for one in signature.inputs]
        )
        outputs = outputs_in_order(list(serve.structured_outputs))

        def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
            given = {n: tf.constant(a) for n, a in zip(names, arrays, strict=True)}
            found = serve(**given)
            return [found[name].numpy() for name in outputs]

        return run


def custom_operations(path: Path) -> list[str]:
    """Returns the operations of a SavedModel that TensorFlow itself does not have.

    Args:
        path: Its folder.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    used: set[str] = set()
    for meta in saved.meta_graphs:
        nodes: Iterable[Iterable[object]] = [
            meta.graph_def.node,
            *(function.node_def for function in meta.graph_def.library.function),
        ]
        functions = {f.signature.name for f in meta.graph_def.library.function}
        used |= {node.op for several in nodes for node in several} - functions  # type: ignore[attr-defined]
    return sorted(op for op in used if op in _TIED_TO_PYTHON or not hasattr(tf.raw_ops, op))
