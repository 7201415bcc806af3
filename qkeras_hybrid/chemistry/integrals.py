"""Integrals over orbitals, shipped with OpenFermion or computed by PySCF, and active spaces.

The electronic Hamiltonian is

    constant + sum one[p, q] a†_p a_q + 1/2 sum two[p, q, r, s] a†_p a†_q a_r a_s

with sums over orbitals and spins, where p and s have the same spin, and q and r (Helgaker,
Jørgensen, Olsen 2000, section 1.4).
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
"""The most orbitals of an active space; the number of qubits is twice as large."""


@dataclass(frozen=True)
class Integrals:
    """A molecule's electrons in orbitals.

    Attributes:
        constant: The energy of the nuclei and of the electrons in inactive orbitals, in hartree.
        one: One-electron integrals, of shape `(n, n)`, in hartree.
        two: Two-electron integrals, of shape `(n, n, n, n)`, in hartree, in OpenFermion's order.
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
        """The energy of the determinant with the lowest orbitals occupied, in hartree."""
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
    """Imports OpenFermion.

    Raises:
        ModuleNotFoundError: If it is not installed; the message says how to install it.
    """
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
    """Imports PySCF.

    Raises:
        ModuleNotFoundError: If it is not installed; the message says how to install it, and which
            molecules need no PySCF.
    """
    try:
        return importlib.import_module("pyscf")
    except ModuleNotFoundError as error:
        what = molecule.name or "".join(element for element, _ in molecule.atoms)
        raise ModuleNotFoundError(
            f"The integrals of {what} in {molecule.basis} at this geometry need PySCF, which comes "
            f"with the extra `chemistry`: {EXTRA}. Only the integrals that OpenFermion ships need "
            f"no PySCF: {ships()}.",
            name="pyscf",
        ) from error


@functools.cache
def _shipped() -> dict[tuple[tuple[str, str], str, float], Path]:
    """Returns OpenFermion's files of diatomic molecules, by elements, basis and distance in Å."""
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

    Integrals that OpenFermion ships are read from its files. All others are computed by PySCF, with
    restricted Hartree-Fock, or for open shells restricted open-shell Hartree-Fock. Each computed
    orbital gets the sign that makes its largest coefficient positive, so that integrals change
    smoothly with the geometry.

    Args:
        molecule: The molecule.
        active_space: The numbers of active electrons and of active orbitals; lower orbitals are
            occupied, higher ones empty. None makes all active.

    Raises:
        ModuleNotFoundError: If OpenFermion or PySCF is needed but not installed.
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
    """Checks that an active space fits a molecule's electrons.

    Raises:
        ValueError: If it does not fit.
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
            f"leave an even number of the molecule's {molecule.n_electrons} electrons outside, "
            "all of them paired",
            f"{electrons} electrons",
            f"The number of active electrons must be {'odd' if unpaired % 2 else 'even'} and at "
            f"least {unpaired}.",
        )
    if (electrons + unpaired) // 2 > orbitals:
        raise ArgumentError(
            "active_space", f"have enough orbitals for its {electrons} electrons", orbitals
        )


def _check_size(orbitals: int, whole: int) -> None:
    if orbitals > MOST_ORBITALS:
        raise ArgumentError(
            "active_space",
            f"have at most {MOST_ORBITALS} orbitals",
            f"{whole} orbitals, {2 * whole} qubits",
            "Example: active_space=(4, 4), with 4 electrons in 4 orbitals.",
        )


def _check_electrons(molecule: Molecule, orbitals: int) -> None:
    """Checks that the orbitals of the basis can hold all electrons."""
    electrons, (up, _) = molecule.n_electrons, molecule.spins
    if electrons > 2 * orbitals:
        raise ArgumentError(
            "charge",
            f"leave at most {2 * orbitals} electrons, two for each orbital of {molecule.basis}",
            f"{molecule.charge}, which leaves {electrons} electrons",
            "Use a larger basis or another charge.",
        )
    if up > orbitals:
        raise ArgumentError(
            "multiplicity",
            f"be at most {2 * orbitals - electrons + 1} for {electrons} electrons in the "
            f"{orbitals} orbitals of {molecule.basis}",
            molecule.multiplicity,
            "Use a larger basis or a smaller multiplicity.",
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
            "Use a smaller basis.",
        )
    solver = (scf.RHF if molecule.multiplicity == 1 else scf.ROHF)(atoms)
    solver.conv_tol = 1e-12
    solver.run()
    if not solver.converged:
        raise ArgumentError(
            "molecule",
            "be one for which Hartree-Fock converges",
            molecule,
            "Use another geometry or basis.",
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
            f"have at most {whole.n_orbitals - core} orbitals besides the {core} occupied ones",
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
