"""A molecule's electrons on qubits: the Hamiltonian, excitations, determinants, exact energies."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module
from qkeras_hybrid.chemistry.integrals import Integrals, integrals, openfermion
from qkeras_hybrid.chemistry.mappings import Encoding, Strings, symmetries
from qkeras_hybrid.chemistry.molecules import Molecule, molecule, refuse_beside

if TYPE_CHECKING:
    import scipy.sparse
    import scipy.sparse.linalg
else:
    scipy = lazy_module("scipy")

MOST_DETERMINANTS = 60_000
"""The most determinants for which exact energies are computed."""


@dataclass(frozen=True, eq=False)
class Electrons:
    """A molecule's electrons on qubits.

    Spin orbital `2 p` is orbital `p` with spin up, `2 p + 1` with spin down, as in OpenFermion. The
    qubits are `cirq.LineQubit`s, and the first is the most significant bit of a basis state.

    Attributes:
        molecule: The molecule.
        integrals: Its integrals over the active orbitals.
        mapping: The name of the encoding.
        encoding: The encoding of spin orbitals in qubits.
    """

    molecule: Molecule
    integrals: Integrals
    mapping: str
    encoding: Encoding

    @property
    def n_qubits(self) -> int:
        """The number of qubits."""
        return self.encoding.n_qubits

    @property
    def n_spin_orbitals(self) -> int:
        """The number of spin orbitals. It equals `n_qubits`, unless qubits are tapered off."""
        return 2 * self.integrals.n_orbitals

    @functools.cached_property
    def qubits(self) -> tuple[cirq.LineQubit, ...]:
        """The qubits."""
        return tuple(cirq.LineQubit.range(self.n_qubits))

    @functools.cached_property
    def strings(self) -> Strings:
        """The Hamiltonian's Pauli strings in the Jordan-Wigner encoding, in hartree."""
        return jordan_wigner(self.integrals)

    @functools.cached_property
    def encoded(self) -> Strings:
        """The Hamiltonian's Pauli strings on the qubits, in hartree."""
        return self.encoding.strings(self.strings)

    @functools.cached_property
    def hamiltonian(self) -> cirq.PauliSum:
        """The Hamiltonian on the qubits, in hartree."""
        return cirq.PauliSum.from_pauli_strings(
            [self.pauli_string(x, z, c.real) for (x, z), c in sorted(self.encoded.items())]
        )

    @property
    def constant(self) -> float:
        """The coefficient of the identity in the Hamiltonian, in hartree."""
        return float(self.encoded.get((0, 0), 0.0).real)

    @property
    def without_constant(self) -> cirq.PauliSum:
        """The Hamiltonian without the identity, in hartree: the part that circuits measure."""
        return cirq.PauliSum.from_pauli_strings(
            [self.pauli_string(x, z, c.real) for (x, z), c in sorted(self.encoded.items()) if x | z]
        )

    def pauli_string(self, x: int, z: int, coefficient: float = 1.0) -> cirq.PauliString:
        """Returns a Pauli string: bit `q` of `x` is an X on qubit `q`, of `z` a Z, of both a Y."""
        known = {(1, 0): cirq.X, (0, 1): cirq.Z, (1, 1): cirq.Y}
        return cirq.PauliString(
            {
                qubit: known[x >> q & 1, z >> q & 1]
                for q, qubit in enumerate(self.qubits)
                if (x | z) >> q & 1
            },
            coefficient=coefficient,
        )

    @property
    def occupied(self) -> tuple[int, ...]:
        """The spin orbitals that are occupied in the Hartree-Fock state."""
        up, down = self.integrals.spins
        return tuple(sorted([*range(0, 2 * up, 2), *range(1, 2 * down, 2)]))

    @property
    def virtual(self) -> tuple[int, ...]:
        """The spin orbitals that are empty in the Hartree-Fock state."""
        return tuple(j for j in range(self.n_spin_orbitals) if j not in self.occupied)

    @property
    def hf_energy(self) -> float:
        """The energy of the Hartree-Fock state, in hartree."""
        return self.integrals.hf_energy

    def hartree_fock(self) -> list[cirq.Operation]:
        """Returns the operations that prepare the Hartree-Fock state: an `X` on some qubits."""
        bits = self.encoding.bits(_mask(self.occupied))
        return [cirq.X(qubit) for q, qubit in enumerate(self.qubits) if bits >> q & 1]

    def generator(self, excitation: Sequence[int]) -> Strings:
        """Returns `T - T†` of an excitation, as Pauli strings with imaginary coefficients.

        Args:
            excitation: Spin orbitals: `(i, a)` for `T = a†_a a_i`, `(i, j, b, a)` for
                `T = a†_a a†_b a_j a_i`.

        Returns:
            Coefficients of Pauli strings; an empty dictionary if qubits are tapered off and the
            excitation leaves the symmetry sector.

        Raises:
            ValueError: If `excitation` is not two or four different spin orbitals.
        """
        known = range(self.n_spin_orbitals)
        places = set(excitation)
        if len(excitation) not in (2, 4) or len(places) < len(excitation) or places - set(known):
            raise ArgumentError(
                "excitation",
                f"be two or four different spin orbitals, from 0 to {len(known) - 1}",
                excitation,
            )
        return self.encoding.strings(anti_hermitian(tuple(excitation)))

    @property
    def n_determinants(self) -> int:
        """The number of determinants with these numbers of electrons."""
        n = self.integrals.n_orbitals
        up, down = self.integrals.spins
        return math.comb(n, up) * math.comb(n, down)

    @functools.cached_property
    def fci_energy(self) -> float | None:
        """The exact lowest energy in these orbitals, in hartree.

        None if there are more than 60,000 determinants.
        """
        if self.n_determinants > MOST_DETERMINANTS:
            return None
        return float(self.exact_energies(1)[0])

    def exact_energies(self, k: int, tapered: bool = False) -> np.ndarray:
        """Returns the lowest energies of the Hamiltonian with these numbers of electrons.

        They are computed by full configuration interaction: from the Hamiltonian's matrix on all
        determinants.

        Args:
            k: How many energies; degenerate ones are repeated.
            tapered: Whether to use only states of the symmetry sector that tapering keeps.

        Returns:
            Array of shape `(k,)`, ascending, in hartree.

        Raises:
            ValueError: If there are fewer than `k` determinants, or more than 60,000.
        """
        positive_int("k", k)
        small = self.n_determinants <= MOST_DETERMINANTS
        states = self._determinants(tapered) if small else np.zeros(0, int)
        size = len(states)
        if not k <= size:
            raise ArgumentError(
                "k",
                f"be at most the number of determinants, which must be at most "
                f"{MOST_DETERMINANTS:,}",
                k,
                f"These electrons have {self.n_determinants:,} determinants of all symmetries.",
            )
        matrix = self._matrix(states)
        if size <= 400:
            found = np.linalg.eigvalsh(matrix.toarray())
            return np.asarray(found[:k])
        start = np.zeros(size)
        start[0] = 1.0  # a fixed start vector makes the result reproducible
        start += 1e-3 / np.arange(1, size + 1)
        values = scipy.sparse.linalg.eigsh(
            matrix, k=k, which="SA", v0=start, ncv=min(size, max(20, 4 * k)), tol=1e-12
        )[0]
        return np.sort(values)

    def _determinants(self, tapered: bool) -> np.ndarray:
        n = self.integrals.n_orbitals
        up, down = self.integrals.spins
        states = [
            _mask([2 * p for p in first]) | _mask([2 * p + 1 for p in second])
            for first in itertools.combinations(range(n), up)
            for second in itertools.combinations(range(n), down)
        ]
        return np.sort([s for s in states if not tapered or self.encoding.holds(s)])

    def _matrix(self, states: np.ndarray) -> Any:
        total = scipy.sparse.csr_array((len(states), len(states)))
        by_flips: dict[int, np.ndarray] = {}
        for (x, z), coefficient in self.strings.items():
            signs = 1.0 - 2.0 * (np.bitwise_count(states & z) & 1)
            # A Pauli string is i**|x & z| X(x) Z(z).
            factor = coefficient * 1j ** ((x & z).bit_count())
            values = by_flips.setdefault(x, np.zeros(len(states)))
            values += factor.real * signs
        for x, values in by_flips.items():
            targets = states ^ x
            places = np.minimum(np.searchsorted(states, targets), len(states) - 1)
            inside = states[places] == targets
            entries = values[inside], (places[inside], np.arange(len(states))[inside])
            total = total + scipy.sparse.csr_array(entries, shape=total.shape)
        return total


