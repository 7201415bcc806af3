"""A circuit compiled once into the few instructions that every engine understands.

Every instruction with an angle obeys the same two-term parameter-shift rule, because its
generator has two eigenvalues one apart (`P/2` of a Pauli string, or a projector):
`df/da = (f(a + pi/2) - f(a - pi/2)) / 2` (Schuld et al. 2019, arXiv 1811.11184). Controlled
rotations, which as a single gate need four terms, are written here as two such instructions.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import _circuit_check, _expressions
from qkeras_hybrid._checks import must
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.observables import Observable, foreign_qubits, parse

if TYPE_CHECKING:
    import cirq
    import scipy.linalg
    import sympy
else:
    cirq = lazy_module("cirq")
    scipy = lazy_module("scipy")
    sympy = lazy_module("sympy")

Matrix = tuple[tuple[complex, ...], ...]


@dataclass(frozen=True)
class PauliRotation:
    """`exp(-i angle/2 P)` for a Pauli string `P`; on one qubit `rx`, `ry`, `rz`.

    Attributes:
        paulis: One of "X", "Y", "Z" for each qubit, e.g. `"XZ"`.
        qubits: Indices of the qubits, all different; qubit 0 is the most significant bit.
        angle: Row of the angle table.
    """

    paulis: str
    qubits: tuple[int, ...]
    angle: int


@dataclass(frozen=True)
class Phase:
    """`exp(i angle)` on the basis states in which all `qubits` are 1, and 1 on the others.

    One qubit: the phase gate; two: the controlled phase `CZ**(angle/pi)`; none: a global phase.

    Attributes:
        qubits: Indices of the qubits, all different, in any number.
        angle: Row of the angle table.
    """

    qubits: tuple[int, ...]
    angle: int


@dataclass(frozen=True)
class Unitary:
    """A fixed unitary on 1 to 3 qubits; the first of `qubits` is the most significant bit.

    Attributes:
        qubits: Indices of the qubits, all different.
        matrix: The rows of the unitary, `2**len(qubits)` each way.
    """

    qubits: tuple[int, ...]
    matrix: Matrix

    @functools.cached_property
    def array(self) -> np.ndarray:
        """The matrix as a complex128 array."""
        return np.array(self.matrix)


Instruction = PauliRotation | Phase | Unitary


def has_observable_angle(instruction: Instruction) -> TypeGuard[PauliRotation | Phase]:
    """Tells whether an instruction has an angle, and is more than a global phase."""
    return not isinstance(instruction, Unitary) and bool(instruction.qubits)


@dataclass(frozen=True)
class Angle:
    """A row of the angle table: `offset + sum_i c_i inputs[i] + sum_j d_j weights[j]`, in radians.

    Each instruction that has an angle has a row of its own.

    Attributes:
        offset: The constant part.
        inputs: Pairs (index of an input, coefficient).
        weights: Pairs (index of a weight, coefficient).
        expression: A SymPy expression that is not affine; then it alone is the angle.
    """

    offset: float = 0.0
    inputs: tuple[tuple[int, float], ...] = ()
    weights: tuple[tuple[int, float], ...] = ()
    expression: sympy.Expr | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for all inputs and weights."""
        return not self.inputs and not self.weights and self.expression is None


