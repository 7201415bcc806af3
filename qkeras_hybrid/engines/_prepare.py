"""Prepares a job with all its noise on one engine.

`engines.choose`, `engines.prepare` and engines that run others are built on this.
"""

from __future__ import annotations

from dataclasses import replace

from qkeras_hybrid import noise
from qkeras_hybrid.engines._readout_errors import WithReadoutErrors
from qkeras_hybrid.engines._readout_errors import refusal as readout_refusal
from qkeras_hybrid.engines._readout_errors import without as without_readout_errors
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Channel, Instruction, Job, Unitary


def with_noise(job: Job) -> Job:
    """Returns the job for an engine: the readout's source, and a program with the noise in it."""
    return noise.applied(replace(job, readout=job.readout.source))


def refusal(job: Job, engine: Engine) -> str | None:
    """Returns why an engine can't do a job with all its noise, or None if it can.

    Args:
        job: The job.
        engine: The engine.
    """
    job = _for_engine(with_noise(job), engine)
    if engine.takes_readout_errors:
        return engine.refuses(job)
    return readout_refusal(job) or engine.refuses(without_readout_errors(job))


def prepare(job: Job, engine: Engine, differentiator: Differentiator | None = None) -> Run:
    """Returns a run that computes a job on an engine, with a gradient.

    Args:
        job: A job that the engine does not refuse. Its noise model is written into its program,
            and its readout errors are added to what the engine computes.
        engine: The engine.
        differentiator: None for the engine's own gradient or, if it has none, the parameter-shift
            rule.

    Raises:
        ValueError: If the differentiator does not suit the job.
    """
    readout = job.readout
    job = _for_engine(with_noise(job), engine)
    if job.readout_errors and not engine.takes_readout_errors:
        engine = WithReadoutErrors(engine)
    if differentiator is None and (
        not job.gradient or not job.readout.linear or engine.differentiates_itself(job)
    ):
        run = engine.prepare(job)
    else:
        run = engine.differentiated(job, differentiator)
    if readout.source is readout:
        return run
    return lambda inputs, weights, seed=None: readout.finish(run(inputs, weights, seed))


def _for_engine(job: Job, engine: Engine) -> Job:
    """Returns the job with coherent errors as unitaries, for an engine that takes no channels."""
    if Channel in engine.instructions or Channel not in job.program.kinds:
        return job
    program = job.program
    instructions = tuple(map(_unitary, program.instructions))
    return replace(job, program=replace(program, instructions=instructions))


def _unitary(instruction: Instruction) -> Instruction:
    if isinstance(instruction, Channel) and len(instruction.kraus) == 1:
        return Unitary(instruction.qubits, instruction.kraus[0])
    return instruction
