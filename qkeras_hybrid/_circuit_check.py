"""What a circuit may hold before Cirq and SymPy work on it: nothing they run, no endless work.

SymPy evaluates text as Python code: `sympy.sin("...")`, `expression.subs(symbol, "...")`,
`parse_expr("...")`. Cirq hands text on to it. And a few words can ask for endless work:
`10**10**9`, sub-circuits repeated 10^8 times. So a circuit is looked through first, in the form of
Cirq's JSON: the decoded text of a file, where only the types named here may stand, or a circuit's
own objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from qkeras_hybrid._errors import shown
from qkeras_hybrid._expression_size import (
    MOST_DEPTH,
    Size,
    check_integer,
    check_size,
    is_expression,
    kind_of,
    size,
    too_deep,
)
from qkeras_hybrid._lazy import cirq, sympy

MOST_OPERATIONS = 50_000
"""The most operations of a circuit's sub-circuits, unrolled. Others have a text each: no bound."""

MOST_GATE_QUBITS = 1_000
"""The most qubits of one gate that says how many it has in a number."""

# How many visits of parts of sub-circuits are worth it, for the bound on operations to be known.
_MOST_VISITS = 20 * MOST_OPERATIONS

# The types of a circuit's JSON: circuits, operations, qubits and tags; gates; and the forms that
# earlier versions of Cirq wrote.
_TYPES = """
Circuit FrozenCircuit Moment GateOperation TaggedOperation ControlledOperation CircuitOperation
PauliString PauliStringPhasor PauliSum SingleQubitPauliStringGateOperation ProductOfSums
SumOfProducts VirtualTag RoutingSwapTag LineQubit LineQid GridQubit GridQid NamedQubit NamedQid
complex Duration VAL REF

BooleanHamiltonianGate CCNotPowGate CCXPowGate CCZPowGate CNotPowGate CSwapGate CXPowGate CZPowGate
CliffordGate ControlledGate DensePauliString DiagonalGate FSimGate GlobalPhaseGate HPowGate
ISwapPowGate IdentityGate MatrixGate ParallelGate PauliInteractionGate PauliStringPhasorGate
PhaseGradientGate PhasedFSimGate PhasedISwapPowGate PhasedXPowGate PhasedXZGate QasmUGate
QuantumFourierTransformGate QubitPermutationGate Rx Ry Rz SingleQubitCliffordGate SwapPowGate
ThreeQubitDiagonalGate TwoQubitDiagonalGate UniformSuperpositionGate WaitGate XPowGate XXPowGate
YPowGate YYPowGate ZPowGate ZZPowGate _InverseCompositeGate _PauliX _PauliY _PauliZ cirq.MSGate
cirq.google.SycamoreGate

GlobalPhaseOperation IdentityOperation ParallelGateOperation SingleQubitMatrixGate
TwoQubitMatrixGate
"""

# Which of their fields hold text. Nothing evaluates that text, except `boolean_strs`, which SymPy
# does: `_products` reads it first.
_TEXT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_TYPES.split(), ()),
    "NamedQubit": ("name",),
    "NamedQid": ("name",),
    "TaggedOperation": ("tags",),
    "FrozenCircuit": ("tags",),
    "MatrixGate": ("name",),
    "SumOfProducts": ("name",),
    "DensePauliString": ("pauli_mask",),
    "CircuitOperation": ("measurement_key_map", "repetition_ids", "parent_path"),
    "BooleanHamiltonianGate": ("parameter_names", "boolean_strs"),
}

# The types that are one operation; those that hold operations are not counted themselves.
_COUNTED = (
    "GateOperation",
    "CircuitOperation",
    "PauliString",
    "PauliStringPhasor",
    "SingleQubitPauliStringGateOperation",
    "GlobalPhaseOperation",
    "IdentityOperation",
    "ParallelGateOperation",
)


def check_text(tree: Any) -> None:
    """Makes sure that decoded JSON is safe to hand to Cirq.

    Args:
        tree: What `json.loads` returned.

    Raises:
        ValueError: If it holds another type than those of circuits that have a unitary, text where
            Cirq or SymPy would evaluate it, or asks for more work than the bounds of this module.
    """
    _guarded(_Walk(of_text=True).visit, tree)


def check_circuit(circuit: Any) -> None:
    """Makes sure that a circuit's parameters hold no text, and that it unrolls within the bounds.

    Args:
        circuit: A `cirq.Circuit`; operations and gates of other packages are taken as they are.

    Raises:
        ValueError: As `check_text`.
    """
    _guarded(_Walk(of_text=False).visit, circuit)


def _guarded(visit: Any, value: Any) -> None:
    try:
        visit(value)
    except RecursionError as error:
        raise ValueError(too_deep()) from error