@dataclass(frozen=True)
class Program:
    """What an engine computes: a circuit in small instructions, its angles, its observables.

    Attributes:
        qubits: The qubits in order; the first is the most significant bit of a basis state.
        inputs: The symbols that take a sample's values, in order.
        weights: The symbols that take the layer's weights, in order.
        instructions: What is done to the state `|0...0>`, in order.
        angles: The angle table.
        observables: What is read at the end.
        circuit: The circuit that all this came from.
    """

    qubits: tuple[cirq.Qid, ...]
    inputs: tuple[sympy.Symbol, ...]
    weights: tuple[sympy.Symbol, ...]
    instructions: tuple[Instruction, ...]
    angles: tuple[Angle, ...]
    observables: tuple[Observable, ...]
    circuit: cirq.FrozenCircuit

    @property
    def n_qubits(self) -> int:
        """The number of qubits."""
        return len(self.qubits)

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        # A program is a key of the engines' caches at each call: hashed once.
        return hash((self.qubits, self.instructions, self.angles, self.observables))

    @functools.cached_property
    def affine(self) -> Program:
        """The same program with each angle affine, for engines that take no expressions.

        Each expression becomes an input more, or a weight more where it holds weights only;
        `extend` computes their values.
        """
        inputs, weights, angles = list(self.inputs), list(self.weights), list(self.angles)
        for row, angle in enumerate(self.angles):
            if angle.expression is None:
                continue
            symbol = sympy.Dummy(f"angle_{row}")
            if self._is_weight_only(angle.expression):
                angles[row] = Angle(weights=((len(weights), 1.0),))
                weights.append(symbol)
            else:
                angles[row] = Angle(inputs=((len(inputs), 1.0),))
                inputs.append(symbol)
        if len(inputs) == len(self.inputs) and len(weights) == len(self.weights):
            return self
        return replace(self, inputs=tuple(inputs), weights=tuple(weights), angles=tuple(angles))

    def extend(self, inputs: Any, weights: Any) -> tuple[Any, Any]:
        """Returns the inputs and weights of the `affine` program.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensor of shape `(n_weights,)`.

        Returns:
            Tensors of shapes `(batch, n_inputs + more)` and `(n_weights + more,)`.
        """
        expressions = [a.expression for a in self.angles if a.expression is not None]
        if not expressions:
            return inputs, weights
        values = {s: inputs[:, i : i + 1] for i, s in enumerate(self.inputs)}
        values |= {s: weights[j : j + 1] for j, s in enumerate(self.weights)}
        more_inputs, more_weights = [], []
        for expression, value in zip(
            expressions, _expressions.evaluate(expressions, values), strict=True
        ):
            if self._is_weight_only(expression):
                more_weights.append(value)
            else:
                more_inputs.append(value)
        if more_inputs:
            inputs = ops.concatenate([inputs, *more_inputs], axis=1)
        if more_weights:
            weights = ops.concatenate([weights, *more_weights], axis=0)
        return inputs, weights

    def _is_weight_only(self, expression: sympy.Expr) -> bool:
        held: set[Any] = expression.free_symbols
        return held.isdisjoint(self.inputs)

    @functools.cached_property
    def observed_rows(self) -> tuple[int, ...]:
        """The rows of the angle table by which inputs and weights change an expectation value.

        All but constant ones and those of global phases, which no hardware runs and no
        observable sees.
        """
        return tuple(
            sorted(
                i.angle
                for i in self.instructions
                if has_observable_angle(i) and not self.angles[i.angle].is_constant
            )
        )

    @functools.cached_property
    def rowwise(self) -> Program:
        """The same program with the rows of the angle table as its inputs, and no weights.

        `angle_values` computes those inputs. What shifts single angles (the parameter-shift
        rule, finite differences) runs this program. Constant rows stay constant.
        """
        symbols = tuple(sympy.Dummy(f"angle_{row}") for row in range(len(self.angles)))
        angles = tuple(
            angle if angle.is_constant else Angle(inputs=((row, 1.0),))
            for row, angle in enumerate(self.angles)
        )
        return replace(self, inputs=symbols, weights=(), angles=angles)

    def angle_values(self, inputs: Any, weights: Any) -> Any:
        """Evaluates the angle table.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensor of shape `(n_weights,)`.

        Returns:
            Tensor of shape `(batch, n_angles)`, radians.
        """
        inputs, weights = self.extend(inputs, weights)
        of_inputs, of_weights = self.affine.table
        shape = (ops.shape(inputs)[0], len(self.angles))
        return ops.broadcast_to(of_weights(weights)[None, :], shape) + of_inputs(inputs)

    @functools.cached_property
    def table(self) -> tuple[AngleTable, AngleTable]:
        """The affine angle table in two parts: of the inputs, and of the weights and offsets."""
        return (
            AngleTable([angle.inputs for angle in self.angles]),
            AngleTable([angle.weights for angle in self.angles], [a.offset for a in self.angles]),
        )


class AngleTable:
    """A sparse affine map from values to angles.

    Gathered and added, never a matrix product: accelerators round the factors of a matrix
    product to 10 bits by default, which an angle does not survive.
    """

    def __init__(
        self,
        rows: Sequence[tuple[tuple[int, float], ...]],
        offsets: Sequence[float] | None = None,
    ) -> None:
        terms = max((len(row) for row in rows), default=0)
        self.index = np.zeros((terms, len(rows)), "int32")
        self.coefficient = np.zeros((terms, len(rows)))
        self.offset = np.asarray(offsets if offsets is not None else np.zeros(len(rows)), float)
        for r, row in enumerate(rows):
            for k, (i, c) in enumerate(row):
                self.index[k, r], self.coefficient[k, r] = i, c

    def __call__(self, values: Any) -> Any:
        """Maps values of shape `(..., n_values)` to angles of shape `(..., n_rows)`."""
        dtype = keras.backend.standardize_dtype(values.dtype)
        angles = ops.convert_to_tensor(self.offset, dtype=dtype)
        for index, coefficient in zip(self.index, self.coefficient, strict=True):
            # A row with fewer terms than another reads value 0 with coefficient 0: it is
            # masked, so that a NaN in value 0 does not spread to rows that don't depend on it.
            used = coefficient != 0
            term = ops.take(values, index, axis=-1) * ops.convert_to_tensor(coefficient, dtype)
            angles = angles + (term if used.all() else ops.where(used, term, 0.0))
        return angles


