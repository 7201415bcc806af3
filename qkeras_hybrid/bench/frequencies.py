"""The frequencies of a circuit's results, as Fourier series of its inputs."""

from __future__ import annotations

import collections
import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from qkeras_hybrid import _expressions
from qkeras_hybrid._lazy import sympy
from qkeras_hybrid._model_copies import DoesNotApplyError
from qkeras_hybrid.program import Angle, AngleMap, Compiled, PauliRotation, Phase, Program
from qkeras_hybrid.readouts import Expectation

MOST_SUMS = 100_000
"""The largest number of sums of frequencies that a search for different ones tries."""

Frequency = tuple[float, ...]
"""The factors of a circuit's inputs in a wave: one number for each input."""


def frequencies(compiled: Compiled) -> Iterator[Frequency]:
    """Yields the frequencies that a circuit's results can have, each once, up to its sign.

    A frequency is a sum over gates. Sums over few gates come first; among these, the gates that
    come first in the circuit. Zero, the constant, is left out. After `MOST_SUMS` sums, the
    iteration ends.

    Args:
        compiled: The circuit with its readout.

    Raises:
        DoesNotApplyError: If an angle is not affine in the inputs.

    Example:

    >>> q, x = cirq.LineQubit(0), sympy.Symbol("x")
    >>> twice = cirq.Circuit(cirq.rx(x)(q), cirq.ry(x)(q))
    >>> list(frequencies(qh.compile_circuit(twice, "Z", inputs=[x])))
    [(1.0,), (2.0,)]
    """
    for _, frequency in ordered(compiled):
        yield frequency


def ordered(compiled: Compiled) -> Iterator[tuple[int, Frequency]]:
    """Yields the number of gates in each sum, and the frequency."""
    program, vectors = compiled.program, _vectors(compiled)
    # A readout other than observables depends on all qubits.
    read = (
        [{q for t in o.terms for q in t.qubits} for o in compiled.observables]
        if isinstance(compiled.readout, Expectation)
        else [set(range(program.n_qubits))]
    )
    # Observables that depend on the same gates have the same frequencies.
    seen = {tuple(_gates(program, vectors, qubits).items()): None for qubits in read}
    sums = heapq.merge(*map(_sums, seen), key=lambda found: found[0])
    known: set[Frequency] = set()
    for order, total in itertools.islice(sums, MOST_SUMS):
        frequency = _positive(total)
        if frequency is not None and frequency not in known:
            known.add(frequency)
            yield order, frequency


def gate_frequencies(compiled: Compiled) -> dict[Frequency, int]:
    """Returns the frequencies of single gates, with the number of gates that have each.

    Only gates that can change the results count. The order is that of the circuit.

    Args:
        compiled: The circuit with its readout.

    Raises:
        DoesNotApplyError: If an angle is not affine in the inputs.
    """
    qubits = set(range(compiled.n_qubits))
    if isinstance(compiled.readout, Expectation):
        qubits = {q for o in compiled.observables for t in o.terms for q in t.qubits}
    return _gates(compiled.program, _vectors(compiled), qubits)


def _vectors(compiled: Compiled) -> list[Frequency | None]:
    angles = compiled.angles
    return [
        _vector(angles.rows[i.angle], angles) if isinstance(i, (PauliRotation, Phase)) else None
        for i in compiled.program.instructions
    ]


def _vector(angle: Angle, angles: AngleMap) -> Frequency | None:
    """Returns the factor of each input in an angle; None if the angle has no input."""
    found = dict(angle.inputs)
    if angle.expression is not None:
        found = _at_fixed_weights(angle.expression, angles)
    return _positive(tuple(found.get(i, 0.0) for i in range(len(angles.inputs))))


