"""Hamiltonians of molecules have the energies of the literature, in every encoding."""

from __future__ import annotations

import importlib
from typing import Any

import cirq
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qkeras_hybrid as qh
from qkeras_hybrid import ArgumentError
from qkeras_hybrid.chemistry import (
    KNOWN,
    UCCSD,
    KUpCCGSD,
    WithTemplate,
    electrons,
    hamiltonian,
    integrals,
    molecule,
)
from qkeras_hybrid.chemistry.ansatze import doubles, exponential, singles
from qkeras_hybrid.chemistry.electrons import anti_hermitian
from qkeras_hybrid.chemistry.mappings import MAPPINGS, Encoding, inverse, symmetries

openfermion = pytest.importorskip("openfermion")

H2 = {"bond_length": 0.7414}
PAIR = [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.7414))]


def lowest(operator: cirq.PauliSum) -> float:
    return float(np.linalg.eigvalsh(operator.matrix())[0])


# What the literature has.


@pytest.mark.parametrize(("bond_length", "energy"), [(0.7414, -1.1372701746), (0.7, -1.1361895497)])
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("taper", [False, True])
def test_hydrogen_has_its_energy(
    bond_length: float, energy: float, mapping: str, taper: bool
) -> None:
    operator = hamiltonian("H2", bond_length=bond_length, mapping=mapping, taper=taper)
    assert isinstance(operator, cirq.PauliSum)
    assert len(operator.qubits) == (1 if taper else 4)
    # The two sources that there are differ by 1e-7, in the length of a bohr.
    assert lowest(operator) == pytest.approx(energy, abs=2e-7)


def test_lithium_hydride_has_its_energies() -> None:
    whole = electrons("LiH", bond_length=1.45)
    assert (whole.n_qubits, len(whole.hamiltonian)) == (12, 631)
    assert whole.hf_energy == pytest.approx(-7.8625677857, abs=1e-9)
    assert whole.fci_energy == pytest.approx(-7.8809823148, abs=1e-9)


def test_the_hamiltonian_is_that_of_openfermion() -> None:
    found = electrons("LiH", bond_length=1.45, active_space=(2, 3))
    values = found.integrals
    one, two = openfermion.chem.molecular_data.spinorb_from_spatial(values.one, values.two)
    operator = openfermion.InteractionOperator(values.constant, one, 0.5 * two)
    matrix = openfermion.get_sparse_operator(operator).toarray()
    np.testing.assert_allclose(found.hamiltonian.matrix(found.qubits), matrix, atol=1e-12)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("taper", [False, True])
def test_encodings_keep_the_ground_state(mapping: str, taper: bool) -> None:
    found = electrons("LiH", bond_length=1.45, active_space=(2, 3), mapping=mapping, taper=taper)
    assert found.n_qubits == (3 if taper else 6)
    assert lowest(found.hamiltonian) == pytest.approx(found.fci_energy, abs=1e-10)
    state = cirq.Circuit(found.hartree_fock(), cirq.I.on_each(*found.qubits))
    vector = cirq.final_state_vector(state, dtype=np.complex128)
    energy = (vector.conj() @ found.hamiltonian.matrix(found.qubits) @ vector).real
    assert energy == pytest.approx(found.hf_energy, abs=1e-10)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_mappings_are_openfermions(n: int) -> None:
    codes = {
        "parity": openfermion.parity_code(n),
        "bravyi_kitaev": openfermion.bravyi_kitaev_code(n),
        "jordan_wigner": openfermion.jordan_wigner_code(n),
    }
    for mapping, code in codes.items():
        np.testing.assert_array_equal(MAPPINGS[mapping](n), code.encoder.toarray() % 2)


@given(st.integers(1, 7), st.sampled_from(list(MAPPINGS)), st.randoms(use_true_random=False))
def test_an_encoding_is_a_circuit_of_cnots(n: int, mapping: str, random: Any) -> None:
    """The strings' matrices are permuted as the occupations are."""
    encoding = Encoding.of(mapping, n)
    x, z = random.randrange(2**n), random.randrange(2**n)
    ((new_x, new_z), sign) = next(iter(encoding.strings({(x, z): 1.0}).items()))
    occupied = random.randrange(2**n)
    # A string on the basis state |b>: i**|x & z| (-1)**(z b) |b ^ x>.
    before = 1j ** (x & z).bit_count() * (-1) ** (z & occupied).bit_count()
    bits = encoding.bits(occupied)
    after = sign * 1j ** (new_x & new_z).bit_count() * (-1) ** (new_z & bits).bit_count()
    assert bits ^ new_x == encoding.bits(occupied ^ x)
    assert after == pytest.approx(before)
    assert (inverse(inverse(MAPPINGS[mapping](n))) == MAPPINGS[mapping](n)).all()