def electrons(
    given: Any,
    *,
    bond_length: float | None = None,
    units: str | None = None,
    basis: str | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
    active_space: tuple[int, int] | None = None,
    mapping: str | None = None,
    taper: bool = False,
) -> Electrons:
    """Returns a molecule's electrons on qubits.

    Args:
        given: A name or a geometry as for `molecule`, or a `Molecule`. `Electrons` are returned
            unchanged.
        bond_length: For a name, in ångström: see `molecule`.
        units: "angstrom" or "bohr", for a geometry.
        basis: The basis set; by default "sto-3g".
        charge: The molecule's charge.
        multiplicity: One more than the number of unpaired electrons.
        active_space: The numbers of active electrons and of active orbitals; lower orbitals stay
            occupied, higher ones empty. By default all are active.
        mapping: "jordan_wigner", the default, "parity" or "bravyi_kitaev".
        taper: Whether to leave out one qubit for each Z2 symmetry: the parities of spin-up and
            spin-down electrons, and often symmetries of the geometry. The symmetry sector is that
            of the Hartree-Fock state.

    Raises:
        ValueError: If an argument is invalid.
        ModuleNotFoundError: If OpenFermion or PySCF is needed but not installed.

    Example:

    >>> from qkeras_hybrid.chemistry import electrons
    >>> electrons("LiH", bond_length=1.45).n_qubits
    12
    >>> electrons("LiH", bond_length=1.45, active_space=(2, 3), taper=True).n_qubits
    3
    """
    if isinstance(given, Electrons):
        refuse_beside(
            "Electrons",
            bond_length=bond_length,
            units=units,
            basis=basis,
            charge=charge,
            multiplicity=multiplicity,
            active_space=active_space,
            mapping=mapping,
            taper=taper or None,
        )
        return given
    mapping = "jordan_wigner" if mapping is None else mapping
    found = molecule(
        given,
        bond_length=bond_length,
        units=units,
        basis=basis,
        charge=charge,
        multiplicity=multiplicity,
    )
    # Checks the name before anything large is computed.
    Encoding.of(mapping, 1)
    values = integrals(found, active_space)
    encoding = Encoding.of(mapping, 2 * values.n_orbitals)
    whole = Electrons(found, values, mapping, encoding)
    if not taper:
        return whole
    conserved = symmetries(whole.strings, whole.n_spin_orbitals)
    if len(conserved) == whole.n_spin_orbitals:
        raise ArgumentError(
            "taper",
            "be False here, because tapering would leave no qubit",
            True,
            "The Hamiltonian of these electrons is diagonal.",
        )
    return Electrons(found, values, mapping, encoding.tapered(conserved, _mask(whole.occupied)))


