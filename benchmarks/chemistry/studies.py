"""Runs the studies of molecules, and stores their rows.

    python benchmarks/chemistry/studies.py                   # all, some minutes
    python benchmarks/chemistry/studies.py ground_states     # only this one

For each study, the script writes `NAME.json` beside this file or into `--output`, with the rows,
the versions and the machine. It needs the extra `chemistry`:
`pip install "qkeras-hybrid[chemistry]"`.

- `ground_states`: energies of each ansatz, with the exact ones.
- `curves`: energies at new bond lengths, from a network that predicts angles, and from fits.
- `excited_states`: energies by deflation, with the exact ones.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
from pathlib import Path
from typing import Any

from qkeras_hybrid import chemistry
from qkeras_hybrid.bench.environment import machine, versions

SEEDS = range(5)

MOLECULES: dict[str, dict[str, Any]] = {
    "H2, 0.7414 Å": {"given": "H2", "bond_length": 0.7414},
    "H2, 0.7 Å": {"given": "H2", "bond_length": 0.7},
    "LiH, 1.45 Å": {"given": "LiH", "bond_length": 1.45},
    "H4 chain, 0.9 Å": {"given": "H4", "bond_length": 0.9},
    "H4 chain, 2 Å": {"given": "H4", "bond_length": 2.0},
    "BeH2, 1.334 Å": {"given": "BeH2", "bond_length": 1.334, "taper": True},
    "H2O, 0.958 Å": {"given": "H2O", "bond_length": 0.958, "taper": True},
}
ANSATZE = {
    "uccsd": (0,),
    "k_upccgsd": SEEDS,
    "hardware_efficient": SEEDS,
    "adapt": (0,),
}
CURVES: dict[str, dict[str, Any]] = {
    "H2": {
        "train": [0.5, 0.8, 1.1, 1.5, 2.0],
        "between": [0.6, 0.7, 0.9, 1.0, 1.3, 1.7],
        "beyond": [0.4, 2.2, 2.5],
    },
    "LiH": {
        "train": [1.2, 1.5, 1.8, 2.2, 2.6],
        "between": [1.35, 1.6, 2.0, 2.4],
        "beyond": [1.0, 3.0, 3.4],
        "active_space": (2, 3),
    },
}


def ground_states() -> list[dict[str, Any]]:
    """Returns rows of energies."""
    rows = []
    for molecule, arguments in MOLECULES.items():
        electrons = chemistry.electrons(**arguments)
        for ansatz, seeds in ANSATZE.items():
            if ansatz == "adapt" and electrons.n_qubits > 9:
                continue  # would take hours, and UCCSD answers the same question
            for seed in seeds:
                found = chemistry.ground_state(electrons, ansatz=ansatz, seed=seed)
                row = {
                    "molecule": molecule,
                    "qubits": electrons.n_qubits,
                    "ansatz": ansatz,
                    "seed": seed,
                    "weights": len(found.weights),
                    "steps": len(found.history) - 1,
                    "energy": found.energy,
                    "hf_energy": found.hf_energy,
                    "fci_energy": found.fci_energy,
                    "deviation": found.deviation,
                }
                print(row, flush=True)
                rows.append(row)
    return rows


def curves() -> list[dict[str, Any]]:
    """Returns rows of errors at new bond lengths."""
    rows = []
    for name, arguments in CURVES.items():
        table = chemistry.curve_study(name, **arguments, seeds=SEEDS, steps=1000)
        print(name, table.groupby("contender", sort=False).mean(numeric_only=True), sep="\n")
        rows += [{"molecule": name, **row} for row in table.to_dict("records")]
    return rows


def excited_states() -> list[dict[str, Any]]:
    """Returns rows of energies."""
    rows = []
    for name, arguments in {
        "H2": {"bond_length": 0.7414, "ansatz": "uccsd"},
        "LiH": {"bond_length": 1.6, "active_space": (2, 3), "ansatz": chemistry.KUpCCGSD(2)},
    }.items():
        found = chemistry.excited_states(name, k=4, **arguments)
        assert found.exact_energies is not None
        for number, energy in enumerate(found.energies):
            row = {"molecule": name, "state": number, "energy": float(energy)}
            rows.append({**row, "exact_energy": float(found.exact_energies[number])})
            print(rows[-1], flush=True)
    return rows


STUDIES = {"ground_states": ground_states, "curves": curves, "excited_states": excited_states}


def main() -> None:
    """Runs the studies that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"names of {', '.join(STUDIES)}; by default all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    installed = versions()
    for package in ("openfermion", "pyscf", "scipy"):
        installed[package] = importlib.metadata.version(package)
    for name in given.names or STUDIES:
        rows = [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            for row in STUDIES[name]()
        ]
        stored = {"versions": installed, "machine": machine(), "rows": rows}
        text = json.dumps(stored, indent=1, default=float) + "\n"
        (given.output / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
