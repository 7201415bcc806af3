"""Annealers: the native one against exact probabilities, and samplers of dimod's as services."""

from __future__ import annotations

import itertools
import sys
import types
from pathlib import Path
from typing import Any

import dimod
import networkx as nx
import numpy as np
import pytest

from qkeras_hybrid import annealing
from qkeras_hybrid.annealing import Batch, DimodAnnealer, ExactSampling, Ising, SimulatedAnnealing
from qkeras_hybrid.engines.native import build_status, library
from qkeras_hybrid.engines.services import Budget, BudgetError, Prices, Retries, ServiceError

RNG = np.random.default_rng(1)
EDGES = np.array(list(itertools.combinations(range(4), 2)))
COUPLINGS = RNG.normal(size=len(EDGES)) * 0.5
FIELDS = RNG.normal(size=(3, 4)) * 0.5
THIRTY = Batch(EDGES[:0], np.zeros((1, 30)), np.zeros(0))
STATES = np.array(list(itertools.product((-1, 1), repeat=4)))

needs_native = pytest.mark.skipif(library.unavailable() is not None, reason=build_status())


def probabilities(fields: np.ndarray, couplings: np.ndarray, beta: float) -> np.ndarray:
    energies = STATES @ fields + (STATES[:, EDGES[:, 0]] * STATES[:, EDGES[:, 1]]) @ couplings
    weights = np.exp(-beta * energies)
    return weights / weights.sum()


def frequencies(spins: np.ndarray) -> np.ndarray:
    numbers = ((spins + 1) // 2) @ (2 ** np.arange(4)[::-1])
    return np.bincount(numbers, minlength=16) / len(spins)


def chi_square(spins: np.ndarray, expected: np.ndarray) -> float:
    return float((len(spins) * (frequencies(spins) - expected) ** 2 / expected).sum())


# Of 15 degrees of freedom; a right sampler exceeds it once in 10^5 times, and seeds are fixed.
MOST_CHI_SQUARE = 50


@pytest.mark.parametrize("annealer", [SimulatedAnnealing(sweeps=60), ExactSampling()])
@pytest.mark.parametrize("shared", [True, False])
def test_states_have_boltzmanns_probabilities(annealer: Any, shared: bool) -> None:
    couplings = COUPLINGS if shared else np.stack([COUPLINGS, -COUPLINGS, 0.3 * COUPLINGS])
    batch = Batch(EDGES, FIELDS, couplings)
    spins = annealer.at(0.8).sample(batch, 20_000, seed=5)
    assert spins.shape == (3, 20_000, 4)
    assert spins.dtype == np.int8
    for k in range(3):
        expected = probabilities(FIELDS[k], batch.couplings_of(k), 0.8)
        assert chi_square(spins[k], expected) < MOST_CHI_SQUARE


@needs_native
@pytest.mark.parametrize("reads", [1, 7, 33])
def test_a_replica_does_not_depend_on_the_others(reads: int) -> None:
    # The last lanes of the last task have no replica; each replica has random numbers of its own.
    betas = np.ones(20)
    many = library.anneal(EDGES, FIELDS, COUPLINGS, betas, reads, 3)
    one = library.anneal(EDGES, FIELDS[:1], COUPLINGS, betas, reads, 3)
    np.testing.assert_array_equal(many[:1], one)


@needs_native
def test_threads_do_not_change_states() -> None:
    before = library.threads()
    try:
        found = []
        for threads in (1, 3):
            library.set_threads(threads)
            found.append(library.anneal(EDGES, FIELDS, COUPLINGS, np.ones(20), 100, 3))
        np.testing.assert_array_equal(*found)
    finally:
        library.set_threads(0 if before else before)


@needs_native
def test_a_start_is_kept_without_sweeps_and_frozen_when_it_is_cold() -> None:
    start = RNG.choice([-1, 1], (3, 5, 4)).astype("int8")
    nothing = library.anneal(EDGES, FIELDS, COUPLINGS, np.zeros(0), 5, 0, start)
    np.testing.assert_array_equal(nothing, start)
    best = STATES[np.argmax(probabilities(FIELDS[0], COUPLINGS, 1.0))].astype("int8")
    frozen = np.tile(best, (1, 5, 1))
    cold = library.anneal(EDGES, FIELDS[:1], COUPLINGS, np.full(50, 1e6), 5, 0, frozen)
    np.testing.assert_array_equal(cold, frozen)


@needs_native
def test_the_kernel_refuses_spins_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="joins the spins 0 and 9 of 4"):
        library.anneal(np.array([[0, 9]]), FIELDS, np.ones(1), np.ones(2), 1, 0)


