"""The forms in which an argument accepts a problem."""

from __future__ import annotations

from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import Ising, Problem, Qubo
from qkeras_hybrid.decisions.base import DecisionProblem
from qkeras_hybrid.decisions.functions import Minimiser
from qkeras_hybrid.decisions.quadratic import QuadraticProgram


def problem_of(given: Any) -> DecisionProblem:
    """Returns a problem from itself, its serialized form, a quadratic model or a function.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(given, dict):
        given = keras.saving.deserialize_keras_object(given)
    if isinstance(given, DecisionProblem):
        return given
    if isinstance(given, (Qubo, Ising, Problem)):
        return QuadraticProgram(given)
    if callable(given) and not isinstance(given, type):
        return Minimiser(given)
    raise ArgumentError(
        "problem",
        "be a DecisionProblem, a Qubo, an Ising, a Problem, or a function that minimises",
        given,
        "See qkeras_hybrid.decisions.",
    )
