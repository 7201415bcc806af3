"""What the Keras backend computes on."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def current_device() -> str:
    """Returns the kind of device: "cpu", or another's name, such as "gpu", "tpu" or "cuda".

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
            return str(ops.zeros(()).device.type)
        case _:
            return "cpu"


def has_float64() -> bool:
    """Tells whether the Keras backend computes in float64, which JAX does only if it is told to."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    config: Any = jax.config  # its options have no type hints
    return bool(config.jax_enable_x64)
