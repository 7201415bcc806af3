"""Finds the boundaries of the cluster-Ising chain's topological phase, from up to 17 sites.

    python benchmarks/quantum_data/boundaries.py       # writes boundaries.json, in some minutes

The Hamiltonian commutes with two spin flips, one of all even sites and one of all odd sites. Their
signs define four sectors. In a chain with open ends, the topological phase has four ground states,
one in each sector. Their energies approach each other exponentially with the length `L`. In the
other phases, a gap remains. Let the scaled gap be `L` times the difference between the highest and
the lowest of the four sectors' lowest energies. With increasing `L`, it falls inside the phase and
rises outside. So the scaled gaps of two lengths cross near the boundary. The distance between the
crossing and the boundary is proportional to 1 / L**2, and two crossings determine it.

The boundary to the paramagnet, above, is found from the lengths 8 and 12, 10 and 14. The boundary
to the antiferromagnet, below, is found from 9 and 13, 13 and 17. The antiferromagnet only fits into
a chain, with both ends along the field and in the symmetric sector, if the length is one more than
a multiple of four.
"""

from __future__ import annotations

import functools
import itertools
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.optimize
import scipy.sparse.linalg

from qkeras_hybrid.datasets.quantum.chains import CHAINS, pauli_matrix

FIELDS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
SIDES = {"upper": ((8, 12), (10, 14)), "lower": ((9, 13), (13, 17))}
# The search for a crossing starts around this `h2`, at each field.
ROUGHLY = {
    "upper": (0.77, 0.66, 0.46, 0.28, 0.12, -0.03, -0.17, -0.3, -0.42),
    "lower": (-0.97, -0.96, -0.96, -0.97, -1.0, -1.04, -1.1, -1.16, -1.23),
}


@functools.cache
def terms(n: int, signs: tuple[int, int]) -> list[Any]:
    """Returns the matrix of each coupling in the sector with these signs of both flips."""
    flips = [sum(1 << site for site in range(n - 1 - first, -1, -2)) for first in (0, 1)]
    moves = [0, *flips, flips[0] ^ flips[1]]
    places = np.arange(2**n)
    first = places[np.min([places ^ move for move in moves], axis=0) == places]
    values = np.repeat(np.array([1, *signs, signs[0] * signs[1]]) / 2, len(first))
    rows = np.concatenate([first ^ move for move in moves])
    columns = np.tile(np.arange(len(first)), 4)
    basis = scipy.sparse.csr_matrix((values, (rows, columns)), (2**n, len(first)))
    return [
        sign * (basis.T @ sum(pauli_matrix(string, n) for string in strings) @ basis)
        for sign, strings in CHAINS["cluster"].terms(n)
    ]


@functools.cache
def scaled_gap(n: int, h1: float, h2: float) -> float:
    """Returns the scaled gap: the length times the range of the sectors' lowest energies."""
    levels = []
    for signs in itertools.product((1, -1), repeat=2):
        matrix = sum(a * term for a, term in zip((1, h1, h2), terms(n, signs), strict=True))
        start = np.random.default_rng(0).normal(size=matrix.shape[0])
        levels += scipy.sparse.linalg.eigsh(
            matrix, 1, which="SA", v0=start, return_eigenvectors=False
        ).tolist()
    return n * (max(levels) - min(levels))


def crossing(lengths: tuple[int, int], h1: float, side: str) -> float:
    """Returns the `h2` at which the scaled gaps of two lengths cross."""

    def difference(h2: float) -> float:
        return scaled_gap(lengths[1], h1, h2) - scaled_gap(lengths[0], h1, h2)

    # The difference is negative in the topological phase, and positive outside.
    start = ROUGHLY[side][FIELDS.index(h1)]
    return float(scipy.optimize.brentq(difference, start - 0.1, start + 0.1, xtol=2e-3))


def main() -> None:
    """Writes both boundaries, the crossings that they come from, and the versions."""
    start = time.perf_counter()
    rows = []
    for side, pairs in SIDES.items():
        for h1 in FIELDS:
            first, second = (crossing(pair, h1, side) for pair in pairs)
            weights = [float(np.mean(pair)) ** -2 for pair in pairs]
            h2 = second + (second - first) * weights[1] / (weights[0] - weights[1])
            rows.append({"side": side, "h1": h1, "crossings": [first, second], "h2": round(h2, 4)})
            print(side, h1, round(first, 3), round(second, 3), round(h2, 3), flush=True)
    found = {
        "lengths": SIDES,
        "rows": rows,
        "seconds": round(time.perf_counter() - start),
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
        "machine": platform.machine(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