@needs_native
def test_ground_states_of_a_larger_graph_are_found() -> None:
    graph = nx.random_regular_graph(3, 40, seed=1)
    found = annealing.solve(annealing.maxcut(graph), seed=0)
    # By branch and bound.
    assert found.energy == -54


def test_temperatures_fall_and_stay() -> None:
    batch = Batch(EDGES, FIELDS, COUPLINGS)
    betas = SimulatedAnnealing(sweeps=10, hot=0.1, cold=2.0).inverse_temperatures(batch)
    np.testing.assert_allclose(betas, np.geomspace(0.1, 2.0, 10))
    held = SimulatedAnnealing(sweeps=10).at(0.7).inverse_temperatures(batch)
    np.testing.assert_allclose(held[5:], 0.7)
    assert (np.diff(held) >= -1e-12).all()
    flat = SimulatedAnnealing(sweeps=4).inverse_temperatures(
        Batch(EDGES, 0 * FIELDS, 0 * COUPLINGS)
    )
    assert np.isfinite(flat).all()
    assert len(SimulatedAnnealing(sweeps=1).at(2.0).inverse_temperatures(batch)) == 1


class Fake(dimod.Sampler):
    """A sampler of a service: answers as told."""

    def __init__(self, **answer: Any) -> None:
        self.answer, self.calls = answer, 0

    parameters = {"num_reads": []}  # noqa: RUF012 (dimod's name)
    properties: dict[str, Any] = {}  # noqa: RUF012

    def sample(self, bqm: Any, num_reads: int = 1, **more: Any) -> Any:
        self.calls += 1
        if "error" in self.answer:
            raise self.answer["error"]
        if "returned" in self.answer:
            return self.answer["returned"]
        labels = self.answer.get("labels", list(bqm.variables))
        states = np.ones((self.answer.get("rows", num_reads), len(labels)), "int8")
        vectors = {}
        if "broken" in self.answer:
            vectors["chain_break_fraction"] = np.full(len(states), self.answer["broken"])
        return dimod.SampleSet.from_samples((states, labels), "SPIN", 0.0, **vectors)


PAIR = Ising({"a": -1.0}, {("a", "b"): -1.0})
ONCE = Retries(attempts=1, jobs=1, poll_seconds=0.001)


def test_any_sampler_of_dimods_solves() -> None:
    assert annealing.solve(PAIR, dimod.ExactSolver()).energy == -2
    assert annealing.solve(PAIR, Fake(rows=3), reads=5).values == {"a": 1, "b": 1}
    assert annealing.solve(PAIR, Fake(rows=9), reads=5).reads == 5


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"returned": None}, "not a dimod.SampleSet"),
        ({"rows": 0}, "no samples"),
        ({"labels": [0, 7]}, "other variables than the problem"),
        ({"broken": 0.9}, "90% of the chains are broken.*chain_strength"),
        ({"error": RuntimeError("out of order")}, "out of order"),
    ],
)
def test_what_a_sampler_may_do_wrong_is_told(answer: Any, complaint: str) -> None:
    annealer = DimodAnnealer(Fake(**answer), retries=ONCE)
    with pytest.raises(ServiceError, match=complaint):
        annealing.solve(PAIR, annealer, reads=2)


def test_a_passing_error_is_tried_again() -> None:
    class Sometimes(Fake):
        def sample(self, bqm: Any, num_reads: int = 1, **more: Any) -> Any:
            if self.calls == 0:
                self.calls += 1
                raise ConnectionError("try later")
            return super().sample(bqm, num_reads, **more)

    sampler = Sometimes()
    annealer = DimodAnnealer(sampler, retries=Retries(attempts=3, first=0.001, poll_seconds=0.001))
    assert annealing.solve(PAIR, annealer, reads=2).energy == -2
    assert sampler.calls == 2


