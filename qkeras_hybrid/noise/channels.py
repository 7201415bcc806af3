"""Noise channels as Kraus operators, and checks of their parameters.

The conventions are Cirq's. All operators are complex128 matrices; the first qubit is the most
significant bit. Formulas: Nielsen and Chuang, Quantum Computation and Quantum Information (2010),
section 8.3.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.program.program import Channel, Matrix

PAULIS: dict[str, np.ndarray] = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]).astype(complex),
}

# Matrices from files or calibrations may be rounded to float32.
_TOLERANCE = 1e-6


def probability(argument: str, value: Any) -> float:
    """Returns a probability as a float.

    Raises:
        ValueError: If it is not a number in [0, 1].
    """
    number = finite_number(argument, value)
    if not 0 <= number <= 1:
        raise ArgumentError(argument, "be a probability, in [0, 1]", value)
    return number


def positive(argument: str, value: Any, zero: bool = False) -> float:
    """Returns a positive number as a float; with `zero` also 0.

    Raises:
        ValueError: If it is not.
    """
    number = finite_number(argument, value)
    if number < 0 or (number == 0 and not zero):
        raise ArgumentError(argument, f"be {'at least' if zero else 'above'} 0", value)
    return number


def pauli_kraus(chances: dict[str, float]) -> tuple[np.ndarray, ...]:
    """Returns `sqrt(p_P) P` for each Pauli string of nonzero probability."""
    return tuple(
        math.sqrt(chance) * functools.reduce(np.kron, (PAULIS[letter] for letter in paulis))
        for paulis, chance in chances.items()
        if chance > 0
    )


def depolarizing(p: float, n_qubits: int = 1) -> tuple[np.ndarray, ...]:
    """With probability `p`, one of the `4**n - 1` Pauli strings other than the identity."""
    strings = ["".join(letters) for letters in itertools.product("IXYZ", repeat=n_qubits)]
    each = p / (len(strings) - 1)
    return pauli_kraus({strings[0]: 1 - p, **dict.fromkeys(strings[1:], each)})


def bit_flip(p: float) -> tuple[np.ndarray, ...]:
    """With probability `p`, an X."""
    return pauli_kraus({"I": 1 - p, "X": p})


def phase_flip(p: float) -> tuple[np.ndarray, ...]:
    """With probability `p`, a Z."""
    return pauli_kraus({"I": 1 - p, "Z": p})


def amplitude_damping(gamma: float, excited: float = 0.0) -> tuple[np.ndarray, ...]:
    """Decay from `|1>` to `|0>` with probability `gamma`.

    It is the generalized channel, with the population `excited` of `|1>` in equilibrium.
    """
    keep, lose = math.sqrt(1 - gamma), math.sqrt(gamma)
    down = (np.diag([1, keep]), np.array([[0, lose], [0, 0]]))
    up = (np.diag([keep, 1]), np.array([[0, 0], [lose, 0]]))
    return nonzero(
        [math.sqrt(1 - excited) * k for k in down] + [math.sqrt(excited) * k for k in up]
    )


def phase_damping(gamma: float) -> tuple[np.ndarray, ...]:
    """Loss of coherence: the off-diagonal elements are multiplied by `sqrt(1 - gamma)`."""
    return nonzero([np.diag([1, math.sqrt(1 - gamma)]), np.diag([0, math.sqrt(gamma)])])


def thermal_relaxation(
    t1: float, t2: float, gate_time: float, excited: float = 0.0
) -> tuple[np.ndarray, ...]:
    """Relaxation for a time: populations decay as `exp(-t/T1)`, coherences as `exp(-t/T2)`.

    Amplitude damping with `gamma = 1 - exp(-t/T1)` reduces coherences to `exp(-t/(2 T1))`; phase
    damping does the rest.
    """
    damped = amplitude_damping(-math.expm1(-gate_time / t1), excited)
    # At most 0, and exactly 0 for T2 = 2 T1 in spite of rounding.
    rest = min(0.0, gate_time / t1 - 2 * gate_time / t2)
    dephased = phase_damping(-math.expm1(rest))
    return nonzero([p @ k for k in damped for p in dephased])


def nonzero(operators: Iterable[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Returns the operators that are not zero, in complex128."""
    return tuple(np.asarray(k, complex) for k in operators if np.any(np.abs(k) > 0))


def checked_kraus(argument: str, operators: Any) -> tuple[np.ndarray, ...]:
    """Returns Kraus operators as complex128 matrices.

    Raises:
        ValueError: If they are not square matrices of `2**n` rows of one size, hold NaN, or don't
            preserve the trace: `sum_k K_k† K_k` is not the identity.
    """
    try:
        found = tuple(np.asarray(operator, complex) for operator in operators)
    except (TypeError, ValueError) as error:
        raise ArgumentError(argument, "be matrices", operators) from error
    size = found[0].shape[0] if found and found[0].ndim == 2 else 0
    if size not in (2, 4, 8) or any(k.shape != (size, size) for k in found):
        shapes = [k.shape for k in found]
        raise ArgumentError(argument, "be square matrices with 2, 4 or 8 rows", shapes)
    if not all(np.isfinite(k).all() for k in found):
        raise ArgumentError(argument, "be finite", operators)
    total = sum(k.conj().T @ k for k in found)
    if not np.allclose(total, np.eye(size), atol=_TOLERANCE):
        raise ArgumentError(
            argument,
            "preserve the trace: the sum of K† K must be the identity",
            np.round(total, 6).tolist(),
            "Check that no operator is missing, and that each is scaled by the square root of its "
            "probability.",
        )
    return found


def rows(matrix: np.ndarray) -> Matrix:
    """Returns a matrix as tuples, the form that instructions hold."""
    return tuple(tuple(complex(c) for c in row) for row in matrix)


def instruction(kraus: Sequence[np.ndarray], qubits: tuple[int, ...]) -> Channel | None:
    """Returns Kraus operators as an instruction; None if they do nothing.

    A coherent error is a channel with one operator, so that it differs from the circuit's gates.
    """
    first = kraus[0]
    if len(kraus) == 1 and np.allclose(first, first[0, 0] * np.eye(len(first)), atol=1e-15):
        return None
    return Channel(qubits, tuple(map(rows, kraus)))
