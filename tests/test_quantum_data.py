"""Ground states of spin chains, what a lab measures of them, and the data sets of both."""

from __future__ import annotations

import functools
import itertools
import json
import math
from pathlib import Path
from typing import Any

import cirq
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench import tuning
from qkeras_hybrid.datasets import load, prepare, quantum, split
from qkeras_hybrid.datasets.quantum.chains import CHAINS, cluster_term, pauli_matrix

PHASES = ("ising_phases", "xxz_phases", "cluster_phases")
# What sums of a few hundred float64 leave.
ROUNDING = 1e-11
FIELDS = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]


def dense(chain: str, couplings: Any, n: int) -> np.ndarray:
    """Returns a chain's matrix by Kronecker products, and no symmetry."""
    pauli = {"X": cirq.unitary(cirq.X), "Y": cirq.unitary(cirq.Y), "Z": cirq.unitary(cirq.Z)}

    def string(letters: dict[int, str]) -> np.ndarray:
        found = np.eye(1)
        for site in range(n):
            found = np.kron(found, pauli[letters[site]] if site in letters else np.eye(2))
        return found

    ring = [(i, (i + 1) % n) for i in range(n)]
    terms = {
        "ising": lambda: [
            -sum(string({i: "Z", j: "Z"}) for i, j in ring),
            -sum(string({i: "X"}) for i in range(n)),
        ],
        "xxz": lambda: [
            -sum(string({i: p, j: p}) for i, j in ring for p in "XY"),
            sum(string({i: "Z", j: "Z"}) for i, j in ring),
        ],
        "cluster": lambda: [
            -sum(string({i - 1: "Z", i: "X", i + 1: "Z"}) for i in range(1, n - 1)),
            -sum(string({i: "X"}) for i in range(n)),
            -sum(string({i: "X", i + 1: "X"}) for i in range(n - 1)),
        ],
    }[chain]()
    return sum(c * term for c, term in zip(couplings, terms, strict=True))


# Ground states.


@given(j=st.floats(0.1, 2), h=st.floats(0.01, 3), n=st.sampled_from([4, 5, 8, 9, 12]))
@settings(max_examples=30, deadline=None)
def test_the_ising_ring_has_the_energy_of_free_fermions(j: float, h: float, n: int) -> None:
    _, (energy,) = quantum.ground_states("ising", [j, h], n)
    assert energy == pytest.approx(quantum.ising_energy(j, h, n), abs=ROUNDING * 10)


@pytest.mark.parametrize("n", [4, 6, 8, 10, 12])
def test_the_xxz_ring_has_known_energies_at_special_points(n: int) -> None:
    _, energies = quantum.ground_states("xxz", [[1, 0], [1, -3], [0, 1], [1, 1]], n)
    # Free fermions at delta = 0: -4 / sin(pi / n), for n / 2 odd and even alike.
    assert energies[0] == pytest.approx(-4 / math.sin(math.pi / n), abs=ROUNDING)
    # All spins alike in the ferromagnet, in turns in the Ising antiferromagnet.
    assert energies[1:3] == pytest.approx([-3 * n, -n], abs=ROUNDING)
    # Heisenberg rings, from Bethe's equations: Bonner and Fisher, Phys. Rev. 135, A640 (1964),
    # table I, where energies are those of spins, a quarter of ours.
    known = {4: -2.0, 6: -2.8027756377, 8: -3.6510934089, 10: -4.5154463544, 12: -5.3873909174}
    assert energies[3] == pytest.approx(4 * known[n], abs=1e-8)


@given(
    chain=st.sampled_from(["ising", "xxz", "cluster"]),
    values=st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=2),
)
@settings(max_examples=25, deadline=None)
def test_states_are_eigenstates_and_no_state_lies_below(chain: str, values: list[float]) -> None:
    n = 6 if chain != "cluster" else 5
    a, b = values
    couplings = {"ising": [1.0, abs(a) + 0.05], "xxz": [1.0, b], "cluster": [1.0, abs(a), b]}[chain]
    if chain == "xxz" and abs(b + 1) < 1e-3:
        return  # levels cross there
    matrix = dense(chain, couplings, n)
    (state,), (energy,) = quantum.ground_states(chain, couplings, n)
    assert np.linalg.norm(matrix @ state - energy * state) < ROUNDING * 10
    assert np.linalg.norm(state) == pytest.approx(1, abs=ROUNDING)
    if chain != "cluster":
        assert energy == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=ROUNDING * 10)
        assert state.min() > -ROUNDING


