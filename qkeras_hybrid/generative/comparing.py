"""Generators of bits side by side: trained on the same bits, with as many parameters."""

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
        distance: The squared maximum mean discrepancy of its bits from the test bits.
        log_likelihood: The mean `log p` of the test bits, in nats; NaN where it can't be computed.
        seconds: What its training took.
    """

    name: str
    parameters: int
    distance: float
    log_likelihood: float
    seconds: float


@dataclass(frozen=True)
class GeneratorComparison:
    """What `compare_generators` found.

    Attributes:
        generators: The generators.
        floor: The distance of the training bits from the test bits: what sampling noise makes.
        independent: That of bits with the same means, each drawn for itself.
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
    """Trains generators of bits with Adam, and tells how far their bits are from a test part.

    Args:
        x_train: Bits of shape `(n, n_bits)`.
        x_test: Bits of shape `(m, n_bits)`, two rows at least.
        generators: Layers that are not built yet, by name. None for an `IQPGenerator` of pairs, a
            `BoltzmannMachine` without hidden bits and `AutoregressiveBits`, which have
            `n (n + 1) / 2` parameters each, and up to 12 bits a `BornMachine` with as many layers
            as come closest.
        epochs: How often each row is seen.
        batch_size: Rows of a step.
        learning_rate: Adam's step size.
        n_samples: How many bit strings each generator draws for the test. An `IQPGenerator` of more
            than 20 bits draws none: its distance is estimated from expectation values.
        seed: Of first weights, the order of the batches, and samples.

    Returns:
        A line for each generator, and two to compare them with.

    Raises:
        ValueError: If these are no bits, there are too few, or a number is out of its range.

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
            raise ArgumentError(argument, "have two rows at least", len(rows))
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
            "hold layers that draw samples, by name",
            generators,
            'E.g. {"logistic": AutoregressiveBits()}.',
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
    """Tells whether these are generators by name, one at least."""
    return (
        isinstance(given, Mapping)
        and len(given) > 0
        and all(
            isinstance(each, keras.layers.Layer) and hasattr(each, "sample")
            for each in given.values()
        )
    )


def _equal(n_bits: int, seed: int) -> dict[str, keras.layers.Layer]:
    """Returns generators with `n (n + 1) / 2` parameters, or as many as come closest."""
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
    except ArgumentError:  # too many strings to sum over
        return math.nan
