"""Controls on what a lab reports of samples whose states the hybrid takes.

What computes circuits takes states; all others take the lab's report of the same samples. Of the
controls, those follow that are made of nothing but the hybrid's size and its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import keras

from qkeras_hybrid.bench import controls
from qkeras_hybrid.bench.dense_widths import dense_widths
from qkeras_hybrid.bench.derived import DoesNotApplyError
from qkeras_hybrid.bench.execution import WITH_CIRCUITS
from qkeras_hybrid.bench.inspection import trainable_parameters
from qkeras_hybrid.bench.replacing import last_activation


class Data(Protocol):
    """What is asked of a data set here: `qkeras_hybrid.datasets.Dataset` has it."""

    @property
    def n_outputs(self) -> int:
        """The width of the outputs."""

    @property
    def lab_width(self) -> int | None:
        """How many numbers a lab reports of a sample, None where there is no such report."""


def takes_report(contender: str, dataset: Data) -> bool:
    """Tells whether a contender gets a lab's report of the samples in place of states.

    Args:
        contender: A name of `bench.contenders.CONTENDERS`.
        dataset: What it is for.
    """
    return dataset.lab_width is not None and contender not in WITH_CIRCUITS


def derived(name: str, hybrid: keras.Model, dataset: Data) -> keras.Model:
    """Returns a control of a hybrid model, on a lab's report where it is one of those that get it.

    Args:
        name: A name of `controls.ALL`.
        hybrid: The model, built for the data set.
        dataset: What it is for.

    Raises:
        DoesNotApplyError: If the control can't be made of the model, or keeps layers that take
            states and so can't take a report.
    """
    if not takes_report(name, dataset):
        return controls.ALL[name](hybrid)
    if name not in _ON_REPORTS:
        raise DoesNotApplyError(
            "It keeps the hybrid's layers, which take states, and what computes no circuit gets a "
            "lab's report of the samples."
        )
    width, n_outputs = dataset.lab_width, dataset.n_outputs
    assert width is not None
    model = keras.Sequential([keras.Input((width,))])
    for units in _ON_REPORTS[name](hybrid, width, n_outputs):
        model.add(keras.layers.Dense(units, activation="tanh"))
    model.add(keras.layers.Dense(n_outputs, activation=last_activation(hybrid)))
    return model


def _same_parameters(hybrid: keras.Model, width: int, n_outputs: int) -> tuple[int, ...]:
    return dense_widths(trainable_parameters(hybrid), width, n_outputs)


_ON_REPORTS: dict[str, Callable[[keras.Model, int, int], tuple[int, ...]]] = {
    "dense_same_parameters": _same_parameters,
    "linear_model": lambda hybrid, width, n_outputs: (),
}


def inapplicable(
    hybrid: keras.Model, dataset: Data, names: Iterable[str] = tuple(controls.CONTROLS)
) -> dict[str, str]:
    """Returns why controls don't apply to a model and its data, by the name of each.

    Args:
        hybrid: A built model with a quantum layer in it.
        dataset: What it is for.
        names: Which controls of `controls.ALL` are meant.
    """
    reasons = {}
    for name in names:
        try:
            derived(name, hybrid, dataset)
        except DoesNotApplyError as error:
            reasons[name] = str(error)
    return reasons
