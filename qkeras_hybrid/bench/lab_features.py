"""Controls on what a lab reports of samples whose states the hybrid takes.

What computes circuits takes states; all others take the lab's report of the same samples. Of the
controls, those follow that are made of nothing but the hybrid's size and its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench import controls
from qkeras_hybrid.bench.dense_widths import dense_widths
from qkeras_hybrid.bench.derived import DoesNotApplyError
from qkeras_hybrid.bench.execution import WITH_CIRCUITS
from qkeras_hybrid.bench.inspection import trainable_parameters
from qkeras_hybrid.bench.replacing import last_activation
from qkeras_hybrid.layers.base import QuantumLayer


class Data(Protocol):
    """What is asked of a data set here: `qkeras_hybrid.datasets.Dataset` has it."""

    @property
    def n_outputs(self) -> int:
        """The width of the outputs."""

    @property
    def states(self) -> bool:
        """Whether its features are amplitudes of states."""

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


def check_view(contender: str, dataset: Data) -> None:
    """Makes sure that a contender without circuits is not given amplitudes, which no lab measures.

    Args:
        contender: A name of `bench.contenders.CONTENDERS`.
        dataset: What it is for.

    Raises:
        DoesNotApplyError: If the data set has states and no report of them.
    """
    if dataset.states and dataset.lab_width is None and contender not in WITH_CIRCUITS:
        raise DoesNotApplyError(
            "It computes no circuit, and the data set holds the amplitudes of states, which no lab "
            'measures. Give the data lab = "shadows" or lab = "expectations": contenders without '
            "circuits then get what a lab reports of the same samples."
        )


def check_hybrid(hybrid: keras.Model, dataset: Data) -> None:
    """Makes sure that a hybrid's classical layers are not given amplitudes.

    Args:
        hybrid: A built model.
        dataset: What it is for.

    Raises:
        ValueError: If the data set has states, and something else than a circuit takes them.
    """
    layers = (each for each in hybrid.layers if not isinstance(each, keras.layers.InputLayer))
    first = next(layers, None)
    if dataset.states and not isinstance(first, QuantumLayer):
        raise ArgumentError(
            "model",
            "begin with a circuit on data of states, whose amplitudes no other layer can have",
            "no layer" if first is None else type(first).__name__,
            'Take a model such as "circuit_on_states", or give the data view = "shadows".',
        )


def derived(name: str, hybrid: keras.Model, dataset: Data) -> keras.Model:
    """Returns a control of a hybrid model, on a lab's report where it is one of those that get it.

    Args:
        name: A name of `controls.ALL`.
        hybrid: The model, built for the data set.
        dataset: What it is for.

    Raises:
        DoesNotApplyError: If the control can't be made of the model, keeps layers that take
            states and so can't take a report, or would have to take states itself.
    """
    check_view(name, dataset)
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
    """Returns why contenders don't apply to a model and its data, by the name of each.

    Args:
        hybrid: A built model with a quantum layer in it.
        dataset: What it is for.
        names: Which of `bench.contenders.CONTENDERS` are meant.
    """
    reasons = {}
    for name in names:
        try:
            check_view(name, dataset)
            if name in controls.ALL:
                derived(name, hybrid, dataset)
        except DoesNotApplyError as error:
            reasons[name] = str(error)
    return reasons
