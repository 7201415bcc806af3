"""Boltzmann machines on `keras.ops`: free energies, partition functions, Gibbs steps.

The spins of a machine are visible or hidden, visible ones first. With `E(v, h)` quadratic in all
of them, the probability of visible spins is `p(v) = exp(-beta F(v)) / Z`, where
`F(v) = -log(sum_h exp(-beta E(v, h))) / beta` is the free energy.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import available_memory
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.exact import states_of
from qkeras_hybrid.annealing.sampling import to_matrices

MOST_STATES = 20
"""The most spins whose states are summed over at once."""


@dataclasses.dataclass(frozen=True)
class Structure:
    """Which spins of a machine are coupled.

    Attributes:
        n_visible: The number of visible spins.
        n_hidden: The number of hidden spins.
        edges: The two spins of each coupling, of shape `(n_edges, 2)`, smaller first.
        beta: The inverse temperature.
    """

    n_visible: int
    n_hidden: int
    edges: np.ndarray
    beta: float

    @property
    def n_spins(self) -> int:
        """The number of spins."""
        return self.n_visible + self.n_hidden

    @property
    def couples_visible(self) -> bool:
        """Whether two visible spins are coupled."""
        return bool((self.edges[:, 1] < self.n_visible).any())

    @property
    def couples_hidden(self) -> bool:
        """Whether two hidden spins are coupled."""
        return bool((self.edges[:, 0] >= self.n_visible).any())

    @property
    def restricted(self) -> bool:
        """Whether visible spins are coupled only to hidden ones."""
        return not self.couples_visible and not self.couples_hidden

    @property
    def sums_over_hidden(self) -> bool:
        """Whether the partition function sums over hidden states, not visible ones."""
        return not self.couples_visible and 0 < self.n_hidden < self.n_visible

    @property
    def exact_spins(self) -> int:
        """The number of spins whose states the partition function sums over."""
        if self.sums_over_hidden:
            return self.n_hidden
        return self.n_visible + (self.n_hidden if self.couples_hidden else 0)

    @property
    def marginal_spins(self) -> int:
        """The number of spins whose states a free energy sums over."""
        return self.n_hidden if self.couples_hidden else 0


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine's parameters as tensors.

    Attributes:
        structure: Which spins are coupled.
        biases: The biases of all spins, of shape `(n_spins,)`.
        matrix: The couplings, symmetric, of shape `(n_spins, n_spins)`.
    """

    structure: Structure
    biases: Any
    matrix: Any

    @classmethod
    def of(cls, structure: Structure, biases: Any, couplings: Any) -> Machine:
        """Returns the machine with these biases, and couplings by edge."""
        return cls(structure, biases, to_matrices(couplings, structure.edges, structure.n_spins))

    def hidden_fields(self, visible: Any) -> Any:
        """Returns the fields of visible spins on the hidden ones: `(batch, n_hidden)`."""
        n = self.structure.n_visible
        return self.biases[n:] + _times(visible, self.matrix[:n, n:])

    def visible_fields(self, hidden: Any) -> Any:
        """Returns the fields of hidden spins on the visible ones: `(batch, n_visible)`."""
        n = self.structure.n_visible
        return self.biases[:n] + _times(hidden, self.matrix[n:, :n])

    def free_energy(self, visible: Any) -> Any:
        """Returns `F(v)`: `(batch, n_visible)` to `(batch,)`."""
        n, beta = self.structure.n_visible, self.structure.beta
        own = ops.sum(visible * self.biases[:n], -1)
        own = own + ops.sum(_times(visible, self.matrix[:n, :n]) * visible, -1) / 2
        if not self.structure.n_hidden:
            return own
        return own - self._log_hidden_sum(self.hidden_fields(visible)) / beta

    def pseudo_log_likelihood(self, visible: Any) -> Any:
        """Returns `sum_i log p(v_i | all other v)`: `(batch, n_visible)` to `(batch,)`.

        It needs no partition function, and is the log-likelihood if the visible spins are
        independent. A spin between -1 and 1 is up with the probability that makes it the mean.

        Reference:
            J. Besag, Statistical Analysis of Non-Lattice Data, The Statistician 24, 179 (1975).
        """
        n, beta = self.structure.n_visible, self.structure.beta
        # beta * (F(v with v_i = 1) - F(v with v_i = -1))
        gaps = 2 * beta * (self.biases[:n] + _times(visible, self.matrix[:n, :n]))
        if self.structure.n_hidden:
            fields = self.hidden_fields(visible)

            def log_ratio(one: tuple[Any, Any]) -> Any:
                couplings, spins = one
                others = fields - spins[:, None] * couplings
                down, up = others - couplings, others + couplings
                return self._log_hidden_sum(down) - self._log_hidden_sum(up)

            # One spin after the other: all at once would need n_visible times the memory.
            each = ops.map(log_ratio, (self.matrix[:n, n:], ops.transpose(visible)))
            gaps = gaps + ops.transpose(each)
        up = (1 + visible) / 2
        return -ops.sum(up * ops.softplus(gaps) + (1 - up) * ops.softplus(-gaps), -1)

    def hidden_means(self, visible: Any) -> Any:
        """Returns the means of the hidden spins, given the visible ones."""
        beta, fields = self.structure.beta, self.hidden_fields(visible)
        if not self.structure.couples_hidden:
            # Minus the hyperbolic tangent, which Keras rounds to float32 under JAX.
            return 2 * ops.sigmoid(-2 * beta * fields) - 1
        states = self._states(self.structure.n_hidden)
        return _times(ops.softmax(self._hidden_exponents(fields), axis=-1), states)

    def log_partition(self) -> Any:
        """Returns `log Z`, a sum over the states of `structure.exact_spins` spins."""
        n, beta = self.structure.n_visible, self.structure.beta
        if not self.structure.sums_over_hidden:
            visible = self._states(n)
            return ops.logsumexp(-beta * self.free_energy(visible))
        hidden = self._states(self.structure.n_hidden)
        own = ops.sum(hidden * self.biases[n:], -1)
        own = own + ops.sum(_times(hidden, self.matrix[n:, n:]) * hidden, -1) / 2
        visible_sums = ops.sum(_log_two_cosh(beta * self.visible_fields(hidden)), -1)
        return ops.logsumexp(visible_sums - beta * own)

    def gibbs_step(self, visible: Any, seed: keras.random.SeedGenerator) -> Any:
        """Draws hidden spins, then visible ones from these. The machine must be restricted."""
        hidden = _drawn(self.structure.beta * self.hidden_fields(visible), seed)
        return _drawn(self.structure.beta * self.visible_fields(hidden), seed)

    def _log_hidden_sum(self, fields: Any) -> Any:
        """Returns `log(sum_h exp(-beta E))` of the hidden spins in these fields: `(batch,)`."""
        if not self.structure.couples_hidden:
            return ops.sum(_log_two_cosh(self.structure.beta * fields), -1)
        return ops.logsumexp(self._hidden_exponents(fields), axis=-1)

    def _hidden_exponents(self, fields: Any) -> Any:
        """Returns `-beta E` of each hidden state in these fields: `(batch, 2**n_hidden)`."""
        n, beta = self.structure.n_visible, self.structure.beta
        states = self._states(self.structure.n_hidden)
        own = ops.sum(_times(states, self.matrix[n:, n:]) * states, -1) / 2
        return -beta * (_times(fields, ops.transpose(states)) + own[None])

    def _states(self, n: int) -> Any:
        return ops.convert_to_tensor(2.0 * states_of(np.arange(2**n), n) - 1, self.matrix.dtype)