def test_a_budget_ends_before_it_is_exceeded_and_a_journal_buys_once(tmp_path: Path) -> None:
    sampler = Fake()
    annealer = DimodAnnealer(
        sampler, budget=Budget(shots=5), prices=Prices(per_shot=0.5), retries=ONCE
    )
    annealing.solve(PAIR, annealer, reads=4)
    assert annealer.spent.shots == 4
    assert annealer.spent.money == 2.0
    with pytest.raises(BudgetError):
        annealing.solve(PAIR, annealer, reads=4)
    assert sampler.calls == 1
    first, second = Fake(), Fake()
    with annealing_journal(tmp_path) as journal:
        annealing.solve(PAIR, DimodAnnealer(first, journal=journal), reads=4)
    with annealing_journal(tmp_path) as journal:
        again = DimodAnnealer(second, journal=journal)
        assert annealing.solve(PAIR, again, reads=4).energy == -2
    assert (first.calls, second.calls) == (1, 0)
    assert again.spent.replayed == 1


def annealing_journal(folder: Path) -> Any:
    from qkeras_hybrid.engines.services import Journal

    return Journal(folder / "journal.sqlite")


def test_a_graph_that_does_not_fit_is_told_with_the_part_that_does() -> None:
    line = dimod.StructureComposite(dimod.ExactSolver(), [0, 1, 2], [(0, 1), (1, 2)])
    ring = Ising({}, {(0, 1): 1.0, (1, 2): 1.0, (0, 2): 1.0})
    with pytest.raises(ValueError, match="the part on the first 2 spins fits"):
        annealing.solve(ring, line)
    assert annealing.solve(Ising({}, {(0, 1): 1.0, (1, 2): 1.0}), line).energy == -2
    with pytest.raises(ValueError, match="the part on the first 3 spins fits"):
        annealing.solve(Ising({}, {(i, i + 1): 1.0 for i in range(5)}), line)


def test_a_graph_without_an_embedding_is_told_with_the_part_that_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Composite:
        child = dimod.StructureComposite(dimod.ExactSolver(), [0, 1], [(0, 1)])

        def sample(self, model: Any, **options: Any) -> Any:
            raise ValueError("no embedding found")

    def find_embedding(edges: Any, machine: Any, **options: Any) -> dict[int, list[int]]:
        assert list(machine) == [(0, 1)]
        spins = {spin for edge in edges for spin in edge}
        return {spin: [0] for spin in spins} if len(spins) <= 5 else {}

    complete = Ising({}, {(i, j): 1.0 for i in range(12) for j in range(i)})
    minorminer = types.ModuleType("minorminer")
    minorminer.find_embedding = find_embedding  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "minorminer", minorminer)
    with pytest.raises(ServiceError, match=r"12 spins .* the part on the first 5 spins fits"):
        annealing.solve(complete, Composite())
    monkeypatch.setitem(sys.modules, "minorminer", None)
    with pytest.raises(ServiceError, match=r"12 spins .* no embedding was found"):
        annealing.solve(complete, Composite())


def test_a_machine_without_its_client_or_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DWAVE_API_TOKEN", raising=False)
    with pytest.raises(ServiceError, match=r"qkeras-hybrid\[dwave\]|DWAVE_API_TOKEN"):
        annealing.solve(PAIR, "qpu")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: SimulatedAnnealing(sweeps=0), "`sweeps` must be a whole number"),
        (lambda: SimulatedAnnealing(hot=-1.0), "`hot` must be positive"),
        (lambda: SimulatedAnnealing(hold=2.0), "`hold` must be between 0 and 1"),
        (lambda: SimulatedAnnealing().at(0.0), "`beta` must be positive"),
        (lambda: ExactSampling(np.nan), "`beta` must be a finite number"),
        (lambda: DimodAnnealer(3), "`sampler` must be a dimod.Sampler"),
        (lambda: DimodAnnealer(Fake(), most_chain_breaks=2.0), "between 0 and 1"),
        (lambda: Batch.of([]), "at least one model"),
        (lambda: Batch.of([PAIR, Ising({"a": 1.0})]), "same variables and edges"),
        (lambda: ExactSampling().sample(THIRTY, 1), "'exact' for more than 24 spins"),
    ],
)  # fmt: skip
def test_bad_input_is_told(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()
