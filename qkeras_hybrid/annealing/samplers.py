"""Annealers from other packages: any `dimod.Sampler`, including D-Wave's machines.

Samples are bought like measurements on a quantum processor: in jobs, with a journal, a budget and
retries (`engines/services/`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.annealing.annealers import Annealer, random_seed
from qkeras_hybrid.annealing.batch import Batch
from qkeras_hybrid.engines.services import (
    ACCOUNTS,
    Budget,
    JobFailedError,
    Journal,
    Order,
    Prices,
    Request,
    Retries,
    ServiceError,
    Shop,
    Spent,
    Submitter,
)

if TYPE_CHECKING:
    import dimod
else:
    dimod = lazy_module("dimod")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class DimodAnnealer(Annealer):
    """Any `dimod.Sampler` as an annealer; each model of a batch is one job.

    Args:
        sampler: The sampler, or the name of a class of dwave-samplers. A saved model keeps only the
            name.
        prices: The sampler's prices; by default all are 0.
        budget: The most to spend; by default no limit.
        journal: A journal for finished jobs, or the path of its file; by default none.
        retries: What to do after errors.
        progress: Whether to show a progress line with jobs, reads and money.
        most_chain_breaks: The largest accepted mean fraction of broken chains, from 0 to 1.
        **options: Passed to the sampler's `sample`, such as `num_sweeps=1000`.

    Raises:
        ValueError: If the sampler has no `sample`, or, in `sample`, if the graph does not fit.

    Example:

    >>> from dwave.samplers import TabuSampler
    >>> from qkeras_hybrid.annealing import DimodAnnealer, Ising, solve
    >>> pair = Ising({"a": 0.5}, {("a", "b"): 1.0})
    >>> solve(pair, DimodAnnealer(TabuSampler(), timeout=10), reads=2, seed=1).values
    {'a': -1, 'b': 1}
    """

    name = "dimod"

    def __init__(
        self,
        sampler: Any,
        *,
        prices: Prices | None = None,
        budget: Budget | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        retries: Retries | None = None,
        progress: bool = False,
        most_chain_breaks: float = 0.33,
        **options: Any,
    ) -> None:
        self._name = one_of("sampler", sampler, LOCAL) if isinstance(sampler, str) else None
        if self._name is not None:
            sampler = reference(self._name)
        if sampler is not None and not callable(getattr(sampler, "sample", None)):
            raise ArgumentError("sampler", "be a dimod.Sampler", sampler)
        if not 0 <= finite_number("most_chain_breaks", most_chain_breaks) <= 1:
            raise ArgumentError("most_chain_breaks", "be between 0 and 1", most_chain_breaks)
        self.sampler = sampler
        self.options = options
        self.most_chain_breaks = most_chain_breaks
        self._submitter = Submitter(
            journal=Journal(journal) if isinstance(journal, (str, os.PathLike)) else journal,
            budget=budget,
            prices=prices,
            retries=retries,
            requests_per_job=1,
            progress=progress,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the config for a model's file: the options, without the device or any account."""
        return {"sampler": self._name, "most_chain_breaks": self.most_chain_breaks, **self.options}

    def __deepcopy__(self, memo: Any) -> DimodAnnealer:
        # A copy of a layer runs on the same device, and uses the same budget.
        return self

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DimodAnnealer:
        """Makes an annealer without its sampler, from what `get_config` returned."""
        return cls(**config)

    @property
    def spent(self) -> Spent:
        """The jobs, models, reads and money that were spent in this process."""
        return self._submitter.spent

    def sample(self, batch: Batch, reads: int, seed: int | None = None) -> np.ndarray:
        positive_int("reads", reads)
        if self.sampler is None:
            raise ServiceError(
                "This model's annealer has no sampler, because models are saved without it. Give "
                "the layer one: `layer.annealer = DimodAnnealer(sampler)`."
            )
        check_fits(self.sampler, batch)
        shop = _Shop(self.sampler, self.options, batch.n_spins, self.most_chain_breaks)
        sampler = type(self.sampler).__name__
        requests = [
            Request(
                _digest(sampler, self.options, batch.edges, biases, couplings, reads),
                (batch.edges, biases, couplings),
                reads,
            )
            for biases, couplings in zip(
                batch.biases, map(batch.couplings_of, range(len(batch))), strict=True
            )
        ]
        bought = self._submitter.buy(requests, shop, None if seed is None else random_seed(seed))
        if not bought:
            return np.zeros((0, reads, batch.n_spins), "int8")
        return np.stack(bought)


