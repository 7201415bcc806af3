"""Overlaps of quantum states: computed on tensors, or measured by a circuit on a device.

Kernels and kernel layers share this module.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.engines.statevector.products import full_precision, product
from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import Compiled, compile_circuit
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples


def fidelities(first: Any, second: Any) -> Any:
    """Returns `|<a|b>|^2` of states, differentiably.

    Args:
        first: Complex tensor of shape `(n, 2**n_qubits)`.
        second: Complex tensor of shape `(m, 2**n_qubits)`.

    Returns:
        Real tensor of shape `(n, m)`.
    """
    a, b = ops.real(first), ops.imag(first)
    c, d = ops.transpose(ops.real(second)), ops.transpose(ops.imag(second))
    with full_precision():
        real = product(a, c) + product(b, d)
        imaginary = product(a, d) - product(b, c)
    return ops.square(real) + ops.square(imaginary)


def gaussians(first: Any, second: Any, gamma: float) -> Any:
    """Returns `exp(-gamma |a - b|^2)` of real vectors, differentiably.

    Args:
        first: Tensor of shape `(n, width)`.
        second: Tensor of shape `(m, width)`.
        gamma: The factor of the exponent, positive.

    Returns:
        Tensor of shape `(n, m)`.
    """
    with full_precision():
        products = product(first, ops.transpose(second))
    distances = (
        ops.sum(ops.square(first), axis=1, keepdims=True)
        + ops.sum(ops.square(second), axis=1)[None, :]
        - 2 * products
    )
    return ops.exp(-gamma * ops.relu(distances))


def single_paulis(n_qubits: int) -> Expectation:
    """Returns the readout of X, Y and Z of each qubit: they determine each qubit's state.

    The distance of two qubits' states is `|rho - rho'|_F^2 = sum_P (<P> - <P>')^2 / 2`.
    """
    return Expectation(
        tuple(
            Observable((PauliTerm(1.0, pauli, (qubit,)),))
            for qubit in range(n_qubits)
            for pauli in "XYZ"
        )
    )


def inversion_test(compiled: Compiled) -> Compiled:
    """Returns the circuit of one sample followed by the inverse circuit of another sample.

    Args:
        compiled: The circuit of a sample.

    Returns:
        A circuit with twice the inputs (those of the first sample come first) and the same weights.
        Its readout is the probabilities of the basis states; the first is the fidelity.

    Raises:
        ValueError: If the circuit has no inverse, for example because it measures.

    Reference:
        Havlíček et al., Nature 567, 209 (2019), arXiv 1804.11326, figure 2c.
    """
    others = [sympy.Symbol(f"{symbol.name}_of_the_other") for symbol in compiled.inputs]
    circuit = compiled.circuit.unfreeze()
    other = cirq.resolve_parameters(
        circuit, dict(zip(compiled.inputs, others, strict=True)), recursive=False
    )
    try:
        inverse = cirq.inverse(other)
    except TypeError as error:
        raise ArgumentError(
            "encoding", "have a circuit with an inverse", circuit, "Remove its measurements."
        ) from error
    return compile_circuit(
        circuit + inverse,
        inputs=[*compiled.inputs, *others],
        weights=compiled.weights,
        qubits=compiled.qubits,
    ).reading(Probabilities())


def swap_test(compiled: Compiled) -> Compiled:
    """Returns the circuits of two samples side by side, and a Bell measurement of each pair.

    Args:
        compiled: The circuit of a sample, on `n` qubits.

    Returns:
        A circuit on `2 n` qubits with twice the inputs and the same weights. Its readout is
        samples. With `a` the bits of the first half and `b` those of the second half, the fidelity
        is the mean of `(-1)**sum_i(a_i b_i)`: a swap of two qubits only changes the sign of the
        singlet, for which the Bell measurement gives `a_i = b_i = 1`.

    Reference:
        Garcia-Escartin, Chamorro-Posada: Swap test and Hong-Ou-Mandel effect are equivalent,
        Physical Review A 87, 052330 (2013), arXiv 1303.6814; Cincio et al., New Journal of Physics
        20, 113022 (2018), arXiv 1803.04114, figure 7.
    """
    others = [sympy.Symbol(f"{symbol.name}_of_the_other") for symbol in compiled.inputs]
    circuit, mine = compiled.circuit.unfreeze(), compiled.qubits
    theirs: list[cirq.Qid] = [cirq.NamedQubit(f"{qubit}_of_the_other") for qubit in mine]
    if all(isinstance(qubit, cirq.LineQubit) for qubit in mine):
        line: Any = mine
        shift = max(qubit.x for qubit in line) - min(qubit.x for qubit in line) + 1
        theirs = [qubit + shift for qubit in line]
    other = cirq.resolve_parameters(
        circuit, dict(zip(compiled.inputs, others, strict=True)), recursive=False
    ).transform_qubits(dict(zip(mine, theirs, strict=True)))
    ends = [
        operation
        for a, b in zip(mine, theirs, strict=True)
        for operation in (cirq.CNOT(a, b), cirq.H(a))
    ]
    return compile_circuit(
        circuit + other + cirq.Circuit(ends),
        inputs=[*compiled.inputs, *others],
        weights=compiled.weights,
        qubits=[*mine, *theirs],
    ).reading(Samples())
