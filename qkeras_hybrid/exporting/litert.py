"""LiteRT, formerly TensorFlow Lite: phones and microcontrollers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from qkeras_hybrid.exporting.base import Format, Runner, by_name, outputs_in_order
from qkeras_hybrid.exporting.inputs import Signature, rows


class LiteRTFormat(Format):
    """LiteRT's `.tflite`, with only LiteRT's built-in operations."""

    name = "litert"
    title = "LiteRT"
    ending = ".tflite"
    needs: ClassVar[Mapping[str, str]] = {"ai_edge_litert": "ai-edge-litert"}
    int8 = True

    def write(
        self, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
    ) -> None:
        import tensorflow as tf

        # Keras would allow TensorFlow's operations too, which LiteRT's runtime does not have.
        sets, more = [tf.lite.OpsSet.TFLITE_BUILTINS], {}
        if calibration is not None:
            sets = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, *sets]
            names = [one.name for one in Signature.of(model).inputs]
            more = {
                "optimizations": [tf.lite.Optimize.DEFAULT],
                "representative_dataset": lambda: (
                    dict(zip(names, row, strict=True)) for row in rows(calibration)
                ),
            }
        model.export(
            str(path),
            format="litert",
            verbose=False,
            target_spec={"supported_ops": sets},
            **more,
        )

    def load(self, path: Path, signature: Signature) -> Runner:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path))
        served = interpreter.get_signature_runner()
        details: dict[str, Any] = served.get_input_details()
        names = by_name(list(details), [one.name for one in signature.inputs])
        places = [details[name]["index"] for name in names]
        found = served.get_output_details()
        outputs = [found[name]["index"] for name in outputs_in_order(list(found))]
        sizes: list[int] = []

        def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
            # Memory is planned anew only if the number of samples changes.
            if sizes != [len(arrays[0])]:
                for place, array in zip(places, arrays, strict=True):
                    interpreter.resize_tensor_input(place, array.shape)
                interpreter.allocate_tensors()
                sizes[:] = [len(arrays[0])]
            for place, array in zip(places, arrays, strict=True):
                interpreter.set_tensor(place, array)
            interpreter.invoke()
            return [interpreter.get_tensor(place) for place in outputs]

        return run