def hamiltonian(given: Any, **arguments: Any) -> cirq.PauliSum:
    """Returns a molecule's electronic Hamiltonian as a sum of Pauli strings, in hartree.

    It includes the repulsion of the nuclei, so its lowest eigenvalue is the molecule's energy.
    Integrals come from OpenFermion for H2 and LiH in the basis sets and at the bond lengths that it
    ships. All others need PySCF.

    Args:
        given: A name such as "H2" with a `bond_length`, a geometry with its `units`, or a
            `Molecule`.
        **arguments: Arguments of `electrons`: `bond_length`, `units`, `basis`, `charge`,
            `multiplicity`, `active_space`, `mapping`, `taper`.

    Returns:
        The sum on `cirq.LineQubit`s. Spin orbital `2 p` is orbital `p` with spin up, `2 p + 1` with
        spin down.

    Raises:
        ValueError: If an argument is invalid.
        ModuleNotFoundError: If OpenFermion or PySCF is needed but not installed.

    Reference:
        McArdle, Endo, Aspuru-Guzik, Benjamin, Yuan: Quantum computational chemistry, Reviews of
        Modern Physics 92, 015003 (2020), arXiv 1808.10402.

    Example:

    >>> from qkeras_hybrid.chemistry import hamiltonian
    >>> len(hamiltonian("H2", bond_length=0.7414))
    15
    >>> energies = hamiltonian("H2", bond_length=0.7414, taper=True)
    >>> float(np.linalg.eigvalsh(energies.matrix())[0].round(7))
    -1.1372702
    """
    return electrons(given, **arguments).hamiltonian


def jordan_wigner(values: Integrals) -> Strings:
    """Returns a Hamiltonian's Pauli strings in the Jordan-Wigner encoding, in hartree."""
    library = openfermion()
    one, two = library.chem.molecular_data.spinorb_from_spatial(values.one, values.two)
    operator = library.InteractionOperator(values.constant, one, 0.5 * two)
    return _strings(library.jordan_wigner(operator))


@functools.lru_cache(4096)
def anti_hermitian(excitation: tuple[int, ...]) -> Strings:
    """Returns `T - T†` of an excitation by Jordan-Wigner: see `Electrons.generator`."""
    library = openfermion()
    half = len(excitation) // 2
    lowered, raised = excitation[:half], excitation[half:]
    ladder = [(j, 1) for j in reversed(raised)] + [(j, 0) for j in reversed(lowered)]
    operator = library.FermionOperator(tuple(ladder))
    return _strings(library.jordan_wigner(operator - library.hermitian_conjugated(operator)))


def _strings(operator: Any) -> Strings:
    found: Strings = {}
    for term, coefficient in operator.terms.items():
        x = sum(1 << q for q, letter in term if letter in "XY")
        z = sum(1 << q for q, letter in term if letter in "ZY")
        if abs(coefficient) > 1e-14:
            found[x, z] = complex(coefficient)
    return found


def _mask(places: Sequence[int]) -> int:
    return sum(1 << j for j in places)