def compile_circuit(
    circuit: cirq.AbstractCircuit,
    observables: Any = (),
    *,
    inputs: Iterable[sympy.Symbol | str] = (),
    weights: Iterable[sympy.Symbol | str] | None = None,
    qubits: Iterable[cirq.Qid] | None = None,
) -> Program:
    """Compiles a circuit into a `Program`.

    Any circuit whose operations have a unitary compiles: Cirq's gates and their powers,
    matrix gates, controlled operations, Pauli-string phasors, sub-circuits, and gates of your
    own that have a `_unitary_` or a `_decompose_`, with numbers or SymPy expressions as
    parameters.

    Where Cirq 1.5 contradicts itself, the definition in its documentation counts, not its
    decomposition:

    - `PauliStringPhasor` on more qubits than its Pauli string: on the others it is the identity.
      Cirq's own simulator takes each of them for a Z, and leaves out the phase of a string of
      identities alone.
    - `ThreeQubitDiagonalGate` on qubits in any order: `cirq.decompose` gives another gate on
      qubits that are not neighbours in that order.

    A symbol in the coefficient of a `GlobalPhaseGate` must keep its modulus 1, as
    `sympy.exp(sympy.I * a)` does. `BooleanHamiltonianGate` is Cirq's unitary,
    `exp(-i theta/2 (f - mean of f))` with `f` the number of expressions that are true. Cirq 1.5
    does not see a symbol in its `theta`: `with_params` and `cirq.resolve_parameters` pass it by.

    Args:
        circuit: The circuit.
        observables: What to read: see `qkeras_hybrid.observables`.
        inputs: The symbols that take a sample's values, in the order of the values.
        weights: The symbols that take the weights, in order. By default all others, in the
            order in which the circuit's operations first name them; several symbols in one
            gate parameter by name, `t2` before `t10`.
        qubits: The qubits in order; the first is the most significant bit. By default the
            circuit's own, sorted; where it has none, the observables'.

    Returns:
        The program.

    Raises:
        ValueError: If an operation has no unitary (a measurement, a channel, classical
            control), if a symbol is neither an input nor a weight, if an observable acts on a
            qubit that is not there, if there is no qubit, or if the circuit is too large: more
            than 50,000 operations of sub-circuits when they are unrolled, more than 200 levels
            of lists and tables in its JSON, or powers such as `10**10**9`.

    Example:

    >>> a, b = sympy.symbols("t10 t2")
    >>> q = cirq.LineQubit(0)
    >>> compile_circuit(cirq.Circuit(cirq.rx(a)(q), cirq.ry(b)(q)), "Z").weights
    (t10, t2)
    """
    if not isinstance(circuit, cirq.AbstractCircuit):
        raise ValueError(must("circuit", "be a cirq.Circuit", circuit))
    _circuit_check.check_circuit(circuit)
    circuit = with_visible_symbols(circuit)
    operations = list(_flat(circuit))
    ordered = _ordered_qubits(circuit, observables, qubits)
    input_symbols = _as_symbols("inputs", inputs)
    among_inputs = set(input_symbols)
    found = _symbols_of(operations)
    if weights is None:
        weight_symbols = tuple(s for s in found if s not in among_inputs)
    else:
        weight_symbols = _as_symbols("weights", weights)
    both = [s for s in weight_symbols if s in among_inputs]
    if both:
        raise ValueError(must("weights", "name no symbol that is an input too", both[0]))
    left_over = set(found) - among_inputs - set(weight_symbols)
    if left_over:
        names = ", ".join(str(s) for s in sorted(left_over, key=_expressions.natural_key))
        raise ValueError(
            f"The circuit holds symbols that are neither inputs nor weights: {names}. "
            "Name them among the inputs (they take features) or among the weights (they train)."
        )
    compiler = _Compiler(ordered, input_symbols, weight_symbols)
    for operation in operations:
        compiler.add(operation)
    return Program(
        qubits=ordered,
        inputs=input_symbols,
        weights=weight_symbols,
        instructions=compiler.finished(),
        angles=tuple(compiler.angles),
        observables=parse(observables, ordered),
        circuit=circuit.freeze(),
    )


