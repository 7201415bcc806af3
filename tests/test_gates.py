"""Every gate of Cirq compiles to its own unitary, whatever the order of its qubits."""

import inspect
import itertools

import cirq
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid.program import PauliRotation, Unitary, compile_circuit

A = sympy.Symbol("a")
VALUE = 0.37
# Of the angles of a diagonal, none with a simple relation to another.
UNEVEN = [0.05 + 0.1 * k**1.5 for k in range(16)]


def diagonal(gate, size, symbol_at, symbol):
    return gate([symbol if k == symbol_at else UNEVEN[k] for k in range(size)])


def parameterized_gates(e):
    """Gates with a parameter `e`, which is a symbol or a number."""
    for kind in (
        *(cirq.XPowGate, cirq.YPowGate, cirq.ZPowGate, cirq.HPowGate, cirq.CXPowGate),
        *(cirq.CZPowGate, cirq.SwapPowGate, cirq.ISwapPowGate, cirq.XXPowGate),
        *(cirq.YYPowGate, cirq.ZZPowGate, cirq.CCXPowGate, cirq.CCZPowGate),
    ):
        yield kind(exponent=e, global_shift=0.2)
    for name in ("CYPowGate", "CCYPowGate"):  # from Cirq 1.7 on
        if hasattr(cirq, name):
            yield getattr(cirq, name)(exponent=e, global_shift=0.2)
    yield from (cirq.rx(e), cirq.ry(e), cirq.rz(e), cirq.ms(e), cirq.givens(e), cirq.riswap(e))
    yield cirq.FSimGate(e, 0.2)
    yield cirq.FSimGate(0.3, e)
    yield cirq.PhasedFSimGate(0.1, 0.2, e, 0.4, e**2)
    yield cirq.PhasedISwapPowGate(phase_exponent=e, exponent=0.7)
    yield cirq.PhasedISwapPowGate(phase_exponent=0.2, exponent=e)
    yield cirq.PhasedXPowGate(phase_exponent=e, exponent=0.4, global_shift=0.1)
    yield cirq.PhasedXPowGate(phase_exponent=0.3, exponent=e, global_shift=0.1)
    yield cirq.PhasedXZGate(x_exponent=e, z_exponent=0.3, axis_phase_exponent=0.2)
    yield cirq.PhasedXZGate(x_exponent=0.1, z_exponent=e, axis_phase_exponent=e)
    yield cirq.PauliInteractionGate(cirq.X, True, cirq.Y, False, exponent=e)
    yield cirq.ParallelGate(cirq.X**e, 3)
    for n in (1, 2, 3, 4):
        yield cirq.PhaseGradientGate(num_qubits=n, exponent=e)
        yield diagonal(cirq.DiagonalGate, 2**n, 0, e)
        yield diagonal(cirq.DiagonalGate, 2**n, 2**n - 1, e)
    for k in (0, 2):
        yield diagonal(cirq.TwoQubitDiagonalGate, 4, k, e)
    for k in (0, 3, 6):
        yield diagonal(cirq.ThreeQubitDiagonalGate, 8, k, e)
    for letters in ("X", "YZ", "XYZ", "ZXXY", "XIZ", "IY", "II", "XIIY"):
        string = cirq.DensePauliString(letters)
        yield cirq.PauliStringPhasorGate(string, exponent_neg=e, exponent_pos=0.3)
        yield cirq.PauliStringPhasorGate(-string, exponent_neg=0.2, exponent_pos=e)
    yield cirq.BooleanHamiltonianGate(["x"], ["x"], e)
    yield cirq.BooleanHamiltonianGate(["x", "y"], ["x ^ y"], e)
    yield cirq.BooleanHamiltonianGate(["z", "y", "x"], ["z & ~y", "x | z"], e)
    yield cirq.BooleanHamiltonianGate(list("abcd"), ["a ^ d", "b & c & d"], e)
    phase = cirq.GlobalPhaseGate(sympy.exp(sympy.I * e))
    either = cirq.SumOfProducts([[0, 1], [1, 0]])
    yield from (phase.controlled(), phase.controlled(2, control_values=[0, 1]))
    yield cirq.ControlledGate(cirq.SWAP**e)
    yield cirq.ControlledGate(cirq.FSimGate(e, 0.3), control_values=[0])
    yield cirq.ControlledGate(cirq.rx(e), num_controls=2, control_values=[0, (0, 1)])
    yield cirq.ControlledGate(cirq.rx(e), num_controls=2, control_values=either)
    yield cirq.ControlledGate(cirq.Y**e, num_controls=3)
    yield cirq.ControlledGate(diagonal(cirq.DiagonalGate, 4, 0, e))
    yield cirq.ControlledGate(diagonal(cirq.ThreeQubitDiagonalGate, 8, 5, e))
    yield cirq.ControlledGate(cirq.BooleanHamiltonianGate(["x", "y"], ["x ^ y"], e))


