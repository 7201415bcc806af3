"""Probabilistic error cancellation: the inverse of the noise as a sum of circuits."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import noise as noise_models
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid.engines._prepare import refusal
from qkeras_hybrid.engines.base import Run
from qkeras_hybrid.engines.mitigation import quasi
from qkeras_hybrid.engines.mitigation.base import Mitigation, averaged
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Channel, Instruction, Job

Terms = tuple[quasi.Term, ...]

MOST_EXACT_PROGRAMS = 4096
"""The most programs of an exact sum."""


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ProbabilisticErrorCancellation(Mitigation):
    """Cancels known noise by its inverse, a sum of circuits with weights of both signs.

    Each channel is followed by its inverse `sum_i q_i O_i`, a sum of Paulis and resets. Of the
    resulting circuits, `n_circuits` are drawn with probabilities `|q| / gamma`, where `gamma` is
    the product of `sum_i |q_i|` over all channels. The mean of their values times `gamma sign(q)`
    is the value without noise, with standard errors that are `gamma` times larger.

    It inverts Pauli channels, such as depolarizing, on any number of qubits, and amplitude and
    phase damping on one qubit. Coherent errors need `PauliTwirling` inside.

    Args:
        engine: The engine that computes; it must have resets if there is amplitude damping.
        noise: The engine's noise, if it is a device or adds noise by itself: a noise model or its
            spelling. None to cancel the channels of the job.
        n_circuits: The number of circuits to draw, or None for the exact sum of all, at most
            `MOST_EXACT_PROGRAMS`.
        seed: The seed of the circuits, which stay the same from call to call.

    Raises:
        ValueError: If `n_circuits` is not a whole number of at least 1.

    Reference:
        Temme, Bravyi, Gambetta: Error mitigation for short-depth quantum circuits, Phys. Rev.
        Lett. 119, 180509 (2017), arXiv 1612.02058.

    Example:

    >>> engine = engines.ProbabilisticErrorCancellation(
    ...     engines.StatevectorEngine(), noise="depolarizing:0.01"
    ... )
    >>> compiled = compile_circuit(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z")
    >>> round(engine.gamma(compiled.job()), 4)
    1.0203
    """

    name = "probabilistic_error_cancellation"

    def __init__(
        self, engine: Any, noise: Any = None, n_circuits: int | None = 100, seed: int | None = 0
    ) -> None:
        super().__init__(engine)
        self.noise = noise_models.get(noise)
        if n_circuits is not None:
            n_circuits = positive_int("n_circuits", n_circuits)
        self.n_circuits = n_circuits
        self.seed = seed

    def arguments(self) -> dict[str, Any]:
        model = None if self.noise is None else keras.saving.serialize_keras_object(self.noise)
        return {"noise": model, "n_circuits": self.n_circuits, "seed": self.seed}

    def unsuitable(self, job: Job) -> str | None:
        inverses = [terms for _, terms in self._inverses(job)]
        if any(terms is None for terms in inverses):
            return "the inverse of one of its channels is not known"
        count = math.prod(len(terms) for terms in inverses if terms)
        if self.n_circuits is None and count > MOST_EXACT_PROGRAMS:
            return (
                f"an exact sum has {count} programs, more than {MOST_EXACT_PROGRAMS}; give "
                "`n_circuits`"
            )
        # One program of each kind: those with resets, and those without.
        kinds = {each.program.kinds: each for each, _ in self._programs(job)}
        reasons = map(self._inner_refusal, kinds.values())
        return next((reason for reason in reasons if reason is not None), None)

    def _inner_refusal(self, job: Job) -> str | None:
        return refusal(job, self.engine)

    def gamma(self, job: Job) -> float:
        """Returns the factor by which standard errors grow for a job."""
        return math.prod(quasi.gamma(terms) for _, terms in self._known(job))

    def _noisy(self, job: Job) -> Job:
        """Returns the job whose program contains the channels to cancel."""
        job = noise_models.applied(job)
        if self.noise is None:
            return job
        return replace(
            noise_models.applied(replace(job, noise=self.noise)), readout_errors=job.readout_errors
        )

    def _inverses(self, job: Job) -> list[tuple[int, Terms | None]]:
        """Returns where channels stand in the program, and their inverses."""
        known: dict[Channel, Terms | None] = {}
        found = []
        for place, each in enumerate(self._noisy(job).program.instructions):
            if isinstance(each, Channel):
                if each not in known:
                    known[each] = quasi.inverse(each)
                found.append((place, known[each]))
        return found

    def _known(self, job: Job) -> list[tuple[int, Terms]]:
        return [(place, terms) for place, terms in self._inverses(job) if terms is not None]

    def _programs(self, job: Job) -> list[tuple[Job, float]]:
        """Returns the jobs that run, and their factors."""
        inverses = self._known(job)
        choices = [terms for _, terms in inverses]
        weighed: list[tuple[tuple[int, ...], float]]
        if self.n_circuits is None:
            weighed = [
                (each, math.prod(terms[i].weight for i, terms in zip(each, choices, strict=True)))
                for each in itertools.product(*(range(len(terms)) for terms in choices))
            ]
        else:
            weighed = list(self._drawn(choices))
        noisy = self._noisy(job)
        jobs = []
        for chosen, factor in weighed:
            inserted = {
                place: terms[i].instructions
                for i, (place, terms) in zip(chosen, inverses, strict=True)
            }
            instructions: list[Instruction] = []
            for place, each in enumerate(noisy.program.instructions):
                if self.noise is None or place not in inserted:
                    instructions.append(each)
                instructions += inserted.get(place, ())
            program = replace(noisy.program, instructions=tuple(instructions))
            jobs.append((replace(noisy, program=program, origin=None), factor))
        return jobs

    def _drawn(self, choices: Sequence[Terms]) -> Iterator[tuple[tuple[int, ...], float]]:
        assert self.n_circuits is not None
        rng = np.random.default_rng(self.seed)
        columns = []
        for terms in choices:
            chances = np.abs([term.weight for term in terms])
            columns.append(rng.choice(len(terms), self.n_circuits, p=chances / chances.sum()))
        rows = np.array(columns, int).reshape(len(choices), self.n_circuits).T
        whole = math.prod(map(quasi.gamma, choices))
        for chosen, count in Counter(map(tuple, rows.tolist())).items():
            negative = sum(terms[i].weight < 0 for i, terms in zip(chosen, choices, strict=True))
            yield chosen, (-1) ** negative * whole * count / self.n_circuits

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        programs = self._programs(job)
        runs = [self.inner(each, differentiator) for each, _ in programs]
        return averaged(runs, [factor for _, factor in programs])

    def cost(self, job: Job, point: tuple[Any, Any], seed: Any) -> tuple[Any, int]:
        # For as many measurements in total as one program would have.
        return self.gamma(job) ** 2, len(self._programs(job))
