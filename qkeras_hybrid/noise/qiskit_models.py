"""Noise models from Qiskit: from a backend's properties, or from Aer's noise models.

Qiskit's first qubit is the least significant bit; here the first is the most significant.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.noise import channels
from qkeras_hybrid.noise.gate_names import SYMMETRIC, name_of_gate
from qkeras_hybrid.noise.model import NoiseModel
from qkeras_hybrid.noise.rules import Rule

_HELP = "Give a backend, its target, Aer's NoiseModel, or what NoiseModel.to_dict returns."


def from_qiskit(source: Any, qubits: Sequence[int] | None = None) -> NoiseModel:
    """Reads a noise model from Qiskit.

    From a backend or its `Target`, such as those of `qiskit.providers.fake_provider`: after each
    gate, its qubits relax for the gate's duration, and depolarizing noise makes up the rest of the
    gate's error, as in Aer. Gates that the backend does not have get the error of the backend's
    worst gate on the same qubit or pair; pairs without a coupling, which would need swaps, get that
    of the mean pair. Readout errors are those of "measure".

    From Aer's `NoiseModel`: its gate errors, by the gates' names, and its readout errors.

    Args:
        source: A backend, a `Target`, Aer's `NoiseModel` or its dictionary.
        qubits: The backend's qubits on which the circuit's qubits run, in order; by default all
            qubits of the backend, or those that the noise model names.

    Raises:
        ValueError: If `source` is none of these, or the backend does not have a qubit.

    Reference:
        Qiskit Aer, `NoiseModel.from_backend` and `noise.device.models`.

    Example (needs Qiskit)::

        model = noise.from_qiskit(GenericBackendV2(5), qubits=[0, 1, 2])
        layer = PQC(circuit_of_three_qubits, "Z", noise=model)
    """
    target = getattr(source, "target", source)
    if hasattr(target, "operation_names") and hasattr(target, "num_qubits"):
        return _of_target(target, qubits)
    table = source.to_dict() if hasattr(source, "to_dict") else source
    if isinstance(table, Mapping) and "errors" in table:
        return _of_aer(table, qubits)
    raise ArgumentError("source", "be from Qiskit", source, _HELP)


# From a backend's properties.


def _of_target(target: Any, qubits: Sequence[int] | None) -> NoiseModel:
    count = int(target.num_qubits)
    chosen = tuple(range(count)) if qubits is None else tuple(qubits)
    for qubit in chosen:
        if not 0 <= int(qubit) < count:
            raise ArgumentError("qubits", f"be below {count}", qubit)
    gates: dict[tuple[int, ...], tuple[float, float]] = {}
    readout: dict[int, float] = {}
    for name in target.operation_names:
        for on, properties in (target[name] or {}).items():
            error = getattr(properties, "error", None)
            if on is None or error is None:
                continue
            if name == "measure":
                readout[on[0]] = float(error)
            elif name not in ("reset", "delay") and len(on) in (1, 2):
                key = tuple(sorted(on))
                duration = float(properties.duration or 0.0)
                gates[key] = max(gates.get(key, (0.0, 0.0)), (float(error), duration))
    times = [_times(target, qubit) for qubit in range(count)]
    rules = []
    for k, qubit in enumerate(chosen):
        if (qubit,) in gates:
            error, duration = gates[(qubit,)]
            rules += _gate_rules(error, duration, [times[qubit]], (k,))
    coupled = [value for on, value in gates.items() if len(on) == 2]
    mean = tuple(np.mean(coupled, axis=0).tolist()) if coupled else (0.0, 0.0)
    for (j, one), (k, two) in itertools.combinations(enumerate(chosen), 2):
        error, duration = gates.get(tuple(sorted((one, two))), mean)
        rules += _gate_rules(error, duration, [times[one], times[two]], (j, k))
    for k, qubit in enumerate(chosen):
        if readout.get(qubit):
            error = readout[qubit]
            rules.append(Rule("readout_error", (error, error), qubits=(k,), after="readout"))
    return NoiseModel(rules)


def _times(target: Any, qubit: int) -> tuple[float, float]:
    """Returns T1 and T2 of a qubit; unknown times are infinite."""
    properties = (target.qubit_properties or {})[qubit] if target.qubit_properties else None
    t1 = getattr(properties, "t1", None) or math.inf
    t2 = getattr(properties, "t2", None) or math.inf
    return t1, min(t2, 2 * t1)


def _gate_rules(
    error: float, duration: float, times: list[tuple[float, float]], on: tuple[int, ...]
) -> list[Rule]:
    """Returns a gate's noise: relaxation, and depolarizing noise for the rest of its error."""
    n, dim = len(on), 2 ** len(on)
    relaxed = [_relaxation_kraus(t1, t2, duration) for t1, t2 in times]
    # The average fidelity of a channel: (sum |tr K|**2 / d + 1) / (d + 1) with d its dimension.
    traces = math.prod(sum(abs(np.trace(k)) ** 2 for k in kraus) for kraus in relaxed)
    fidelity = (traces / dim + 1) / (dim + 1)
    rules = []
    if error > 1 - fidelity + 1e-12:
        # F of the mixture with the maximally mixed state: (1 - s) F + s / d.
        share = min(1.0, (error - (1 - fidelity)) * dim / (dim * fidelity - 1))
        p = share * (1 - 1 / dim**2)
        qubits = (on,) if n > 1 else on
        rules.append(Rule("depolarizing", (p, n), qubits=qubits, on=n))
    for qubit, kraus in zip(on, relaxed, strict=True):
        if len(kraus) > 1:
            rows = tuple(map(channels.rows, kraus))
            if n == 1:
                rules.append(Rule("kraus", rows, qubits=(qubit,), on=1))
            else:
                rules.append(Rule("kraus", rows, qubits=(qubit,), on=2, gate_on=on))
    return rules