class Add3(cirq.ArithmeticGate):
    """Adds 3 to a register of three qubits."""

    def registers(self):
        return [[2, 2, 2]]

    def with_registers(self, *registers):
        raise NotImplementedError

    def apply(self, x):
        return x + 3


def constant_gates():
    line = cirq.LineQubit.range(4)
    yield from (cirq.H, cirq.S, cirq.T, cirq.X, cirq.CNOT, cirq.CSWAP, cirq.TOFFOLI, Add3())
    yield from cirq.SingleQubitCliffordGate.all_single_qubit_cliffords[::5]
    for n in (1, 2, 3, 4):
        matrix = cirq.MatrixGate(cirq.testing.random_unitary(2**n, random_state=n))
        clifford = [cirq.H.on_each(*line[:n]), cirq.S(line[0])]
        clifford += [cirq.CNOT(line[0], line[n - 1])] if n > 1 else []
        yield matrix
        yield cirq.IdentityGate(n)
        yield cirq.WaitGate(cirq.Duration(nanos=3), num_qubits=n)
        yield cirq.DensePauliString("XYZI"[:n], coefficient=1j)
        yield cirq.MutableDensePauliString("YIXZ"[:n])
        yield cirq.QuantumFourierTransformGate(n)
        yield cirq.QuantumFourierTransformGate(n, without_reverse=True)
        yield cirq.QubitPermutationGate([*range(1, n), 0])
        yield cirq.UniformSuperpositionGate(max(2, 2**n - 1), n)
        yield cirq.CliffordGate.from_op_list(list(cirq.flatten_to_ops(clifford)), line[:n])
        if n < 4:
            yield cirq.ControlledGate(matrix)


GATES = [
    *((gate, "a") for gate in parameterized_gates(A)),
    *((gate, "number") for gate in parameterized_gates(VALUE)),
    *((gate, "") for gate in constant_gates()),
]


def matrix_of(gate):
    """Returns a gate's unitary at `a = VALUE`, from its definition."""
    if isinstance(gate, cirq.PauliStringPhasorGate):
        # Cirq 1.5 has no unitary of its own here, only a decomposition, and with identities in
        # the string that is another gate.
        string = cirq.unitary(gate.dense_pauli_string)
        one = np.eye(len(string))
        minus, plus = (number(e) for e in (gate.exponent_neg, gate.exponent_pos))
        return (
            np.exp(1j * np.pi * minus) * (one - string) + np.exp(1j * np.pi * plus) * (one + string)
        ) / 2
    if isinstance(gate, cirq.BooleanHamiltonianGate):
        # exp(-i theta/2 f), with f the number of true expressions less its mean.
        given = gate._json_dict_()
        names = given["parameter_names"]
        values = [dict(zip(names, b, strict=True)) for b in bits(len(names))]
        texts = [sympy.sympify(text, convert_xor=False) for text in given["boolean_strs"]]
        f = [sum(bool(text.subs(v)) for text in texts) for v in values]
        return np.diag(np.exp(-0.5j * number(given["theta"]) * (f - np.mean(f))))
    if isinstance(gate, cirq.ControlledGate) and gate.control_values.is_trivial:
        inner = matrix_of(gate.sub_gate)
        whole = np.eye(len(inner) << gate.num_controls(), dtype=complex)
        whole[-len(inner) :, -len(inner) :] = inner
        return whole
    return cirq.unitary(cirq.resolve_parameters(gate, {"a": VALUE}))


