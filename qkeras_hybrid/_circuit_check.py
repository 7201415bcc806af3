"""Checks a circuit before Cirq and SymPy process it, against code in texts and endless work.

SymPy evaluates text as Python code: `sympy.sin("...")`, `expression.subs(symbol, "...")`,
`parse_expr("...")`. Cirq passes text on to SymPy. A short text can also ask for endless work:
`10**10**9`, or sub-circuits repeated 10^8 times. So a circuit is checked first, in one of two
forms: the decoded JSON of a file, which may hold only the types in `_circuit_types`, or the
circuit's own objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from qkeras_hybrid._circuit_types import (
    CHANNELS,
    COUNTED,
    MOST_KRAUS_ENTRIES,
    MOST_PRODUCTS,
    TEXT,
    alternatives,
    check_channel_qubits,
    check_formula,
    check_size_of_gate,
    kraus_entries,
    pauli_probabilities,
    products,
)
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
"""The most operations of all sub-circuits, unrolled. Other operations are each in the text."""

# The most visits to parts of sub-circuits while their operations are counted.
_MOST_VISITS = 20 * MOST_OPERATIONS


def check_text(tree: Any) -> None:
    """Checks that decoded JSON is safe to pass to Cirq.

    Args:
        tree: The result of `json.loads`.

    Raises:
        ValueError: If it has a type that is not in `_circuit_types`, has text where Cirq or SymPy
            would evaluate it, or needs more work than the limits in both modules allow.
    """
    _guarded(_Walk(of_text=True).visit, tree)


def check_circuit(circuit: Any) -> None:
    """Checks that a circuit's parameters are no text, and that it unrolls within the limits.

    Args:
        circuit: A `cirq.Circuit`; operations and gates of other packages are not checked.

    Raises:
        ValueError: As for `check_text`.
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
        self.entries = 0.0
        self.shared: dict[int, Any] = {}

    def visit(
        self,
        value: Any,
        times: float = 1,
        sizes: Mapping[str, Size] | None = None,
        text: bool = False,
        depth: int = 0,
        n_qubits: int = 0,
    ) -> None:
        """Checks a value and all its parts.

        Args:
            value: Decoded JSON or an object.
            times: How many times the value is unrolled.
            sizes: The sizes of the expressions that replace the parameters of the enclosing
                sub-circuits.
            text: Whether text is allowed here.
            depth: How many lists and tables enclose the value.
            n_qubits: How many qubits the operation around it acts on, controls included.
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
                    f"one has the text {shown(value, 80)}. For a symbol use sympy.Symbol(...)."
                )
        elif isinstance(value, (list, tuple)) or (isinstance(value, dict) and not kind_of(value)):
            # The values of a table come first, so that its depth is known before its keys are
            # checked.
            parts = value if not isinstance(value, dict) else [*value.values(), *value]
            for part in parts:
                self.visit(part, times, sizes, text, depth + 1, n_qubits)
        elif isinstance(value, int):
            check_integer(value)
        elif is_expression(value):
            self._add(size(value, sizes or {}, depth), value)
        else:
            self._visit_typed(value, times, sizes, depth, n_qubits)

    def _add(self, found: Size, value: Any) -> None:
        self.comparisons += found.comparisons
        check_size(replace(found, comparisons=self.comparisons), value)

    def _visit_typed(
        self,
        value: Any,
        times: float,
        sizes: Mapping[str, Size] | None,
        depth: int,
        n_qubits: int,
    ) -> None:
        kind, fields = self._opened(value)
        if kind is None:
            return
        check_size_of_gate(kind, fields, of_text=self.of_text)
        n_qubits += _own_qubits(kind, fields)
        if sizes is not None or times > 1:
            self._count(kind, fields, times)
        if kind == "VAL":
            self._share(fields)
        elif kind == "REF":
            fields = {"val": self._shared(fields)}
        elif kind == "CircuitOperation":
            times, sizes = self._entered(fields, times, sizes or {}, depth)
        elif kind in ("ControlledOperation", "ControlledGate"):
            times *= alternatives(fields.get("control_values"))
            self._count("Moment", {}, times)
        elif kind in CHANNELS:
            check_channel_qubits(kind, n_qubits)
            self.entries += times * kraus_entries(kind, fields, n_qubits)
            if self.entries > MOST_KRAUS_ENTRIES:
                raise ValueError(
                    "The Kraus operators of a circuit's channels must have at most "
                    f"{MOST_KRAUS_ENTRIES:,} entries in total, but these have more. Use fewer "
                    "channels, or channels on fewer qubits."
                )
            if kind == "AsymmetricDepolarizingChannel":
                probabilities = pauli_probabilities(fields.get("error_probabilities"))
                fields = {**fields, "error_probabilities": probabilities}
        elif kind == "BooleanHamiltonianGate" and self.of_text:
            self.products += times * products(fields)
            if self.products > MOST_PRODUCTS:
                raise ValueError(
                    "The formulas of BooleanHamiltonianGates must have fewer names and operators: "
                    f"Cirq would multiply more than {MOST_PRODUCTS:,} Pauli strings."
                )
        elif kind == "BooleanHamiltonianGate":
            for spelling in fields["boolean_strs"]:
                check_formula(spelling)
        for name, part in fields.items():
            # A layer ignores tags; on a circuit's own objects any tag is allowed.
            if name == "tags" and not self.of_text:
                continue
            # `_entered` has already checked a sub-circuit's parameters.
            if name == "param_resolver" and kind == "CircuitOperation":
                continue
            # Operations that a layer can't compute, such as classical control, are rejected later.
            text = kind not in TEXT or name in TEXT[kind]
            self.visit(part, times, sizes, text, depth + 1, n_qubits)

    def _opened(self, value: Any) -> tuple[str | None, Mapping[str, Any]]:
        """Returns a value's JSON type and fields; no type for a value that needs no check."""
        kind = kind_of(value)
        if kind is not None:
            if kind not in TEXT:
                raise ValueError(
                    "A circuit must consist of Cirq's gates, channels and measurements, but this "
                    f"text has the type {shown(kind, 80)}."
                )
            return kind, {name: part for name, part in value.items() if name != "cirq_type"}
        if isinstance(value, (cirq.Qid, float, complex, np.ndarray)) or value is None:
            return None, {}
        # This skips Cirq's check of each operation, which would call a user's own gates.
        if isinstance(value, cirq.AbstractCircuit):
            return "Circuit", {"moments": list(value)}
        if isinstance(value, cirq.Moment):
            return "Moment", {"operations": value.operations}
        try:
            fields = value._json_dict_()
            return cirq.json_cirq_type(type(value)), fields
        except (AttributeError, TypeError, ValueError):
            # A type of another package, which can't come from a file.
            return None, {}

    def _share(self, fields: Mapping[str, Any]) -> None:
        key = fields.get("key")
        if set(fields) != {"key", "val"} or not isinstance(key, int):
            raise ValueError("A circuit's text has a VAL without the fields `key` and `val`.")
        if self.shared.setdefault(key, fields["val"]) is not fields["val"]:
            raise ValueError(f"A circuit's text has two shared parts with the key {key}.")

    def _shared(self, fields: Mapping[str, Any]) -> Any:
        key = fields.get("key")
        if not isinstance(key, int) or key not in self.shared:
            raise ValueError(
                f"A circuit's text refers to a shared part {shown(key, 20)} that it does not have."
            )
        return self.shared[key]

    def _entered(
        self,
        fields: Mapping[str, Any],
        times: float,
        sizes: Mapping[str, Size],
        depth: int,
    ) -> tuple[float, Mapping[str, Size]]:
        """Returns how often a sub-circuit's parts run, and the sizes of its parameters' values."""
        times *= size(fields.get("repetitions", 1), sizes, depth).factor
        if fields.get("repeat_until") is not None:
            raise ValueError(
                "A sub-circuit must have no `repeat_until`, which is classical control."
            )
        pairs = _pairs(fields.get("param_resolver"))
        inner = dict(sizes)
        for key, new in pairs:
            name = _name(key)
            if isinstance(new, (bool, str)) or not (
                isinstance(new, (int, float, complex, np.number)) or is_expression(new)
            ):
                raise ValueError(
                    f"A sub-circuit must have numbers or SymPy expressions as its parameters, but "
                    f"{name!r} is {shown(new, 80)}. For a symbol use sympy.Symbol(...)."
                )
            inner[name] = size(new, sizes, depth)
            self._add(inner[name], new)
        return times, inner

    def _count(self, kind: str, fields: Mapping[str, Any], times: float) -> None:
        if kind in COUNTED or (kind == "Moment" and not fields.get("operations")):
            self.operations += times
        elif kind == "QuantumFourierTransformGate":
            self.operations += times * fields.get("num_qubits", 0) ** 2 / 2
        if self.operations > MOST_OPERATIONS:
            raise ValueError(_too_many())


def _own_qubits(kind: str, fields: Mapping[str, Any]) -> int:
    """Returns how many qubits an operation adds to those of the enclosing controls."""
    # A measurement alone, of any number of qubits, is never expanded into Kraus operators.
    if kind == "GateOperation" and _kind(fields.get("gate")) == "MeasurementGate":
        return 0
    named = {"GateOperation": "qubits", "ControlledOperation": "controls"}.get(kind)
    qubits = () if named is None else fields.get(named, ())
    return len(qubits) if isinstance(qubits, (list, tuple)) else 0


def _kind(value: Any) -> Any:
    return "MeasurementGate" if isinstance(value, cirq.MeasurementGate) else kind_of(value)


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
            f"A sub-circuit's parameters must be a ParamResolver, but got {shown(resolver, 80)}."
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
