"""Models that are traced once and trained many times: the seeds of a task share a trace.

Tracing and compiling takes far longer than training a small model. The trace depends on the layers
and on the arguments of `compile`, but neither on the values of the variables nor on the data. So
the next model with the same layers is not traced: its initial values are copied into the model that
was trained before, the optimizer is reset, and that model is trained again. The results are the
same.
"""

from __future__ import annotations

import collections
import dataclasses
import importlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid._epochs import EpochOn, epochs_of

MOST = 24
"""How many traces are kept: those that were used last."""


@dataclasses.dataclass
class Trace:
    """A compiled model that can be trained repeatedly, each time from other initial values.

    Attributes:
        model: The model.
        on: Trains the model on data; see `qkeras_hybrid._epochs.epochs_of`.
        state: Its variables, including seeds of random layers, without those of the optimizer.
        start: The initial values of its optimizer's variables.
        reused: Whether it has been trained before.
    """

    model: keras.Model
    on: EpochOn
    state: list[Any]
    start: list[npt.NDArray[Any]]
    reused: bool = False

    @classmethod
    def of(
        cls,
        model: keras.Model,
        compiled: Callable[[keras.Model], None],
        x: npt.NDArray[Any],
        y: npt.NDArray[Any],
    ) -> Trace:
        """Compiles a built model that was never trained."""
        state = list(model.variables)
        compiled(model)
        on = epochs_of(model, x, y)
        start = [_values(variable) for variable in model.optimizer.variables]
        return cls(model, on, state, start)

    def again(self, model: keras.Model, learning_rate: float) -> Trace:
        """Starts from the variables of another model with the same layers."""
        _copy(model.variables, self.state)
        for variable, value in zip(self.model.optimizer.variables, self.start, strict=True):
            variable.assign(value)
        self.model.optimizer.learning_rate = learning_rate
        self.reused = True
        return self


_KEPT: collections.OrderedDict[str, Trace] = collections.OrderedDict()


def trace(
    model: keras.Model,
    compiled: Callable[[keras.Model], None],
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    *,
    kind: str | None,
    learning_rate: float,
) -> Trace:
    """Returns a trace for a new model: a stored one of the same layers, or a new one.

    The trace's model can only be used until the next call, which may train it again.

    Args:
        model: A built model that was never trained.
        compiled: Compiles a model, with the settings in `kind` and the learning rate.
        x: Samples, of shape `(n, n_features)`.
        y: Their targets, as `fit` takes them.
        kind: All settings of the compilation except the learning rate, as a text; None for a new
            trace that is not stored.
        learning_rate: The learning rate of the optimizer.
    """
    key = None if kind is None else _key(model, x, y, kind)
    if key is None:
        return Trace.of(model, compiled, x, y)
    if key in _KEPT:
        _KEPT.move_to_end(key)
        return _KEPT[key].again(model, learning_rate)
    made = _KEPT[key] = Trace.of(model, compiled, x, y)
    if len(_KEPT) > MOST:
        _KEPT.popitem(last=False)
    return made


def start_anew(seed: int, *, keep: bool) -> None:
    """Resets names and seeds, so that new layers are the same as in a new process.

    Args:
        seed: The seed of Python's, NumPy's, Keras's and the backend's random numbers.
        keep: Whether to keep the backend's compiled functions. TensorFlow's own random operations
            are then not seeded, but no layer of Keras or of this package uses them.
    """
    state = _keras_state() if keep and keras.backend.backend() == "tensorflow" else None
    if state is None:
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        return
    # The same as the two calls above, without their calls of TensorFlow. Those would make it
    # optimise the graph of every kept trace again, which takes longer than the training.
    random.seed(seed)
    np.random.seed(seed)
    for name, value in {
        "object_name_uids": None,
        "global_seed_generator": None,
        "global_random_seed": seed,
        "dtype_policy": None,
    }.items():
        state.set_global_attribute(name, value)


def _keras_state() -> Any:
    """Returns the module with Keras's global state; None if this version of Keras has none."""
    try:
        return importlib.import_module("keras.src.backend.common.global_state")
    except ImportError:
        return None


def forget() -> None:
    """Deletes all stored traces."""
    _KEPT.clear()


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Copies the values of all variables to another model with the same layers.

    Args:
        source: The model that has the values, trained or not.
        target: The model that gets them.
    """
    trained = {variable.path for variable in source.metrics_variables}
    _copy([v for v in source.variables if v.path not in trained], target.variables)


def _copy(source: Sequence[Any], target: Sequence[Any]) -> None:
    for old, new in zip(source, target, strict=True):
        new.assign(_values(old))


def _key(model: keras.Model, x: npt.NDArray[Any], y: npt.NDArray[Any], kind: str) -> str | None:
    """Returns a text that is the same for models with the same trace; None if that is unknown.

    The config of a layer of Keras or of this package describes it completely. A user's layer,
    function or model class may contain values that its config lacks; the trace would then have the
    values of another seed.
    """
    layers = model._flatten_layers(include_self=True, recursive=True)
    if not all(_is_known(layer) for layer in layers):
        return None
    try:
        config = json.dumps(keras.saving.serialize_keras_object(model), sort_keys=True)
    except (NotImplementedError, TypeError, ValueError):
        return None
    trained = [variable.trainable for variable in model.variables]
    shapes = [(v.path, tuple(v.shape), v.dtype) for v in model.variables]
    return repr((config, trained, shapes, x.shape[1:], y.shape[1:], x.dtype, y.dtype, kind))


def _is_known(layer: Any) -> bool:
    room = type(layer).__module__.partition(".")[0]
    return room in ("keras", "qkeras_hybrid") and not isinstance(layer, keras.layers.Lambda)


def _values(variable: Any) -> npt.NDArray[Any]:
    return np.array(keras.ops.convert_to_numpy(variable))