@given(h1=st.floats(0.01, 1.6), h2=st.floats(-1.6, 1.6))
@settings(max_examples=15, deadline=None)
def test_with_nine_sites_the_symmetric_cluster_state_is_the_ground_state(
    h1: float, h2: float
) -> None:
    _, (energy,) = quantum.ground_states("cluster", [1, h1, h2], 9)
    matrix = sum(
        value * sign * sum(pauli_matrix(string, 9) for string in strings)
        for value, (sign, strings) in zip([1, h1, h2], CHAINS["cluster"].terms(9), strict=True)
    )
    # The four lowest levels of the topological phase differ by what decays with the length.
    assert energy == pytest.approx(np.linalg.eigvalsh(matrix.toarray())[0], abs=0.02)


def test_degenerate_ground_states_are_the_symmetric_ones() -> None:
    n = 6
    cat = np.zeros(2**n)
    cat[[0, -1]] = math.sqrt(0.5)
    ordered, _ = quantum.ground_states("ising", [1, 0], n)
    ferromagnet, _ = quantum.ground_states("xxz", [1, -2], n)
    assert ordered[0] == pytest.approx(cat, abs=ROUNDING)
    assert ferromagnet[0] == pytest.approx(cat, abs=ROUNDING)
    paramagnet, _ = quantum.ground_states("cluster", [0, 1, 0], n)
    assert paramagnet[0] == pytest.approx(np.full(2**n, 2 ** (-n / 2)), abs=ROUNDING)


@pytest.mark.parametrize("n", [6, 7, 9])
def test_the_cluster_state_is_held_by_its_stabilisers_and_both_flips(n: int) -> None:
    (state,), (energy,) = quantum.ground_states("cluster", [1, 0, 0], n)
    assert energy == pytest.approx(-(n - 2), abs=ROUNDING)
    strings = [cluster_term(site) for site in range(1, n - 1)]
    strings += [dict.fromkeys(range(first, n, 2), "X") for first in (0, 1)]
    for string in strings:
        assert pauli_matrix(string, n) @ state == pytest.approx(state, abs=ROUNDING)
    assert len(strings) == n  # as many as qubits: they say which state it is