def number(value):
    return float(sympy.sympify(value).subs({"a": VALUE}))


def bits(n):
    return [[bool(k >> (n - 1 - q) & 1) for q in range(n)] for k in range(2**n)]


def on_qubits(matrix, order):
    """Returns the matrix of a gate that acts on the qubits `order`, with qubit 0 first."""
    n = len(order)
    tensor = matrix.reshape((2,) * (2 * n))
    position = [order.index(q) for q in range(n)]
    axes = [*position, *(n + p for p in position)]
    return tensor.transpose(axes).reshape(2**n, 2**n)


def compiled_matrix(operation, qubits):
    """Returns the unitary of a program of one operation, from its instructions' definitions."""
    program = compile_circuit(cirq.Circuit(operation), qubits=qubits)
    weights = ops.convert_to_tensor(np.full(len(program.weights), VALUE, "float64"))
    angles = program.angles(ops.zeros((1, 0), dtype="float64"), weights)
    angles = ops.convert_to_numpy(angles)[0]
    whole = np.eye(2 ** len(qubits), dtype=complex)
    for step in program.program.instructions:
        if isinstance(step, Unitary):
            matrix = step.array
        elif isinstance(step, PauliRotation):
            half = angles[step.angle] / 2
            string = cirq.unitary(cirq.DensePauliString(step.paulis))
            matrix = np.cos(half) * np.eye(len(string)) - 1j * np.sin(half) * string
        else:
            matrix = np.eye(2 ** len(step.qubits), dtype=complex)
            matrix[-1, -1] = np.exp(1j * angles[step.angle])
        tensor = whole.reshape((2,) * len(qubits) + (-1,))
        whole = cirq.targeted_left_multiply(
            matrix.reshape((2,) * (2 * len(step.qubits))), tensor, step.qubits
        ).reshape(whole.shape)
    return whole


# JAX computes angles in float32 unless JAX_ENABLE_X64 is set.
ATOL = 1e-5


@pytest.mark.parametrize(
    ("gate", "kind"), GATES, ids=[f"{type(gate).__name__}-{kind}" for gate, kind in GATES]
)
def test_gate_compiles_to_its_unitary_in_every_order_of_qubits(gate, kind):
    qubits = cirq.LineQubit.range(cirq.num_qubits(gate))
    matrix = matrix_of(gate)
    orders = list(itertools.permutations(range(len(qubits))))
    # Compiling a dense matrix on four qubits takes long, and its qubits have one decomposition.
    for order in orders[::8] if isinstance(gate, cirq.MatrixGate) and len(qubits) > 3 else orders:
        found = compiled_matrix(gate.on(*(qubits[q] for q in order)), qubits)
        np.testing.assert_allclose(found, on_qubits(matrix, order), atol=ATOL, err_msg=str(order))


def test_no_gate_of_cirqs_is_left_out():
    def parts(gate):
        yield type(gate)
        if isinstance(gate, cirq.ControlledGate):
            yield from parts(gate.sub_gate)

    tested = {kind for gate, _ in GATES for part in parts(gate) for kind in part.__mro__}
    public = {kind for kind in vars(cirq).values() if inspect.isclass(kind)}
    left = {k.__name__ for k in public - tested if issubclass(k, cirq.Gate)}
    assert {name for name in left if not name.endswith("Channel")} == {
        "MeasurementGate",
        "PauliMeasurementGate",
    }


def test_diagonal_on_grid_qubits_does_not_depend_on_which_are_adjacent():
    gate = diagonal(cirq.ThreeQubitDiagonalGate, 8, 5, A)
    qubits = cirq.GridQubit.rect(2, 2)[:3]
    for order in itertools.permutations(range(3)):
        found = compiled_matrix(gate.on(*(qubits[q] for q in order)), qubits)
        np.testing.assert_allclose(found, on_qubits(matrix_of(gate), order), atol=ATOL)
