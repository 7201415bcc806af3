"""Classical expressions of OpenQASM: numbers, and SymPy expressions of input parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from qkeras_hybrid._lazy import sympy
from qkeras_hybrid.interop._qasm_text import QasmError, plain_name

_CONSTANTS = {
    **dict.fromkeys(("pi", "π"), math.pi),
    **dict.fromkeys(("tau", "τ"), math.tau),
    **dict.fromkeys(("euler", "ℇ"), math.e),
}

# By their names in OpenQASM 2 and 3: the function for numbers, and SymPy's name for expressions.
_FUNCTIONS: dict[str, tuple[Callable[[float], float], str | None]] = {
    "sin": (math.sin, "sin"),
    "cos": (math.cos, "cos"),
    "tan": (math.tan, "tan"),
    **dict.fromkeys(("asin", "arcsin"), (math.asin, "asin")),
    **dict.fromkeys(("acos", "arccos"), (math.acos, "acos")),
    **dict.fromkeys(("atan", "arctan"), (math.atan, "atan")),
    "exp": (math.exp, "exp"),
    **dict.fromkeys(("ln", "log"), (math.log, "log")),
    "sqrt": (math.sqrt, "sqrt"),
    "ceiling": (math.ceil, None),
    "floor": (math.floor, None),
}


_LARGEST_EXPRESSION = 10_000


def evaluate(node: Any, names: Mapping[str, Any], version: int) -> Any:
    """Returns the value of an expression: an `int`, a `float` or a SymPy expression.

    No text is passed to Python or to SymPy for evaluation.

    Args:
        node: The expression, parsed.
        names: The values of the defined names.
        version: 2 or 3. In OpenQASM 2 all numbers are real.

    Raises:
        QasmError: If the expression can't be evaluated; the message has no line number.
    """
    try:
        value = _value(node, names, version)
        finite = isinstance(value, sympy.Basic) or math.isfinite(value)
    except (ArithmeticError, ValueError) as error:
        raise QasmError(f"an expression has no value: {error}") from error
    if not finite:
        raise QasmError(f"an expression must have a finite value, but has {value}")
    if isinstance(value, sympy.Basic):
        # Nested gates can double the size of an expression at each level.
        parts = itertools.islice(sympy.preorder_traversal(value), _LARGEST_EXPRESSION + 1)
        if sum(1 for _ in parts) > _LARGEST_EXPRESSION:
            raise QasmError(f"an expression has more than {_LARGEST_EXPRESSION} parts")
    return value


def _value(node: Any, names: Mapping[str, Any], version: int) -> Any:
    kind = type(node).__name__
    if kind in ("IntegerLiteral", "FloatLiteral"):
        return node.value
    if kind == "Identifier":
        name = plain_name(node.name)
        if name not in names and name not in _CONSTANTS:
            raise QasmError(f"{name!r} has no value")
        return names[name] if name in names else _CONSTANTS[name]
    if kind == "UnaryExpression" and node.op.name == "-":
        return -_value(node.expression, names, version)
    if kind == "BinaryExpression":
        left = _value(node.lhs, names, version)
        return _binary(node.op.name, left, _value(node.rhs, names, version), version)
    if kind == "FunctionCall":
        arguments = [_value(argument, names, version) for argument in node.arguments]
        return _function(plain_name(node.name.name), arguments, version)
    if kind == "Cast" and type(node.type).__name__ in ("FloatType", "AngleType"):
        value = _value(node.argument, names, version)
        return value if isinstance(value, sympy.Basic) else float(value)
    raise QasmError(f"an expression contains {kind}, which is not supported")


def _binary(operator: str, left: Any, right: Any, version: int) -> Any:
    symbolic = isinstance(left, sympy.Basic) or isinstance(right, sympy.Basic)
    if symbolic:
        # As floats, because SymPy computes exactly with whole numbers, which could grow endlessly.
        left = float(left) if isinstance(left, int) else left
        small = operator == "**" and isinstance(right, int) and abs(right) <= 100
        right = float(right) if isinstance(right, int) and not small else right
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        if isinstance(left, int) and isinstance(right, int) and version == 3:
            # In OpenQASM 3, 1/2 is 0. Its author most likely meant a half.
            if left % right:
                raise QasmError(
                    f"{left}/{right} is a division of whole numbers in OpenQASM 3; write "
                    f"{left}.0/{right}"
                )
            return left // right
        if right == 0:
            raise ZeroDivisionError("division by zero")
        return left / right
    if operator == "**":
        if symbolic:
            return left**right
        # In floats, which overflow with an error; whole numbers could fill the memory.
        power = math.pow(left, right)
        whole = isinstance(left, int) and isinstance(right, int) and right >= 0
        return int(power) if whole and abs(power) < 2**53 else power
    if operator == "%" and not symbolic:
        return left % right
    raise QasmError(f"an expression contains the operator {operator!r}, which is not supported")


def _function(name: str, arguments: list[Any], version: int) -> Any:
    if name in ("pow", "mod") and len(arguments) == 2:
        operator = "**" if name == "pow" else "%"
        return _binary(operator, arguments[0], arguments[1], version)
    if name not in _FUNCTIONS or len(arguments) != 1:
        raise QasmError(f"the function {name!r} with {len(arguments)} arguments is unknown")
    function, of_expressions = _FUNCTIONS[name]
    if not isinstance(arguments[0], sympy.Basic):
        return function(arguments[0])
    if of_expressions is None:
        raise QasmError(
            f"the function {name!r} can't be applied to an input parameter: it has no derivative"
        )
    return getattr(sympy, of_expressions)(arguments[0])
