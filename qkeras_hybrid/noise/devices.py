"""Noise models from the device calibrations in the package cirq-google."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.noise.model import NoiseModel
from qkeras_hybrid.noise.rules import Rule

DEVICES = ("rainbow", "weber")
"""The devices whose calibration cirq-google contains."""

GATES = ("sycamore", "sqrt_iswap")


def from_device(
    name: str, qubits: Sequence[cirq.GridQubit], gate: str = "sqrt_iswap"
) -> NoiseModel:
    """Returns the noise of some of a device's qubits, from its median calibration.

    Args:
        name: "rainbow" (23 qubits) or "weber" (53 qubits).
        qubits: Qubits of the device, in the order of the circuit's.
        gate: As in `from_calibration`.

    Raises:
        ImportError: If cirq-google is not installed.
        ValueError: If the name is unknown, or the device does not have a qubit.

    Example (needs cirq-google)::

        model = noise.from_device("rainbow", cirq.GridQubit.rect(1, 3, 5, 1))
        layer = PQC(circuit_of_three_qubits, "Z", noise=model)
    """
    one_of("name", name, DEVICES)
    try:
        from cirq_google.engine import load_median_device_calibration
    except ImportError as error:
        raise ImportError(
            "The calibrations of Google's devices are in the package cirq-google: "
            'pip install "qkeras-hybrid[google]"'
        ) from error
    return from_calibration(load_median_device_calibration(name), qubits, gate)


def from_calibration(
    calibration: Any, qubits: Sequence[cirq.GridQubit], gate: str = "sqrt_iswap"
) -> NoiseModel:
    """Returns the noise of some of a device's qubits, from a calibration.

    Each one-qubit gate is followed by depolarizing noise with the qubit's Pauli error from
    randomized benchmarking; each two-qubit gate by that of its pair from cross-entropy benchmarking
    of parallel cycles. Pairs without a coupling, which would need swaps, get the error of the mean
    pair. Readout errors are those of qubits measured in parallel. Relaxation of idle qubits and
    crosstalk are left out.

    Args:
        calibration: A `cirq_google.Calibration`, or another mapping from names of metrics to
            values by qubits.
        qubits: Qubits of the device, in the order of the circuit's.
        gate: The device's two-qubit gate: "sqrt_iswap" or "sycamore".

    Raises:
        ValueError: If a metric is missing, or the device does not have a qubit.
    """
    one_of("gate", gate, GATES)
    qubits = tuple(qubits)
    single = _by_qubits(calibration, "single_qubit_rb_pauli_error_per_gate")
    missing = [qubit for qubit in qubits if (qubit,) not in single]
    if missing:
        have = ", ".join(str(qubit) for (qubit,) in sorted(single))
        raise ArgumentError("qubits", f"be among the device's: {have}", missing[0])
    pairs = _by_qubits(
        calibration,
        f"two_qubit_parallel_{gate}_gate_xeb_pauli_error_per_cycle",
        f"two_qubit_{gate}_gate_xeb_pauli_error_per_cycle",
    )
    zeros = _by_qubits(calibration, "parallel_p00_error", "single_qubit_p00_error")
    ones = _by_qubits(calibration, "parallel_p11_error", "single_qubit_p11_error")
    rules = []
    for k, qubit in enumerate(qubits):
        rules.append(Rule("depolarizing", (single[(qubit,)],), qubits=(k,), on=1))
    mean = float(np.mean(list(pairs.values())))
    for j, one in enumerate(qubits):
        for k, two in enumerate(qubits[:j]):
            error = pairs.get((one, two), pairs.get((two, one), mean))
            rules.append(Rule("depolarizing", (error, 2), qubits=((k, j),), on=2))
    for k, qubit in enumerate(qubits):
        a, b = (_value(table, qubit) for table in (zeros, ones))
        rules.append(Rule("readout_error", (a, b), qubits=(k,), after="readout"))
    return NoiseModel(rules)


def _value(table: dict[tuple[Any, ...], float], qubit: Any) -> float:
    return table.get((qubit,), float(np.mean(list(table.values()))))


def _by_qubits(calibration: Any, *metrics: str) -> dict[tuple[Any, ...], float]:
    """Returns the values of the first metric that a calibration has, by qubits."""
    for metric in metrics:
        if metric in calibration:
            found = calibration[metric]
            return {tuple(key): float(np.ravel(value)[0]) for key, value in found.items()}
    raise ArgumentError("calibration", f"have the metric {metrics[0]!r}", sorted(calibration))
