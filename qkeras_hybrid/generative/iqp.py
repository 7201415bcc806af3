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

    `X_g` is Pauli X on some qubits. Expectation values of strings of Pauli Z are means over uniform
    bits `z`, `<Z_a> = E_z cos(2 sum_(g: |a g| odd) theta_g (-1)^(g z))`, and so is the distance of
    the circuit's bits from data, `qkeras_hybrid.generative.mmd`. The loss of a step estimates it
    without bias from random strings `a` and bits `z`: no state is computed, and a step of 200
    qubits and 20,100 gates takes a fraction of a second. To sample from such circuits is believed
    to be hard without a quantum computer: up to 20 qubits `sample` does it here; of more, `circuit`
    returns what a quantum computer runs.

    Args:
        generators: On which qubits the gates act: "pairs" for each qubit and each two, a number
            `k` for all sets of up to `k` qubits, or the sets, such as `[(0,), (0, 2)]`.
        bandwidths: Of the Gaussian kernel of the distance, each as often; None for
            `default_bandwidths`.
        n_operators: The number of strings of a step.
        n_samples: The number of bits `z` of a step.
        seed: Of strings and bits; None for others each time.
        kernel_initializer: Of the angles, in radians. At 0 the gradient vanishes.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, n_bits)`: bits 0 and 1.

    Output shape:
        The same: the bits as they are. The loss is added; that of validation is estimated from the
        same strings and bits `z` each time, so that it can be compared between epochs.

    Raises:
        ValueError: If an argument is not what it must be; when it is built: if a generator names a
            qubit that is not there, there are more than 2,000,000 gates, or a step does not fit
            into memory.

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
        # Each set as a row of places; n_bits, which stands for none, fills it up.
        self._table = np.full((len(self.sets), most), n_bits, "int32")
        for row, one in zip(self._table, self.sets, strict=True):
            row[: len(one)] = one
        self.angles = self.add_weight(
            name="angles", shape=(len(self.sets),), initializer=self.kernel_initializer
        )

    def _check_memory(self, argument: str, n_gates: int, n_operators: int, n_samples: int) -> None:
        """Makes sure that strings and random bits fit into memory with all gates.

        For each of both there is a number for each gate, as a sign, as a product of signs and as an
        angle or a gradient; and for each pair of them a cosine.
        """
        check_fits(
            argument,
            f"{n_gates:,} gates with {n_operators:,} strings and {n_samples:,} random bits",
            np.dtype(self.compute_dtype).itemsize
            * (3 * n_gates * (n_operators + n_samples) + 2 * n_operators * n_samples),
            "Take fewer gates, or lower `n_operators` and `n_samples`.",
        )

    def adapt(self, x: Any) -> None:
        """Begins the training near the data: each bit alone has the mean that it has there.

        The angle of a gate on one qubit becomes `arccos(<Z>) / 2`; the others stay as small as they
        are.

        Args:
            x: Bits of shape `(n, n_bits)`.
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

    # Expectation values without a state.

    def loss_of(self, bits: Any) -> Any:
        """Returns an unbiased estimate of the squared distance from bits, a scalar tensor."""
        return self._estimate(bits, lambda: self._seed_generator)

    def validation_loss_of(self, bits: Any) -> Any:
        """Returns such an estimate from the same strings and bits `z` each time."""
        first = self.seed or 0
        draws = iter((first, first ^ 1))
        return self._estimate(bits, lambda: next(draws))

    def distance(self, x: Any, repeats: int = 20, seed: int | None = None) -> tuple[float, float]:
        """Estimates the squared maximum mean discrepancy of the circuit's bits from others.

        Args:
            x: Bits of shape `(n, n_bits)`.
            repeats: How many estimates are averaged, each with new strings and bits `z`.
            seed: Of these.

        Returns:
            The mean, and its standard error.

        Raises:
            ValueError: If these are no bits, or there are fewer than two repeats.
        """
        bits = ops.convert_to_tensor(self._rows(x), self.compute_dtype)
        if positive_int("repeats", repeats) < 2:
            raise ArgumentError("repeats", "be at least 2, for an error", repeats)
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
        # Each bandwidth counts as much, though it has a string more or less than another.
        weights = 1 / (len(widths) * np.bincount(places)[places])
        chances = ops.convert_to_tensor(shares.astype(self.compute_dtype)[:, None])
        drawn = keras.random.uniform((self.n_operators, self.n_bits), seed=seed())
        operators = ops.cast(ops.cast(drawn, self.compute_dtype) < chances, self.compute_dtype)
        odd = ops.mod(ops.matmul(operators, ops.transpose(bits)), 2)
        data = 1 - 2 * ops.mean(odd, axis=1)
        # The square of a mean of n signs is too large by (1 - mean^2) / (n - 1) in the mean.
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
        """Estimates expectation values of strings of Pauli Z, without a state.

        Args:
            operators: On which qubits each string acts: 0 and 1, of shape `(n_operators, n_bits)`.
            n_samples: The number of random bits in each mean, two at least.
            seed: Of these.

        Returns:
            The estimates, and their standard errors, of shape `(n_operators,)` each.

        Raises:
            ValueError: If these are no strings on the layer's qubits, or they do not fit into
                memory.
        """
        rows = self._rows(operators)
        if positive_int("n_samples", n_samples) < 2:
            raise ArgumentError("n_samples", "be at least 2, for an error", n_samples)
        self._check_memory("n_samples", len(self.sets), len(rows), n_samples)
        generator = keras.random.SeedGenerator(seed_or_none("seed", seed))
        strings = ops.convert_to_tensor(rows, self.compute_dtype)
        found = ops.convert_to_numpy(self._cosines(strings, n_samples, generator))
        errors = found.std(axis=1, ddof=1) / math.sqrt(n_samples)
        return found.mean(axis=1), errors

    def exact_expectation(self, operators: Any) -> Array:
        """Returns expectation values of strings of Pauli Z, from the probabilities of all bits.

        Args:
            operators: As of `expectation`.

        Raises:
            ValueError: If there are more than 20 qubits.
        """
        rows = self._rows(operators).astype("int64")
        values: Array = transformed(self.probabilities())
        found: Array = values[rows @ (1 << np.arange(rows.shape[1])[::-1])]
        return found

    def _cosines(self, operators: Any, n_samples: int, seed: Any) -> Any:
        """Returns what the expectation values are means of, `(n_operators, n_samples)`."""
        assert self.n_bits is not None
        drawn = keras.random.uniform((n_samples, self.n_bits), seed=seed)
        signs = ops.where(drawn < 0.5, 1.0, -1.0)
        signs = self._products(ops.cast(signs, self.compute_dtype))
        flips = (1 - self._products(1 - 2 * operators)) / 2
        return cos(2 * ops.matmul(flips * self.angles, ops.transpose(signs)))

    def _products(self, signs: Any) -> Any:
        """Returns the product of the signs in each generator's set: `(rows, n_generators)`."""
        signs = ops.concatenate([signs, ops.ones_like(signs[:, :1])], axis=1)
        found = ops.take(signs, self._table[:, 0], axis=1)
        for column in self._table.T[1:]:
            found = found * ops.take(signs, column, axis=1)
        return found

    # The state, of few qubits.

    def _probabilities(self) -> Array:
        assert self.n_bits is not None
        angles = ops.convert_to_numpy(self.angles).astype("float64")
        # The gates are diagonal between two layers of Hadamard gates. Their phases at the bits z
        # are sum_g theta_g (-1)^(g z), a Hadamard transform of the angles.
        size = 2**self.n_bits
        by_set = np.zeros(size)
        # A place that stands for none adds 0.
        values = np.append(1 << np.arange(self.n_bits)[::-1], 0)
        by_set[values[self._table].sum(axis=1)] = angles
        found: Array = np.abs(transformed(np.exp(1j * transformed(by_set))) / size) ** 2
        return found

    def circuit(self) -> cirq.Circuit:
        """Returns the circuit with its present angles, to be run and measured elsewhere.

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
    fix = 'E.g. "pairs", 3, or [(0,), (0, 2)].'
    if isinstance(given, str):
        if given != "pairs":
            raise ArgumentError("generators", "be a known name, a number or sets", given, fix)
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
        raise ArgumentError("generators", "hold sets, none of them twice", given, fix)
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
            f"make at most {MOST_GATES:,} gates of {n_bits} qubits",
            f"{generators!r}, which makes {count:,}",
        )
    return count


def _sets(generators: Any, n_bits: int) -> list[tuple[int, ...]]:
    if isinstance(generators, list):
        return generators
    weight = _weight(generators, n_bits)
    return [s for k in range(1, weight + 1) for s in itertools.combinations(range(n_bits), k)]
