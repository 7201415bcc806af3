"""Reads Cirq's noise models as noise models of this package, which are saved with layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.noise.channels import rows
from qkeras_hybrid.noise.gate_names import names_of_gate
from qkeras_hybrid.noise.model import NoiseModel
from qkeras_hybrid.noise.rules import Rule

_HELP = (
    "Let Cirq put the noise into the circuit instead: PQC(circuit.with_noise(model), ...) works "
    "with any model."
)


def from_cirq(model: Any, qubits: Sequence[cirq.Qid] | None = None) -> NoiseModel:
    """Reads one of Cirq's noise models.

    `cirq.ConstantQubitNoiseModel` becomes a channel after each moment with a gate, on every qubit;
    `cirq.devices.InsertionNoiseModel` becomes a channel after the gates that it names, whether or
    not they are tagged as physical; `cirq.NO_NOISE` becomes a model without rules.

    Args:
        model: The model.
        qubits: The circuit's qubits; noise on other qubits is left out.

    Raises:
        ValueError: If the model is of another kind. Cirq itself can put its noise into a circuit:
            `PQC(circuit.with_noise(model), ...)`.

    Example:

    >>> model = noise.from_cirq(cirq.ConstantQubitNoiseModel(cirq.depolarize(0.1)))
    >>> model.rules[0].after
    'layer'
    """
    if isinstance(model, cirq.ConstantQubitNoiseModel) and not model._prepend:
        return NoiseModel([_rule(model.qubit_noise_gate, after="layer")])
    if isinstance(model, cirq.devices.InsertionNoiseModel) and not model.prepend:
        identifiers = list(model.ops_added)
        for one in identifiers:
            if any(one.is_proper_subtype_of(other) for other in identifiers if other is not one):
                raise ArgumentError("model", "not name a gate twice", one, _HELP)
        known = None if qubits is None else set(qubits)
        return NoiseModel(
            [
                _inserted(identifier, operation)
                for identifier, operation in model.ops_added.items()
                if known is None or {*identifier.qubits, *operation.qubits} <= known
            ]
        )
    if model is cirq.NO_NOISE or (isinstance(model, cirq.NoiseModel) and model == cirq.NO_NOISE):
        return NoiseModel()
    kinds = "a ConstantQubitNoiseModel or an InsertionNoiseModel that adds noise after gates"
    raise ArgumentError("model", f"be {kinds}", model, _HELP)


def _inserted(identifier: Any, operation: cirq.Operation) -> Rule:
    """Returns the rule of one entry: after one kind of gate, an operation on the gate's qubits."""
    if not identifier.qubits:
        raise ArgumentError(
            "model", "name the qubits of the gates after which it adds noise", identifier, _HELP
        )
    group = tuple(operation.qubits)
    return _rule(
        operation.gate,
        gates=(names_of_gate(identifier.gate_type)[0],),
        qubits=(group if len(group) > 1 else group[0],),
        gate_on=tuple(identifier.qubits),
    )


def _rule(gate: Any, **places: Any) -> Rule:
    kraus = cirq.kraus(gate, None)
    if kraus is None or cirq.is_parameterized(gate):
        raise ArgumentError("model", "add channels without symbols", gate, _HELP)
    return Rule("kraus", tuple(map(rows, kraus)), **places)