def test_symmetries_commute_and_are_all_there_are() -> None:
    strings = electrons("H2", **H2).strings
    found = symmetries(strings, 4)
    by_hand = [z for z in range(1, 16) if all((x & z).bit_count() % 2 == 0 for x, _ in strings)]
    sums = {0}
    for mask in found:
        sums |= {known ^ mask for known in sums}
    assert sums == {0, *by_hand}


def test_exact_energies_are_those_of_the_matrix_in_the_sector() -> None:
    found = electrons("H2", **H2)
    matrix = found.hamiltonian.matrix(found.qubits)
    states = [i for i in range(16) if (i & 0b1010).bit_count() == (i & 0b0101).bit_count() == 1]
    expected = np.linalg.eigvalsh(matrix[np.ix_(states, states)])
    np.testing.assert_allclose(found.exact_energies(4), expected, atol=1e-12)
    with pytest.raises(ArgumentError, match="`k`"):
        found.exact_energies(5)
    for mapping in MAPPINGS:
        small = electrons("H2", **H2, mapping=mapping, taper=True)
        whole = np.linalg.eigvalsh(small.hamiltonian.matrix(small.qubits))
        np.testing.assert_allclose(small.exact_energies(2, tapered=True), whole, atol=1e-12)


# With PySCF.


def test_pyscf_agrees_with_what_is_shipped() -> None:
    pytest.importorskip("pyscf")
    near = electrons("H2", bond_length=0.7414 + 1e-8)
    assert near.integrals.source == "pyscf"
    shipped = electrons("H2", **H2)
    assert shipped.integrals.source == "openfermion"
    # They differ in the length of a bohr.
    assert near.fci_energy == pytest.approx(shipped.fci_energy, abs=2e-7)


@pytest.mark.parametrize("name", ["H4", "HeH+", "H3+"])
def test_exact_energies_are_pyscfs(name: str) -> None:
    pyscf = pytest.importorskip("pyscf")
    fci = importlib.import_module("pyscf.fci")
    found = electrons(name, bond_length=KNOWN[name].usual)
    atoms = [list(atom) for atom in found.molecule.atoms]
    own = pyscf.gto.M(atom=atoms, basis="sto-3g", charge=found.molecule.charge, verbose=0)
    solved = pyscf.scf.RHF(own).run(conv_tol=1e-12)
    assert found.hf_energy == pytest.approx(solved.e_tot, abs=1e-8)
    assert found.fci_energy == pytest.approx(fci.FCI(solved).kernel()[0], abs=1e-8)


def test_bohr_ångström_and_names_are_the_same_molecule() -> None:
    by_name = hamiltonian("H2", **H2)
    assert hamiltonian(PAIR, units="angstrom") == by_name
    bohr = [("H", (0, 0, 0)), ("h", (0, 0, 0.7414 / 0.529177210903))]
    assert hamiltonian(bohr, units="bohr") == by_name
    assert hamiltonian(molecule("H2", **H2)) == by_name


def test_radicals_have_open_shells() -> None:
    pytest.importorskip("pyscf")
    chain = [("H", (0, 0, z)) for z in (0, 0.9, 1.8)]
    found = electrons(chain, units="angstrom", multiplicity=2)
    assert found.integrals.spins == (2, 1)
    assert found.fci_energy is not None
    assert found.fci_energy < found.hf_energy


@pytest.mark.parametrize("name", KNOWN)
def test_known_molecules_are_what_their_names_say(name: str) -> None:
    found = molecule(name, bond_length=1.1)
    elements = [element for element, _ in found.atoms]
    assert found.charge == name.count("+")
    counted = {e: elements.count(e) for e in set(elements)}
    spelled: dict[str, int] = {}
    last = ""
    for letter in name.replace("+", ""):
        if letter.isdigit():
            spelled[last] += int(letter) - 1
        elif letter.islower():
            spelled[last + letter] = spelled.pop(last)
            last += letter
        else:
            last = letter
            spelled[last] = spelled.get(last, 0) + 1
    assert counted == spelled
    distances = found.distances[np.triu_indices(len(elements), 1)]
    assert distances.min() == pytest.approx(1.1)
    assert found.n_electrons % 2 == 0


# Circuits.


