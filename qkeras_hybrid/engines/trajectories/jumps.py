"""Trajectories for any noise: each channel applies one of its Kraus operators, drawn at random.

An operator `K` has the probability `p = |K psi|**2`, and leaves `K psi / sqrt(p)` with `p` taken
as a constant. So the gradient includes how the probability of a run depends on the parameters, and
is unbiased. It uses only `keras.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.engines.statevector.products import full_precision, product
from qkeras_hybrid.program import (
    Channel,
    Measurement,
    PauliRotation,
    Phase,
    Program,
    Reset,
    Unitary,
)

States = tuple[Any, Any]
"""Real and imaginary parts, each of shape `(runs, 2**n_qubits)`."""

_Step = Callable[[States, Any, Any], States]


def n_draws(program: Program) -> int:
    """Returns how many random numbers one run takes."""
    return sum(
        len(branches(instruction))
        for instruction in program.instructions
        if isinstance(instruction, (Channel, Measurement, Reset))
    )


def runner(program: Program) -> Callable[[Any, Any], States]:
    """Returns a function that maps angles and random numbers to final states.

    Args:
        program: The program, with any instructions.

    Returns:
        A function from angles of shape `(runs, n_angles)` and uniform random numbers of shape
        `(runs, n_draws(program))` to states.
    """
    steps: list[_Step] = []
    drawn = 0
    for instruction in program.instructions:
        match instruction:
            case PauliRotation():
                steps.append(_rotation(instruction, program.n_qubits))
            case Phase():
                steps.append(_phase(instruction, program.n_qubits))
            case Unitary(qubits=qubits):
                steps.append(_fixed(qubits, instruction.array, program.n_qubits))
            case Channel() | Measurement() | Reset():
                for qubits, kraus in branches(instruction):
                    steps.append(_jump(qubits, kraus, drawn, program.n_qubits))
                    drawn += 1
            case _:
                assert_never(instruction)

    def run(angles: Any, draws: Any) -> States:
        with full_precision():
            # NaN and infinity spread to the whole readout of a run.
            poison = 0.0 * ops.sum(angles, axis=1, keepdims=True)
            start = np.zeros((1, 2**program.n_qubits))
            start[0, 0] = 1.0
            dtype = keras.backend.standardize_dtype(angles.dtype)
            re = ops.convert_to_tensor(start, dtype) + poison
            states = (re, ops.zeros_like(re))
            for step in steps:
                states = step(states, angles, draws)
            return states

    return run


def branches(
    instruction: Channel | Measurement | Reset,
) -> list[tuple[tuple[int, ...], tuple[np.ndarray, ...]]]:
    """Returns the qubits and Kraus operators of each draw that an instruction takes."""
    zero, one = np.diag([1.0, 0.0]).astype(complex), np.diag([0.0, 1.0]).astype(complex)
    match instruction:
        case Channel(qubits=qubits):
            return [(qubits, instruction.arrays)]
        case Measurement(qubits=qubits):
            return [((qubit,), (zero, one)) for qubit in qubits]
        case Reset(qubits=qubits):
            into_zero = np.array([[0, 1], [0, 0]], complex)
            return [(qubits, (zero, into_zero))]
        case _:
            assert_never(instruction)


def _jump(qubits: Sequence[int], kraus: Sequence[np.ndarray], number: int, n_qubits: int) -> _Step:
    applied = [_fixed(qubits, operator, n_qubits) for operator in kraus]

    def apply(states: States, angles: Any, draws: Any) -> States:
        after = [operator(states, angles, draws) for operator in applied]
        chances = ops.stack([_norms(each) for each in after], axis=1)
        fixed = ops.stop_gradient(chances)
        total = ops.sum(fixed, axis=1, keepdims=True)
        level = draws[:, number : number + 1] * total
        passed = ops.cast(level >= ops.cumsum(fixed, axis=1)[:, :-1], "int32")
        choice = ops.sum(passed, axis=1)
        # Rounding may choose an operator of probability zero; its state is then zero.
        weights = ops.one_hot(choice, len(kraus), dtype=fixed.dtype)
        weights = weights / ops.sqrt(ops.where(fixed > 0.0, fixed, ops.ones_like(fixed)))
        re = sum(weights[:, k : k + 1] * each[0] for k, each in enumerate(after))
        im = sum(weights[:, k : k + 1] * each[1] for k, each in enumerate(after))
        return re, im

    return apply


def _norms(states: States) -> Any:
    re, im = states
    return ops.sum(re * re + im * im, axis=1)


def _fixed(qubits: Sequence[int], matrix: np.ndarray, n_qubits: int) -> _Step:
    """Returns a function that multiplies some qubits' amplitudes with a matrix, unitary or not."""
    k = len(qubits)
    cuts = sorted({0, n_qubits, *qubits, *(q + 1 for q in qubits)})
    sizes = [2 ** (cuts[i + 1] - cuts[i]) for i in range(len(cuts) - 1)]
    own = [1 + cuts.index(qubit) for qubit in qubits]
    others = [axis for axis in range(1, len(sizes) + 1) if axis not in own]
    order = [*own, 0, *others]
    back = np.argsort(order).tolist()

    def apply(states: States, angles: Any, draws: Any) -> States:
        dtype = keras.backend.standardize_dtype(states[0].dtype)
        runs = ops.shape(states[0])[0]

        def times(part: np.ndarray, values: Any) -> Any:
            split = ops.transpose(ops.reshape(values, (runs, *sizes)), order)
            columns = ops.reshape(split, (2**k, -1))
            found = product(ops.convert_to_tensor(part, dtype), columns)
            shape = (*(2,) * k, runs, *(sizes[axis - 1] for axis in others))
            return ops.reshape(ops.transpose(ops.reshape(found, shape), back), (runs, 2**n_qubits))

        re, im = states
        new_re, new_im = times(matrix.real, re), times(matrix.real, im)
        if np.any(matrix.imag):
            new_re, new_im = new_re - times(matrix.imag, im), new_im + times(matrix.imag, re)
        return new_re, new_im

    return apply


