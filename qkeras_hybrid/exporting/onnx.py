"""ONNX: ONNX Runtime on servers, desktops and phones, and in browsers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from qkeras_hybrid.exporting.base import Format, Runner, by_name
from qkeras_hybrid.exporting.inputs import Signature, packed, rows

# The operations that have weights and take most of the time. All others, such as the sines of a
# circuit's angles, stay in float32: int8 would make them less accurate and hardly faster.
_QUANTIZED = ("Conv", "Gemm", "MatMul")


class ONNXFormat(Format):
    """ONNX, with only the standard's operations."""

    name = "onnx"
    title = "ONNX"
    ending = ".onnx"
    backends = ("tensorflow", "torch")
    needs: ClassVar[Mapping[str, str]] = {
        "onnx": "onnx",
        "onnxruntime": "onnxruntime",
        "tf2onnx": "tf2onnx",
    }
    int8 = True

    def write(
        self, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
    ) -> None:
        import onnx

        signature = Signature.of(model)
        # Keras exports only models that have been called. A model that was loaded, or made from
        # another model's tensors, has never been called.
        model(packed(model, signature.random(n=1)))
        model.export(str(path), format="onnx", verbose=False)
        made = onnx.load(str(path))
        foreign = sorted(
            {node.op_type for node in made.graph.node if node.domain not in ("", "ai.onnx")}
        )
        if foreign:
            raise ValueError(f"it holds operations that are not ONNX's: {', '.join(foreign)}")
        _name(made, signature)
        onnx.checker.check_model(made, full_check=True)
        onnx.save(made, str(path))
        if calibration is not None:
            _quantize(path, signature, calibration)

    def load(self, path: Path, signature: Signature) -> Runner:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # only errors
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        names = by_name(
            [one.name for one in session.get_inputs()], [one.name for one in signature.inputs]
        )

        def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
            found: list[np.ndarray] = session.run(None, dict(zip(names, arrays, strict=True)))
            return found

        return run


def _name(made: Any, signature: Signature) -> None:
    """Gives the outputs the names of the model's, and the batch the name "batch"."""
    used = {name for node in made.graph.node for name in (*node.input, *node.output)}
    used |= {one.name for one in (*made.graph.input, *made.graph.initializer)}
    new = {
        one.name: name
        for one, name in zip(made.graph.output, signature.outputs, strict=True)
        if name not in used
    }
    for node in made.graph.node:
        for several in (node.input, node.output):
            for i, name in enumerate(several):
                several[i] = new.get(name, name)
    for one in made.graph.output:
        one.name = new.get(one.name, one.name)
    for one in (*made.graph.input, *made.graph.output):
        first = one.type.tensor_type.shape.dim[:1]
        for dimension in first:
            dimension.dim_param = "batch"
    # Inner shapes would keep the old name of the batch.
    del made.graph.value_info[:]


def _quantize(path: Path, signature: Signature, calibration: list[np.ndarray]) -> None:
    """Makes products with weights int8, and puts a quantization before and its inverse after."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    names = [one.name for one in signature.inputs]
    samples = (dict(zip(names, row, strict=True)) for row in rows(calibration))

    class Reader(quantization.CalibrationDataReader):
        """Samples, one at a time."""

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(samples, None)

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        plain = Path(folder) / "plain.onnx"
        quant_pre_process(str(path), str(plain), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(plain),
            str(path),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            # Weights of seven bits: on processors without VNNI, ONNX Runtime adds two products in
            # 16 bits, which eight-bit weights overflow. Outputs were off ten times as far then.
            reduce_range=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
        )