def test_excitations_are_exponentials_of_their_generators() -> None:
    found = electrons("H2", **H2)
    for excitation in [(0, 2), (0, 1, 2, 3)]:
        half = len(excitation) // 2
        term = " ".join(
            [f"{j}^" for j in reversed(excitation[half:])]
            + [str(j) for j in reversed(excitation[:half])]
        )
        operator = openfermion.FermionOperator(term)
        generator = operator - openfermion.hermitian_conjugated(operator)
        matrix = openfermion.get_sparse_operator(generator, 4).toarray()
        values, vectors = np.linalg.eig(matrix)
        expected = vectors @ np.diag(np.exp(0.3 * values)) @ np.linalg.inv(vectors)
        symbol = qh._lazy.sympy.Symbol("t")
        circuit = cirq.Circuit(exponential(found, excitation, symbol))
        unitary = cirq.resolve_parameters(circuit, {"t": 0.3}).unitary(qubit_order=found.qubits)
        np.testing.assert_allclose(unitary, expected, atol=1e-6)  # Cirq's unitary is complex64


@pytest.mark.parametrize(
    ("ansatz", "n_weights"), [(UCCSD(), 8), (KUpCCGSD(2), 18), (WithTemplate("two_local", 1), None)]
)
def test_weights_are_counted_and_zero_is_hartree_fock(ansatz: Any, n_weights: int) -> None:
    found = electrons("LiH", bond_length=1.45, active_space=(2, 3))
    symbols = ansatz.symbols(found)
    circuit = ansatz.circuit(found)
    assert cirq.parameter_names(circuit) == {symbol.name for symbol in symbols}
    assert n_weights in (None, len(symbols))
    zeros = cirq.resolve_parameters(circuit, dict.fromkeys(symbols, 0.0))
    state = cirq.final_state_vector(zeros, qubit_order=found.qubits)
    energy = (state.conj() @ found.hamiltonian.matrix(found.qubits) @ state).real
    assert energy == pytest.approx(found.hf_energy, abs=1e-5)  # complex64
    assert type(ansatz).from_config(ansatz.get_config()) == ansatz


def test_excitations_keep_the_numbers_of_electrons() -> None:
    found = electrons("LiH", bond_length=1.45)
    assert (len(singles(found)), len(doubles(found))) == (16, 76)
    for excitation in [*singles(found)[:3], *doubles(found)[:3]]:
        for spin in (0, 1):
            mask = sum(1 << j for j in range(spin, 12, 2))
            # Each string flips an even number of spin orbitals of each spin.
            assert {(x & mask).bit_count() % 2 for x, _ in anti_hermitian(excitation)} == {0}


# Bad input.


@pytest.mark.parametrize(
    ("given", "arguments", "argument"),
    [
        ("H5", {"bond_length": 1.0}, "molecule"),
        ("H2", {}, "bond_length"),
        ("H2", {"bond_length": float("nan")}, "bond_length"),
        ("H2", {"bond_length": -1.0}, "bond_length"),
        ("H2", {"bond_length": 0.7, "units": "bohr"}, "units"),
        ("H2", {"bond_length": 0.01}, "molecule"),
        ("H2", {**H2, "basis": ""}, "basis"),
        ("H2", {**H2, "charge": 0.5}, "charge"),
        ("H2", {**H2, "charge": 2}, "charge"),
        ("H2", {**H2, "charge": 1}, "multiplicity"),
        ("H2", {**H2, "multiplicity": 2}, "multiplicity"),
        ("H2", {**H2, "multiplicity": 5}, "multiplicity"),
        ("H2", {**H2, "multiplicity": 0}, "multiplicity"),
        ("H2", {**H2, "mapping": "jw"}, "mapping"),
        ("H2", {**H2, "active_space": 2}, "active_space"),
        ("H2", {**H2, "active_space": (4, 2)}, "active_space"),
        ("H2", {**H2, "active_space": (1, 2)}, "active_space"),
        ("H2", {**H2, "active_space": (2, 3)}, "active_space"),
        ("LiH", {"bond_length": 1.45, "active_space": (2, 6)}, "active_space"),
        ("LiH", {"bond_length": 1.45, "active_space": (4, 1)}, "active_space"),
        (PAIR, {}, "units"),
        (PAIR, {"units": "nm"}, "units"),
        (PAIR, {"units": "angstrom", "bond_length": 1.0}, "bond_length"),
        ([("H", (0, 0, 0)), ("H", (0, 0, 0.05))], {"units": "angstrom"}, "molecule"),
        ([("H", (0, 0, 0)), ("H", (0, 0, 0))], {"units": "bohr"}, "molecule"),
        ([("Xx", (0, 0, 0))], {"units": "bohr"}, "molecule"),
        ([("H", (0, 0))], {"units": "bohr"}, "molecule"),
        ([("H", (0, 0, float("inf")))], {"units": "bohr"}, "molecule"),
        ([("H", (0, 0, 0))] * 1000, {"units": "bohr"}, "molecule"),
        ([], {"units": "bohr"}, "molecule"),
        (None, {"units": "bohr"}, "molecule"),
        ([("H", (0, 0, 0))], {"units": "bohr"}, "multiplicity"),
    ],
)
def test_wrong_arguments_are_named(given: Any, arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ArgumentError) as error:
        hamiltonian(given, **arguments)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    ("given", "arguments", "argument", "words"),
    [
        ("H2", {**H2, "charge": -3, "multiplicity": 2}, "charge", "leave at most 4 electrons"),
        ("H2", {**H2, "charge": -(10**9)}, "charge", "which leaves 1000000002"),
        ("LiH", {"bond_length": 1.6, "charge": -10}, "charge", "at most 12 electrons"),
        ("HF", {"bond_length": 0.9, "multiplicity": 11}, "multiplicity", "at most 3 for 10"),
    ],
)
def test_electrons_without_a_place_are_refused_by_name(
    given: str, arguments: dict[str, Any], argument: str, words: str
) -> None:
    pytest.importorskip("pyscf")
    with pytest.raises(ArgumentError, match=words) as error:
        hamiltonian(given, **arguments)
    assert error.value.argument == argument


