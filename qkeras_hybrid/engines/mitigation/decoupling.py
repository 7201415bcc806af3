"""Dynamical decoupling: pulses on idle qubits, which undo slow drifts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid.engines.base import Run
from qkeras_hybrid.engines.mitigation.base import Mitigation
from qkeras_hybrid.engines.mitigation.quasi import pauli
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Channel, Instruction, Job

# The time of each pulse, as a fraction of the idle time, and the pulse.
SEQUENCES: dict[str, tuple[tuple[float, str], ...]] = {
    "XX": ((0.25, "X"), (0.75, "X")),
    "YY": ((0.25, "Y"), (0.75, "Y")),
    "XY4": ((0.125, "X"), (0.375, "Y"), (0.625, "X"), (0.875, "Y")),
}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class DynamicalDecoupling(Mitigation):
    """Puts pulses on idle qubits whose product is the identity.

    Two X pulses make a phase drift equally long in both directions, so that the drift cancels. A
    qubit is idle if, after its first gate, gates act only on others for at least `least_layers`
    layers, and for at least twice as many layers as the sequence has pulses. This helps against
    coherent drifts and crosstalk, not against noise without memory, such as depolarizing.

    Args:
        engine: The engine that computes.
        sequence: "XX", "YY" or "XY4".
        least_layers: The smallest number of idle layers.

    Raises:
        ValueError: If the sequence is none of these.

    Reference:
        Viola, Lloyd: Dynamical suppression of decoherence in two-state quantum systems, Phys. Rev.
        A 58, 2733 (1998), arXiv quant-ph/9803057.

    Example:

    >>> engines.DynamicalDecoupling(engines.StatevectorEngine()).sequence
    'XX'
    """

    name = "dynamical_decoupling"

    def __init__(self, engine: Any, sequence: str = "XX", least_layers: int = 2) -> None:
        super().__init__(engine)
        self.sequence = one_of("sequence", sequence, SEQUENCES)
        self.least_layers = positive_int("least_layers", least_layers)

    def arguments(self) -> dict[str, Any]:
        return {"sequence": self.sequence, "least_layers": self.least_layers}

    def decoupled(self, job: Job) -> Job:
        """Returns the job with pulses in its program."""
        program = job.program
        layers = _layers(program.instructions)
        gates = {
            q: sorted(
                layer
                for each, layer in zip(program.instructions, layers, strict=True)
                if q in each.qubits and not isinstance(each, Channel)
            )
            for q in range(program.n_qubits)
        }
        last = max(layers, default=0)
        # For each layer, the pulses after its gates and their noise.
        after: dict[int, list[Instruction]] = {}
        for qubit, used in gates.items():
            for start, end in zip(used, [*used[1:], last + 1], strict=True):
                # The noise of the layer that ends with the gate belongs to the idle time, too.
                pulses, waits = SEQUENCES[self.sequence], end - start
                if waits - 1 < self.least_layers or waits < 2 * len(pulses):
                    continue
                for share, letter in pulses:
                    place = start - 1 + math.floor(share * waits + 0.5)
                    after.setdefault(place, []).extend(pauli(letter, (qubit,)))
        by_layer: dict[int, list[Instruction]] = {}
        for each, layer in zip(program.instructions, layers, strict=True):
            by_layer.setdefault(layer, []).append(each)
        instructions = [
            each for layer in sorted(by_layer) for each in (*by_layer[layer], *after.get(layer, ()))
        ]
        return replace(job, program=replace(program, instructions=tuple(instructions)), origin=None)

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        return self.inner(self.decoupled(job), differentiator)


def _layers(instructions: tuple[Instruction, ...]) -> list[int]:
    """Returns each instruction's layer: the earliest after previous ones on its qubits.

    Noise belongs to the layer of the gates before it in the program.
    """
    free: dict[int, int] = {}
    noise_free: dict[int, int] = {}
    found, current = [], 0
    for each in instructions:
        if isinstance(each, Channel):
            found.append(current)
            for qubit in each.qubits:
                noise_free[qubit] = current + 1
            continue
        # Not before noise that came earlier on its qubits.
        layer = max(
            (max(free.get(q, 0), noise_free.get(q, 0)) for q in each.qubits), default=current
        )
        free.update(dict.fromkeys(each.qubits, layer + 1))
        current = max(current, layer)
        found.append(layer)
    return found
