"""IQP circuits that generate bits: trained without a state vector, for hundreds of qubits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import check_fits, positive_int, seed_or_none
from qkeras_hybrid._double import cos
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.generative.base import Array, ExactGenerator, transformed
from qkeras_hybrid.generative.kernels import (
    checked_bandwidths,
    checked_bits,
    default_bandwidths,
    share_of,
)

MOST_GATES = 2_000_000


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class IQPGenerator(ExactGenerator):
    """A circuit of commuting gates `exp(i theta_g X_g)` whose measured qubits are the bits.

    `X_g` is a product of Pauli X on a set `g` of qubits. The expectation value of a string `a` of
    Pauli Z is a mean over uniformly random bit strings `z`,
    `<Z_a> = E_z cos(2 sum_(g: |a g| odd) theta_g (-1)^(g z))`. The loss is the squared distance
    `mmd` between the circuit's bits and the data, which is a mean over such strings. Each training
    step estimates it without bias from random `a` and `z`. No state vector is computed, and a step
    with 200 qubits and 20,100 gates takes a fraction of a second.

    Sampling from such circuits is believed to be hard without a quantum computer. `sample` does it
    for up to 20 qubits. For more, `circuit` returns a circuit to run on a quantum computer.

    Args:
        generators: The sets of qubits on which gates act: "pairs" for each qubit and each pair of
            qubits, a number `k` for all sets of up to `k` qubits, or a list of sets, such as
            `[(0,), (0, 2)]`.
        bandwidths: The bandwidths of the Gaussian kernel; the loss is the mean over them. None
            takes `default_bandwidths`.
        n_operators: The number of random strings `a` in a step.
        n_samples: The number of random bit strings `z` in a step, at least 2.
        seed: The seed of these strings, and of the default initializer; None draws others in each
            run.
        kernel_initializer: The initializer of the angles, in radians; by default "small", normal
            with standard deviation 0.1. At 0 the gradient vanishes.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, n_bits)`: bits 0 and 1.

    Output shape:
        `(batch, n_bits)`: the input, unchanged. The layer adds the loss. In validation it is
        always estimated from the same strings, so it can be compared between epochs.

    Raises:
        ValueError: If an argument is invalid; or when it is built, if a set has a qubit that does
            not exist, there are more than 2,000,000 gates, or a step does not fit in memory.

    Reference:
        E. Recio-Armengol, S. Ahmed and J. Bowles, Train on classical, deploy on quantum: scaling
        generative quantum machine learning to a thousand qubits, arXiv 2503.02934, 2025; the
        expectation value: M. Van den Nest, arXiv 0911.1624, 2009.

    Example:

    >>> from qkeras_hybrid.generative import IQPGenerator
    >>> x = np.repeat([[0, 0], [1, 1]], 50, axis=0)
    >>> layer = IQPGenerator(seed=1)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(keras.optimizers.Adam(0.05))
    >>> _ = model.fit(x, batch_size=100, epochs=60, verbose=0)
    >>> np.round(layer.probabilities(), 1)
    array([0.5, 0. , 0. , 0.5])
    """

    def __init__(
        self,
        generators: Any = "pairs",
        *,
        bandwidths: Sequence[float] | None = None,
        n_operators: int = 256,
        n_samples: int = 256,
        seed: int | None = None,
        kernel_initializer: Any = "small",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.generators = _checked_generators(generators)
        self.bandwidths = None if bandwidths is None else checked_bandwidths(bandwidths)
        self.n_operators = positive_int("n_operators", n_operators)
        self.n_samples = positive_int("n_samples", n_samples)
        if self.n_samples < 2:
            raise ArgumentError("n_samples", "be at least 2, for an unbiased loss", n_samples)
        self.seed = seed = seed_or_none("seed", seed)
        self._seed_generator = keras.random.SeedGenerator(seed)
        if isinstance(kernel_initializer, str) and kernel_initializer == "small":
            kernel_initializer = keras.initializers.RandomNormal(stddev=0.1, seed=seed)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.sets: list[tuple[int, ...]] = []
        self.angles: Any = None

    def _make(self, n_bits: int) -> None:
        n_widths = len(self.bandwidths or default_bandwidths(n_bits))
        if self.n_operators < n_widths:
            raise ArgumentError(
                "n_operators", f"be at least {n_widths}, one for each bandwidth", self.n_operators
            )
        self._check_memory(
            "generators", _count(self.generators, n_bits), self.n_operators, self.n_samples
        )
        self.sets = _sets(self.generators, n_bits)
        most = max(map(len, self.sets))
        # Each row holds the qubits of a set, padded with n_bits.
        self._table = np.full((len(self.sets), most), n_bits, "int32")
        for row, one in zip(self._table, self.sets, strict=True):
            row[: len(one)] = one
        self.angles = self.add_weight(
            name="angles", shape=(len(self.sets),), initializer=self.kernel_initializer
        )

    def _check_memory(self, argument: str, n_gates: int, n_operators: int, n_samples: int) -> None:
        """Checks that an estimate fits in memory.

        It needs three numbers for each gate and each string `a` or `z`: a sign, a product of signs,
        and an angle or a gradient; and two numbers for each pair of `a` and `z`: a cosine and its
        gradient.
        """
        check_fits(
            argument,
            f"{n_gates:,} gates with {n_operators:,} strings and {n_samples:,} random bits",
            np.dtype(self.compute_dtype).itemsize
            * (3 * n_gates * (n_operators + n_samples) + 2 * n_operators * n_samples),
            "Use fewer gates, or a smaller `n_operators` or `n_samples`.",
        )

    def adapt(self, x: Any) -> None:
        """Sets the initial angles such that each bit has about its mean in the data.

        The angle of each gate on one qubit becomes `arccos(<Z>) / 2`, in radians, with `<Z>` the
        mean in the data. Other angles keep their small initial values.

        Args:
            x: Bits of shape `(n, n_bits)`.

        Raises:
            ValueError: If `x` does not hold bits.
        """
        rows = checked_bits("x", x, self.n_bits)
        if not self.built:
            self.build(rows.shape)
        means = 1 - 2 * rows.mean(axis=0, dtype="float64")
        angles = np.array(ops.convert_to_numpy(self.angles))
        for place, one in enumerate(self.sets):
            if len(one) == 1:
                angles[place] = math.acos(means[one[0]]) / 2
        self.angles.assign(angles)

    # Expectation values without a state vector.

    def loss_of(self, bits: Any) -> Any:
        """Returns an unbiased estimate of the squared distance to bits, a scalar tensor."""
        return self._estimate(bits, lambda: self._seed_generator)

    def validation_loss_of(self, bits: Any) -> Any:
        """Returns an estimate of the squared distance that always uses the same random strings."""
        first = self.seed or 0
        draws = iter((first, first ^ 1))
        return self._estimate(bits, lambda: next(draws))

    def distance(self, x: Any, repeats: int = 20, seed: int | None = None) -> tuple[float, float]:
        """Estimates the squared maximum mean discrepancy between the circuit's bits and others.

        Args:
            x: Bits of shape `(n, n_bits)`.
            repeats: How many estimates are averaged, each with new random strings.
            seed: The seed of the random strings.

        Returns:
            The mean, and its standard error.

        Raises:
            ValueError: If `x` does not hold bits, there are fewer than two repeats, or the layer is
                not built.
        """
        bits = ops.convert_to_tensor(self._rows(x), self.compute_dtype)
        if positive_int("repeats", repeats) < 2:
            raise ArgumentError("repeats", "be at least 2, for a standard error", repeats)
        generator = keras.random.SeedGenerator(seed_or_none("seed", seed))
        found = [
            float(ops.convert_to_numpy(self._estimate(bits, lambda: generator)))
            for _ in range(repeats)
        ]
        return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(repeats))

    def _estimate(self, bits: Any, seed: Callable[[], Any]) -> Any:
        assert self.n_bits is not None
        widths = self.bandwidths or default_bandwidths(self.n_bits)
        places = np.arange(self.n_operators) % len(widths)
        shares = np.array([share_of(width) for width in widths])[places]
        # All bandwidths get the same weight, also if their numbers of strings differ by one.
        weights = 1 / (len(widths) * np.bincount(places)[places])
        chances = ops.convert_to_tensor(shares.astype(self.compute_dtype)[:, None])
        drawn = keras.random.uniform((self.n_operators, self.n_bits), seed=seed())
        operators = ops.cast(ops.cast(drawn, self.compute_dtype) < chances, self.compute_dtype)
        odd = ops.mod(ops.matmul(operators, ops.transpose(bits)), 2)
        data = 1 - 2 * ops.mean(odd, axis=1)
        # The squared mean of n signs has the bias (1 - mean^2) / (n - 1), which is subtracted.
        count = ops.cast(ops.shape(bits)[0], self.compute_dtype)
        spread = (1 - data**2) / ops.maximum(count - 1, 1)
        cosines = self._cosines(operators, self.n_samples, seed())
        mean = ops.mean(cosines, axis=1)
        own = ops.sum((cosines - mean[:, None]) ** 2, axis=1)
        noise = own / (self.n_samples * (self.n_samples - 1))
        found = (mean - data) ** 2 - noise - spread
        return ops.sum(found * ops.convert_to_tensor(weights.astype(self.compute_dtype)))

    def expectation(
        self, operators: Any, n_samples: int = 1000, seed: int | None = None
    ) -> tuple[Array, Array]:
        """Estimates expectation values of strings of Pauli Z, without a state vector.

        Args:
            operators: The qubits on which each string acts, as 0 and 1 of shape
                `(n_operators, n_bits)`.
            n_samples: The number of random bit strings in each mean, at least two.
            seed: The seed of these bit strings.

        Returns:
            The estimates, and their standard errors, each of shape `(n_operators,)`.

        Raises:
            ValueError: If `operators` are no strings on the layer's qubits, an argument is invalid,
                the estimate does not fit in memory, or the layer is not built.
        """
        rows = self._rows(operators)
        if positive_int("n_samples", n_samples) < 2:
            raise ArgumentError("n_samples", "be at least 2, for a standard error", n_samples)
        self._check_memory("n_samples", len(self.sets), len(rows), n_samples)
        generator = keras.random.SeedGenerator(seed_or_none("seed", seed))
        strings = ops.convert_to_tensor(rows, self.compute_dtype)
        found = ops.convert_to_numpy(self._cosines(strings, n_samples, generator))
        errors = found.std(axis=1, ddof=1) / math.sqrt(n_samples)
        return found.mean(axis=1), errors

    def exact_expectation(self, operators: Any) -> Array:
        """Returns exact expectation values of strings of Pauli Z, from all probabilities.

        Args:
            operators: As for `expectation`.

        Returns:
            Array of shape `(n_operators,)`.

        Raises:
            ValueError: If there are more than 20 qubits.
        """
        rows = self._rows(operators).astype("int64")
        values: Array = transformed(self.probabilities())
        found: Array = values[rows @ (1 << np.arange(rows.shape[1])[::-1])]
        return found

    def _cosines(self, operators: Any, n_samples: int, seed: Any) -> Any:
        """Returns the cosines whose means are expectation values, `(n_operators, n_samples)`."""
        assert self.n_bits is not None
        drawn = keras.random.uniform((n_samples, self.n_bits), seed=seed)
        signs = ops.where(drawn < 0.5, 1.0, -1.0)
        signs = self._products(ops.cast(signs, self.compute_dtype))
        flips = (1 - self._products(1 - 2 * operators)) / 2
        return cos(2 * ops.matmul(flips * self.angles, ops.transpose(signs)))

    def _products(self, signs: Any) -> Any:
        """Returns the product of the signs in each generator's set, `(rows, n_generators)`."""
        signs = ops.concatenate([signs, ops.ones_like(signs[:, :1])], axis=1)
        found = ops.take(signs, self._table[:, 0], axis=1)
        for column in self._table.T[1:]:
            found = found * ops.take(signs, column, axis=1)
        return found

    # Exact probabilities, for few qubits.

    def _probabilities(self) -> Array:
        assert self.n_bits is not None
        angles = ops.convert_to_numpy(self.angles).astype("float64")
        # The gates are diagonal between two layers of Hadamard gates. Their phases at the bits z
        # are sum_g theta_g (-1)^(g z), a Hadamard transform of the angles.
        size = 2**self.n_bits
        by_set = np.zeros(size)
        # The padding of the table, n_bits, adds 0.
        values = np.append(1 << np.arange(self.n_bits)[::-1], 0)
        by_set[values[self._table].sum(axis=1)] = angles
        found: Array = np.abs(transformed(np.exp(1j * transformed(by_set))) / size) ** 2
        return found

    def circuit(self) -> cirq.Circuit:
        """Returns the circuit with its current angles, to run and measure it elsewhere.

        Raises:
            ValueError: If the layer is not built.
        """
        if self.n_bits is None:
            raise ArgumentError("layer", "be built", self.name, "Call it on data first.")
        qubits = cirq.LineQubit.range(self.n_bits)
        angles = ops.convert_to_numpy(self.angles).astype("float64")
        gates: list[Any] = [cirq.H.on_each(*qubits)]
        for angle, one in zip(angles, self.sets, strict=True):
            on = [qubits[place] for place in one]
            ladder = [cirq.CNOT(a, b) for a, b in itertools.pairwise(on)]
            # exp(i theta Z) is a rotation by -2 theta.
            gates += [*ladder, cirq.rz(-2 * angle)(on[-1]), *ladder[::-1]]
        return cirq.Circuit(gates, cirq.H.on_each(*qubits))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        given = self.generators
        return {
            **super().get_config(),
            "generators": given if isinstance(given, (str, int)) else [*map(list, given)],
            "bandwidths": None if self.bandwidths is None else list(self.bandwidths),
            "n_operators": self.n_operators,
            "n_samples": self.n_samples,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _checked_generators(given: Any) -> Any:
    fix = 'Examples: "pairs", 3, or [(0,), (0, 2)].'
    if isinstance(given, str):
        if given != "pairs":
            raise ArgumentError("generators", 'be "pairs", a number or sets', given, fix)
        return given
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        return positive_int("generators", given)
    try:
        sets = [tuple(int(place) for place in one) for one in given]
    except (TypeError, ValueError) as error:
        raise ArgumentError("generators", "be sets of qubits", given, fix) from error
    for one in sets:
        if not one or len(set(one)) < len(one) or min(one) < 0:
            raise ArgumentError("generators", "hold sets of different qubits", one, fix)
    if not sets or len({frozenset(one) for one in sets}) < len(sets):
        raise ArgumentError("generators", "hold at least one set, and no set twice", given, fix)
    return sets


def _weight(generators: Any, n_bits: int) -> int:
    return min(2 if generators == "pairs" else generators, n_bits)


def _count(generators: Any, n_bits: int) -> int:
    """Returns the number of gates, before they are listed."""
    if isinstance(generators, list):
        highest = max(map(max, generators))
        if highest >= n_bits:
            raise ArgumentError("generators", f"name qubits 0 to {n_bits - 1} only", highest)
        return len(generators)
    count = sum(math.comb(n_bits, k) for k in range(1, _weight(generators, n_bits) + 1))
    if count > MOST_GATES:
        raise ArgumentError(
            "generators",
            f"give at most {MOST_GATES:,} gates on {n_bits} qubits",
            f"{generators!r}, which gives {count:,}",
        )
    return count


def _sets(generators: Any, n_bits: int) -> list[tuple[int, ...]]:
    if isinstance(generators, list):
        return generators
    weight = _weight(generators, n_bits)
    return [s for k in range(1, weight + 1) for s in itertools.combinations(range(n_bits), k)]