LOCAL = ("SteepestDescentSampler", "TabuSampler", "TreeDecompositionSolver")
"""Classes of dwave-samplers that `DimodAnnealer` takes by name."""


class _Separating:
    """The solver by tree decomposition, which can't take variables without couplings."""

    parameters: ClassVar[dict[str, Any]] = {"num_reads": []}

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler

    def sample(self, model: Any, **options: Any) -> Any:
        """Returns samples in which each uncoupled variable has its own best value."""
        alone = {
            v: -1 if model.linear[v] > 0 else 1 for v in model.variables if not model.degree(v)
        }
        rest = model.copy()
        rest.fix_variables(alone)
        if not rest.num_variables:
            energy = model.energy(alone)
            return dimod.SampleSet.from_samples([alone], "SPIN", energy)  # type: ignore[no-untyped-call]
        found = self._sampler.sample(rest, **options)
        return dimod.append_variables(found, alone)  # type: ignore[no-untyped-call]


class _Shop(Shop):
    """Runs a job on a dimod sampler."""

    service = "D-Wave"

    def __init__(
        self, sampler: Any, options: dict[str, Any], n_spins: int, most_chain_breaks: float
    ) -> None:
        self._sampler, self._options = sampler, options
        self._n_spins, self._most_chain_breaks = n_spins, most_chain_breaks
        self._takes = set(getattr(sampler, "parameters", None) or ())

    def submit(self, order: Order) -> Any:
        [(edges, biases, couplings)] = order.payloads
        pairs = dict(zip(map(tuple, edges.tolist()), couplings.tolist(), strict=True))
        model = dimod.BinaryQuadraticModel(dict(enumerate(biases.tolist())), pairs, 0.0, "SPIN")
        options = dict(self._options)
        if "num_reads" in self._takes:
            options.setdefault("num_reads", order.shots)
        if order.seed is not None and "seed" in self._takes:
            options.setdefault("seed", order.seed)
        # A machine's sampler returns at once; `collect` waits for the states.
        try:
            return self._sampler.sample(model, **options)
        except ValueError as error:
            # The error of dwave.system's composites.
            if "no embedding" not in str(error):
                raise
            raise ServiceError(
                f"The problem, {self._n_spins} spins with {len(edges)} couplings, does not fit on "
                f"the machine. Of its graph, "
                f"{_embeddable(self._sampler, edges.tolist(), self._n_spins)}. Solve a smaller "
                "problem, or use the hybrid solver."
            ) from error

    def collect(self, ticket: Any, order: Order) -> list[np.ndarray]:
        try:
            variables = list(ticket.variables)
            record = ticket.record
        except AttributeError:
            raise JobFailedError(
                f"the sampler returned {ticket!r}, not a dimod.SampleSet", charged=True
            ) from None
        unknown = set(variables) ^ set(range(self._n_spins))
        if unknown:
            first = sorted(unknown, key=str)[0]
            raise JobFailedError(
                f"its samples have other variables than the problem: {first!r}", charged=True
            )
        if not len(record):
            raise JobFailedError("it returned no samples", charged=True)
        if ticket.vartype.name != "SPIN":
            ticket = ticket.change_vartype("SPIN", inplace=False)
            record = ticket.record
        self._check_chains(record)
        order_of = np.argsort([int(v) for v in variables])
        states = np.repeat(record.sample[:, order_of], record.num_occurrences, axis=0)
        return [_as_many(states.astype("int8"), order.shots)]

    def _check_chains(self, record: Any) -> None:
        if "chain_break_fraction" not in (record.dtype.names or ()):
            return
        broken = float(np.average(record.chain_break_fraction, weights=record.num_occurrences))
        if broken > self._most_chain_breaks:
            raise ServiceError(
                f"{broken:.0%} of the chains are broken, more than `most_chain_breaks` = "
                f"{self._most_chain_breaks:.0%}. Give a larger `chain_strength`."
            )

    def joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts)


