"""Initial angles, by name.

The layers apply `exp(-i gamma C)` and `exp(-i beta sum_q X_q)` to the state |+>, to minimise `C`.
Since |+> is the ground state of `-sum_q X_q`, good angles have `gamma > 0` and `beta < 0`. Papers
that maximise a cut have the opposite sign of `C`, and so both angles have the same sign there.

Angles from one family of models suit others if gamma is divided by the strength of the couplings:
the root mean square of `sqrt(h_i^2 + sum_j J_ij^2)` over the spins (Basso et al., arXiv 2110.14206;
Shaydulin et al., arXiv 2305.15201).
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.annealing.models import Quadratic
from qkeras_hybrid.annealing.qaoa.tables import SHERRINGTON_KIRKPATRICK, THREE_REGULAR

if TYPE_CHECKING:
    import networkx as nx
else:
    nx = lazy_module("networkx")

NAMES = ("ramp", "fixed", "sk", "stored")

STORED = Path(__file__).with_name("graphs.json")
"""Optimised angles by graph; `benchmarks/qaoa/store_angles.py` writes it."""

# The ends of the ramp for strength 1, chosen between the two published tables.
_RAMP_GAMMA, _RAMP_BETA = 0.8, 0.7


def strength(model: Quadratic) -> float:
    """Returns the strength of the couplings; 1 for a model without couplings."""
    ising = model.to_ising()
    squares = ising.biases**2 + (ising.matrix() ** 2).sum(axis=1)
    root = float(np.sqrt(squares.mean())) if len(squares) else 0.0
    return root if root > 0 else 1.0


def start_angles(name: str, n_layers: int, model: Quadratic) -> tuple[np.ndarray, np.ndarray]:
    """Returns angles gamma and beta, in radians, each of shape `(n_layers,)`.

    Args:
        name: `"ramp"`: gamma grows and beta falls linearly, as in annealing (Sack, Serbyn, Quantum
            5, 491 (2021)); for any number of layers. `"fixed"`: the angles that Wurtz and Lykov
            found best for MaxCut on 3-regular graphs (arXiv 2107.00677). `"sk"`: those of the
            Sherrington-Kirkpatrick model of infinite size (Farhi et al., arXiv 1910.08276).
            `"stored"`: those optimised for the model's own graph, if it is a stored one.
        n_layers: The number of layers.
        model: The model that they are for.

    Raises:
        ValueError: If the name is unknown, or there are no such angles for this number of layers or
            graph.

    Example:

    >>> from qkeras_hybrid.annealing import Ising, start_angles
    >>> ring = Ising({}, {(i, (i + 1) % 6): 0.5 for i in range(6)})
    >>> gammas, betas = start_angles("ramp", 3, ring)
    >>> bool(np.all(np.diff(gammas) > 0)), betas.shape
    (True, (3,))
    """
    one_of("angles", name, NAMES)
    if name == "ramp":
        share = (np.arange(n_layers) + 0.5) / n_layers
        return _RAMP_GAMMA * share / strength(model), _RAMP_BETA * (share - 1)
    if name == "stored":
        return _stored(n_layers, model)
    table = THREE_REGULAR if name == "fixed" else SHERRINGTON_KIRKPATRICK
    if n_layers > len(table):
        raise ArgumentError(
            "n_layers",
            f'be at most {len(table)} with the angles "{name}"',
            n_layers,
            'Use the angles "ramp".',
        )
    gammas, betas = map(np.array, table[n_layers - 1])
    # The cut of a 3-regular graph is half of the sum of products: the strength is sqrt(3) / 2.
    unit = math.sqrt(3) / 2 if name == "fixed" else 1.0
    return gammas * unit / strength(model), -betas


def stored_graphs() -> list[dict[str, Any]]:
    """Returns the graphs with stored angles.

    Each is a dictionary of `name`, `n`, `edges`, and `angles`: by the number of layers, `gammas`
    and `betas` for couplings of 1/2 (MaxCut), and `cut`, the share of the edges that they cut.
    """
    return list(_read())


@functools.cache
def _read() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(STORED.read_text(encoding="utf-8")))


def _stored(n_layers: int, model: Quadratic) -> tuple[np.ndarray, np.ndarray]:
    ising = model.to_ising()
    uniform = len(ising.couplings) > 0 and np.allclose(ising.couplings, ising.couplings[0])
    if not uniform or ising.couplings[0] <= 0 or ising.biases.any():
        raise ArgumentError(
            "angles",
            "not be the stored ones for a model that is not MaxCut: they are for equal, positive "
            "couplings without fields",
            "stored",
            'Use "ramp", "sk" or "fixed".',
        )
    graph = nx.Graph(ising.edges.tolist())
    for entry in _read():
        other = nx.Graph(entry["edges"])
        if not nx.faster_could_be_isomorphic(graph, other) or not nx.is_isomorphic(graph, other):
            continue
        angles = entry["angles"].get(str(n_layers))
        if angles is None:
            most = max(map(int, entry["angles"]))
            raise ArgumentError(
                "n_layers", f'be at most {most} with the angles "stored" of this graph', n_layers
            )
        unit = 0.5 / float(ising.couplings[0])
        return np.array(angles["gammas"]) * unit, np.array(angles["betas"])
    names = ", ".join(entry["name"] for entry in _read())
    raise ArgumentError(
        "angles",
        f"not be the stored ones for this graph of {ising.n_variables} variables: angles are "
        f"stored for {names}",
        "stored",
        'Use "fixed", "sk" or "ramp".',
    )