def test_a_point_where_levels_cross_has_no_ground_state_to_give() -> None:
    with pytest.raises(ArgumentError, match=r"one symmetric ground state.*levels cross"):
        quantum.ground_states("xxz", [1, -1], 6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("heisenberg", [1, 1], 6), "`chain` must be one of 'ising', 'xxz', 'cluster'"),
        (("ising", [1, 1], 13), "`n_qubits` must be a whole number from 3 to 12"),
        (("ising", [1, 1], 10**9), "`n_qubits`"),
        (("ising", [1, 1], True), "`n_qubits`"),
        (("ising", [1, 1], 6.0), "`n_qubits`"),
        (("xxz", [1, 1], 7), "`n_qubits` must be an even number"),
        (("ising", [1, 1, 1], 6), r"shape \(n_states, 2\): j, h"),
        (("ising", [[[1, 1]]], 6), "`couplings`"),
        (("ising", [1, math.nan], 6), "`couplings` must be finite"),
        (("cluster", [1, math.inf, 0], 6), "`couplings` must be finite"),
    ],
)
def test_bad_chains_are_refused(arguments: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        quantum.ground_states(*arguments)


def test_no_couplings_give_no_states() -> None:
    states, energies = quantum.ground_states("ising", np.empty((0, 2)), 6)
    assert states.shape == (0, 64)
    assert energies.shape == (0,)


# Measurements.


def haar(n_states: int, n_qubits: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(n_states, 2**n_qubits, 2)) @ [1, 1j]
    return states / np.linalg.norm(states, axis=1, keepdims=True)


def test_measurements_have_the_probabilities_of_borns_rule() -> None:
    (state,) = states = haar(1, 3, seed=1)
    rng = np.random.default_rng(0)
    for letters in ([0, 1, 2], [2, 2, 1], [1, 1, 0]):
        turns = [cirq.H, cirq.S**-1, cirq.I]
        qubits = cirq.LineQubit.range(3)
        circuit = cirq.Circuit(
            [turns[1](q) for q, b in zip(qubits, letters, strict=True) if b == 1],
            [cirq.H(q) if b < 2 else cirq.I(q) for q, b in zip(qubits, letters, strict=True)],
        )
        chances = np.abs(circuit.final_state_vector(initial_state=state, dtype=np.complex128)) ** 2
        shots = 20000
        outcomes = quantum.measure(states, np.tile(letters, (1, shots, 1)), rng)
        places = ((1 - outcomes[0]) // 2) @ [4, 2, 1]
        shares = np.bincount(places, minlength=8) / shots
        # Five standard deviations of a share.
        assert (abs(shares - chances) < 5 * np.sqrt(chances / shots) + 1e-9).all()


def exact(states: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Returns the expectation values of observables by Cirq."""
    qubits = cirq.LineQubit.range(states.shape[1].bit_length() - 1)
    order = {qubit: i for i, qubit in enumerate(qubits)}
    strings = [
        cirq.PauliString({qubits[int(one[1:])]: one[0] for one in name.split("*")})
        for name in names
    ]
    return np.array(
        [[one.expectation_from_state_vector(s, order).real for one in strings] for s in states]
    )


@pytest.mark.parametrize(("locality", "periodic"), [(1, True), (2, True), (3, False), (2, False)])
def test_shadows_are_unbiased(locality: int, periodic: bool) -> None:
    states = haar(2, 6, seed=2)
    rng = np.random.default_rng(3)
    shots = 20000
    bases = rng.integers(3, size=(2, shots, 6))
    values = quantum.shadow_values(
        bases, quantum.measure(states, bases, rng), locality, periodic=periodic
    )
    names = quantum.local_strings(6, locality, periodic=periodic)
    assert len(set(names)) == len(names) == values.shape[1]
    weights = np.array([name.count("*") + 1 for name in names])
    # Five standard deviations of a mean whose terms are 0 or of size 3**w.
    assert (abs(values - exact(states, names)) < 5 * np.sqrt(3.0**weights / shots)).all()


def test_each_copy_of_a_shadow_counts_three_to_the_weight_or_nothing() -> None:
    bases = np.array([[[0, 2, 1, 0]]])
    outcomes = np.array([[[1, -1, 1, -1]]])
    names = quantum.local_strings(4, 2)
    values = dict(zip(names, quantum.shadow_values(bases, outcomes)[0].tolist(), strict=True))
    seen = {"X0": 3, "Z1": -3, "Y2": 3, "X3": -3}
    seen |= {"X0*Z1": -9, "Z1*Y2": -9, "Y2*X3": -9, "X3*X0": -9}
    assert {name: value for name, value in values.items() if value} == seen


def test_expectation_values_are_those_of_the_observables_and_shots_come_near() -> None:
    states = haar(3, 6, seed=4)
    staggered = ("X", "Y", "Z", "XZ", "ZX")
    names, values = quantum.expectation_values(
        states, None, locality=3, periodic=False, settings=staggered
    )
    assert values == pytest.approx(exact(states, names), abs=1e-10)
    assert {"Z0*X1*Z2", "Z1*X2*Z3", "X0*X2", "Y4*Y5", "Z3"} <= set(names)
    assert "X0*Y1" not in names
    rng = np.random.default_rng(0)
    same, estimates = quantum.expectation_values(
        states, 10000, rng, 3, periodic=False, settings=staggered
    )
    assert same == names
    # Each is the mean of at least 2000 eigenvalues; five standard deviations.
    assert (abs(estimates - values) < 5 / math.sqrt(2000)).all()


def test_copies_are_divided_among_settings() -> None:
    # Of 4 copies, X takes 2: values of X0 are halves then, those of Y0 and Z0 are 1 or -1.
    names, values = quantum.expectation_values(haar(40, 2, 0), 4, np.random.default_rng(1), 1)
    by_name = dict(zip(names, values.T, strict=True))
    assert 0.0 in by_name["X0"].tolist()
    assert set(by_name["Y0"].tolist()) == set(by_name["Z0"].tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("states", "bases", "words"),
    [
        (np.eye(1, 3), np.zeros((1, 1, 2), int), r"`states` must be amplitudes"),
        (np.ones(4) / 2, np.zeros((1, 1, 2), int), r"`states` must be amplitudes"),
        (np.ones((1, 4)), np.zeros((1, 1, 2), int), "`states` must have norm 1"),
        (np.full((1, 4), np.nan), np.zeros((1, 1, 2), int), "`states` must have norm 1"),
        (np.eye(1, 4), np.zeros((1, 1, 3), int), r"`bases` must have the shape \(1, shots, 2\)"),
        (np.eye(1, 4), np.full((1, 1, 2), 3), "`bases` must be whole numbers"),
        (np.eye(1, 4), np.zeros((1, 1, 2)), "`bases` must be whole numbers"),
    ],
)
def test_bad_measurements_are_refused(states: Any, bases: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        quantum.measure(states, bases, np.random.default_rng(0))


def test_shadows_of_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least one shot"):
        quantum.shadow_values(np.zeros((1, 0, 4), int), np.zeros((1, 0, 4), int))
    with pytest.raises(ArgumentError, match="shape"):
        quantum.shadow_values(np.zeros((1, 2, 4), int), np.zeros((1, 3, 4), int))


# Data sets.


@pytest.mark.parametrize("name", PHASES)
def test_all_views_are_of_the_same_samples(name: str) -> None:
    arguments: dict[str, Any] = {"n_samples": 12, "n_qubits": 6, "seed": 5}
    states = load(name, **arguments)
    assert states.states
    assert states.x.shape == (12, 64)
    assert np.linalg.norm(states.x, axis=1) == pytest.approx(np.ones(12), abs=1e-6)
    assert "doi:10." in states.source
    for view, shots in itertools.product(("expectations", "shadows"), (40, 41)):
        seen = load(name, **arguments, view=view, shots=shots)
        both = load(name, **arguments, lab=view, shots=shots)
        assert not seen.states
        assert (seen.y == states.y).all() and (both.y == states.y).all()
        assert (both.x == states.x).all()
        assert both.lab is not None
        assert (both.lab == seen.x).all()
        assert not both.lab.flags.writeable


def test_labels_are_the_sides_of_the_exact_transitions() -> None:
    ising = load("ising_phases", n_samples=40, n_qubits=6)
    fields = np.random.default_rng(0).uniform(0, 2, 40)
    assert (ising.y == (fields > 1)).all()
    states, _ = quantum.ground_states("ising", np.stack([np.ones(40), fields], 1), 6)
    assert ising.x == pytest.approx(states, abs=1e-7)
    xxz = load("xxz_phases", n_samples=60, n_qubits=6)
    deltas = np.random.default_rng(0).uniform(-2, 3, 60)
    assert (xxz.y == (deltas > -1).astype(int) + (deltas > 1)).all()
    assert set(xxz.y.tolist()) == {0, 1, 2}
    line = load("cluster_phases", n_samples=40, n_qubits=6, line=True, margin=0)
    assert (line.y == (np.random.default_rng(0).uniform(0, 2, 40) < 1)).all()


def test_the_topological_phase_has_its_string_order_and_the_others_have_not() -> None:
    data = load("cluster_phases", n_samples=60, margin=0.3)
    string = {1: "Z", 2: "X", 4: "X", 6: "X", 7: "Z"}
    order = np.einsum("ij,ji->i", data.x, pauli_matrix(string, 9) @ data.x.T)
    assert order[data.y == 1].min() > 0.25 > 0.1 > order[data.y == 0].max()


def test_boundaries_pass_through_the_points_that_are_exact() -> None:
    lower, upper = quantum.cluster_boundaries([0.0, 1.0])
    assert upper == pytest.approx([1, 0])
    assert lower[0] == -1


def test_boundaries_are_those_of_the_stored_crossings(root: Path) -> None:
    rows = json.loads((root / "benchmarks/quantum_data/boundaries.json").read_text())["rows"]
    for side, got in zip(("lower", "upper"), quantum.cluster_boundaries(FIELDS), strict=True):
        stored = [row["h2"] for row in rows if row["side"] == side]
        assert [row["h1"] for row in rows if row["side"] == side] == FIELDS
        # The table has two digits, and 0 where the crossings give -0.003.
        assert got == pytest.approx(stored, abs=0.006)


def test_a_seed_gives_the_same_and_another_gives_others() -> None:
    one = load("ising_phases", n_samples=5, n_qubits=6, view="shadows", shots=20)
    load.__globals__["_load"].cache_clear()
    again = load("ising_phases", n_samples=5, n_qubits=6, view="shadows", shots=20)
    other = load("ising_phases", n_samples=5, n_qubits=6, view="shadows", shots=20, seed=1)
    assert one is not again
    assert (one.x == again.x).all()
    assert not (one.x == other.x).all(axis=1).any()


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"view": "photographs"}, "`view` must be one of 'states', 'expectations', 'shadows'"),
        ({"lab": "states"}, "`lab` must be one of 'expectations', 'shadows'"),
        ({"view": "shadows", "lab": "shadows"}, "`lab` must be left out"),
        ({"view": "shadows", "shots": 0}, "`shots` must be a whole number from 1 to"),
        ({"view": "shadows", "shots": None}, "`shots`"),
        ({"view": "expectations", "shots": 2}, "`shots` must be a whole number from [35] to"),
        ({"view": "shadows", "shots": 1.5}, "`shots`"),
        ({"view": "shadows", "shots": True}, "`shots`"),
        ({"lab": "shadows", "shots": 10**12}, "`shots`"),
        ({"locality": 0}, "`locality`"),
        ({"locality": 4}, "`locality` must be at most 3"),
        ({"n_qubits": 5}, "`n_qubits` must be .* from 6 to 12"),
        ({"n_qubits": 14}, "`n_qubits`"),
        ({"n_samples": 0}, "`n_samples`"),
        ({"n_samples": 10**12}, "`n_samples` must be so few that the states fit"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_data_sets_are_refused(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        load(name, **{"n_qubits": 6, **arguments})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ising_phases", {"low": -0.1}),
        ("ising_phases", {"low": 2.0}),
        ("ising_phases", {"high": math.inf}),
        ("xxz_phases", {"low": math.nan}),
        ("xxz_phases", {"high": 1e9}),
        ("cluster_phases", {"margin": 0.5}),
        ("cluster_phases", {"margin": math.nan}),
        ("cluster_phases", {"line": 1}),
    ],
)
def test_bad_ranges_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=f"`({'|'.join([*arguments, 'high'])})` must"):
        load(name, n_qubits=6, **arguments)


# Splits.

BOTH = {"name": "ising_phases", "n_samples": 40, "n_qubits": 6, "lab": "shadows", "shots": 50}


def test_states_are_split_as_they_are_and_reports_are_scaled() -> None:
    data, parts = prepare(BOTH, 0)
    assert not parts.scaled
    assert (parts.x_train == data.x[parts.train_index]).all()
    same, reported = prepare(BOTH, 0, lab=True)
    assert same is data
    assert reported.scaled
    assert (reported.train_index == parts.train_index).all()
    assert (reported.y_test == parts.y_test).all()
    assert reported.x_train.mean(axis=0) == pytest.approx(np.zeros(72), abs=1e-5)
    # A data set with one view has that in either case.
    plain = {**BOTH, "lab": None}
    assert (prepare(plain, 0, lab=True)[1].x_test == parts.x_test).all()


def test_folds_leave_states_as_they_are() -> None:
    _, parts = prepare(BOTH, 0)
    for fold in tuning.folds_of(parts, 2, seed=0):
        assert np.linalg.norm(fold.x_valid, axis=1) == pytest.approx(1, abs=1e-6)


def test_states_have_no_principal_components() -> None:
    with pytest.raises(ArgumentError, match="`pca` must be left out for states"):
        split(load("ising_phases", n_samples=40, n_qubits=6), 0, pca=3)


# What is entangled, coupled, noisy.


def test_products_are_pure_in_their_half_and_others_are_not_in_the_mean() -> None:
    data = load("entangled_pairs", n_samples=400, copies=1, n_qubits=6)
    halves = data.x.reshape(-1, 8, 8).astype("float64")
    reduced = halves @ halves.transpose(0, 2, 1)
    purity = (reduced**2).sum(axis=(1, 2))
    assert purity[data.y == 0] == pytest.approx(1, abs=1e-5)
    # (2 d + 1) / (d**2 + 2) with d = 8; five standard deviations of the mean.
    entangled = purity[data.y == 1]
    error = 5 * entangled.std() / math.sqrt(len(entangled))
    assert entangled.mean() == pytest.approx(17 / 66, abs=error)
    # No observable of one copy tells: both mean states are the identity, divided by 64.
    for label in (0, 1):
        states = data.x[data.y == label]
        mean = states.T @ states / len(states)
        assert np.abs(mean - np.eye(64) / 64).max() < 0.012


def test_two_copies_are_one_state_twice() -> None:
    arguments: dict[str, Any] = {"n_samples": 10, "seed": 3, "lab": "shadows", "shots": 30}
    one = load("entangled_pairs", **arguments, copies=1)
    two = load("entangled_pairs", **arguments)
    for single, pair in zip(one.x, two.x, strict=True):
        assert pair == pytest.approx(np.kron(single, single), abs=1e-6)
    # A lab gets single copies in either case.
    assert one.lab is not None and two.lab is not None
    assert (one.lab == two.lab).all()
    assert two.lab.shape == (10, 3 * 4 * 3 + 3)


@given(j=st.floats(0, 2), h=st.floats(-2, 2), time=st.floats(0.1, 3))
@settings(max_examples=15, deadline=None)
def test_evolution_is_that_of_the_exponential(j: float, h: float, time: float) -> None:
    y, z, one = cirq.unitary(cirq.Y), cirq.unitary(cirq.Z), np.eye(2)

    def product(*factors: np.ndarray) -> np.ndarray:
        return functools.reduce(np.kron, factors)

    matrix = j * (product(z, y, one) + product(one, z, y))
    matrix = matrix + h * (product(y, one, one) + product(one, y, one) + product(one, one, y))
    levels, vectors = np.linalg.eigh(matrix)
    expected = vectors @ (np.exp(-1j * levels * time) * vectors.conj()[0])
    (state,) = quantum.evolved_states([j], [h], 3, time)
    assert state == pytest.approx(expected, abs=1e-10)


def test_qubits_turn_alone_without_a_coupling_and_the_first_rests_without_a_drive() -> None:
    names, values = quantum.expectation_values(
        quantum.evolved_states([0], [0.4], 4, 1.5), None, locality=1
    )
    by_name = dict(zip(names, values.T, strict=True))
    for site in range(4):
        assert by_name[f"Z{site}"][0] == pytest.approx(math.cos(2 * 0.4 * 1.5), abs=1e-10)
        assert by_name[f"X{site}"][0] == pytest.approx(math.sin(2 * 0.4 * 1.5), abs=1e-10)
    names, values = quantum.expectation_values(
        quantum.evolved_states([0.7], [0], 2, 1.5), None, locality=1
    )
    known = {"Z0": 1.0, "Z1": math.cos(2 * 0.7 * 1.5), "X1": math.sin(2 * 0.7 * 1.5)}
    known |= dict.fromkeys(("X0", "Y0", "Y1"), 0.0)
    assert dict(zip(names, values[0].tolist(), strict=True)) == pytest.approx(known, abs=1e-10)


def test_the_target_is_the_coupling() -> None:
    data = load("unknown_coupling", n_samples=6)
    rng = np.random.default_rng(0)
    couplings, drives = rng.uniform(0, 1, 6), rng.uniform(0.5, 1.5, 6)
    assert data.y == pytest.approx(couplings, abs=1e-7)
    assert data.x == pytest.approx(quantum.evolved_states(couplings, drives, 6), abs=1e-6)
    parts = split(data, 0)
    assert parts.y_train.mean() == pytest.approx(0, abs=1e-6)
    assert not parts.scaled


def test_noisy_outputs_are_the_mixture_of_their_errors() -> None:
    data = load("noisy_outputs", n_samples=8)
    rng = np.random.default_rng(0)
    phase = rng.random(8) < 0.5
    fields, chances = rng.uniform(0.2, 2, 8), rng.uniform(0.05, 0.3, 8)
    assert (data.y == phase).all()
    assert set(data.y.tolist()) == {0, 1}
    states, _ = quantum.ground_states("ising", np.stack([np.ones(8), fields], 1), 4)
    for row, label, state, p in zip(data.x, data.y, states, chances, strict=True):
        mixed = np.outer(state, state)
        for site in range(4):
            error = pauli_matrix({site: "XZ"[label]}, 4).toarray()
            mixed = (1 - p) * mixed + p * error @ mixed @ error
        with_environment = row.reshape(16, 16).astype("float64")
        assert with_environment @ with_environment.T == pytest.approx(mixed, abs=1e-6)


def test_a_lab_sees_the_device_and_not_its_environment() -> None:
    arguments: dict[str, Any] = {"n_samples": 5, "n_qubits": 4}
    states = load("noisy_outputs", **arguments).x
    names, whole = quantum.expectation_values(states, None)
    known = load("noisy_outputs", **arguments, view="expectations", shots=None).x
    ours = [i for i, name in enumerate(names) if not set(name) & set("4567")]
    # On the ring of eight, sites 3 and 0 are no neighbours: that pair is the device's alone.
    alone = [
        i
        for i, name in enumerate(quantum.expectation_values(np.eye(1, 16), None)[0])
        if name in {names[j] for j in ours}
    ]
    assert len(alone) == len(ours) == 4 * 3 + 3 * 3
    assert known[:, alone] == pytest.approx(whole[:, ours], abs=1e-6)
    estimated = load("noisy_outputs", **arguments, view="shadows", shots=20000).x
    strings = quantum.local_strings(4)
    exact_names = quantum.expectation_values(np.eye(1, 16), None)[0]
    places = [strings.index(name) for name in exact_names]
    # Five standard deviations of pairs, 9 / sqrt(9 * shots).
    assert np.abs(estimated[:, places] - known).max() < 5 * 3 / math.sqrt(20000)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("entangled_pairs", {"n_qubits": 5}, "`n_qubits` must be 4 or 6"),
        ("entangled_pairs", {"copies": 3}, "`copies` must be 1 or 2"),
        ("entangled_pairs", {"copies": True}, "`copies` must be 1 or 2"),
        ("entangled_pairs", {"n_samples": 10**11}, "`n_samples` must be so few"),
        ("entangled_pairs", {"locality": 3}, "`locality` must be at most 2"),
        ("unknown_coupling", {"time": 0}, "`time` must be above 0"),
        ("unknown_coupling", {"time": math.nan}, "`time`"),
        ("unknown_coupling", {"n_qubits": 13}, "`n_qubits`"),
        ("unknown_coupling", {"view": "shadows", "shots": 0}, "`shots`"),
        ("noisy_outputs", {"n_qubits": 7}, "`n_qubits` must be a whole number from 4 to 6"),
        ("noisy_outputs", {"least": 0.4}, "`least` must be at least 0 and below `most`, 0.3"),
        ("noisy_outputs", {"most": 0.6}, "`least`"),
        ("noisy_outputs", {"least": -0.1}, "`least`"),
        ("noisy_outputs", {"most": math.inf}, "`most` must be a finite number"),
        ("noisy_outputs", {"view": "film"}, "`view`"),
    ],
)
def test_bad_arguments_of_these_are_refused(
    name: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArgumentError, match=words):
        load(name, **arguments)
