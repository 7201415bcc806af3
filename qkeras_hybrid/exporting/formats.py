"""The formats by name."""

from __future__ import annotations

from qkeras_hybrid._registry import Registry
from qkeras_hybrid.exporting.base import Format
from qkeras_hybrid.exporting.litert import LiteRTFormat
from qkeras_hybrid.exporting.onnx import ONNXFormat
from qkeras_hybrid.exporting.openvino import OpenVINOFormat
from qkeras_hybrid.exporting.saved_model import SavedModelFormat
from qkeras_hybrid.exporting.torch import TorchFormat

FORMATS: Registry[Format] = Registry(
    "format",
    Format,
    {
        kind.name: kind
        for kind in (SavedModelFormat, ONNXFormat, LiteRTFormat, OpenVINOFormat, TorchFormat)
    },
)
names = FORMATS.names
