"""A batch of Ising models on one graph, the input of annealers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.models import Ising, Quadratic


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Models `sum_i h_i s_i + sum_{ij} J_ij s_i s_j` on the same spins and edges.

    Attributes:
        edges: The two spins of each coupling, of shape `(n_edges, 2)`, int64.
        biases: `h`, of shape `(batch, n_spins)`.
        couplings: `J`, of shape `(n_edges,)` for all, or `(batch, n_edges)`.
    """

    edges: np.ndarray
    biases: np.ndarray
    couplings: np.ndarray

    @classmethod
    def of(cls, models: Sequence[Quadratic]) -> Batch:
        """Returns models with the same variables and edges as a batch.

        Raises:
            ValueError: If there is none, or their variables or edges differ.
        """
        if not models:
            raise ArgumentError("models", "have at least one model", models)
        spins = [model.to_ising() for model in models]
        first = spins[0]
        for model in spins[1:]:
            same = model.variables == first.variables and np.array_equal(model.edges, first.edges)
            if not same:
                raise ArgumentError("models", "have the same variables and edges", models)
        return cls(
            first.edges,
            np.stack([model.biases for model in spins]),
            np.stack([model.couplings for model in spins]),
        )

    def __len__(self) -> int:
        return len(self.biases)

    @property
    def n_spins(self) -> int:
        """The number of spins of a model."""
        return int(self.biases.shape[1])

    @property
    def shared(self) -> bool:
        """Whether all models have the same couplings."""
        return self.couplings.ndim == 1

    def couplings_of(self, number: int) -> np.ndarray:
        """Returns the couplings of one model."""
        row: np.ndarray = self.couplings if self.shared else self.couplings[number]
        return row

    def model(self, number: int) -> Ising:
        """Returns one model; its variables are numbers."""
        pairs = map(tuple, self.edges.tolist())
        couplings = dict(zip(pairs, self.couplings_of(number).tolist(), strict=True))
        return Ising(self.biases[number], couplings)

    def energies(self, spins: np.ndarray) -> np.ndarray:
        """Returns the energies of states of shape `(batch, reads, n_spins)`."""
        states = spins.astype("float64")
        i, j = self.edges.T
        couplings = self.couplings if not self.shared else self.couplings[None]
        linear = np.einsum("brn,bn->br", states, self.biases)
        pairs = np.einsum("brm,bm->br", states[..., i] * states[..., j], couplings)
        found: np.ndarray = linear + pairs
        return found

    def fields_span(self) -> tuple[float, float]:
        """Returns the largest field on a spin, and the smallest nonzero coefficient."""
        sums = np.abs(self.biases)
        strengths = np.abs(np.broadcast_to(self.couplings, (len(self), len(self.edges))))
        for side in self.edges.T:
            for k, spin in enumerate(side.tolist()):
                sums[:, spin] += strengths[:, k]
        numbers = np.concatenate([np.abs(self.biases).ravel(), np.abs(self.couplings).ravel()])
        numbers = numbers[numbers > 0]
        return float(sums.max(initial=0.0)), float(numbers.min()) if len(numbers) else 0.0
