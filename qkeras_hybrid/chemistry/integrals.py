"""Integrals over orbitals: those that OpenFermion ships, others from PySCF; active spaces.

The electronic Hamiltonian is `constant + sum one[p, q] a†_p a_q + 1/2 sum two[p, q, r, s] a†_p a†_q
a_r a_s` over orbitals and, equal in pairs, spins (Helgaker, Jørgensen, Olsen 2000, section 1.4).
"""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qkeras_hybrid._checks import available_memory, bytes_text, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.chemistry.molecules import Molecule

EXTRA = 'pip install "qkeras-hybrid[chemistry]"'

MOST_ORBITALS = 16
"""The most orbitals of an active space: twice as many qubits."""


@dataclass(frozen=True)
class Integrals:
    """A molecule's electrons in orbitals.

    Attributes:
        constant: The energy of the nuclei and of the electrons outside of the orbitals, in hartree.
        one: Integrals of one electron, of shape `(n, n)`, in hartree.
        two: Integrals of two electrons, of shape `(n, n, n, n)`, in OpenFermion's order.
        spins: The numbers of electrons with spin up and down.
        source: "openfermion" or "pyscf".
    """

    constant: float
    one: np.ndarray
    two: np.ndarray
    spins: tuple[int, int]
    source: str

    @property
    def n_orbitals(self) -> int:
        """The number of orbitals."""
        return len(self.one)

    @functools.cached_property
    def hf_energy(self) -> float:
        """The energy of the determinant with the lowest orbitals full, in hartree."""
        up, down = (list(range(n)) for n in self.spins)
        energy = self.constant + sum(self.one[p, p] for p in (*up, *down))
        for left in (up, down):
            for right in (up, down):
                for p in left:
                    for q in right:
                        energy += 0.5 * self.two[p, q, q, p]
                        if left is right:
                            energy -= 0.5 * self.two[p, q, p, q]
        return float(energy)


def openfermion() -> Any:
    """Imports OpenFermion, or says how to install it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("openfermion")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Molecules need OpenFermion, which comes with the extra `chemistry`: {EXTRA}.",
            name="openfermion",
        ) from error


def pyscf(molecule: Molecule) -> Any:
    """Imports PySCF, or says how to install it and what there is without it."""
    try:
        return importlib.import_module("pyscf")
    except ModuleNotFoundError as error:
        what = molecule.name or "".join(element for element, _ in molecule.atoms)
        raise ModuleNotFoundError(
            f"The integrals of {what} in {molecule.basis} at this geometry need PySCF, which comes "
            f"with the extra `chemistry`: {EXTRA}. Without it there is what OpenFermion ships: "
            f"{ships()}.",
            name="pyscf",
        ) from error


@functools.cache
def _shipped() -> dict[tuple[tuple[str, str], str, float], Path]:
    """Returns OpenFermion's files of molecules of two atoms, by elements, basis and distance."""
    folder = Path(openfermion().__file__).parent / "testing" / "data"
    known = {"H2": ("H", "H"), "H1-Li1": ("H", "Li")}
    found = {}
    for path in sorted(folder.glob("*.hdf5")):
        match = re.fullmatch(r"([^_]+)_([^_]+)_singlet_([\d.]+)\.hdf5", path.name)
        if match and match[1] in known:
            found[known[match[1]], match[2], float(match[3])] = path
    return found


def ships() -> str:
    """Returns in words which molecules need no PySCF."""
    lengths: dict[tuple[tuple[str, str], str], list[float]] = {}
    for atoms, basis, length in _shipped():
        lengths.setdefault((atoms, basis), []).append(length)
    parts = []
    for (atoms, basis), values in sorted(lengths.items()):
        name = "H2" if atoms == ("H", "H") else "LiH"
        parts.append(f"{name} in {basis} at {', '.join(f'{v:g}' for v in sorted(values))} Å")
    return "; ".join(parts)


def _shipped_for(molecule: Molecule) -> Path | None:
    if len(molecule.atoms) != 2 or molecule.charge or molecule.multiplicity != 1:
        return None
    first, second = sorted(element for element, _ in molecule.atoms)
    distance = float(molecule.distances[0, 1])
    for (atoms, basis, length), path in _shipped().items():
        same = atoms == (first, second) and basis == molecule.basis
        if same and abs(length - distance) < 1e-9:
            return path
    return None


def integrals(molecule: Molecule, active_space: tuple[int, int] | None = None) -> Integrals:
    """Returns a molecule's integrals over its Hartree-Fock orbitals.

    What OpenFermion ships is taken from there, all else is computed by PySCF: by restricted
    Hartree-Fock, or its form for open shells. Each orbital has the sign that makes its largest
    coefficient positive, so that curves over geometries don't jump.

    Args:
        molecule: The molecule.
        active_space: Numbers of electrons and of orbitals; those below are full, those above empty.

    Raises:
        ModuleNotFoundError: If OpenFermion or PySCF is needed and not there.
        ValueError: If the active space does not fit the molecule, the orbitals are too many, the
            basis is unknown, or Hartree-Fock does not converge.
    """
    check_active_space(molecule, active_space)
    path = _shipped_for(molecule)
    found = _read(molecule, path) if path is not None else _computed(molecule, active_space)
    if active_space is None:
        _check_size(found.n_orbitals, found.n_orbitals)
        return found
    return _active(found, *active_space)


