"""Noise models: sets of rules, as a value that is saved with a layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from qkeras_hybrid._value import Value
from qkeras_hybrid.noise.rules import KINDS, Rule


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class NoiseModel(Value):
    """The errors of a device: channels after gates, after layers, and at the readout.

    The functions of `qkeras_hybrid.noise` make models; `+` joins them, and their channels act in
    order.

    Args:
        rules: The rules.

    Raises:
        ValueError: If one of them is not a rule.

    Example:

    >>> after_two = noise.depolarizing(0.01, n_qubits=2).on(gates=["cx", "cz"])
    >>> model = after_two + noise.depolarizing(0.001).on(n_qubits=1) + noise.readout_error(0.02)
    >>> len(model.rules)
    3
    """

    def __init__(self, rules: Iterable[Rule | dict[str, Any]] = ()) -> None:
        found = []
        for rule in rules:
            found.append(rule if isinstance(rule, Rule) else Rule.from_config(rule))
        self.rules: tuple[Rule, ...] = tuple(found)

    def get_config(self) -> dict[str, Any]:
        """Returns the rules as tables."""
        return {"rules": [rule.get_config() for rule in self.rules]}

    def __add__(self, other: NoiseModel) -> NoiseModel:
        if not isinstance(other, NoiseModel):
            return NotImplemented
        return NoiseModel(self.rules + other.rules)

    def __repr__(self) -> str:
        return f"NoiseModel({list(self.rules)!r})"

    def on(
        self,
        *,
        gates: Any = None,
        qubits: Any = None,
        n_qubits: int | None = None,
        after: str | None = None,
    ) -> NoiseModel:
        """Returns the same errors, restricted to some places.

        Args:
            gates: Gates, or names of gates, after which they act: `"cx"`, `cirq.CZ`, `["rx"]`.
            qubits: The qubits on which they act: indices, or Cirq's qubits; pairs for an error on
                two qubits.
            n_qubits: The number of qubits of the gates after which they act.
            after: "layer": after each moment of the circuit, on every qubit; "gate" or "readout".

        Raises:
            ValueError: If gates are named for an error that does not act after gates, or qubits are
                invalid.

        Example:

        >>> noise.bit_flip(0.1).on(qubits=[0]).rules[0].qubits
        (0,)
        """
        given = {"qubits": qubits, "on": n_qubits, "after": after}
        changes = {name: value for name, value in given.items() if value is not None}
        if gates is not None:
            single = isinstance(gates, (str, type)) or not isinstance(gates, Iterable)
            changes["gates"] = (gates,) if single else tuple(gates)
        if isinstance(qubits, (set, frozenset, range, list)):
            changes["qubits"] = tuple(qubits)
        return NoiseModel([rule.selecting(**changes) for rule in self.rules])


def _model(channel: str, *parameters: Any) -> NoiseModel:
    return NoiseModel([Rule(channel, parameters, after=KINDS[channel].after)])


def depolarizing(p: float, n_qubits: int = 1) -> NoiseModel:
    """After each gate, on each of its qubits: a random Pauli error with probability `p`.

    `rho -> (1-p) rho + p/(4**n-1) sum_P P rho P`, as `cirq.depolarize`: an X gate and this give
    `<Z> = -(1 - 4p/3)` for one qubit.

    Args:
        p: The probability, in [0, 1].
        n_qubits: The number of qubits that it acts on jointly; with 2, after two-qubit gates.

    Raises:
        ValueError: If `p` is not a probability.

    Example:

    >>> one = cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    >>> layer = PQC(one, "Z", inputs=[], noise=noise.depolarizing(0.03))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)
    -0.96
    """
    return _model("depolarizing", p, n_qubits)


def amplitude_damping(gamma: float) -> NoiseModel:
    """After each gate, on each of its qubits: decay from 1 to 0 with probability `gamma`.

    Args:
        gamma: The probability, in [0, 1].

    Raises:
        ValueError: If `gamma` is not a probability.

    Example:

    >>> one = cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    >>> layer = PQC(one, "Z", inputs=[], noise=noise.amplitude_damping(0.1))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)
    -0.8
    """
    return _model("amplitude_damping", gamma)


def phase_damping(gamma: float) -> NoiseModel:
    """After each gate, on each of its qubits: coherences are multiplied by `sqrt(1 - gamma)`.

    Args:
        gamma: The damping, in [0, 1].

    Raises:
        ValueError: If `gamma` is not in [0, 1].

    Example:

    >>> plus = cirq.Circuit(cirq.H(cirq.LineQubit(0)))
    >>> layer = PQC(plus, "X", inputs=[], noise=noise.phase_damping(0.19))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)
    0.9
    """
    return _model("phase_damping", gamma)


def bit_flip(p: float) -> NoiseModel:
    """After each gate, on each of its qubits: an X with probability `p`.

    Args:
        p: The probability, in [0, 1].

    Raises:
        ValueError: If `p` is not a probability.

    Example:

    >>> one = cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    >>> layer = PQC(one, "Z", inputs=[], noise=noise.bit_flip(0.1))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)
    -0.8
    """
    return _model("bit_flip", p)


def phase_flip(p: float) -> NoiseModel:
    """After each gate, on each of its qubits: a Z with probability `p`.

    Args:
        p: The probability, in [0, 1].

    Raises:
        ValueError: If `p` is not a probability.

    Example:

    >>> plus = cirq.Circuit(cirq.H(cirq.LineQubit(0)))
    >>> layer = PQC(plus, "X", inputs=[], noise=noise.phase_flip(0.1))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)
    0.8
    """
    return _model("phase_flip", p)


def thermal_relaxation(
    t1: float, t2: float, gate_time: float, excited_population: float = 0.0
) -> NoiseModel:
    """After each gate, on each of its qubits: relaxation for the duration of a gate.

    Args:
        t1: The time in which excitations decay, in any unit of time.
        t2: The time in which coherences decay, in the same unit; at most `2 * t1`.
        gate_time: How long a gate takes, in the same unit.
        excited_population: The probability of 1 in equilibrium.

    Raises:
        ValueError: If a time is not positive, or `t2` is above `2 * t1`.

    Example: a gate that takes as long as the half-life leaves half of the excitation.

    >>> one = cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    >>> model = noise.thermal_relaxation(t1=1.0, t2=1.0, gate_time=np.log(2.0))
    >>> round(abs(float(PQC(one, "Z", inputs=[], noise=model)(np.zeros((1, 0)))[0, 0])), 4)
    0.0
    """
    return _model("thermal_relaxation", t1, t2, gate_time, excited_population)


def over_rotation(fraction: float) -> NoiseModel:
    """Each gate rotates `1 + fraction` times as far as it should: `U**(1 + fraction)`.

    Args:
        fraction: The fraction by which the rotation is too large; negative if it is too small.

    Raises:
        ValueError: If `fraction` is not a finite number.

    Example:

    >>> quarter = cirq.Circuit(cirq.rx(np.pi / 2)(cirq.LineQubit(0)))
    >>> layer = PQC(quarter, "Z", inputs=[], noise=noise.over_rotation(1 / 3))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)  # cos(2 pi / 3)
    -0.5
    """
    return _model("over_rotation", fraction)


def crosstalk_zz(angle: float) -> NoiseModel:
    """After each layer, `exp(-i angle/2 Z Z)` acts on each pair of neighbouring qubits.

    Neighbours are adjacent in the circuit's order; name other pairs by `.on(qubits=[(0, 2)])`.

    Args:
        angle: The angle, in radians.

    Raises:
        ValueError: If `angle` is not a finite number.

    Example:

    >>> plus = cirq.Circuit(cirq.H.on_each(*cirq.LineQubit.range(2)))
    >>> layer = PQC(plus, "X0", inputs=[], noise=noise.crosstalk_zz(0.5))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)  # cos(0.5)
    0.8776
    """
    return _model("crosstalk_zz", angle)


def readout_error(p10: float, p01: float | None = None) -> NoiseModel:
    """Measured bits are wrong with some probability.

    Args:
        p10: The probability of reading 1 if the qubit is in 0.
        p01: The probability of reading 0 if the qubit is in 1; by default `p10`.

    Raises:
        ValueError: If one is not a probability.

    Example:

    >>> one = cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    >>> layer = PQC(one, "Z", inputs=[], noise=noise.readout_error(0.02, 0.1))
    >>> round(float(layer(np.zeros((1, 0)))[0, 0]), 4)  # 2 p01 - 1
    -0.8
    """
    return _model("readout_error", p10, p10 if p01 is None else p01)


def kraus(operators: Any) -> NoiseModel:
    """After each gate, a channel with these Kraus operators.

    Args:
        operators: Matrices of `2**n` rows; for n above 1, the channel acts after gates on n qubits.

    Raises:
        ValueError: If they don't preserve the trace.

    Example:

    >>> flips = noise.kraus([np.sqrt(0.9) * np.eye(2), np.sqrt(0.1) * np.array([[0, 1], [1, 0]])])
    >>> one = cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    >>> round(float(PQC(one, "Z", inputs=[], noise=flips)(np.zeros((1, 0)))[0, 0]), 4)
    -0.8
    """
    return NoiseModel([Rule("kraus", tuple(operators))])
