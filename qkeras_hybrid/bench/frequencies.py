"""The frequencies with which a circuit's results go up and down in its inputs."""

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
"""How many sums of frequencies are tried at most in the search for different ones."""

Frequency = tuple[float, ...]
"""What the inputs of a circuit are multiplied by in a wave: one number for each input."""


def frequencies(compiled: Compiled) -> Iterator[Frequency]:
    """Yields the frequencies that a circuit's results can have, each once, up to its sign.

    Those of the fewest gates come first, then those of the gates that come first in the
    circuit; zero, the constant, is left out. It ends after `MOST_SUMS` sums of gates if not
    before.

    Args:
        compiled: The circuit, and what is read of it.

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
    """Yields frequencies with the number of gates that they are the sum of."""
    program, vectors = compiled.program, _vectors(compiled)
    # All basis states are read, where it is not observables.
    read = (
        [{q for t in o.terms for q in t.qubits} for o in compiled.observables]
        if isinstance(compiled.readout, Expectation)
        else [set(range(program.n_qubits))]
    )
    # Observables that see the same gates have the same frequencies.
    seen = {tuple(_gates(program, vectors, qubits).items()): None for qubits in read}
    sums = heapq.merge(*map(_sums, seen), key=lambda found: found[0])
    known: set[Frequency] = set()
    for order, total in itertools.islice(sums, MOST_SUMS):
        frequency = _positive(total)
        if frequency is not None and frequency not in known:
            known.add(frequency)
            yield order, frequency


def gate_frequencies(compiled: Compiled) -> dict[Frequency, int]:
    """Returns the frequencies of single gates, with how many gates have each.

    Of the gates that can change what is read, in the order of the circuit.

    Args:
        compiled: The circuit, and what is read of it.

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
    """Returns by what each input is multiplied in an angle, None if there is no input in it."""
    found = dict(angle.inputs)
    if angle.expression is not None:
        found = _at_fixed_weights(angle.expression, angles)
    return _positive(tuple(found.get(i, 0.0) for i in range(len(angles.inputs))))


def _at_fixed_weights(expression: sympy.Expr, angles: AngleMap) -> dict[int, float]:
    """Returns by what each input is multiplied in an expression, with its weights fixed."""
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
    """Returns the one of `f` and `-f` whose first number is positive, None for zero."""
    # Rounded, so that 0.1 + 0.2 and 0.3 are one frequency, and without the sign of -0.0.
    rounded = tuple(round(value, 9) + 0.0 for value in frequency)
    first = next((value for value in rounded if value), None)
    if first is None:
        return None
    return rounded if first > 0 else tuple(0.0 - value for value in rounded)


def _gates(
    program: Program, vectors: Sequence[Frequency | None], read: Iterable[int]
) -> dict[Frequency, int]:
    """Counts the gates that have each vector, of those that can change what is read."""
    connected, found = set(read), list[Frequency]()
    for instruction, vector in zip(reversed(program.instructions), reversed(vectors), strict=True):
        if not connected.isdisjoint(instruction.qubits):
            connected.update(instruction.qubits)
            if vector is not None:
                found.append(vector)
    return collections.Counter(reversed(found))


def _sums(gates: Iterable[tuple[Frequency, int]]) -> Iterator[tuple[int, Frequency]]:
    """Yields the sums of gates' vectors, times 1 or -1, with how many are summed, fewest first.

    Each sum is extended by the vectors from its last one on, so that none comes twice in
    another order; the first sign of all is plus, because of `f` and `-f` one is enough.
    """
    vectors = list(gates)
    # A sum, and its last vector: which one, its sign, and how often it is in the sum.
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
    """Takes frequencies in order: as many as wanted, and until each feature is in one of them."""

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
        raise DoesNotApplyError("Nothing that is read from the circuit depends on its inputs.")
    # All that ever enters does so in a single gate, so that all features are in already.
    covered, needed = np.zeros(len(enters), bool), 1
    for count, frequency in enumerate(chosen, start=1):
        new = features(frequency) & ~covered
        if new.any():
            covered |= new
            needed = count
    return chosen[: max(wanted, needed)]
