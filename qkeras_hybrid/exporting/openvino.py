"""OpenVINO's intermediate representation: Intel's processors and accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np

from qkeras_hybrid.exporting.base import Format, Runner, not_quantized
from qkeras_hybrid.exporting.inputs import Signature


class OpenVINOFormat(Format):
    """OpenVINO's `.xml`, with a `.bin` next to it."""

    name = "openvino"
    title = "OpenVINO"
    ending = ".xml"
    companions = (".bin",)
    backends = ("tensorflow", "torch")
    needs: ClassVar[Mapping[str, str]] = {"openvino": "openvino"}
    install = 'pip install "qkeras-hybrid[openvino]"'

    def write(
        self, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
    ) -> None:
        not_quantized(self.title, calibration)
        model.export(str(path), format="openvino", verbose=False)

    def load(self, path: Path, signature: Signature) -> Runner:
        import openvino

        # Otherwise, processors with bfloat16 would compute in it.
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(path), "CPU", exact)

        def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
            found = compiled(arrays)
            return [np.array(found[i]) for i in range(len(compiled.outputs))]

        return run
