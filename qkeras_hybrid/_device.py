"""The device that the Keras backend computes on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops


def current_device() -> str:
    """Returns the kind of device, such as "cpu", "gpu", "tpu" or "cuda".

    Returns "several devices" if a `keras.distribution` spreads each batch over several devices.
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

    Keras calls layers on "meta" to infer their output shapes, and may build a layer meanwhile.
    """
    import torch

    chosen = os.environ.get("KERAS_TORCH_DEVICE")
    if chosen:
        return chosen.split(":")[0]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if accelerator is None else str(accelerator.type)


def has_float64() -> bool:
    """Returns whether the Keras backend computes in float64; JAX only with `jax_enable_x64`."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    config: Any = jax.config  # its options have no type hints
    return bool(config.jax_enable_x64)


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Lets the Keras backend, also JAX, compute in float64 inside this context."""
    if has_float64():
        yield
        return
    import jax

    found: Any = getattr(jax, "enable_x64", None)
    if found is None:  # before JAX 0.8
        from jax.experimental import enable_x64

        found = enable_x64
    with found(True):
        yield
