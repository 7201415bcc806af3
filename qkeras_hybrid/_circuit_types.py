"""The types that a circuit's JSON may have, and checks of their fields.

They are circuits, operations, qubits and tags; gates, channels and measurements; projectors, which
are observables; and types that earlier versions of Cirq wrote. Whoever adds a type must list its
fields with text in `TEXT`, and limit the work that a short text can cause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qkeras_hybrid._errors import shown
from qkeras_hybrid._expression_size import kind_of
from qkeras_hybrid._lazy import cirq

MOST_GATE_QUBITS = 1_000
"""The most qubits of a gate whose number of qubits is one of its fields."""

MOST_CHANNEL_QUBITS = 5
"""The most qubits of a channel, controls included: it may have 4**n operators of 4**n entries."""

MOST_KRAUS_ENTRIES = 10_000_000
"""The most entries of all Kraus operators of a circuit: each takes about 40 bytes when compiled."""

_TYPES = """
Circuit FrozenCircuit Moment GateOperation TaggedOperation ControlledOperation CircuitOperation
PauliString PauliStringPhasor PauliSum ProjectorString ProjectorSum
SingleQubitPauliStringGateOperation ProductOfSums SumOfProducts VirtualTag RoutingSwapTag LineQubit
LineQid GridQubit GridQid NamedQubit NamedQid MeasurementKey complex Duration VAL REF

BooleanHamiltonianGate CCNotPowGate CCXPowGate CCYPowGate CCZPowGate CNotPowGate CSwapGate CXPowGate
CYPowGate CZPowGate CliffordGate ControlledGate DensePauliString DiagonalGate FSimGate
GlobalPhaseGate HPowGate ISwapPowGate IdentityGate MatrixGate ParallelGate PauliInteractionGate
PauliMeasurementGate PauliStringPhasorGate PhaseGradientGate PhasedFSimGate PhasedISwapPowGate
PhasedXPowGate PhasedXZGate QasmUGate QuantumFourierTransformGate QubitPermutationGate Rx Ry Rz
SingleQubitCliffordGate SwapPowGate ThreeQubitDiagonalGate TwoQubitDiagonalGate
UniformSuperpositionGate WaitGate XPowGate XXPowGate YPowGate YYPowGate ZPowGate ZZPowGate
_InverseCompositeGate _PauliX _PauliY _PauliZ cirq.MSGate cirq.google.SycamoreGate

GlobalPhaseOperation IdentityOperation ParallelGateOperation SingleQubitMatrixGate
TwoQubitMatrixGate
"""

# Types that Cirq may expand into Kraus operators, which grow with 4**n. Cirq expands a measurement
# only inside another gate.
_CHANNELS = """
AmplitudeDampingChannel AsymmetricDepolarizingChannel BitFlipChannel DepolarizingChannel
GeneralizedAmplitudeDampingChannel KrausChannel MeasurementGate MixedUnitaryChannel
PhaseDampingChannel PhaseFlipChannel RandomGateChannel ResetChannel StatePreparationChannel
"""
CHANNELS = frozenset(_CHANNELS.split())

# The fields of each type that may have text. Only `boolean_strs` is evaluated, by SymPy: `products`
# checks it first.
TEXT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys([*_TYPES.split(), *CHANNELS], ()),
    "NamedQubit": ("name",),
    "NamedQid": ("name",),
    "TaggedOperation": ("tags",),
    **dict.fromkeys(("Circuit", "FrozenCircuit", "Moment"), ("tags",)),
    "MatrixGate": ("name",),
    "SumOfProducts": ("name",),
    "DensePauliString": ("pauli_mask",),
    "CircuitOperation": ("measurement_key_map", "repetition_ids", "parent_path"),
    "BooleanHamiltonianGate": ("parameter_names", "boolean_strs"),
    "MeasurementGate": ("key",),
    "PauliMeasurementGate": ("key",),
    "MeasurementKey": ("name", "path"),
    "StatePreparationChannel": ("name",),
}

# The types that count as one operation; types that contain operations are not counted themselves.
COUNTED = (
    "GateOperation",
    "CircuitOperation",
    "PauliString",
    "PauliStringPhasor",
    "SingleQubitPauliStringGateOperation",
    "GlobalPhaseOperation",
    "IdentityOperation",
    "ParallelGateOperation",
)


def check_size_of_gate(kind: str, fields: Mapping[str, Any], *, of_text: bool) -> None:
    """Checks that a gate's numeric fields don't make it huge.

    Raises:
        ValueError: If they do.
    """
    qubits = fields.get("num_qubits", fields.get("num_copies", 1))
    if not isinstance(qubits, (int, type(None))) or not 0 <= (qubits or 0) <= MOST_GATE_QUBITS:
        raise ValueError(
            f"A gate must have at most {MOST_GATE_QUBITS:,} qubits, but {kind} has "
            f"{shown(qubits, 40)}."
        )
    if of_text and kind.endswith("CliffordGate"):
        signs, n = fields.get("rs"), fields.get("n")
        if not isinstance(signs, list) or n != len(signs) / 2:
            raise ValueError(f"A {kind} must have 2 n signs, but got n = {shown(n, 40)}.")
    if kind == "DepolarizingChannel":
        # Its constructor lists all 4**n Pauli strings.
        n = fields.get("n_qubits", 1)
        check_channel_qubits(kind, n if isinstance(n, int) else MOST_CHANNEL_QUBITS + 1)


def check_channel_qubits(kind: str, n_qubits: int) -> None:
    """Checks that a channel acts on few enough qubits to write out its Kraus operators.

    Raises:
        ValueError: If it acts on too many qubits.
    """
    if n_qubits > MOST_CHANNEL_QUBITS:
        raise ValueError(
            f"A channel must act on at most {MOST_CHANNEL_QUBITS} qubits, controls included, but "
            f"{kind} acts on more. Replace it by channels on fewer qubits."
        )


def kraus_entries(kind: str, fields: Mapping[str, Any], n_qubits: int) -> float:
    """Returns an upper bound on the number of entries of a channel's Kraus operators."""
    listed = fields.get("_kraus_ops", fields.get("_mixture", ()))
    count = len(listed) if isinstance(listed, (list, tuple)) else 0
    return float(4**n_qubits * max(count, 4**n_qubits))


