"""SymPy expressions of circuit parameters: their affine form, and their values on tensors."""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._double import arctan2, cos, elementwise, maximum, minimum, sin
from qkeras_hybrid._lazy import sympy

# SymPy's functions of one argument, by class name. All have a derivative almost everywhere, so an
# angle made of them can be trained.
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": sin,
    "cos": cos,
    "tan": elementwise("tan"),
    "asin": elementwise("arcsin"),
    "acos": elementwise("arccos"),
    "atan": elementwise("arctan"),
    "sinh": elementwise("sinh"),
    "cosh": elementwise("cosh"),
    "tanh": elementwise("tanh"),
    "asinh": elementwise("arcsinh"),
    "acosh": elementwise("arccosh"),
    "atanh": elementwise("arctanh"),
    "exp": ops.exp,
    "log": ops.log,
    "Abs": ops.absolute,
    "sign": ops.sign,
}


# All supported functions, with those of several arguments.
FUNCTION_NAMES = frozenset({"Max", "Min", "atan2", *_FUNCTIONS})


def natural_key(symbol: sympy.Symbol) -> list[tuple[int, int, str]]:
    """Returns a sort key under which `t2` comes before `t10`."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.findall(r"\d+|\D+", symbol.name)
    ]


def free_symbols(value: Any) -> list[sympy.Symbol]:
    """Returns the symbols of an expression (or number), in natural order of their names."""
    if not isinstance(value, sympy.Basic):
        return []
    return sorted(value.free_symbols, key=natural_key)


def affine(expression: Any) -> tuple[float, dict[sympy.Symbol, float]] | None:
    """Returns `(offset, coefficients)` of an expression that is affine in its symbols, else None.

    Raises:
        ValueError: If a constant or a coefficient is not a real, finite number.
    """
    if not isinstance(expression, sympy.Basic) or not expression.free_symbols:
        return _real(expression, expression), {}
    if isinstance(expression, sympy.Symbol):
        return 0.0, {expression: 1.0}
    if math.isinf(_expanded(expression)):
        return None
    offset, coefficients = 0.0, dict[Any, float]()
    for term in sympy.Add.make_args(sympy.expand(expression)):
        number, rest = term.as_independent(*term.free_symbols, as_Add=False)
        if rest == 1:
            offset += _real(number, expression)
        elif isinstance(rest, sympy.Symbol):
            coefficients[rest] = coefficients.get(rest, 0.0) + _real(number, expression)
        else:
            return None
    return offset, coefficients


# Expanded sums and powers can have more terms than fit in memory.
_MOST_TERMS = 1_000


def _expanded(expression: Any) -> float:
    """Returns a bound on the number of terms of `sympy.expand(expression)`; infinity if too large.

    The expression's parts count too, because SymPy also expands the arguments of functions.
    """
    parts = [_expanded(part) for part in expression.args]
    if isinstance(expression, sympy.Add):
        return sum(parts)
    terms = 1.0
    sums = [count for count in parts if count > 1]
    if isinstance(expression, sympy.Mul):
        terms = math.prod(parts)
        if len(sums) < 2:
            return terms
    elif isinstance(expression, sympy.Pow) and parts[0] > 1:
        # A sum of k terms to the power n has as many terms as there are ways to split n into k
        # parts.
        wholes = [abs(int(number)) for number in expression.exp.atoms(sympy.Rational)]
        power = sum(min(whole, _MOST_TERMS) for whole in wholes)
        terms = math.comb(int(min(parts[0], _MOST_TERMS)) + power - 1, power)
    return max([terms, *sums]) if terms <= _MOST_TERMS else math.inf


def _real(number: Any, expression: Any) -> float:
    value = complex(number)
    if value.imag or not math.isfinite(value.real):
        raise ValueError(
            f"A circuit parameter must be real and finite, but `{expression}` has {number}."
        )
    return value.real


def phase_angle(expression: sympy.Expr) -> Any:
    """Returns the angle `t` of an expression that is `exp(i t)` for all values of its symbols.

    It recognises numbers, `exp(I*t)`, powers `c**t` of numbers, products and whole powers of these,
    and sums such as `cos(t) + I*sin(t)` whose modulus SymPy simplifies to 1.

    Raises:
        ValueError: If its modulus is not 1, or SymPy can't show that it is.
    """
    real = {symbol: sympy.Symbol(symbol.name, real=True) for symbol in expression.free_symbols}
    angle = _phase_angle(expression.xreplace(real))
    if angle is None:
        raise ValueError(
            f"A global phase must have modulus 1 for all values of its symbols, but got "
            f"`{expression}`. Write it as sympy.exp(sympy.I * angle)."
        )
    return angle


def _phase_angle(expression: sympy.Expr) -> Any:
    """Returns the angle of an expression of real symbols, or None if its modulus is not 1."""
    if expression.is_number:
        value = complex(expression)
        return cmath.phase(value) if abs(abs(value) - 1) < 1e-8 else None
    if isinstance(expression, sympy.Mul):
        # All numbers are taken together: sqrt(2)/2 * (1 + I) has modulus 1, its factors don't.
        number, _ = expression.as_independent(*expression.free_symbols, as_Add=False)
        factors = [a for a in expression.args if a.free_symbols]
        angles = [_phase_angle(factor) for factor in (number, *factors)]
        return None if any(angle is None for angle in angles) else sum(angles)
    if isinstance(expression, sympy.exp):
        angle = sympy.expand(-sympy.I * expression.exp)
        return None if angle.has(sympy.I) else angle
    if isinstance(expression, sympy.Pow):
        base, exponent = expression.args
        angle = _phase_angle(base)
        if angle is None or exponent.has(sympy.I) or not (base.is_number or exponent.is_Integer):
            return None
        return angle * exponent
    real, imaginary = expression.as_real_imag()
    square = (real**2 + imaginary**2).trigsimp()
    is_one = square.is_number and abs(complex(square) - 1) < 1e-8
    return sympy.atan2(imaginary, real) if is_one else None


def check_evaluable(expression: sympy.Expr) -> None:
    """Checks that `evaluate` supports every part of an expression.

    Raises:
        ValueError: If it has an unsupported function (the message lists the supported ones), or is
            not real and finite.
    """
    for node in sympy.preorder_traversal(expression):
        kind = type(node).__name__
        if not (
            node.is_Symbol
            or (node.is_number and not node.args)
            or kind in ("Add", "Mul", "Pow")
            or kind in FUNCTION_NAMES
        ):
            raise ValueError(
                f"The circuit parameter `{expression}` has `{kind}`, which can't be evaluated on "
                f"tensors. Use sums, products, powers, Max, Min, atan2, {', '.join(_FUNCTIONS)}."
            )
    numbers = [node for node in expression.atoms(sympy.Number, sympy.NumberSymbol)]
    if expression.has(sympy.I) or any(not number.is_finite for number in numbers):
        raise ValueError(f"A circuit parameter must be real and finite, but got `{expression}`.")


def evaluate(
    expressions: Iterable[sympy.Expr], values: Mapping[sympy.Symbol, Any]
) -> list[keras.KerasTensor]:
    """Evaluates expressions on tensors with `keras.ops`, so the results can be differentiated.

    Args:
        expressions: Expressions that passed `check_evaluable`.
        values: A tensor for each symbol; the shapes must broadcast together.

    Returns:
        A tensor for each expression.
    """
    # Common parts of the expressions are evaluated once.
    known: dict[Any, Any] = dict(values)

    def visit(node: Any) -> Any:
        if node not in known:
            known[node] = compute(node)
        return known[node]

    def compute(node: Any) -> Any:
        if node.is_number:
            return float(node)
        arguments = [visit(argument) for argument in node.args]
        kind = type(node).__name__
        if kind == "Pow":
            return _power(arguments[0], arguments[1], node)
        if kind in _FUNCTIONS:
            return _FUNCTIONS[kind](arguments[0])
        if kind in ("atan2", "Max", "Min"):
            tensor = next(a for a in arguments if not isinstance(a, float))
            arguments = [ops.full_like(tensor, a) if isinstance(a, float) else a for a in arguments]
        if kind == "atan2":
            return arctan2(arguments[0], arguments[1])
        result = arguments[0]
        for argument in arguments[1:]:
            if kind == "Add":
                result = result + argument
            elif kind == "Mul":
                result = result * argument
            else:
                result = (maximum if kind == "Max" else minimum)(result, argument)
        return result

    return [visit(expression) for expression in expressions]


def _power(base: Any, exponent: Any, node: Any) -> Any:
    # Small whole powers are products: exact, defined at negative bases, and cheap to differentiate.
    # SymPy writes a division as a negative power, so these are reciprocals of products.
    if node.exp.is_Integer and 1 <= abs(int(node.exp)) <= 4:
        result = base
        for _ in range(abs(int(node.exp)) - 1):
            result = result * base
        return result if node.exp.is_positive else 1.0 / result
    if node.exp == sympy.Rational(1, 2):
        return ops.sqrt(base)
    if not isinstance(base, float):
        # As a tensor: Keras would round a Python number to float32.
        as_tensor = ops.full_like(base, exponent) if isinstance(exponent, float) else exponent
        return ops.power(base, as_tensor)
    return ops.exp(exponent * math.log(base)) if base > 0 else ops.power(base, exponent)