@dataclass(frozen=True)
class Source:
    """An operation of a program's circuit, and what it was compiled to.

    Attributes:
        operation: The operation, without tags, of the circuit with sub-circuits in their place.
        instructions: Its instructions.
        unchanged: Whether the program's angles of these are still the circuit's.
        global_phase: Its part of the constant global phase that ends the program, in radians.
    """

    operation: cirq.Operation
    instructions: tuple[Instruction, ...]
    unchanged: bool
    global_phase: float


def sources(program: Program) -> list[Source]:
    """Returns which operation of a program's circuit became which of its instructions.

    Found by compiling the circuit once more: empty where that doesn't give the program's
    instructions, since the program was made in another way.
    """
    if not program.circuit.all_qubits() <= set(program.qubits):
        return []
    names = cirq.parameter_names(program.circuit)
    # A program in angles (`rowwise`) has other symbols than its circuit.
    own = names <= {symbol.name for symbol in (*program.inputs, *program.weights)}
    inputs = program.inputs if own else tuple(map(sympy.Symbol, sorted(names)))
    compiler = _Compiler(program.qubits, inputs, program.weights)
    found = []
    for operation in _flat(program.circuit):
        start, row, phase = len(compiler.instructions), len(compiler.angles), compiler.global_phase
        compiler.add(operation)
        found.append(
            Source(
                operation,
                tuple(compiler.instructions[start:]),
                (own or not cirq.is_parameterized(operation))
                and tuple(compiler.angles[row:]) == program.angles[row : len(compiler.angles)],
                compiler.global_phase - phase,
            )
        )
    return found if compiler.finished() == program.instructions else []


def _flat(circuit: cirq.AbstractCircuit) -> Iterator[cirq.Operation]:
    """Yields a circuit's operations with sub-circuits in their place.

    Sub-circuits come with their qubits mapped, parameters resolved and repetitions repeated.
    """
    for operation in circuit.all_operations():
        yield from _unrolled(operation)


def _unrolled(operation: cirq.Operation) -> Iterator[cirq.Operation]:
    """Yields the operations of a sub-circuit, controlled or not; else the operation itself."""
    bare = operation.untagged
    if isinstance(bare, cirq.CircuitOperation):
        yield from _flat(bare.mapped_circuit())
    elif isinstance(bare, cirq.ControlledOperation) and bare.gate is None:
        for part in _unrolled(bare.sub_operation):
            yield cirq.ControlledOperation(bare.controls, part, bare.control_values)
    else:
        yield bare


def with_visible_symbols(circuit: cirq.AbstractCircuit) -> cirq.AbstractCircuit:
    """Returns the same circuit in gates whose symbols Cirq sees.

    Cirq 1.5 overlooks a symbol in the angle of a `BooleanHamiltonianGate`: it neither names nor
    resolves it. Such a gate is replaced with the rotations that Cirq decomposes it into.
    """
    hidden = any(_hides_symbols(operation) for operation in circuit.all_operations())
    return circuit.map_operations(_visible) if hidden else circuit


def _hides_symbols(operation: cirq.Operation) -> bool:
    bare = operation.untagged
    if isinstance(bare, cirq.CircuitOperation):
        return any(_hides_symbols(part) for part in bare.circuit.all_operations())
    if _is_controlled(bare):
        return _hides_symbols(_controlled_parts(bare)[2])
    gate = bare.gate
    return isinstance(gate, cirq.BooleanHamiltonianGate) and bool(
        _expressions.free_symbols(gate._json_dict_()["theta"])
    )


def _visible(operation: cirq.Operation) -> cirq.OP_TREE:
    bare = operation.untagged
    if not _hides_symbols(bare):
        return operation
    if isinstance(bare, cirq.CircuitOperation):
        return bare.replace(circuit=bare.circuit.map_operations(_visible).freeze())
    if not _is_controlled(bare):
        return cirq.decompose_once(bare)
    controls, values, inner = _controlled_parts(bare)
    return [
        cirq.ControlledOperation(controls, part, values)
        for part in cirq.flatten_to_ops(_visible(inner))
    ]


def _is_controlled(operation: cirq.Operation) -> bool:
    return isinstance(operation, cirq.ControlledOperation) or isinstance(
        operation.gate, cirq.ControlledGate
    )