def check_exact(argument: str, spins: int, got: Any) -> None:
    """Checks that the states of this number of spins can be summed over.

    Raises:
        ValueError: If there are too many, or not enough memory.
    """
    if spins > MOST_STATES or 2**spins * (spins + 4) * 8 > available_memory():
        raise ArgumentError(
            argument,
            f"not need a sum over all states of {spins} spins, which is possible for up to "
            f"{MOST_STATES}",
            got,
            'Give `method="annealing"`, or fewer spins.',
        )


def _times(rows: Any, matrix: Any) -> Any:
    # By einsum, not matmul, which Keras rounds to float32 under PyTorch.
    return ops.einsum("bi,ij->bj", rows, matrix)


def _log_two_cosh(x: Any) -> Any:
    # Not by `logaddexp`, which Keras rounds to float32 under PyTorch.
    size = ops.absolute(x)
    return size + ops.softplus(-2 * size)


def _drawn(scaled_fields: Any, seed: keras.random.SeedGenerator) -> Any:
    """Draws a spin in each field: +1 with probability `1 / (1 + exp(2 beta f))`."""
    up = ops.sigmoid(-2 * scaled_fields)
    uniform = keras.random.uniform(ops.shape(up), dtype=up.dtype, seed=seed)
    return ops.stop_gradient(ops.where(uniform < up, ops.ones_like(up), -ops.ones_like(up)))