def check_active_space(molecule: Molecule, active_space: Any) -> None:
    """Makes sure that an active space fits a molecule's electrons.

    Raises:
        ValueError: If it does not.
    """
    if active_space is None:
        return
    if not isinstance(active_space, (tuple, list)) or len(active_space) != 2:
        raise ArgumentError(
            "active_space", "be the numbers of electrons and of orbitals", active_space
        )
    electrons, orbitals = (positive_int("active_space", number) for number in active_space)
    unpaired = molecule.multiplicity - 1
    if electrons > molecule.n_electrons:
        raise ArgumentError(
            "active_space",
            f"have at most the molecule's {molecule.n_electrons} electrons",
            electrons,
        )
    if (molecule.n_electrons - electrons) % 2 or electrons < unpaired:
        raise ArgumentError(
            "active_space",
            f"leave pairs of the molecule's {molecule.n_electrons} electrons outside",
            f"{electrons} electrons",
            "Take two electrons more or fewer at a time.",
        )
    if (electrons + unpaired) // 2 > orbitals:
        raise ArgumentError(
            "active_space", f"have orbitals enough for its {electrons} electrons", orbitals
        )


def _check_size(orbitals: int, whole: int) -> None:
    if orbitals > MOST_ORBITALS:
        raise ArgumentError(
            "active_space",
            f"be given where there are more than {MOST_ORBITALS} orbitals",
            f"{whole} orbitals, {2 * whole} qubits",
            "For example active_space=(4, 4): electrons, orbitals.",
        )


def _check_electrons(molecule: Molecule, orbitals: int) -> None:
    """Makes sure that all electrons have a place in the orbitals of the basis."""
    electrons, (up, _) = molecule.n_electrons, molecule.spins
    if electrons > 2 * orbitals:
        raise ArgumentError(
            "charge",
            f"leave at most {2 * orbitals} electrons, for which {molecule.basis} has orbitals here",
            f"{molecule.charge}, which makes {electrons}",
            "Take a larger basis, or another charge.",
        )
    if up > orbitals:
        raise ArgumentError(
            "multiplicity",
            f"be at most {2 * orbitals - electrons + 1} for {electrons} electrons in the "
            f"{orbitals} orbitals of {molecule.basis}",
            molecule.multiplicity,
            "Take a larger basis, or a smaller multiplicity.",
        )


def _read(molecule: Molecule, path: Path) -> Integrals:
    data = openfermion().MolecularData(filename=str(path))
    data.load()
    return Integrals(
        float(data.nuclear_repulsion),
        np.asarray(data.one_body_integrals, float),
        np.asarray(data.two_body_integrals, float),
        molecule.spins,
        "openfermion",
    )


def _computed(molecule: Molecule, active_space: tuple[int, int] | None) -> Integrals:
    library = pyscf(molecule)
    gto, scf, ao2mo = (importlib.import_module(f"pyscf.{name}") for name in ("gto", "scf", "ao2mo"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            atoms = gto.M(
                atom=[list(atom) for atom in molecule.atoms],
                basis=molecule.basis,
                charge=molecule.charge,
                spin=molecule.multiplicity - 1,
                unit="Angstrom",
                verbose=0,
            )
    except (KeyError, library.lib.exceptions.BasisNotFoundError) as error:
        raise ArgumentError(
            "basis", "be a basis set that PySCF knows for these elements", molecule.basis
        ) from error
    n = int(atoms.nao)
    if active_space is None:
        _check_size(n, n)
    _check_electrons(molecule, n)
    need = 3 * 8 * n**4
    if need > available_memory():
        raise ArgumentError(
            "basis",
            "have fewer orbitals",
            f"{molecule.basis}, whose {n} orbitals take {bytes_text(need)}",
            "Take a smaller basis.",
        )
    solver = (scf.RHF if molecule.multiplicity == 1 else scf.ROHF)(atoms)
    solver.conv_tol = 1e-12
    solver.run()
    if not solver.converged:
        raise ArgumentError(
            "molecule",
            "be one whose Hartree-Fock equations converge",
            molecule,
            "Take another geometry or basis.",
        )
    orbitals = np.asarray(solver.mo_coeff, float)
    largest = np.abs(orbitals) > (1 - 1e-6) * np.abs(orbitals).max(axis=0)
    first = orbitals[np.argmax(largest, axis=0), np.arange(orbitals.shape[1])]
    orbitals = orbitals * np.sign(first)
    one = orbitals.T @ solver.get_hcore() @ orbitals
    n = orbitals.shape[1]
    chemists = ao2mo.restore(1, ao2mo.kernel(atoms, orbitals), n)
    # (pq|rs) is OpenFermion's two[p, r, s, q].
    two = np.ascontiguousarray(chemists.transpose(0, 2, 3, 1))
    return Integrals(float(atoms.energy_nuc()), one, two, molecule.spins, "pyscf")


def _active(whole: Integrals, electrons: int, orbitals: int) -> Integrals:
    core = (sum(whole.spins) - electrons) // 2
    if core + orbitals > whole.n_orbitals:
        raise ArgumentError(
            "active_space",
            f"have at most {whole.n_orbitals - core} orbitals beside the {core} full ones",
            orbitals,
        )
    _check_size(orbitals, orbitals)
    full, kept = list(range(core)), list(range(core, core + orbitals))
    representations = importlib.import_module("openfermion.ops.representations")
    shift, one, two = representations.get_active_space_integrals(
        whole.one, whole.two, full or None, kept
    )
    up, down = whole.spins
    return replace(
        whole,
        constant=whole.constant + float(shift),
        one=np.asarray(one),
        two=np.asarray(two),
        spins=(up - core, down - core),
    )