def _controlled_parts(operation: Any) -> tuple[Sequence[cirq.Qid], Any, cirq.Operation]:
    """Returns the controls, their values, and what they control."""
    if isinstance(operation, cirq.ControlledOperation):
        return operation.controls, operation.control_values, operation.sub_operation
    gate, n_controls = operation.gate, operation.gate.num_controls()
    inner = gate.sub_gate.on(*operation.qubits[n_controls:])
    return operation.qubits[:n_controls], gate.control_values, inner


def _ordered_qubits(
    circuit: cirq.AbstractCircuit, observables: Any, qubits: Iterable[cirq.Qid] | None
) -> tuple[cirq.Qid, ...]:
    own = circuit.all_qubits()
    if qubits is None:
        ordered = tuple(sorted(own or foreign_qubits(observables)))
    else:
        ordered = tuple(qubits)
        if len(set(ordered)) < len(ordered):
            raise ValueError(must("qubits", "name each qubit once", ordered))
        missing = sorted(own - set(ordered))
        if missing:
            raise ValueError(
                must("qubits", f"hold every qubit of the circuit, also {missing[0]!r}", ordered)
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


def symbol_names(argument: str, symbols: Iterable[Any]) -> tuple[str, ...]:
    """Returns the names of symbols that are given as symbols or as names.

    Raises:
        ValueError: If one is neither, or one is there twice; the message names the argument.
    """
    return tuple(symbol.name for symbol in _as_symbols(argument, symbols))


def _as_symbols(argument: str, symbols: Iterable[Any]) -> tuple[sympy.Symbol, ...]:
    if isinstance(symbols, (str, sympy.Symbol)):
        symbols = [symbols]
    if not isinstance(symbols, Iterable):
        raise ValueError(must(argument, "hold SymPy symbols or their names", symbols))
    found: dict[str, sympy.Symbol] = {}
    for symbol in symbols:
        if not isinstance(symbol, (str, sympy.Symbol)):
            raise ValueError(must(argument, "hold SymPy symbols or their names", symbol))
        name = str(symbol)
        if name in found:
            raise ValueError(must(argument, "name each symbol once", name))
        found[name] = sympy.Symbol(name)
    return tuple(found.values())


def _symbols_of(operations: Iterable[cirq.Operation]) -> tuple[sympy.Symbol, ...]:
    """Returns the symbols of operations in the order in which they first appear."""
    found: dict[sympy.Symbol, None] = {}
    for operation in operations:
        for symbol in _in_order(operation):
            found.setdefault(symbol)
    return tuple(found)


def _in_order(value: Any) -> list[sympy.Symbol]:
    """Returns the symbols in a value, gate or operation, in the order of its own parameters."""
    if isinstance(value, sympy.Basic):
        return [sympy.Symbol(symbol.name) for symbol in _expressions.free_symbols(value)]
    if isinstance(value, (list, tuple)):
        return [symbol for part in value for symbol in _in_order(part)]
    if not cirq.is_parameterized(value):
        return []
    # Cirq's JSON form holds an object's parameters, mostly in the order of its constructor.
    fields = value._json_dict_() if hasattr(value, "_json_dict_") else {}
    kind: Any = type(value)
    order = _order_of_arguments(kind)
    parts = sorted(fields, key=lambda name: order.get(name, len(order)))
    found = [symbol for name in parts for symbol in _in_order(fields[name])]
    names = set(cirq.parameter_names(value)) - {symbol.name for symbol in found}
    return found + sorted((sympy.Symbol(name) for name in names), key=_expressions.natural_key)


@functools.cache
def _order_of_arguments(cls: type) -> dict[str, int]:
    return {name: i for i, name in enumerate(inspect.signature(cls).parameters)}


# Z = V† P V for these V: the changes of basis in which X and Y are diagonal.
_TO_Z: dict[str, np.ndarray] = {
    "X": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "Y": np.array([[1, -1j], [1, 1j]]) / math.sqrt(2),
}
_CX = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], complex)
_H = _TO_Z["X"].astype(complex)
_X = np.array([[0, 1], [1, 0]], complex)