def test_what_is_wrong_is_said_in_words() -> None:
    with pytest.raises(ArgumentError, match="units='angstrom' or units='bohr'"):
        hamiltonian(PAIR)
    with pytest.raises(ArgumentError, match=r"0\.05 Å between H \(atom 0\) and H \(atom 1\)"):
        hamiltonian([("H", (0, 0, 0)), ("H", (0, 0, 0.05))], units="angstrom")
    with pytest.raises(ArgumentError, match="use multiplicity=2"):
        hamiltonian([("H", (0, 0, 0))], units="bohr")
    with pytest.raises(ArgumentError, match="Did you mean 'H2O'"):
        hamiltonian("h2o", bond_length=0.96)


def test_a_large_basis_asks_for_an_active_space() -> None:
    pytest.importorskip("pyscf")
    with pytest.raises(ArgumentError, match="24 orbitals, 48 qubits"):
        hamiltonian("H2O", bond_length=0.96, basis="cc-pvdz")
    with pytest.raises(ArgumentError, match="basis set that PySCF knows"):
        hamiltonian("H2", bond_length=0.71, basis="sto-7x")
    with pytest.raises(ArgumentError, match="have at most 16 orbitals"):
        hamiltonian("H2O", bond_length=0.96, basis="cc-pvdz", active_space=(10, 17))


def missing(name: str) -> Any:
    real = importlib.import_module

    def imported(module: str, *arguments: Any) -> Any:
        if module.split(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {module!r}", name=name)
        return real(module, *arguments)

    return imported


def test_without_pyscf_there_is_what_openfermion_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", missing("pyscf"))
    assert len(hamiltonian("H2", **H2)) == 15
    assert len(hamiltonian("LiH", bond_length=1.45, active_space=(2, 2))) > 0
    with pytest.raises(ModuleNotFoundError, match=r"qkeras-hybrid\[chemistry\]") as error:
        hamiltonian("H2", bond_length=0.75)
    for words in ("H2 in sto-3g at 0.1", "0.7414", "LiH in sto-3g at 1.45 Å"):
        assert words in str(error.value)


def test_without_openfermion_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", missing("openfermion"))
    integrals._shipped.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"qkeras-hybrid\[chemistry\]"):
        hamiltonian("H2", **H2)


def test_nothing_is_left_to_taper() -> None:
    helium = [("He", (0, 0, 0))]
    pytest.importorskip("pyscf")
    with pytest.raises(ArgumentError, match="would leave no qubit"):
        hamiltonian(helium, units="angstrom", taper=True)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("basis", "6-31g"), ("charge", 1), ("multiplicity", 3), ("bond_length", 1.0)],
)
def test_what_a_molecule_says_itself_is_not_given_again(argument: str, value: Any) -> None:
    given = qh.chemistry.molecule("H2", bond_length=0.7414)
    assert qh.chemistry.molecule(given) is given
    with pytest.raises(ArgumentError, match=f"`{argument}` must be left out for Molecule"):
        qh.chemistry.electrons(given, **{argument: value})
    found = qh.chemistry.electrons(given)
    assert qh.chemistry.electrons(found) is found
    with pytest.raises(ArgumentError, match=f"`{argument}` must be left out for Electrons"):
        qh.chemistry.electrons(found, **{argument: value})
    with pytest.raises(ArgumentError, match="`mapping` must be left out for Electrons"):
        qh.chemistry.electrons(found, mapping="parity")
