"""Restores the global state of random numbers after code that sets it."""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

_OF_KERAS = ("global_random_seed", "global_seed_generator")


@contextlib.contextmanager
def kept_seeds() -> Iterator[None]:
    """Restores the global state of random numbers at the end of a context.

    This is the state that `keras.utils.set_random_seed` sets: of Python, NumPy, Keras, PyTorch if
    it is the backend, and TensorFlow if it is loaded.
    """
    state = _keras_state()
    kept = {name: state.get_global_attribute(name) for name in _OF_KERAS}
    of_generator = [
        (one.state, ops.convert_to_numpy(one.state).copy())
        for one in kept.values()
        if hasattr(one, "state")
    ]
    of_python, of_numpy = random.getstate(), np.random.get_state()
    of_tensorflow = _tensorflow_state()
    try:
        with _torch_state():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        for name, value in kept.items():
            state.set_global_attribute(name, value)
        for variable, value in of_generator:
            variable.assign(value)
        if of_tensorflow is not None:
            context, seed, generator, of_operations = of_tensorflow
            context._set_global_seed(seed)
            if generator is not None:
                generator.setstate(of_operations)
                context._rng = generator


def _keras_state() -> Any:
    return importlib.import_module("keras.src.backend.common.global_state")


def _torch_state() -> contextlib.AbstractContextManager[None]:
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    forked: contextlib.AbstractContextManager[None] = torch.random.fork_rng()
    return forked


def _tensorflow_state() -> tuple[Any, Any, Any, Any] | None:
    """Returns TensorFlow's context, its global seed, its generator of operation seeds, its state.

    They are private, because TensorFlow's public interface can set a seed but not return it.
    """
    if "tensorflow" not in sys.modules:
        return None
    context = importlib.import_module("tensorflow.python.eager.context").context()
    if not hasattr(context, "_set_global_seed"):
        return None
    generator = getattr(context, "_rng", None)
    return context, context._seed, generator, generator and generator.getstate()
