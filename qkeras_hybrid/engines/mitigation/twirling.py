"""Pauli twirling: random Paulis around two-qubit gates make coherent errors random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid.engines.base import Run
from qkeras_hybrid.engines.mitigation.base import Mitigation, averaged
from qkeras_hybrid.engines.mitigation.clifford import conjugated
from qkeras_hybrid.engines.mitigation.quasi import pauli, pauli_strings
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Channel, Instruction, Job, Unitary


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PauliTwirling(Mitigation):
    """Averages over random Paulis before and after each Clifford gate on two qubits.

    Without noise the gate does not change: `P' U P = U` up to a phase for `P' = U P U†`. An error
    after it becomes, on average, a Pauli channel: coherent errors, which otherwise add up in
    amplitude from gate to gate, then add up only in probability, and other methods can mitigate
    them.

    Args:
        engine: The engine that computes.
        n_circuits: The number of circuits to draw.
        seed: The seed of the circuits, which stay the same from call to call.

    Raises:
        ValueError: If `n_circuits` is not a whole number of at least 1.

    Reference:
        Wallman, Emerson: Noise tailoring for scalable quantum computation via randomized
        compiling, Phys. Rev. A 94, 052325 (2016), arXiv 1512.01098.

    Example:

    >>> engines.PauliTwirling(engines.StatevectorEngine(), n_circuits=8).n_circuits
    8
    """

    name = "pauli_twirling"

    def __init__(self, engine: Any, n_circuits: int = 16, seed: int | None = 0) -> None:
        super().__init__(engine)
        self.n_circuits = positive_int("n_circuits", n_circuits)
        self.seed = seed

    def arguments(self) -> dict[str, Any]:
        return {"n_circuits": self.n_circuits, "seed": self.seed}

    def twirled(self, job: Job) -> list[Job]:
        """Returns the jobs whose mean value is that of the twirled job."""
        rng = np.random.default_rng(self.seed)
        jobs = []
        for _ in range(self.n_circuits):
            instructions = tuple(_twirled(job.program.instructions, rng))
            jobs.append(
                replace(job, program=replace(job.program, instructions=instructions), origin=None)
            )
        return jobs

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        different: dict[tuple[Instruction, ...], list[Job]] = {}
        for each in self.twirled(job):
            different.setdefault(each.program.instructions, []).append(each)
        if job.shots is not None:  # each program has its own shots
            jobs = [each for same in different.values() for each in same]
            factors = [1.0 / self.n_circuits] * len(jobs)
        else:
            jobs = [same[0] for same in different.values()]
            factors = [len(same) / self.n_circuits for same in different.values()]
        return averaged([self.inner(each, differentiator) for each in jobs], factors)

    def cost(self, job: Job, point: tuple[Any, Any], seed: Any) -> tuple[Any, int]:
        # The mean of as many programs, each with its own shots: no variance is added per shot.
        return 1.0 / self.n_circuits, self.n_circuits


def _twirled(
    instructions: tuple[Instruction, ...], rng: np.random.Generator
) -> Iterator[Instruction]:
    """Yields instructions with Paulis around two-qubit Clifford gates and their noise."""
    after: list[Instruction] = []
    for each in instructions:
        if after and not isinstance(each, Channel):
            yield from after
            after = []
        images = None
        if isinstance(each, Unitary) and len(each.qubits) == 2:
            images = conjugated(each)
        if images is not None:
            number = int(rng.integers(16))
            yield from pauli(pauli_strings(2)[number][0], each.qubits)
            after = list(pauli(images[number], each.qubits))
        yield each
    yield from after
