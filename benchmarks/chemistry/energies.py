"""Computes the energies of the data set `molecular_energies`, and writes its table.

    python benchmarks/chemistry/energies.py

PySCF computes exact energies (full configuration interaction) in STO-3G, in hartree. Geometries are
drawn uniformly with seed 0, molecule by molecule in the order below. The script needs the extra
`chemistry`.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

N_SAMPLES = 300
OUTPUT = Path(__file__).parents[2] / "qkeras_hybrid" / "datasets" / "molecules.csv"


def chain(rng: np.random.Generator) -> tuple[list[float], list[Any]]:
    """Four hydrogen atoms on a line; the features are the three bond lengths."""
    bonds = rng.uniform(0.6, 2.0, 3)
    places = np.concatenate([[0.0], np.cumsum(bonds)])
    return bonds.tolist(), [("H", (0.0, 0.0, z)) for z in places]


def plane(rng: np.random.Generator) -> tuple[list[float], list[Any]]:
    """Four hydrogen atoms in a square of 2.5 Å; the features are their six distances."""
    while True:
        places = rng.uniform(0, 2.5, (4, 2))
        distances = [
            float(np.linalg.norm(places[i] - places[j])) for j in range(4) for i in range(j)
        ]
        if min(distances) > 0.5:
            return distances, [("H", (x, y, 0.0)) for x, y in places]


def water(rng: np.random.Generator) -> tuple[list[float], list[Any]]:
    """Water; the features are its bond lengths and its angle in degrees."""
    first, second, degrees = rng.uniform([0.8, 0.8, 80.0], [1.6, 1.6, 140.0])
    angle = np.radians(degrees)
    last = (0.0, second * np.sin(angle), second * np.cos(angle))
    atoms = [("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, first)), ("H", last)]
    return [float(first), float(second), float(degrees)], atoms


MOLECULES: dict[str, Callable[[np.random.Generator], tuple[list[float], list[Any]]]] = {
    "H4_chain": chain,
    "H4_plane": plane,
    "H2O": water,
}


def energy(atoms: list[Any]) -> float:
    """Returns the exact energy in STO-3G."""
    gto, scf, fci = (importlib.import_module(f"pyscf.{name}") for name in ("gto", "scf", "fci"))
    molecule = gto.M(atom=atoms, basis="sto-3g", verbose=0)
    return float(fci.FCI(scf.RHF(molecule).run()).kernel()[0])


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    lines = []
    for name, draw in MOLECULES.items():
        for _ in range(N_SAMPLES):
            features, atoms = draw(rng)
            values = [f"{value:.5f}" for value in features]
            lines.append(",".join([name, *values, f"{energy(atoms):.6f}"]))
    given.output.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