def _relaxation_kraus(t1: float, t2: float, duration: float) -> tuple[np.ndarray, ...]:
    if not duration or (math.isinf(t1) and math.isinf(t2)):
        return (np.eye(2, dtype=complex),)
    if math.isinf(t1):
        return channels.phase_damping(-math.expm1(-2 * duration / t2))
    return channels.thermal_relaxation(t1, t2, duration)


# From Aer's noise models.


def _of_aer(table: Mapping[str, Any], qubits: Sequence[int] | None) -> NoiseModel:
    number = None if qubits is None else {int(qubit): k for k, qubit in enumerate(qubits)}
    rules = []
    seen: set[Any] = set()
    for error in table["errors"]:
        places: list[tuple[int, ...] | None] = [
            tuple(map(int, on)) for on in error.get("gate_qubits") or []
        ] or [None]
        for place in places:
            if place is not None and number is not None:
                if not set(place) <= set(number):
                    continue
                place = tuple(number[qubit] for qubit in place)
            for rule in _aer_rules(error, place):
                # Aer lists a pair in both orders if the gate is symmetric.
                same = rule.gates is not None and SYMMETRIC.issuperset(rule.gates)
                key = (rule.gates, frozenset(place or ()))
                if place is not None and len(place) > 1 and same and key in seen:
                    continue
                seen.add(key)
                rules.append(rule)
    return NoiseModel(rules)


def _aer_rules(error: Mapping[str, Any], place: tuple[int, ...] | None) -> list[Rule]:
    if error.get("type") == "roerror":
        chances = np.array(error["probabilities"], float)
        if chances.shape != (2, 2):
            raise ArgumentError("source", "have readout errors of single qubits", chances.tolist())
        pair = (float(chances[0, 1]), float(chances[1, 0]))
        return [Rule("readout_error", pair, qubits=place, after="readout")]
    if error.get("type") != "qerror":
        raise ArgumentError("source", "have errors of types qerror and roerror", error.get("type"))
    parts = error["instructions"]
    count = (
        len(place)
        if place
        else 1
        + max((qubit for part in parts for each in part for qubit in each["qubits"]), default=0)
    )
    kraus = [
        math.sqrt(chance) * operator
        for chance, part in zip(error["probabilities"], parts, strict=True)
        if chance > 0
        for operator in _sequence(part, count)
    ]
    gates = [name_of_gate(name) for name in error["operations"] if name not in ("measure", "reset")]
    if not gates:
        return []
    rows = tuple(map(channels.rows, kraus))
    return [Rule("kraus", rows, gates=tuple(gates), gate_on=place)]


def _sequence(part: Sequence[Mapping[str, Any]], count: int) -> list[np.ndarray]:
    """Returns the Kraus operators of a sequence of instructions on `count` qubits."""
    found = [np.eye(2**count, dtype=complex)]
    for each in part:
        operators = _operators(each)
        on = [int(qubit) for qubit in each["qubits"]]
        found = [_extended(k, on, count) @ whole for k in operators for whole in found]
    return found


def _operators(each: Mapping[str, Any]) -> list[np.ndarray]:
    """Returns the Kraus operators of an instruction, in Qiskit's order of qubits."""
    name, given = each["name"], each.get("params") or []
    match name:
        case "id" | "x" | "y" | "z":
            return [channels.PAULIS["I" if name == "id" else name.upper()]]
        case "pauli":
            # The last letter belongs to the first qubit, the least significant bit.
            return [functools.reduce(np.kron, (channels.PAULIS[letter] for letter in given[0]))]
        case "kraus":
            return [_matrix(operator) for operator in given]
        case "unitary":
            return [_matrix(given[0])]
        case "reset":
            return [np.array([[1, 0], [0, 0]], complex), np.array([[0, 1], [0, 0]], complex)]
        case _:
            raise ArgumentError(
                "source", "hold only Paulis, Kraus operators, unitaries and resets", name
            )


def _matrix(given: Any) -> np.ndarray:
    """Returns a matrix of complex numbers, or of pairs of real ones."""
    entries = np.array(given)
    if entries.ndim == 3 and entries.shape[-1] == 2 and entries.dtype.kind in "iuf":
        return np.asarray(entries[..., 0] + 1j * entries[..., 1])
    return np.asarray(entries, complex)


def _extended(operator: np.ndarray, on: Sequence[int], count: int) -> np.ndarray:
    """Extends Qiskit's operator to all qubits, with the first as the most significant bit."""
    k = len(on)
    # Qiskit's axes count down from its last qubit.
    tensor = operator.reshape((2,) * (2 * k))
    places = list(reversed(on))
    whole = np.eye(2**count, dtype=complex).reshape((2,) * (2 * count))
    whole = np.tensordot(tensor, whole, axes=(list(range(k, 2 * k)), places))
    return np.moveaxis(whole, list(range(k)), places).reshape(2**count, 2**count)
