"""Molecules by name, or from a geometry with its units.

Lengths are in ångström, except with `units="bohr"`: 1 bohr = 0.529177210903 Å (CODATA 2018).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError

ANGSTROM_PER_BOHR = 0.529177210903

CLOSEST = 0.1
"""The smallest distance of two nuclei, in ångström: a smaller one must be a mistake."""

MOST_ATOMS = 100
"""The most atoms of a molecule."""

ELEMENTS = (  # noqa: SIM905
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar "
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr"
).split()
"""The symbols of the elements, in the order of their atomic numbers."""

Atoms = tuple[tuple[str, tuple[float, float, float]], ...]


@dataclass(frozen=True)
class Molecule:
    """Nuclei at fixed positions, with a number of electrons and a basis set.

    Attributes:
        atoms: The element and the position of each nucleus, in ångström.
        basis: The name of the basis set, such as "sto-3g".
        charge: The molecule's charge.
        multiplicity: One more than the number of unpaired electrons.
        name: The molecule's name; empty for a geometry.

    Example:

    >>> from qkeras_hybrid.chemistry import molecule
    >>> water = molecule("H2O", bond_length=0.958)
    >>> water.n_electrons, water.spins
    (10, (5, 5))
    """

    atoms: Atoms
    basis: str = "sto-3g"
    charge: int = 0
    multiplicity: int = 1
    name: str = ""

    @property
    def n_electrons(self) -> int:
        """The number of electrons."""
        return sum(ELEMENTS.index(element) + 1 for element, _ in self.atoms) - self.charge

    @property
    def spins(self) -> tuple[int, int]:
        """The numbers of electrons with spin up and down."""
        unpaired = self.multiplicity - 1
        return (self.n_electrons + unpaired) // 2, (self.n_electrons - unpaired) // 2

    @property
    def distances(self) -> np.ndarray:
        """The distances between the nuclei in ångström, of shape `(n_atoms, n_atoms)`."""
        places = np.array([place for _, place in self.atoms])
        return np.asarray(np.linalg.norm(places[:, None] - places[None, :], axis=-1))


@dataclass(frozen=True)
class Known:
    """A molecule that `molecule` knows by name.

    Attributes:
        bond: The bonds whose length is `bond_length`.
        usual: A usual bond length, in ångström.
        charge: The charge.
        places: A function that returns the atoms for a bond length in ångström.
    """

    bond: str
    usual: float
    charge: int
    places: Callable[[float], Atoms]


def _line(*elements: str) -> Callable[[float], Atoms]:
    return lambda d: tuple((e, (0.0, 0.0, i * d)) for i, e in enumerate(elements))


def _water(d: float) -> Atoms:
    half = math.radians(104.5) / 2
    y, z = d * math.sin(half), d * math.cos(half)
    return (("O", (0.0, 0.0, 0.0)), ("H", (0.0, y, z)), ("H", (0.0, -y, z)))


def _around(element: str, d: float, cosine: float, n: int = 3) -> Atoms:
    """Returns an atom with `n` hydrogen atoms whose bonds have this cosine with the z axis."""
    across = d * math.sqrt(1 - cosine**2)
    turns = [2 * math.pi * k / n for k in range(n)]
    return (
        (element, (0.0, 0.0, 0.0)),
        *(("H", (across * math.cos(t), across * math.sin(t), d * cosine)) for t in turns),
    )


def _ammonia(d: float) -> Atoms:
    # The angle between two bonds is 106.7 degrees.
    return _around("N", d, math.sqrt((1 + 2 * math.cos(math.radians(106.7))) / 3))


def _methane(d: float) -> Atoms:
    return (*_around("C", d, -1 / 3), ("H", (0.0, 0.0, d)))


def _trihydrogen(d: float) -> Atoms:
    height = d * math.sqrt(3) / 2
    return (("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, d)), ("H", (0.0, height, d / 2)))


KNOWN: dict[str, Known] = {
    "H2": Known("H-H", 0.7414, 0, _line("H", "H")),
    "HeH+": Known("He-H", 0.772, 1, _line("He", "H")),
    "H3+": Known("H-H, an equilateral triangle", 0.873, 1, _trihydrogen),
    "H4": Known("H-H, a chain of four", 0.9, 0, _line(*"HHHH")),
    "H6": Known("H-H, a chain of six", 0.9, 0, _line(*"HHHHHH")),
    "LiH": Known("Li-H", 1.595, 0, _line("Li", "H")),
    "BeH2": Known("Be-H, linear", 1.334, 0, _line("H", "Be", "H")),
    "BH": Known("B-H", 1.232, 0, _line("B", "H")),
    "HF": Known("H-F", 0.917, 0, _line("H", "F")),
    "H2O": Known("O-H, at an angle of 104.5 degrees", 0.958, 0, _water),
    "NH3": Known("N-H, at angles of 106.7 degrees", 1.012, 0, _ammonia),
    "CH4": Known("C-H, a tetrahedron", 1.087, 0, _methane),
    "N2": Known("N-N", 1.098, 0, _line("N", "N")),
}
"""The molecules that `molecule` knows by name."""


def molecule(
    given: Any,
    *,
    bond_length: float | None = None,
    units: str | None = None,
    basis: str | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
) -> Molecule:
    """Returns a molecule by its name, or from a geometry.

    | name | bonds with the length `bond_length` |
    |---|---|
    | "H2", "LiH", "BH", "HF", "N2", "HeH+" (charge 1) | the only bond |
    | "H3+" (charge 1) | each side of an equilateral triangle |
    | "H4", "H6" | each bond of a chain |
    | "BeH2" | each bond, on a line |
    | "H2O", "NH3", "CH4" | each bond; the angles are 104.5, 106.7 and 109.5 degrees |

    Args:
        given: A name; or a geometry with the element and the position of each atom, such as
            `[("H", (0, 0, 0)), ("H", (0, 0, 0.74))]`. A `Molecule` is returned unchanged.
        bond_length: For a name, in ångström: see the table.
        units: "angstrom" or "bohr", for a geometry.
        basis: The basis set; by default "sto-3g".
        charge: The molecule's charge; by default that in the table, or 0.
        multiplicity: One more than the number of unpaired electrons: 1, the default, if all are
            paired, 2 for a radical.

    Raises:
        ValueError: If the name or an element is unknown, the bond length of a name or the units of
            a geometry are missing, two atoms are closer than 0.1 Å, or the charge and the
            multiplicity don't fit each other.

    Example:

    >>> from qkeras_hybrid.chemistry import molecule
    >>> molecule([("H", (0, 0, 0)), ("H", (0, 0, 1.4))], units="bohr").distances[0, 1].round(4)
    np.float64(0.7408)
    """
    if isinstance(given, Molecule):
        refuse_beside(
            "Molecule",
            bond_length=bond_length,
            units=units,
            basis=basis,
            charge=charge,
            multiplicity=multiplicity,
        )
        return given
    basis = "sto-3g" if basis is None else basis
    multiplicity = 1 if multiplicity is None else multiplicity
    if not isinstance(basis, str) or not basis.strip():
        raise ArgumentError("basis", "be the name of a basis set, such as 'sto-3g'", basis)
    positive_int("multiplicity", multiplicity)
    own_charge = 0
    if isinstance(given, str):
        name, atoms, own_charge = _named(given, bond_length, units)
    else:
        name, atoms = "", _geometry(given, bond_length, units)
    if charge is not None and (isinstance(charge, bool) or not hasattr(charge, "__index__")):
        raise ArgumentError("charge", "be a whole number", charge)
    total = own_charge if charge is None else int(charge)
    found = Molecule(atoms, basis.strip().lower(), total, int(multiplicity), name)
    _check(found)
    return found


def refuse_beside(kind: str, **arguments: Any) -> None:
    """Rejects arguments that an object already determines.

    Args:
        kind: The class of the object.
        **arguments: The arguments; None if they were left out.

    Raises:
        ValueError: If an argument is not None.
    """
    for name, value in arguments.items():
        if value is not None:
            raise ArgumentError(
                name, f"be left out for {kind}", value, f"The {kind} object already has it."
            )


def _named(given: str, bond_length: Any, units: Any) -> tuple[str, Atoms, int]:
    known = KNOWN.get(given)
    if known is None:
        close = [name for name in KNOWN if name.lower() == given.lower()]
        close += difflib.get_close_matches(given, KNOWN, 1, 0.7)
        fix = f"Did you mean {close[0]!r}? " if close else ""
        fix += "Give others as a geometry: a list of elements and positions, with `units`."
        raise ArgumentError("molecule", f"be one of {', '.join(map(repr, KNOWN))}", given, fix)
    if units is not None:
        raise ArgumentError(
            "units", "be None for a name, whose bond length is in ångström", units, "Leave it out."
        )
    if bond_length is None:
        raise ArgumentError(
            "bond_length",
            f"be given for {given!r}, in ångström ({known.bond})",
            None,
            f"A usual length is {known.usual}.",
        )
    length = finite_number("bond_length", bond_length)
    if length <= 0:
        raise ArgumentError("bond_length", "be above 0", bond_length)
    return given, known.places(length), known.charge


def _geometry(given: Any, bond_length: Any, units: Any) -> Atoms:
    form = "be a name, or a list of atoms such as [('H', (0, 0, 0)), ('H', (0, 0, 0.74))]"
    if not isinstance(given, Iterable):
        raise ArgumentError("molecule", form, given)
    items = list(given)
    if not 0 < len(items) <= MOST_ATOMS:
        raise ArgumentError("molecule", f"have 1 to {MOST_ATOMS} atoms", len(items))
    if bond_length is not None:
        raise ArgumentError(
            "bond_length", "be None for a geometry, which has its own positions", bond_length
        )
    if units is None:
        raise ArgumentError(
            "units",
            "be given for a geometry",
            None,
            "Pass units='angstrom' or units='bohr'.",
        )
    scale = ANGSTROM_PER_BOHR if one_of("units", units, ("angstrom", "bohr")) == "bohr" else 1.0
    atoms = []
    for item in items:
        pair = list(item) if isinstance(item, Iterable) and not isinstance(item, str) else []
        if len(pair) != 2 or not isinstance(pair[0], str) or np.shape(pair[1]) != (3,):
            raise ArgumentError("molecule", form, item)
        element = pair[0].strip().capitalize()
        if element not in ELEMENTS:
            raise ArgumentError("molecule", "have elements from H to Kr", pair[0])
        x, y, z = (finite_number("molecule", number) * scale for number in pair[1])
        atoms.append((element, (x, y, z)))
    return tuple(atoms)


def _check(molecule: Molecule) -> None:
    distances = molecule.distances
    for i in range(len(molecule.atoms)):
        for j in range(i):
            # With a tolerance, because the smallest allowed distance can be rounded down.
            if distances[i, j] < CLOSEST - 1e-9:
                raise ArgumentError(
                    "molecule",
                    f"have atoms that are at least {CLOSEST} Å apart",
                    f"{distances[i, j]:.3g} Å between {molecule.atoms[j][0]} (atom {j}) and "
                    f"{molecule.atoms[i][0]} (atom {i})",
                    "Check the positions and their units.",
                )
    electrons, unpaired = molecule.n_electrons, molecule.multiplicity - 1
    if electrons < 1:
        raise ArgumentError("charge", "leave at least one electron", molecule.charge)
    if unpaired > electrons or (electrons - unpaired) % 2:
        even = electrons % 2 == 0
        raise ArgumentError(
            "multiplicity",
            f"be {'odd' if even else 'even'} and at most {electrons + 1} for {electrons} electrons",
            molecule.multiplicity,
            "With an odd number of electrons one is unpaired: use multiplicity=2 or another charge."
            if not even
            else "",
        )