class _Compiler:
    """Writes operations as instructions.

    `controls` are indices of qubits that must all be 1 for an instruction to act.
    """

    def __init__(
        self,
        qubits: tuple[cirq.Qid, ...],
        inputs: tuple[sympy.Symbol, ...],
        weights: tuple[sympy.Symbol, ...],
    ) -> None:
        self.index = {qubit: i for i, qubit in enumerate(qubits)}
        # By name: symbols that differ in their assumptions only are one parameter to Cirq.
        self.inputs = {symbol.name: i for i, symbol in enumerate(inputs)}
        self.weights = {symbol.name: j for j, symbol in enumerate(weights)}
        self.instructions: list[Instruction] = []
        self.angles: list[Angle] = []
        # Constant global phases are added up into one instruction at the end.
        self.global_phase = 0.0

    def finished(self) -> tuple[Instruction, ...]:
        if abs(math.remainder(self.global_phase, 2 * math.pi)) > 1e-15:
            self.instructions.append(Phase((), self._row(self.global_phase)))
        return tuple(self.instructions)

    def add(self, operation: cirq.Operation, controls: tuple[int, ...] = ()) -> None:
        qubits = tuple(self.index[qubit] for qubit in operation.qubits)
        gate: Any = operation.gate
        if _is_refused(operation):
            raise ValueError(
                f"The operation {operation} ({type(gate or operation).__name__}) can't be "
                "compiled: only operations with a unitary can, not measurements, channels, "
                "resets or classical control. Remove it; what to read is said by `observables`."
            )
        if _is_controlled(operation):
            self._add_controlled(operation, controls)
        elif isinstance(gate, cirq.PauliStringPhasorGate):
            self._add_phasor(gate, qubits, controls)
        elif isinstance(gate, cirq.IdentityGate):
            pass
        elif isinstance(gate, cirq.GlobalPhaseGate) and cirq.is_parameterized(gate):
            self._phase((), _expressions.phase_angle(gate.coefficient), controls)
        elif isinstance(gate, cirq.EigenGate) and cirq.is_parameterized(gate):
            self._add_power(gate, qubits, controls, operation)
        elif not cirq.is_parameterized(operation) and len(qubits) <= 3:
            self._add_fixed(operation, qubits, controls)
        else:
            self._add_parts(operation, controls)

    def _add_parts(self, operation: cirq.Operation, controls: tuple[int, ...]) -> None:
        gate: Any = operation.gate
        parts = _decomposed(operation)
        if parts is not None:
            for part in parts:
                for operation in _unrolled(part):
                    self.add(operation, controls)
        elif isinstance(gate, cirq.EigenGate) and len(operation.qubits) <= 3:
            # exp(i pi exponent (E + shift)) with E the sum of the projectors times their turns.
            turns, basis = np.linalg.eigh(sum(h * p for h, p in gate._eigen_components()))
            angles = [_times_pi(gate.exponent * (h + gate.global_shift)) for h in turns.tolist()]
            qubits = tuple(self.index[qubit] for qubit in operation.qubits)
            self._diagonalised(basis, angles, qubits, controls)
        else:
            raise ValueError(
                f"The operation {operation} can't be compiled: it has parameters "
                f"{sorted(cirq.parameter_names(operation))} and neither a decomposition nor a "
                "form known here. Give its gate a `_decompose_` into Cirq's gates."
            )

    def _add_controlled(self, operation: Any, controls: tuple[int, ...]) -> None:
        own, values, inner = _controlled_parts(operation)
        indices = tuple(self.index[qubit] for qubit in own)
        # The assignments of control values exclude each other, so acting for one after the
        # other acts for any of them. A control on 0 is a control on 1 between two X.
        for assignment in values.expand():
            flipped = [i for i, value in zip(indices, assignment, strict=True) if value == 0]
            for i in flipped:
                self._unitary(_X, (i,))
            self.add(inner.untagged, controls + indices)
            for i in flipped:
                self._unitary(_X, (i,))

    def _add_phasor(
        self, gate: cirq.PauliStringPhasorGate, qubits: tuple[int, ...], controls: tuple[int, ...]
    ) -> None:
        # By the definition, not by Cirq 1.5's decomposition, which takes each identity for a Z.
        letters = ("IXYZ"[k] for k in gate.dense_pauli_string.pauli_mask)
        pairs = sorted(pair for pair in zip(qubits, letters, strict=True) if pair[1] != "I")
        negative, positive = gate.exponent_neg, gate.exponent_pos
        if not pairs:
            # The identity has no eigenvalue but 1.
            self._phase((), _times_pi(positive), controls)
            return
        paulis = "".join(letter for _, letter in pairs)
        on = tuple(i for i, _ in pairs)
        self._rotation(paulis, on, _times_pi(negative - positive), controls)
        self._phase((), _times_pi((negative + positive) / 2), controls)

    def _add_power(
        self,
        gate: Any,
        qubits: tuple[int, ...],
        controls: tuple[int, ...],
        operation: cirq.Operation,
    ) -> None:
        """Adds a power of a gate: `exp(i pi exponent global_shift)` times the bare power."""
        exponent, shift = gate.exponent, gate.global_shift
        family = _family(gate)
        paulis = _pauli_powers().get(family) if family else None
        if paulis:
            # P**e = exp(i pi e/2) exp(-i pi e/2 P)
            self._rotation(paulis, qubits, _times_pi(exponent), controls)
            shift += 0.5
        elif family is cirq.CZPowGate or family is cirq.CCZPowGate:
            self._phase(qubits, _times_pi(exponent), controls)
        elif family is cirq.CXPowGate or family is cirq.CCXPowGate:
            self._unitary(_H, qubits[-1:])
            self._phase(qubits, _times_pi(exponent), controls)
            self._unitary(_H, qubits[-1:])
        elif family is cirq.HPowGate:
            # H = V Z V† with V a rotation by pi/4 about Y.
            basis = cirq.unitary(cirq.ry(math.pi / 4))
            self._unitary(basis.conj().T, qubits)
            self._phase(qubits, _times_pi(exponent), controls)
            self._unitary(basis, qubits)
        elif family is cirq.SwapPowGate:
            # In the basis after a CX, a swap is a CX the other way round.
            self._unitary(_CX, qubits)
            self._unitary(_H, qubits[:1])
            self._phase(qubits, _times_pi(exponent), controls)
            self._unitary(_H, qubits[:1])
            self._unitary(_CX, qubits)
        elif family is cirq.ISwapPowGate:
            # ISWAP**t = exp(i pi t/4 (XX + YY)), and XX commutes with YY.
            for pauli in "XY":
                self._rotation(pauli * 2, qubits, -_times_pi(exponent) / 2, controls)
        else:
            self._add_parts(operation, controls)
            return
        if shift:
            self._phase((), _times_pi(exponent * shift), controls)

    def _add_fixed(
        self, operation: cirq.Operation, qubits: tuple[int, ...], controls: tuple[int, ...]
    ) -> None:
        matrix = cirq.unitary(operation, None)
        if matrix is None:
            raise ValueError(f"The operation {operation} can't be compiled: it has no unitary.")
        if not np.isfinite(matrix).all():
            raise ValueError(f"The operation {operation} must have finite parameters.")
        if qubits:
            self._unitary(matrix, qubits, controls)
        else:
            self._phase((), float(np.angle(matrix[0, 0])), controls)

    def _rotation(
        self, paulis: str, qubits: tuple[int, ...], angle: Any, controls: tuple[int, ...]
    ) -> None:
        if not controls:
            self.instructions.append(PauliRotation(paulis, qubits, self._row(angle)))
            return
        # In a basis where P is Z on the last qubit, a controlled rz(a) is a controlled phase a
        # of the last qubit and a phase -a/2 of the controls.
        change: list[tuple[np.ndarray, tuple[int, ...]]] = [
            (_TO_Z[pauli], (i,)) for pauli, i in zip(paulis, qubits, strict=True) if pauli != "Z"
        ] + [(_CX, (i, qubits[-1])) for i in qubits[:-1]]
        for matrix, on in change:
            self._unitary(matrix, on)
        self._phase(qubits[-1:], angle, controls)
        self._phase((), -angle / 2, controls)
        for matrix, on in reversed(change):
            self._unitary(matrix.conj().T, on)

    def _phase(self, qubits: tuple[int, ...], angle: Any, controls: tuple[int, ...] = ()) -> None:
        qubits = controls + qubits
        if not _expressions.free_symbols(angle):
            value = float(angle)
            if not qubits:
                self.global_phase += value
            if not qubits or value == 0.0:
                return
            if len(qubits) <= 3:
                diagonal = np.ones(2 ** len(qubits), complex)
                diagonal[-1] = np.exp(1j * value)
                self._unitary(np.diag(diagonal), qubits)
                return
        self.instructions.append(Phase(qubits, self._row(angle)))

    def _unitary(
        self, matrix: np.ndarray, qubits: tuple[int, ...], controls: tuple[int, ...] = ()
    ) -> None:
        if len(controls) + len(qubits) <= 3:
            whole = np.eye(2 ** (len(controls) + len(qubits)), dtype=complex)
            whole[-len(matrix) :, -len(matrix) :] = matrix
            rows = tuple(tuple(complex(c) for c in row) for row in whole)
            self.instructions.append(Unitary(controls + qubits, rows))
            return
        schur, basis = scipy.linalg.schur(matrix, output="complex")
        self._diagonalised(basis, np.angle(np.diag(schur)).tolist(), qubits, controls)

    def _diagonalised(
        self,
        basis: np.ndarray,
        angles: Sequence[Any],
        qubits: tuple[int, ...],
        controls: tuple[int, ...],
    ) -> None:
        """Adds `V D V†`, with `D` diagonal of these angles.

        `V` needs no control, and `D` is a product of phases, one for each subset of the qubits
        (the Möbius transform of its angles).
        """
        self._unitary(basis.conj().T, qubits)
        for bits in range(len(angles)):
            subset = tuple(q for k, q in enumerate(qubits) if bits >> (len(qubits) - 1 - k) & 1)
            total = sum(
                (-1) ** ((bits ^ part).bit_count()) * angles[part]
                for part in range(len(angles))
                if part & bits == part
            )
            self._phase(subset, total, controls)
        self._unitary(basis, qubits)

    def _row(self, angle: Any) -> int:
        """Adds a row to the angle table and returns its number."""
        for symbol in getattr(angle, "free_symbols", ()):
            if symbol.name not in self.inputs and symbol.name not in self.weights:
                raise ValueError(
                    f"The circuit parameter `{angle}` holds the symbol {symbol}, which its gate "
                    "does not name. Give the gate `_is_parameterized_` and `_parameter_names_`."
                )
        found = _expressions.affine(angle)
        if found is None:
            _expressions.check_evaluable(angle)
            plain = {symbol: sympy.Symbol(symbol.name) for symbol in angle.free_symbols}
            row = Angle(expression=angle.xreplace(plain))
        else:
            offset, coefficients = found
            row = Angle(
                offset,
                _terms(coefficients, self.inputs),
                _terms(coefficients, self.weights),
            )
        self.angles.append(row)
        return len(self.angles) - 1