class _Walk:
    """One pass through a circuit."""

    def __init__(self, *, of_text: bool) -> None:
        self.of_text = of_text
        self.operations = 0.0
        self.visits = 0
        self.comparisons = 0.0
        self.products = 0.0
        self.shared: dict[int, Any] = {}

    def visit(
        self,
        value: Any,
        times: float = 1,
        sizes: Mapping[str, Size] | None = None,
        text: bool = False,
        depth: int = 0,
    ) -> None:
        """Looks through a value and all its parts.

        Args:
            value: Decoded JSON or an object.
            times: How many times it is unrolled.
            sizes: What the parameters of the sub-circuits around it are replaced by.
            text: Whether text may stand here.
            depth: How many lists and tables it lies in.
        """
        if depth > MOST_DEPTH:
            raise ValueError(too_deep())
        if sizes is not None:
            self.visits += 1
            if self.visits > _MOST_VISITS:
                raise ValueError(_too_many())
        if isinstance(value, str):
            if not text:
                raise ValueError(
                    "A circuit must have numbers or SymPy expressions as its parameters, but this "
                    f"one holds the text {shown(value, 80)}. For a symbol give sympy.Symbol(...)."
                )
        elif isinstance(value, (list, tuple)) or (isinstance(value, dict) and not kind_of(value)):
            parts = value if not isinstance(value, dict) else [*value, *value.values()]
            for part in parts:
                self.visit(part, times, sizes, text, depth + 1)
        elif isinstance(value, int):
            check_integer(value)
        elif is_expression(value):
            self._add(size(value, sizes or {}, depth), value)
        else:
            self._visit_typed(value, times, sizes, depth)

    def _add(self, found: Size, value: Any) -> None:
        self.comparisons += found.comparisons
        check_size(replace(found, comparisons=self.comparisons), value)

    def _visit_typed(
        self, value: Any, times: float, sizes: Mapping[str, Size] | None, depth: int
    ) -> None:
        kind, fields = self._opened(value)
        if kind is None:
            return
        self._check_qubits(kind, fields)
        if sizes is not None or times > 1:
            self._count(kind, fields, times)
        if kind == "VAL":
            self._share(fields)
        elif kind == "REF":
            fields = {"val": self._shared(fields)}
        elif kind == "CircuitOperation":
            times, sizes = self._entered(fields, times, sizes or {}, depth)
        elif kind in ("ControlledOperation", "ControlledGate"):
            times *= _alternatives(fields.get("control_values"))
            self._count("Moment", {}, times)
        elif kind == "BooleanHamiltonianGate" and self.of_text:
            self.products += times * _products(fields)
            if self.products > _MOST_PRODUCTS:
                raise ValueError(
                    "The formulas of BooleanHamiltonianGates must be of fewer names and signs: "
                    f"Cirq would multiply more than {_MOST_PRODUCTS:,} Pauli strings."
                )
        elif kind == "BooleanHamiltonianGate":
            for spelling in fields["boolean_strs"]:
                _check_spelling(spelling)
        for name, part in fields.items():
            # Tags mean nothing to a layer; on a circuit's own objects they may be any.
            if name == "tags" and not self.of_text:
                continue
            # `_entered` has looked at a sub-circuit's parameters.
            if name == "param_resolver" and kind == "CircuitOperation":
                continue
            # What a layer can't compute, such as a measurement, is refused later, by its name.
            text = kind not in _TEXT or name in _TEXT[kind]
            self.visit(part, times, sizes, text, depth + 1)

    def _opened(self, value: Any) -> tuple[str | None, Mapping[str, Any]]:
        """Returns a value's JSON type and fields; no type for what needs no look."""
        kind = kind_of(value)
        if kind is not None:
            if kind not in _TEXT:
                raise ValueError(
                    f"A circuit must be made of Cirq's operations that have a unitary, but this "
                    f"text holds the type {shown(kind, 80)}."
                )
            return kind, {name: part for name, part in value.items() if name != "cirq_type"}
        if isinstance(value, (cirq.Qid, float, complex, np.ndarray)) or value is None:
            return None, {}
        # Without Cirq's look at each operation, which may be of a user's own gates.
        if isinstance(value, cirq.AbstractCircuit):
            return "Circuit", {"moments": list(value)}
        if isinstance(value, cirq.Moment):
            return "Moment", {"operations": value.operations}
        try:
            fields = value._json_dict_()
            return cirq.json_cirq_type(type(value)), fields
        except (AttributeError, TypeError, ValueError):
            # A type of another package, which no file can bring.
            return None, {}

    def _share(self, fields: Mapping[str, Any]) -> None:
        key = fields.get("key")
        if set(fields) != {"key", "val"} or not isinstance(key, int):
            raise ValueError("A circuit's text holds a VAL without the fields `key` and `val`.")
        if self.shared.setdefault(key, fields["val"]) is not fields["val"]:
            raise ValueError(f"A circuit's text holds two shared parts with the key {key}.")

    def _shared(self, fields: Mapping[str, Any]) -> Any:
        key = fields.get("key")
        if not isinstance(key, int) or key not in self.shared:
            raise ValueError(f"A circuit's text refers to a part {shown(key, 20)} not in it.")
        return self.shared[key]

    def _entered(
        self,
        fields: Mapping[str, Any],
        times: float,
        sizes: Mapping[str, Size],
        depth: int,
    ) -> tuple[float, Mapping[str, Size]]:
        """Returns how often a sub-circuit's parts run, and what its parameters become."""
        times *= size(fields.get("repetitions", 1), sizes, depth).factor
        if fields.get("repeat_until") is not None:
            raise ValueError("A sub-circuit must have no `repeat_until`: a layer measures nothing.")
        pairs = _pairs(fields.get("param_resolver"))
        inner = dict(sizes)
        for key, new in pairs:
            name = _name(key)
            if isinstance(new, (bool, str)) or not (
                isinstance(new, (int, float, complex, np.number)) or is_expression(new)
            ):
                raise ValueError(
                    f"A sub-circuit must have numbers or SymPy expressions as its parameters, but "
                    f"{name!r} is {shown(new, 80)}. For a symbol give sympy.Symbol(...)."
                )
            inner[name] = size(new, sizes, depth)
            self._add(inner[name], new)
        return times, inner

    def _check_qubits(self, kind: str, fields: Mapping[str, Any]) -> None:
        qubits = fields.get("num_qubits", fields.get("num_copies", 1))
        if not isinstance(qubits, (int, type(None))) or not 0 <= (qubits or 0) <= MOST_GATE_QUBITS:
            raise ValueError(
                f"A gate must have at most {MOST_GATE_QUBITS:,} qubits, but {kind} has "
                f"{shown(qubits, 40)}."
            )
        if self.of_text and kind.endswith("CliffordGate"):
            signs, n = fields.get("rs"), fields.get("n")
            if not isinstance(signs, list) or n != len(signs) / 2:
                raise ValueError(f"A {kind} must have 2 n signs, but has n = {shown(n, 40)}.")

    def _count(self, kind: str, fields: Mapping[str, Any], times: float) -> None:
        if kind in _COUNTED or (kind == "Moment" and not fields.get("operations")):
            self.operations += times
        elif kind == "QuantumFourierTransformGate":
            self.operations += times * fields.get("num_qubits", 0) ** 2 / 2
        if self.operations > MOST_OPERATIONS:
            raise ValueError(_too_many())