def _at_fixed_weights(expression: sympy.Expr, angles: AngleMap) -> dict[int, float]:
    """Returns the factor of each input in an expression, with its weights fixed."""
    index = {symbol: i for i, symbol in enumerate(angles.inputs)}
    inputs = expression.free_symbols & set(index)
    if not inputs:
        return {}
    for value in (0, 1):
        scaled = expression.subs(dict.fromkeys(angles.weights, value))
        if scaled.free_symbols == inputs and not scaled.has(sympy.zoo, sympy.oo, sympy.nan):
            affine = _expressions.affine(scaled)
            if affine is not None:
                return {index[symbol]: factor for symbol, factor in affine[1].items()}
    raise DoesNotApplyError(
        f"The angle {expression} is not affine in the circuit's inputs: it has no frequency."
    )


def _positive(frequency: Frequency) -> Frequency | None:
    """Returns `f` or `-f`, whichever has a positive first nonzero number; None for zero."""
    # Rounding makes 0.1 + 0.2 and 0.3 one frequency; adding 0.0 removes the sign of -0.0.
    rounded = tuple(round(value, 9) + 0.0 for value in frequency)
    first = next((value for value in rounded if value), None)
    if first is None:
        return None
    return rounded if first > 0 else tuple(0.0 - value for value in rounded)


def _gates(
    program: Program, vectors: Sequence[Frequency | None], read: Iterable[int]
) -> dict[Frequency, int]:
    """Counts the gates with each vector, among those that can change the results."""
    connected, found = set(read), list[Frequency]()
    for instruction, vector in zip(reversed(program.instructions), reversed(vectors), strict=True):
        if not connected.isdisjoint(instruction.qubits):
            connected.update(instruction.qubits)
            if vector is not None:
                found.append(vector)
    return collections.Counter(reversed(found))


def _sums(gates: Iterable[tuple[Frequency, int]]) -> Iterator[tuple[int, Frequency]]:
    """Yields the sums of gates' vectors, times 1 or -1, with their number, smallest first.

    Each sum is extended by its last vector and later ones only, so that none is repeated in
    another order. The first sign is always plus, because one of `f` and `-f` is enough.
    """
    vectors = list(gates)
    # A sum, and the index, the sign and the multiplicity of its last vector.
    last: list[tuple[Frequency, int, int, int]] = []
    for j, (vector, _) in enumerate(vectors):
        yield 1, vector
        last.append((vector, j, 1, 1))
    for order in itertools.count(2):
        following = []
        for total, i, sign, times in last:
            for j, s in itertools.product(range(i, len(vectors)), (1, -1)):
                n = times + 1 if j == i else 1
                if n > vectors[j][1] or (j == i and s != sign):
                    continue
                longer = tuple(a + s * b for a, b in zip(total, vectors[j][0], strict=True))
                yield order, longer
                following.append((longer, j, s, n))
        if not following:
            return
        last = following


def chosen(
    found: Iterable[tuple[int, Frequency]], wanted: int, enters: npt.NDArray[np.bool_]
) -> list[Frequency]:
    """Takes as many frequencies as wanted, in order, or more until they contain each feature."""

    def features(frequency: Frequency) -> npt.NDArray[np.bool_]:
        inside: npt.NDArray[np.bool_] = enters[:, np.array(frequency) != 0].any(axis=1)
        return inside

    groups = itertools.groupby(found, key=lambda pair: pair[0])
    chosen: list[Frequency] = []
    for order, group in groups:
        if order > 1:
            chosen += [f for _, f in itertools.islice(group, max(0, wanted - len(chosen)))]
        else:
            chosen = sorted((f for _, f in group), key=lambda f: features(f).sum())
        if len(chosen) >= wanted:
            break
    if not chosen:
        raise DoesNotApplyError("No result of the circuit depends on its inputs.")
    # `chosen` has the frequencies of all single gates, and so every feature that has an effect.
    covered, needed = np.zeros(len(enters), bool), 1
    for count, frequency in enumerate(chosen, start=1):
        new = features(frequency) & ~covered
        if new.any():
            covered |= new
            needed = count
    return chosen[: max(wanted, needed)]