def pauli_probabilities(given: Any) -> list[Any]:
    """Returns the probabilities in an AsymmetricDepolarizingChannel, whose keys are Pauli strings.

    Raises:
        ValueError: If the keys are not Pauli strings, or act on too many qubits.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping) or not all(re.fullmatch("[IXYZ]+", str(k)) for k in given):
        raise ValueError(
            "An AsymmetricDepolarizingChannel must have probabilities by Pauli string, but has "
            f"{shown(given, 80)}."
        )
    for name in given:
        check_channel_qubits("AsymmetricDepolarizingChannel", len(name))
    return list(given.values())


def alternatives(values: Any) -> float:
    """Returns how many assignments of control values there are; Cirq handles each separately."""
    kind = kind_of(values)
    if isinstance(values, cirq.ProductOfSums):
        sums: Any = values._qubit_sums
    elif kind == "ProductOfSums":
        sums = values.get("data")
    elif isinstance(values, cirq.SumOfProducts) or kind == "SumOfProducts":
        return 1.0 if kind is None else float(max(1, len(values.get("data") or ())))
    elif isinstance(values, list):
        sums = values
    else:
        return 1.0
    found = 1.0
    for values_of_one in sums if isinstance(sums, (list, tuple)) else ():
        found *= max(1, len(values_of_one)) if isinstance(values_of_one, (list, tuple)) else 1
    return found


_LONGEST_SPELLING = 1_000

# Cirq turns a formula of k names into a sum of 2**k Pauli strings and multiplies these sums, at
# about 30 microseconds for a product of two strings.
MOST_PRODUCTS = 200_000

_TOKEN = re.compile(r"\s*(?:(?P<name>[^\W\d]\w*)|(?P<sign>[&|^~()]))")


def products(fields: Mapping[str, Any]) -> int:
    """Returns how many products of Pauli strings a BooleanHamiltonianGate's formulas need.

    Raises:
        ValueError: If a text is not a formula: SymPy would evaluate it as code.
    """
    names, spellings = fields.get("parameter_names"), fields.get("boolean_strs")
    if not isinstance(names, list) or not isinstance(spellings, list):
        raise ValueError(
            "A BooleanHamiltonianGate must have lists of names and of formulas, but has "
            f"{shown(names, 80)} and {shown(spellings, 80)}."
        )
    products = 0
    for spelling in spellings:
        found = check_formula(spelling)
        foreign = sorted(found - {name for name in names if isinstance(name, str)})
        if foreign:
            raise ValueError(
                f"The formula {shown(spelling, 80)} of a BooleanHamiltonianGate must only have "
                f"names of its parameters, but has {foreign[0]!r}."
            )
        products += 4 ** len(found) * sum(spelling.count(sign) for sign in "&|^")
    return products


def check_formula(spelling: Any) -> set[str]:
    """Returns the names in a formula of `&`, `|`, `^`, `~`, brackets and names.

    A name before a bracket would be a function call, so two operands in a row are an error.

    Raises:
        ValueError: If the text is not such a formula.
    """
    names: set[str] = set()
    ended = False
    position = 0
    text = spelling.rstrip() if isinstance(spelling, str) else ""
    while position < len(text) <= _LONGEST_SPELLING:
        token = _TOKEN.match(text, position)
        if token is None or (ended and (token["name"] or token["sign"] in "(~")):
            break
        if token["name"]:
            names.add(token["name"])
        ended = bool(token["name"]) or token["sign"] == ")"
        position = token.end()
    if not text or position < len(text):
        raise ValueError(
            "A BooleanHamiltonianGate must have formulas of names, `&`, `|`, `^`, `~` and "
            f"brackets, of at most {_LONGEST_SPELLING} characters, but has {shown(spelling, 80)}."
        )
    return names
