"""Comparing generators of bits: trained on the same bits, with about as many parameters."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import ansatz
from qkeras_hybrid._checks import finite_number, positive_int, seed_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._seeds import kept_seeds
from qkeras_hybrid.generative.autoregressive import AutoregressiveBits
from qkeras_hybrid.generative.base import MOST_EXACT, Array
from qkeras_hybrid.generative.born import MOST_QUBITS, BornMachine
from qkeras_hybrid.generative.iqp import IQPGenerator
from qkeras_hybrid.generative.kernels import checked_bits, mmd
from qkeras_hybrid.layers import BoltzmannMachine


@dataclass(frozen=True)
class Generated:
    """How well a generator learned.

    Attributes:
        name: Its name.
        parameters: The number of its parameters.
        distance: The squared maximum mean discrepancy between its bits and the test bits: see
            `mmd`.
        log_likelihood: The mean `log p` of the test bits, in nats; NaN if it can't be computed.
        seconds: The duration of its training.
    """

    name: str
    parameters: int
    distance: float
    log_likelihood: float
    seconds: float


@dataclass(frozen=True)
class GeneratorComparison:
    """The result of `compare_generators`.

    Attributes:
        generators: The result of each generator.
        floor: The distance between the training bits and the test bits, due to sampling noise
            alone. A perfect generator has about this distance.
        independent: The distance between the test bits and bits that are drawn independently of
            each other, with the means of the training bits.
        n_bits: The number of bits.
    """

    generators: tuple[Generated, ...]
    floor: float
    independent: float
    n_bits: int

    def __str__(self) -> str:
        lines = [("", "parameters", "distance", "log p", "seconds")]
        lines += [
            (
                each.name,
                str(each.parameters),
                f"{each.distance:.5f}",
                "-" if math.isnan(each.log_likelihood) else f"{each.log_likelihood:.3f}",
                f"{each.seconds:.1f}",
            )
            for each in self.generators
        ]
        lines += [
            ("training bits", "", f"{self.floor:.5f}", "", ""),
            ("independent bits", "", f"{self.independent:.5f}", "", ""),
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(n) if i else cell.ljust(n)
                for i, (cell, n) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def compare_generators(
    x_train: Any,
    x_test: Any,
    generators: Mapping[str, keras.layers.Layer] | None = None,
    *,
    epochs: int = 100,
    batch_size: int = 64,
    learning_rate: float = 0.02,
    n_samples: int = 2000,
    seed: int = 0,
) -> GeneratorComparison:
    """Trains generators of bits with Adam, and measures the distance of their bits to test bits.

    Args:
        x_train: Bits of shape `(n, n_bits)`, at least two rows.
        x_test: Bits of shape `(m, n_bits)`, at least two rows.
        generators: Layers that are not built yet, by name. None takes an `IQPGenerator` of pairs, a
            `BoltzmannMachine` without hidden bits and `AutoregressiveBits`, which have
            `n (n + 1) / 2` parameters each. For up to 12 bits it adds a `BornMachine`, with the
            number of layers that comes closest to this number of parameters.
        epochs: The number of training epochs.
        batch_size: The number of rows in a batch.
        learning_rate: Adam's learning rate.
        n_samples: The number of bit strings that each generator draws for the test. An
            `IQPGenerator` of more than 20 bits draws none: its distance is estimated from
            expectation values.
        seed: The seed of initial weights, the order of the batches, and samples.

    Returns:
        The results of all generators, and two distances to compare them with. `print` shows a
        table.

    Raises:
        ValueError: If the arrays don't hold bits or have fewer than two rows, `generators` are no
            generators, or a number is out of its range.

    Example:

    >>> from qkeras_hybrid.generative import AutoregressiveBits, compare_generators
    >>> rng = np.random.default_rng(0)
    >>> x = np.repeat(rng.integers(0, 2, (400, 2)), 2, axis=1)  # each bit twice
    >>> found = compare_generators(x[:200], x[200:], {"logistic": AutoregressiveBits()}, epochs=30)
    >>> found.generators[0].parameters, bool(found.generators[0].distance < found.independent)
    (10, True)
    """
    train = checked_bits("x_train", x_train)
    test = checked_bits("x_test", x_test, train.shape[1])
    for argument, rows in (("x_train", train), ("x_test", test)):
        if len(rows) < 2:
            raise ArgumentError(argument, "have at least two rows", len(rows))
    positive_int("epochs", epochs)
    positive_int("batch_size", batch_size)
    if positive_int("n_samples", n_samples) < 2:
        raise ArgumentError("n_samples", "be at least 2", n_samples)
    if finite_number("learning_rate", learning_rate) <= 0:
        raise ArgumentError("learning_rate", "be above 0", learning_rate)
    seed = seed_number("seed", seed)
    if generators is not None and not _are_generators(generators):
        raise ArgumentError(
            "generators",
            "be a dictionary of layers that draw samples, by name",
            generators,
            'Example: {"logistic": AutoregressiveBits()}.',
        )
    n_bits = train.shape[1]
    chosen = _equal(n_bits, seed) if generators is None else generators
    found = []
    with kept_seeds():
        for name, layer in chosen.items():
            keras.utils.set_random_seed(seed)
            model = keras.Sequential([keras.Input((n_bits,)), layer])
            if isinstance(layer, IQPGenerator):
                layer.adapt(train)
            model.compile(keras.optimizers.Adam(learning_rate))
            start = time.perf_counter()
            model.fit(train, epochs=epochs, batch_size=batch_size, verbose=0)
            seconds = time.perf_counter() - start
            distance = _distance(layer, test, n_samples, seed)
            likelihood = _log_likelihood(layer, test)
            found.append(Generated(name, model.count_params(), distance, likelihood, seconds))
    rng = np.random.default_rng(seed)
    alone = rng.random((n_samples, n_bits)) < train.mean(axis=0)
    return GeneratorComparison(tuple(found), mmd(train, test), mmd(alone, test), n_bits)


def _are_generators(given: Any) -> bool:
    """Returns whether this is a dictionary of at least one generator."""
    return (
        isinstance(given, Mapping)
        and len(given) > 0
        and all(
            isinstance(each, keras.layers.Layer) and hasattr(each, "sample")
            for each in given.values()
        )
    )


def _equal(n_bits: int, seed: int) -> dict[str, keras.layers.Layer]:
    """Returns generators with `n (n + 1) / 2` parameters, or the closest possible number."""
    made: dict[str, keras.layers.Layer] = {"IQP circuit": IQPGenerator(seed=seed)}
    if n_bits <= MOST_QUBITS:
        name, target = "strongly_entangling", n_bits * (n_bits + 1) / 2
        weights = ansatz.get(name).n_weights
        best = min(range(1, 2 * n_bits + 2), key=lambda n: abs(weights(n_bits, n) - target))
        made["Born machine"] = BornMachine(best, ansatz=name)
    return {
        **made,
        "Boltzmann machine": BoltzmannMachine(seed=seed),
        "autoregressive": AutoregressiveBits(),
    }


def _distance(layer: Any, test: Array, n_samples: int, seed: int) -> float:
    if isinstance(layer, IQPGenerator) and test.shape[1] > MOST_EXACT:
        return layer.distance(test, seed=seed)[0]
    return mmd(layer.sample(n_samples, seed), test)


def _log_likelihood(layer: Any, test: Array) -> float:
    try:
        return float(np.mean(layer.log_likelihood(test)))
    except ArgumentError:  # too many bit strings to list
        return math.nan