def _rotation(instruction: PauliRotation, n_qubits: int) -> _Step:
    """`exp(-i a/2 P) = cos(a/2) - i sin(a/2) P`."""
    place = np.arange(2**n_qubits)
    source, factor = place.copy(), np.ones(2**n_qubits, complex)
    for letter, qubit in zip(instruction.paulis, instruction.qubits, strict=True):
        bit = place >> (n_qubits - 1 - qubit) & 1
        if letter != "Z":
            source ^= 1 << (n_qubits - 1 - qubit)
        # (P psi)[m] = factor[m] psi[source[m]]: Y|0> = i|1>, Y|1> = -i|0>, Z|1> = -|1>.
        if letter == "Y":
            factor *= np.where(bit == 1, 1j, -1j)
        elif letter == "Z":
            factor *= 1 - 2 * bit
    # -i P, as real and imaginary parts.
    minus_i = -1j * factor

    def apply(states: States, angles: Any, draws: Any) -> States:
        dtype = keras.backend.standardize_dtype(states[0].dtype)
        half = 0.5 * angles[:, instruction.angle, None]
        c, s = cos(half), sin(half)
        a = ops.convert_to_tensor(minus_i.real[None], dtype)
        b = ops.convert_to_tensor(minus_i.imag[None], dtype)
        re, im = states
        from_re = ops.take(re, source.astype("int32"), axis=1)
        from_im = ops.take(im, source.astype("int32"), axis=1)
        return (
            c * re + s * (a * from_re - b * from_im),
            c * im + s * (a * from_im + b * from_re),
        )

    return apply


def _phase(instruction: Phase, n_qubits: int) -> _Step:
    place = np.arange(2**n_qubits)
    inside = np.ones(2**n_qubits, bool)
    for qubit in instruction.qubits:
        inside &= (place >> (n_qubits - 1 - qubit) & 1) == 1

    def apply(states: States, angles: Any, draws: Any) -> States:
        angle = angles[:, instruction.angle, None]
        c, s = cos(angle), sin(angle)
        re, im = states
        return (
            ops.where(inside[None], c * re - s * im, re),
            ops.where(inside[None], s * re + c * im, im),
        )

    return apply