def _as_many(states: np.ndarray, reads: int) -> np.ndarray:
    """Returns the wanted number of states: repeats too few, or picks evenly from too many."""
    rows = np.arange(reads) % len(states)
    if len(states) > reads:
        rows = np.linspace(0, len(states) - 1, reads).round().astype(int)
    chosen: np.ndarray = states[rows]
    return chosen


def check_fits(sampler: Any, batch: Batch) -> None:
    """Checks that a sampler with a fixed graph has the couplings of a batch.

    Raises:
        ValueError: If it does not. The message says how many spins, from the first on, fit.
    """
    edges = getattr(sampler, "edgelist", None)
    if edges is None:
        return
    known = {frozenset(edge) for edge in edges}
    nodes = set(sampler.nodelist)
    missing = [n for n in range(batch.n_spins) if n not in nodes]
    pairs = [tuple(edge) for edge in batch.edges.tolist() if frozenset(edge) not in known]
    if not missing and not pairs:
        return
    fits = min([*missing, *(max(pair) for pair in pairs)])
    what: Hashable = missing[0] if missing else pairs[0]
    raise ArgumentError(
        "sampler",
        f"have the problem's couplings; of this graph, the part on the first {fits} spins fits",
        f"no {what}",
        "Wrap the sampler in dwave.system's EmbeddingComposite to embed other graphs.",
    )


def _embeddable(sampler: Any, edges: Sequence[Sequence[int]], n_spins: int) -> str:
    """Says how many spins, from the first on, a search can embed."""
    machine = getattr(getattr(sampler, "child", None), "edgelist", None)
    try:
        import minorminer  # comes with dwave.system
    except ImportError:
        machine = None
    if machine is None:
        return "no embedding was found"
    fits, fails = 1, n_spins
    # Each search is limited to seconds, so that the user soon sees the reason.
    while fails - fits > 1:
        tried = (fits + fails) // 2
        part = [tuple(edge) for edge in edges if max(edge) < tried]
        found = not part or minorminer.find_embedding(part, machine, timeout=5, random_seed=0)
        fits, fails = (tried, fails) if found else (fits, tried)
    return f"the part on the first {fits} spins fits"


def reference(name: str) -> Any:
    """Returns a sampler of dwave-samplers by the name of its class."""
    import dwave.samplers

    sampler = getattr(dwave.samplers, name)()
    return _Separating(sampler) if name == "TreeDecompositionSolver" else sampler


def dwave_sampler(name: str) -> Any:
    """Returns D-Wave's quantum annealer with embedding ("qpu"), or its hybrid solver.

    Args:
        name: "qpu" or "leap_hybrid".

    Raises:
        ServiceError: If the client is not installed, or no token is found.
    """
    account = ACCOUNTS["D-Wave"]
    if not account.importable:
        raise ServiceError(f'D-Wave needs its client: pip install "{account.install}".')
    from dwave.cloud.config import load_config
    from dwave.system import DWaveSampler, EmbeddingComposite, LeapHybridSampler

    if account.variable is None and not load_config().get("token"):
        raise ServiceError(
            "D-Wave needs a token: set the environment variable DWAVE_API_TOKEN, or run "
            "`dwave setup`."
        )
    return EmbeddingComposite(DWaveSampler()) if name == "qpu" else LeapHybridSampler()


def _digest(*parts: Any) -> str:
    raw = [
        part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in parts
    ]
    return hashlib.sha256(b"\0".join(raw)).hexdigest()[:32]
