"""One rule of a noise model: an error, and where it acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qkeras_hybrid import _circuit_json
from qkeras_hybrid._checks import finite_number, known_arguments, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.noise import channels
from qkeras_hybrid.noise.gate_names import name_of_gate

MOST_CHANNEL_QUBITS = 3
"""The most qubits that a channel may act on."""


@dataclass(frozen=True)
class Kind:
    """A named kind of error.

    Attributes:
        parameters: For each parameter its name, the check of its value, and its default (None for a
            parameter that must be given).
        kraus: Makes the Kraus operators from the parameters; None for errors that are not channels.
        after: After what it acts, unless a rule says otherwise.
        check: Checks the parameters together.
    """

    parameters: tuple[tuple[str, Callable[[str, Any], Any], Any], ...]
    kraus: Callable[..., tuple[np.ndarray, ...]] | None = None
    after: str = "gate"
    check: Callable[..., None] = lambda *_: None


def _few(argument: str, value: Any) -> int:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return positive_int(argument, whole, MOST_CHANNEL_QUBITS)


def _or_zero(argument: str, value: Any) -> float:
    return channels.positive(argument, value, zero=True)


def _relaxation_times(t1: float, t2: float, *_: float) -> None:
    if t2 > 2 * t1:
        raise ArgumentError(
            "t2",
            f"be at most 2 T1 = {2 * t1:g}",
            t2,
            "Coherence can't last longer than twice the excitation's lifetime.",
        )


def _crosstalk(angle: float) -> tuple[np.ndarray, ...]:
    turn = np.exp(-0.5j * angle * np.array([1, -1, -1, 1]))
    return (np.diag(turn),)


_CHANCE = channels.probability
KINDS: Mapping[str, Kind] = {
    "depolarizing": Kind((("p", _CHANCE, None), ("n_qubits", _few, 1)), channels.depolarizing),
    "amplitude_damping": Kind((("gamma", _CHANCE, None),), channels.amplitude_damping),
    "phase_damping": Kind((("gamma", _CHANCE, None),), channels.phase_damping),
    "bit_flip": Kind((("p", _CHANCE, None),), channels.bit_flip),
    "phase_flip": Kind((("p", _CHANCE, None),), channels.phase_flip),
    "thermal_relaxation": Kind(
        (
            ("t1", channels.positive, None),
            ("t2", channels.positive, None),
            ("gate_time", _or_zero, None),
            ("excited_population", _CHANCE, 0.0),
        ),
        channels.thermal_relaxation,
        check=_relaxation_times,
    ),
    "over_rotation": Kind((("fraction", finite_number, None),)),
    "crosstalk_zz": Kind((("angle", finite_number, None),), _crosstalk, after="layer"),
    "readout_error": Kind((("p10", _CHANCE, None), ("p01", _CHANCE, None)), after="readout"),
}
"""The named errors. `kraus` is one more, whose parameters are matrices."""


@dataclass(frozen=True)
class Rule:
    """A kind of error, and where it acts.

    Attributes:
        channel: The name of the error: one of `KINDS`, or "kraus".
        parameters: Its parameters, in order; for "kraus" the operators as rows of numbers.
        gates: Names of the gates after which it acts; None for all.
        qubits: The qubits on which it acts, as indices in a circuit's order or as Cirq's qubits;
            None for all. For an error on two qubits: pairs.
        on: Acts only after gates on this number of qubits; None for any.
        gate_on: If given, acts only after gates on exactly these qubits, and then on the groups in
            `qubits`, or on the gate's own qubits if that is None. The order matters if `gates`
            names gates for which it does, such as "cx".
        after: "gate" (after each gate, on its qubits), "layer" (after each moment, on all qubits,
            or all pairs of neighbours) or "readout".
    """

    channel: str
    parameters: tuple[Any, ...]
    gates: tuple[str, ...] | None = None
    qubits: tuple[Any, ...] | None = None
    on: int | None = None
    after: str = "gate"
    gate_on: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        one_of("channel", self.channel, (*KINDS, "kraus"))
        if self.channel == "kraus":
            kraus = channels.checked_kraus("kraus", self.parameters)
            object.__setattr__(self, "parameters", tuple(map(channels.rows, kraus)))
        else:
            self._check_parameters(KINDS[self.channel])
        places = ("readout",) if self.channel == "readout_error" else ("gate", "layer")
        one_of("after", self.after, places)
        if self.channel == "over_rotation" and self.after != "gate":
            raise ArgumentError("after", "be 'gate' for an over-rotation", self.after)
        if self.after != "gate" and (self.gates is not None or self.on is not None):
            raise ArgumentError(
                "gates", f"be None for an error after each {self.after}", self.gates or self.on
            )
        if self.gates is not None:
            given = self.gates if isinstance(self.gates, (tuple, list)) else (self.gates,)
            object.__setattr__(self, "gates", tuple(map(name_of_gate, given)))
        if self.on is not None:
            positive_int("on", self.on)
        if self.gate_on is not None:
            if self.after != "gate" or self.channel == "over_rotation":
                raise ArgumentError("gate_on", "be None for this error", self.gate_on)
            object.__setattr__(self, "gate_on", tuple(map(_checked_qubit, self.gate_on)))
        if self.qubits is not None:
            object.__setattr__(self, "qubits", self._checked_qubits())

    def _check_parameters(self, kind: Kind) -> None:
        given = tuple(self.parameters)
        least = sum(default is None for _, _, default in kind.parameters)
        if not least <= len(given) <= len(kind.parameters):
            names = ", ".join(name for name, _, _ in kind.parameters)
            raise ArgumentError("parameters", f"be {names} for {self.channel}", given)
        defaults = tuple(default for _, _, default in kind.parameters[len(given) :])
        checked = tuple(
            check(name, value)
            for (name, check, _), value in zip(kind.parameters, given + defaults, strict=True)
        )
        kind.check(*checked)
        object.__setattr__(self, "parameters", checked)

    def _checked_qubits(self) -> tuple[Any, ...]:
        given: Any = self.qubits
        if isinstance(given, (int, cirq.Qid)):
            given = (given,)
        found = []
        for item in given:
            group = tuple(item) if isinstance(item, (tuple, list)) else (item,)
            if len(group) not in (1, self.width) or len(set(group)) < len(group):
                raise ArgumentError(
                    "qubits",
                    "be qubits" if self.width == 1 else f"be groups of {self.width} qubits",
                    item,
                )
            plain = tuple(map(_checked_qubit, group))
            found.append(plain if len(plain) > 1 else plain[0])
        return tuple(found)

    @property
    def width(self) -> int:
        """The number of qubits that the error acts on."""
        match self.channel:
            case "kraus":
                return len(self.parameters[0]).bit_length() - 1
            case "depolarizing":
                return int(self.parameters[1]) if len(self.parameters) > 1 else 1
            case "crosstalk_zz":
                return 2
            case _:
                return 1

    def kraus(self) -> tuple[np.ndarray, ...]:
        """Returns the Kraus operators.

        Raises:
            ValueError: For an over-rotation or a readout error, which are not channels.
        """
        if self.channel == "kraus":
            return tuple(np.array(matrix) for matrix in self.parameters)
        make = KINDS[self.channel].kraus
        if make is None:
            raise ArgumentError("channel", "be a channel with Kraus operators", self.channel)
        return channels.nonzero(make(*self.parameters))

    def selecting(self, **changes: Any) -> Rule:
        """Returns the rule with other gates, qubits, `on` or `after`."""
        return replace(self, **changes)

    def get_config(self) -> dict[str, Any]:
        """Returns the attributes in a form that JSON holds."""
        parameters: Any = list(self.parameters)
        if self.channel == "kraus":
            arrays = np.array(self.parameters)
            parameters = np.stack([arrays.real, arrays.imag], axis=-1).tolist()
        qubits = None if self.qubits is None else [_qubit_config(q) for q in self.qubits]
        return {
            "channel": self.channel,
            "parameters": parameters,
            "gates": None if self.gates is None else list(self.gates),
            "qubits": qubits,
            "on": self.on,
            "after": self.after,
            "gate_on": None if self.gate_on is None else [_qubit_config(q) for q in self.gate_on],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Rule:
        """Makes a rule from what `get_config` returned.

        Raises:
            ValueError: If it holds an unknown key, or values that no rule has.
        """
        if not isinstance(config, dict):
            raise ArgumentError("rules", "be tables", config)
        given = known_arguments(cls, config)
        parameters = given.get("parameters", ())
        if given.get("channel") == "kraus":
            try:
                pairs = np.array(parameters, float)
                parameters = tuple(pairs[..., 0] + 1j * pairs[..., 1])
            except (TypeError, ValueError, IndexError) as error:
                raise ArgumentError(
                    "parameters", "be matrices of pairs (real part, imaginary part)", parameters
                ) from error
        given["parameters"] = tuple(parameters)
        if given.get("gates") is not None:
            given["gates"] = tuple(given["gates"])
        for name in ("qubits", "gate_on"):
            if given.get(name) is not None:
                given[name] = tuple(_qubit_from_config(q) for q in given[name])
        return cls(**given)


def _checked_qubit(qubit: Any) -> Any:
    if isinstance(qubit, cirq.Qid):
        return qubit
    if not hasattr(qubit, "__index__") or isinstance(qubit, bool) or int(qubit) < 0:
        raise ArgumentError("qubits", "be indices from 0 on, or Cirq's qubits", qubit)
    return int(qubit)


def _qubit_config(qubit: Any) -> Any:
    if isinstance(qubit, tuple):
        return [_qubit_config(q) for q in qubit]
    return qubit if isinstance(qubit, int) else {"cirq": _circuit_json.write(qubit)}


def _qubit_from_config(given: Any) -> Any:
    if isinstance(given, list):
        return tuple(_qubit_from_config(q) for q in given)
    return _circuit_json.read(given["cirq"]) if isinstance(given, dict) else given
