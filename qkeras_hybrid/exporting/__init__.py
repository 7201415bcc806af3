"""Models in files that run without this package: SavedModel, ONNX, LiteRT, OpenVINO, PyTorch.

| format | what it is for | int8 | extra |
|---|---|---|---|
| `saved_model` | TensorFlow, TF Serving | no | `tensorflow` |
| `onnx` | ONNX Runtime: servers, desktops, phones, browsers | yes | `export` |
| `litert` | LiteRT, formerly TensorFlow Lite: phones | yes | `export` |
| `openvino` | OpenVINO: Intel's processors | no | `openvino` |
| `torch` | PyTorch, as an exported program | no | `torch` |

What a format needs is installed by its extra, as in `pip install "qkeras-hybrid[export]"`.
Keras writes `onnx` and `openvino` under TensorFlow and PyTorch, `saved_model` and `litert` under
TensorFlow, and `torch` under PyTorch. Under any other backend, a separate process writes the file,
with the first of these backends, which must be installed.
"""

from __future__ import annotations

from qkeras_hybrid.exporting.base import Format
from qkeras_hybrid.exporting.export import export_model
from qkeras_hybrid.exporting.formats import FORMATS, names
from qkeras_hybrid.exporting.report import Difference, ExportReport, Timing

__all__ = [
    "FORMATS",
    "Difference",
    "ExportReport",
    "Format",
    "Timing",
    "export_model",
    "names",
]