def _too_many() -> str:
    return (
        f"A circuit's sub-circuits must have at most {MOST_OPERATIONS:,} operations when they are "
        "unrolled, but this one's have more. Repeat them fewer times."
    )


def _pairs(resolver: Any) -> Iterable[tuple[Any, Any]]:
    if resolver is None:
        return ()
    if isinstance(resolver, cirq.ParamResolver):
        return list(resolver.param_dict.items())
    given = resolver.get("param_dict") if kind_of(resolver) == "ParamResolver" else None
    if not isinstance(given, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in given
    ):
        raise ValueError(
            f"A sub-circuit's parameters must be a ParamResolver, but are {shown(resolver, 80)}."
        )
    return [(key, new) for key, new in given]


def _name(key: Any) -> str:
    """Returns the name of a parameter that a sub-circuit replaces."""
    if isinstance(key, str):
        return key
    if isinstance(key, sympy.Symbol):
        return str(key.name)
    if kind_of(key) == "sympy.Symbol" and isinstance(key.get("name"), str):
        return str(key["name"])
    raise ValueError(
        f"A sub-circuit must replace symbols or their names, but replaces {shown(key, 80)}."
    )


def _alternatives(values: Any) -> float:
    """Returns how many assignments of control values there are, each of which runs by itself."""
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
    for alternatives in sums if isinstance(sums, (list, tuple)) else ():
        found *= max(1, len(alternatives)) if isinstance(alternatives, (list, tuple)) else 1
    return found


_LONGEST_SPELLING = 1_000

# Cirq multiplies the sums of Pauli strings that formulas are: of k names 2**k strings, at about
# 30 microseconds for two of them.
_MOST_PRODUCTS = 200_000

_TOKEN = re.compile(r"\s*(?:(?P<name>[^\W\d]\w*)|(?P<sign>[&|^~()]))")


def _products(fields: Mapping[str, Any]) -> int:
    """Returns how many products of Pauli strings the formulas of a BooleanHamiltonianGate take.

    Raises:
        ValueError: If SymPy, which evaluates them as code, would find anything but formulas.
    """
    names, spellings = fields.get("parameter_names"), fields.get("boolean_strs")
    if not isinstance(names, list) or not isinstance(spellings, list):
        raise ValueError(
            "A BooleanHamiltonianGate must have lists of names and of formulas, but has "
            f"{shown(names, 80)} and {shown(spellings, 80)}."
        )
    products = 0
    for spelling in spellings:
        found = _check_spelling(spelling)
        foreign = sorted(found - {name for name in names if isinstance(name, str)})
        if foreign:
            raise ValueError(
                f"The formula {shown(spelling, 80)} of a BooleanHamiltonianGate must hold names of "
                f"its parameters only, but holds {foreign[0]!r}."
            )
        products += 4 ** len(found) * sum(spelling.count(sign) for sign in "&|^")
    return products


def _check_spelling(spelling: Any) -> set[str]:
    """Returns the names in a formula of `&`, `|`, `^`, `~`, brackets and names.

    A name before a bracket would be a call, so that two operands in a row are refused.
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
            f"brackets, of {_LONGEST_SPELLING} characters or less, but has {shown(spelling, 80)}."
        )
    return names
