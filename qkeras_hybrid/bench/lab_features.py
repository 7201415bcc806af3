"""Controls for data of quantum states, on a lab's measurements of the same samples.

Contenders with circuits get the states; all others get a report: the numbers that a lab measures of
the same samples. Only controls that need nothing but the hybrid's size and its outputs can be built
for a report.
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
    """What this module needs of a data set: `qkeras_hybrid.datasets.Dataset` has it."""

    @property
    def n_outputs(self) -> int:
        """The width of the outputs."""

    @property
    def states(self) -> bool:
        """Whether its features are amplitudes of states."""

    @property
    def lab_width(self) -> int | None:
        """How many numbers a lab reports of a sample; None without a report."""


def takes_report(contender: str, dataset: Data) -> bool:
    """Tells whether a contender gets a lab's report of the samples in place of states.

    Args:
        contender: A name of `bench.contenders.CONTENDERS`.
        dataset: The data set.
    """
    return dataset.lab_width is not None and contender not in WITH_CIRCUITS


def check_view(contender: str, dataset: Data) -> None:
    """Makes sure that a contender without circuits does not get amplitudes, which no lab measures.

    Args:
        contender: A name of `bench.contenders.CONTENDERS`.
        dataset: The data set.

    Raises:
        DoesNotApplyError: If the contender has no circuits, and the data set has states without a
            report.
    """
    if dataset.states and dataset.lab_width is None and contender not in WITH_CIRCUITS:
        raise DoesNotApplyError(
            "It has no circuit, and the data set consists of amplitudes of states, which no lab "
            'can measure. Give the data lab = "shadows" or lab = "expectations": contenders '
            "without circuits then get a lab's measurements of the same samples."
        )


def check_hybrid(hybrid: keras.Model, dataset: Data) -> None:
    """Makes sure that a hybrid's classical layers do not get amplitudes.

    Args:
        hybrid: A built model.
        dataset: The data set.

    Raises:
        ValueError: If the data set has states, and the model's first layer is not a circuit.
    """
    layers = (each for each in hybrid.layers if not isinstance(each, keras.layers.InputLayer))
    first = next(layers, None)
    if dataset.states and not isinstance(first, QuantumLayer):
        raise ArgumentError(
            "model",
            "begin with a circuit for data of states, because no other layer may use amplitudes",
            "no layer" if first is None else type(first).__name__,
            'Take a model such as "circuit_on_states", or give the data view = "shadows".',
        )


def derived(name: str, hybrid: keras.Model, dataset: Data) -> keras.Model:
    """Returns a control of a hybrid model; if it gets a lab's report, one for that input.

    Args:
        name: A name of `controls.ALL`.
        hybrid: The model, built for the data set.
        dataset: The data set.

    Raises:
        DoesNotApplyError: If the control can't be made from the model, would get states without
            having circuits, or gets a report but keeps layers that need states.
    """
    check_view(name, dataset)
    if not takes_report(name, dataset):
        return controls.ALL[name](hybrid)
    if name not in _ON_REPORTS:
        raise DoesNotApplyError(
            "It keeps layers of the hybrid, which need states, but a contender without circuits "
            "gets a lab's measurements of the samples."
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
    """Returns the reason for each contender that does not apply to a model and its data, by name.

    Args:
        hybrid: A built model with a quantum layer.
        dataset: The data set.
        names: The contenders to check, of `bench.contenders.CONTENDERS`.
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