def _terms(
    coefficients: dict[sympy.Symbol, float], index: dict[str, int]
) -> tuple[tuple[int, float], ...]:
    return tuple((index[s.name], c) for s, c in coefficients.items() if s.name in index)


def _decomposed(operation: cirq.Operation) -> list[cirq.Operation] | None:
    """Returns an operation in smaller ones, from its own decomposition or else its matrix."""
    with warnings.catch_warnings():
        # Cirq 1.5's own decompositions rely on a default of Cirq's that will change.
        warnings.simplefilter("ignore", FutureWarning)
        if operation.gate is None:
            parts = cirq.decompose_once(operation, default=None)
            return None if parts is None else list(cirq.flatten_to_ops(parts))
        # On line qubits in order: on others, Cirq 1.5 gives another unitary for the Shannon
        # decomposition and for ThreeQubitDiagonalGate.
        line = cirq.LineQubit.range(len(operation.qubits))
        parts = cirq.decompose_once(operation.gate.on(*line), default=None)
        if parts is None and cirq.has_unitary(operation):
            parts = cirq.quantum_shannon_decomposition(line, cirq.unitary(operation))
        if parts is None:
            return None
        back: dict[cirq.Qid, cirq.Qid] = dict(zip(line, operation.qubits, strict=True))
        return [part.transform_qubits(back) for part in cirq.flatten_to_ops(parts)]


@functools.cache
def _pauli_powers() -> dict[type, str]:
    return {
        cirq.XPowGate: "X",
        cirq.YPowGate: "Y",
        cirq.ZPowGate: "Z",
        cirq.XXPowGate: "XX",
        cirq.YYPowGate: "YY",
        cirq.ZZPowGate: "ZZ",
    }


def _family(gate: Any) -> type | None:
    """Returns which of Cirq's power gates a gate is an instance of, if any."""
    for family in (
        *_pauli_powers(),
        cirq.CZPowGate,
        cirq.CXPowGate,
        cirq.HPowGate,
        cirq.SwapPowGate,
        cirq.ISwapPowGate,
        cirq.CCZPowGate,
        cirq.CCXPowGate,
    ):
        if isinstance(gate, family):
            return family
    return None


def _is_refused(operation: cirq.Operation) -> bool:
    return (
        cirq.is_measurement(operation)
        or isinstance(operation, cirq.ClassicallyControlledOperation)
        or isinstance(operation.gate, (cirq.ResetChannel,))
        or (not cirq.is_parameterized(operation) and not cirq.has_unitary(operation))
    )


def _times_pi(value: Any) -> Any:
    return sympy.pi * value if isinstance(value, sympy.Basic) else math.pi * value
