"""Compiles a circuit to a program: `compile_circuit`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qkeras_hybrid import _circuit_check, _expressions
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.observables import foreign_qubits, parse
from qkeras_hybrid.program.angles import AngleMap
from qkeras_hybrid.program.gates import Compiler
from qkeras_hybrid.program.job import Compiled
from qkeras_hybrid.program.program import Program
from qkeras_hybrid.program.symbols import as_symbols, symbols_of
from qkeras_hybrid.program.unrolling import flat, with_visible_symbols
from qkeras_hybrid.readouts import Expectation


def compile_circuit(
    circuit: cirq.AbstractCircuit,
    observables: Any = (),
    *,
    inputs: Iterable[sympy.Symbol | str] = (),
    weights: Iterable[sympy.Symbol | str] | None = None,
    qubits: Iterable[cirq.Qid] | None = None,
) -> Compiled:
    """Compiles a circuit into a program, the map to its angles, and a readout.

    Any circuit whose operations have a unitary or Kraus operators compiles: Cirq's gates and their
    powers, channels, matrix gates, controlled operations, Pauli-string phasors, sub-circuits, and
    gates of your own that have a `_unitary_` or a `_decompose_`, with numbers or SymPy expressions
    as parameters.

    Where Cirq 1.5 contradicts itself, this follows the definition in Cirq's documentation, not its
    decomposition:

    - `PauliStringPhasor` on more qubits than its Pauli string: it is the identity on the others.
      Cirq's own simulator treats each of them as a Z, and drops the phase of a string that has only
      identities.
    - `ThreeQubitDiagonalGate` on qubits in any order: `cirq.decompose` gives a wrong gate on qubits
      that are not neighbours in that order.

    The coefficient of a `GlobalPhaseGate` must have modulus 1 for all values of its symbols, as
    `sympy.exp(sympy.I * a)` has. `BooleanHamiltonianGate` is Cirq's unitary,
    `exp(-i theta/2 (f - mean of f))` with `f` the number of expressions that are true. Cirq 1.5
    does not see a symbol in its `theta`: `with_params` and `cirq.resolve_parameters` ignore it.

    Args:
        circuit: The circuit.
        observables: What to read: see `qkeras_hybrid.observables`.
        inputs: The symbols that take a sample's values, in the order of the values.
        weights: The symbols that take the weights, in order. By default all others, in the order in
            which the circuit's operations first name them; several symbols in one gate parameter
            are sorted by name, `t2` before `t10`.
        qubits: The qubits in order; the first is the most significant bit. By default the circuit's
            own, sorted; if it has none, those of the observables.

    Returns:
        The compiled circuit, which reads the observables' expectation values.

    Raises:
        ValueError: If an operation has neither a unitary nor Kraus operators (such as classical
            control), if a symbol is neither an input nor a weight, if an observable acts on a qubit
            that the circuit does not have, if there is no qubit, or if the circuit is too large:
            more than 50,000 operations in unrolled sub-circuits, more than 200 nested lists and
            tables in its JSON, or powers such as `10**10**9`.

    Example:

    >>> a, b = sympy.symbols("t10 t2")
    >>> q = cirq.LineQubit(0)
    >>> compile_circuit(cirq.Circuit(cirq.rx(a)(q), cirq.ry(b)(q)), "Z").weights
    (t10, t2)
    """
    if not isinstance(circuit, cirq.AbstractCircuit):
        raise ArgumentError("circuit", "be a cirq.Circuit", circuit)
    _circuit_check.check_circuit(circuit)
    circuit = with_visible_symbols(circuit)
    operations = list(flat(circuit))
    ordered = _ordered_qubits(circuit, observables, qubits)
    input_symbols = as_symbols("inputs", inputs)
    among_inputs = set(input_symbols)
    found = symbols_of(operations)
    if weights is None:
        weight_symbols = tuple(s for s in found if s not in among_inputs)
    else:
        weight_symbols = as_symbols("weights", weights)
    both = [s for s in weight_symbols if s in among_inputs]
    if both:
        raise ArgumentError("weights", "not name a symbol that is also an input", both[0])
    left_over = set(found) - among_inputs - set(weight_symbols)
    if left_over:
        names = ", ".join(str(s) for s in sorted(left_over, key=_expressions.natural_key))
        raise ValueError(
            f"The circuit holds symbols that are neither inputs nor weights: {names}. "
            "Name them among the inputs (they take features) or among the weights (they train)."
        )
    compiler = Compiler(ordered, input_symbols, weight_symbols)
    for operation in operations:
        compiler.add(operation)
    instructions = compiler.finished()
    return Compiled(
        Program(ordered, instructions, len(compiler.angles)),
        AngleMap(input_symbols, weight_symbols, tuple(compiler.angles)),
        Expectation(parse(observables, ordered)),
        circuit.freeze(),
    )


def _ordered_qubits(
    circuit: cirq.AbstractCircuit, observables: Any, qubits: Iterable[cirq.Qid] | None
) -> tuple[cirq.Qid, ...]:
    own = circuit.all_qubits()
    if qubits is None:
        ordered = tuple(sorted(own or foreign_qubits(observables)))
    else:
        ordered = tuple(qubits)
        if len(set(ordered)) < len(ordered):
            raise ArgumentError("qubits", "name each qubit once", ordered)
        missing = sorted(own - set(ordered))
        if missing:
            raise ArgumentError(
                "qubits", f"hold every qubit of the circuit, including {missing[0]!r}", ordered
            )
    if not ordered:
        raise ValueError(
            "Argument `circuit` must have at least one qubit, but got a circuit without any. "
            "Name them in `qubits`, or read an observable that names its qubit."
        )
    for qubit in ordered:
        if qubit.dimension != 2:
            raise ValueError(
                f"Argument `circuit` must act on qubits, but {qubit!r} has "
                f"{qubit.dimension} levels."
            )
    return ordered
