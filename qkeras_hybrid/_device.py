"""The device that the Keras backend computes on."""

from __future__ import annotations

import os
from typing import Any

import keras
from keras import ops


def current_device() -> str:
    """Returns the kind of device, such as "cpu", "gpu", "tpu" or "cuda".

    "several devices" if a `keras.distribution` spreads each batch over several.
    """
    distribution = keras.distribution.distribution()
    if distribution is not None and distribution.device_mesh.devices.size > 1:
        return "several devices"
    match keras.backend.backend():
        case "jax":
            import jax

            chosen: Any = getattr(jax.config, "jax_default_device", None)
            if chosen is None:
                return str(jax.default_backend())
            return str(getattr(chosen, "platform", chosen))  # a device, or a platform's name
        case "torch":
            device = str(ops.zeros(()).device.type)
            return _torch_default() if device == "meta" else device
        case _:
            return "cpu"


def _torch_default() -> str:
    """Returns PyTorch's default device, also while Keras computes shapes on the device "meta".

    Keras calls layers there to learn their output shapes, and may build a layer while it does.
    """
    import torch

    chosen = os.environ.get("KERAS_TORCH_DEVICE")
    if chosen:
        return chosen.split(":")[0]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if accelerator is None else str(accelerator.type)


def has_float64() -> bool:
    """Tells whether the Keras backend computes in float64; JAX does only if it is told to."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    config: Any = jax.config  # its options have no type hints
    return bool(config.jax_enable_x64)
