"""Adds readout errors to an engine that measures without errors.

If a qubit is read as 1 in `|0>` with probability `a`, and as 0 in `|1>` with probability `b`, then
`<Z> -> (1 - a - b) <Z> + (b - a)`. The same holds for every Pauli that is measured as Z after a
rotation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keras import ops

from qkeras_hybrid.engines._shots import estimated, flipped, part_seeds
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples

Errors = Sequence[tuple[float, float]]

MOST_TERMS = 2**16
"""The most Pauli strings that observables may become."""


def without(job: Job) -> Job:
    """Returns the part of a job with readout errors that the engine itself computes."""
    if not job.readout_errors:
        return job
    bare = replace(job, readout_errors=())
    if isinstance(job.readout, Expectation) and job.shots is None:
        return replace(bare, readout=misread(job.readout, job.readout_errors))
    return bare


def refusal(job: Job) -> str | None:
    """Returns why readout errors can't be added to a job, or None if they can."""
    if job.readout_errors and not isinstance(job.readout, (Expectation, Probabilities, Samples)):
        return f"readout errors don't act on the {job.readout.name}"
    return None


class WithReadoutErrors(Engine):
    """An engine with a job's readout errors in its measured bits.

    Args:
        engine: The engine.
    """

    name = "with_readout_errors"
    readouts = frozenset({Expectation, Probabilities, Samples})

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.shots = engine.shots

    def get_config(self) -> dict[str, Any]:
        return {"engine": self._engine}

    def differentiates_itself(self, job: Job) -> bool:
        return self._engine.differentiates_itself(without(job))

    def prepare(self, job: Job) -> Run:
        """Returns a function that computes a job with its readout errors."""
        engine, errors = self._engine, job.readout_errors
        bare = without(job)
        match job.readout:
            case Expectation() if job.shots is not None:
                samples = replace(bare, readout=Samples(), gradient=False)
                if engine.refuses(samples) is None:
                    return estimated(engine, job)
                # The same mean, from the engine's own estimates.
                return engine.prepare(
                    replace(bare, readout=misread(job.readout, job.readout_errors))
                )
            case Samples():
                run = engine.prepare(bare)

                def sampled(inputs: Any, weights: Any, seed: Any = None) -> Any:
                    first, second = part_seeds(seed, 2)
                    return flipped(run(inputs, weights, first), errors, second)

                return sampled
            case Probabilities() if job.shots is not None:
                samples = replace(bare, readout=Samples(), gradient=False)
                if engine.refuses(samples) is None:
                    return estimated(engine, job)
        run = engine.prepare(bare)
        if isinstance(job.readout, Expectation):
            return run
        return lambda inputs, weights, seed=None: confused(
            run(inputs, weights, seed), errors, job.dtype
        )


def misread(readout: Expectation, errors: Errors) -> Expectation:
    """Returns observables whose exact values are those of the given ones under readout errors.

    Args:
        readout: The observables.
        errors: For each qubit P(1|0) and P(0|1).

    Raises:
        ValueError: If the sums have more than `MOST_TERMS` strings.
    """
    return mapped(readout, [(1 - a - b, b - a) for a, b in errors])


def mapped(readout: Expectation, maps: Sequence[tuple[float, float]]) -> Expectation:
    """Returns observables in which each Pauli of a qubit is `scale P + shift`.

    Args:
        readout: The observables.
        maps: The scale and the shift of each qubit.

    Raises:
        ValueError: If the sums have more than `MOST_TERMS` strings.
    """
    found = tuple(_mapped(observable, maps) for observable in readout.observables)
    return replace(readout, observables=found)


def _mapped(observable: Observable, maps: Sequence[tuple[float, float]]) -> Observable:
    found: dict[tuple[str, tuple[int, ...]], float] = {}
    for term in observable.terms:
        factors = []
        for letter, qubit in zip(term.paulis, term.qubits, strict=True):
            scale, shift = maps[qubit]
            factors.append([(scale, letter, qubit)] + ([(shift, "", qubit)] if shift else []))
        if len(found) + math.prod(map(len, factors)) > MOST_TERMS:
            raise ValueError(
                f"Readout errors that differ between 0 and 1 turn a Pauli string on "
                f"{len(factors)} qubits into more than {MOST_TERMS} strings. Use `shots`, or "
                "errors with p10 equal to p01."
            )
        for chosen in itertools.product(*factors):
            kept = [(letter, qubit) for _, letter, qubit in chosen if letter]
            key = ("".join(letter for letter, _ in kept), tuple(qubit for _, qubit in kept))
            factor = math.prod(factor for factor, _, _ in chosen)
            found[key] = found.get(key, 0.0) + term.coefficient * factor
    return Observable(tuple(PauliTerm(c, paulis, on) for (paulis, on), c in found.items()))


def confused(probabilities: Any, errors: Errors, dtype: str) -> Any:
    """Returns the distribution of the bits that are read.

    Args:
        probabilities: Tensor of shape `(batch, 2**n_qubits)`.
        errors: For each qubit P(1|0) and P(0|1).
        dtype: The dtype of the probabilities.
    """
    n = len(errors)
    found = probabilities
    for qubit, (a, b) in enumerate(errors):
        if a == b == 0:
            continue
        halves = ops.reshape(found, (-1, 2**qubit, 2, 2 ** (n - 1 - qubit)))
        zero, one = halves[:, :, 0], halves[:, :, 1]
        both = [(1 - a) * zero + b * one, a * zero + (1 - b) * one]
        found = ops.reshape(ops.stack(both, axis=2), (-1, 2**n))
    return found
