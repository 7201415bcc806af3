"""Observables are read as the table in the module's docstring says."""

import itertools

import cirq
import numpy as np
import pytest
import sympy

from qkeras_hybrid import compile_circuit, engines, observables
from qkeras_hybrid.observables import Observable, PauliTerm

QUBITS = cirq.LineQubit.range(3)


def terms(spelling, qubits=QUBITS):
    return [observable.terms for observable in observables.parse(spelling, qubits)]


def test_a_word_is_read_on_every_run_of_neighbours():
    assert terms("Z") == [(PauliTerm(1.0, "Z", (i,)),) for i in range(3)]
    assert terms("XY") == [(PauliTerm(1.0, "XY", (i, i + 1)),) for i in range(2)]
    assert terms("XYZ") == [(PauliTerm(1.0, "XYZ", (0, 1, 2)),)]


def test_identities_in_a_word_are_left_out():
    assert terms("ZIX") == [(PauliTerm(1.0, "ZX", (0, 2)),)]


def test_indexed_sums_keep_coefficients_and_signs():
    assert terms("0.5*X2*Z0 - Y1 + 2") == [
        (PauliTerm(0.5, "ZX", (0, 2)), PauliTerm(-1.0, "Y", (1,)), PauliTerm(2.0, "", ()))
    ]
    assert terms("-1e-1*Z0") == [(PauliTerm(-0.1, "Z", (0,)),)]
    assert terms("I0") == [(PauliTerm(1.0, "", ()),)]


def test_several_spellings_come_in_the_order_given():
    assert terms(["X0", "ZZ"]) == [*terms("X0"), *terms("ZZ")]


def test_cirq_objects_are_read_by_their_qubits():
    found = observables.parse([2 * cirq.Z(QUBITS[2]) * cirq.X(QUBITS[0])], QUBITS)
    assert found == (Observable((PauliTerm(2.0, "XZ", (0, 2)),)),)
    total = cirq.X(QUBITS[1]) - 0.5
    (read,) = observables.parse(total, QUBITS)
    assert set(read.terms) == {PauliTerm(1.0, "X", (1,)), PauliTerm(-0.5, "", ())}


def test_an_empty_sum_is_zero():
    assert observables.parse(cirq.PauliSum(), QUBITS) == (Observable(()),)


def test_an_identity_on_a_qubit_is_one():
    assert observables.parse(cirq.I(QUBITS[1]), QUBITS) == (Observable((PauliTerm(1.0, "", ()),)),)


@pytest.mark.parametrize("kind", [tuple, iter, lambda o: np.array(o, dtype=object)])
def test_any_iterable_of_observables_is_read(kind):
    given = [cirq.Z(QUBITS[0]), "X1", cirq.I(QUBITS[2])]
    assert observables.parse(kind(given), QUBITS) == observables.parse(given, QUBITS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("1e999*Z0", "finite"),
        ("Q", "readable"),
        ("X0*", "readable"),
        ("", "readable"),
        ("X0 X1", "readable"),
        ("X7", "qubits 0 to 2 only"),
        ("ZZZZ", "fit on 3 qubits"),
        ("X0*Z0", "each qubit of a product only once"),
        (3, "one or more observables"),
        ([cirq.Z], "only have observables"),
        (1j * cirq.Z(QUBITS[0]), "Hermitian"),
        (np.inf * cirq.Z(QUBITS[0]), "finite"),
        (cirq.Z(cirq.LineQubit(9)), "doesn't have"),
        (
            cirq.PauliString(cirq.Z(QUBITS[0]), coefficient=sympy.Symbol("a")),
            "numbers as coefficients",
        ),
    ],
)
def test_what_can_not_be_read_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        observables.parse(given, QUBITS)


@pytest.mark.parametrize("n_qubits", [1, 2, 3])
def test_a_hermitian_matrix_has_its_own_expectation_value(n_qubits):
    rng = np.random.default_rng(n_qubits)
    size = 2**n_qubits
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    matrix = matrix + matrix.conj().T
    state = rng.normal(size=size) + 1j * rng.normal(size=size)
    state /= np.linalg.norm(state)
    compiled = compile_circuit(cirq.Circuit(), matrix, qubits=cirq.LineQubit.range(n_qubits))
    found = compiled.readout.of_state(compiled.program, state[None])
    np.testing.assert_allclose(found, [[(state.conj() @ matrix @ state).real]], atol=1e-12)


def test_a_projector_is_the_chance_of_its_bits():
    q = cirq.LineQubit.range(3)
    projectors = [
        cirq.ProjectorString({q[0]: 1, q[2]: 0}, coefficient=0.5),
        cirq.ProjectorSum.from_projector_strings(
            [cirq.ProjectorString({q[1]: 0}), cirq.ProjectorString({q[0]: 0}, coefficient=2.0)]
        ),
    ]
    state = np.random.default_rng(0).normal(size=8)
    state /= np.linalg.norm(state)
    chance = (state**2).reshape(2, 2, 2)
    compiled = compile_circuit(cirq.Circuit(), projectors, qubits=q)
    found = compiled.readout.of_state(compiled.program, state[None])
    exact = [0.5 * chance[1, :, 0].sum(), chance[:, 0].sum() + 2 * chance[0].sum()]
    np.testing.assert_allclose(found, [exact], atol=1e-12)


@pytest.mark.parametrize(
    ("projector", "words"),
    [
        (cirq.ProjectorString({QUBITS[0]: 2}), "bits 0 and 1"),
        (
            cirq.ProjectorSum.from_projector_strings(
                [
                    cirq.ProjectorString(dict(zip(cirq.LineQubit.range(12), bits, strict=True)))
                    for bits in itertools.islice(itertools.product((0, 1), repeat=12), 17)
                ]
            ),
            "at most 65,536 Pauli strings",
        ),
    ],
)
def test_a_projector_on_nothing_or_on_too_much_is_refused(projector, words):
    with pytest.raises(ValueError, match=words):
        observables.parse(projector, cirq.LineQubit.range(12))


@pytest.mark.parametrize("scale", [1e-19, 1e-9, 1e9])
def test_a_matrix_is_read_and_refused_at_every_scale(scale):
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(4, 4))
    state = np.full(4, 0.5)  # of H on both qubits
    qubits = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.H.on_each(*qubits))
    with pytest.raises(ValueError, match="Hermitian"):
        compile_circuit(circuit, scale * matrix)
    hermitian = scale * (matrix + matrix.T)
    compiled = compile_circuit(circuit, hermitian)
    found = engines.get("statevector").expectation(compiled, np.zeros((1, 0)))
    # Sums of 16 terms in double precision.
    np.testing.assert_allclose(found, [[state @ hermitian @ state]], rtol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.eye(4), r"shape \(2, 2\)"),
        (np.array([[0, 1], [0, 0]]), "Hermitian"),
        (np.array([[np.nan, 0], [0, 1]]), "finite"),
    ],
)
def test_a_matrix_that_is_no_observable_is_refused(matrix, words):
    with pytest.raises(ValueError, match=words):
        compile_circuit(cirq.Circuit(), matrix, qubits=cirq.LineQubit.range(1))
