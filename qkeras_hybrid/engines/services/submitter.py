"""Buys requests: in jobs, each only once, within a budget, despite transient errors."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from qkeras_hybrid.engines.services.accounts import unauthorized_fix
from qkeras_hybrid.engines.services.budget import Budget
from qkeras_hybrid.engines.services.errors import JobFailedError, ServiceError
from qkeras_hybrid.engines.services.journal import Journal, Key, MemoryJournal, PendingJob
from qkeras_hybrid.engines.services.prices import Prices
from qkeras_hybrid.engines.services.progress import Progress
from qkeras_hybrid.engines.services.retries import Retries
from qkeras_hybrid.engines.services.shop import Order, Request, Shop

T = TypeVar("T")


@dataclasses.dataclass
class Spent:
    """A submitter's purchases.

    Attributes:
        jobs: Jobs with a result.
        circuits: Requests in them.
        shots: Shots, including those of failed jobs that were charged.
        money: The money spent, including that for failed jobs.
        replayed: Requests whose results were already on disk.
    """

    jobs: int = 0
    circuits: int = 0
    shots: int = 0
    money: float = 0.0
    replayed: int = 0


@dataclasses.dataclass
class _Job:
    """A submitted job: its order, its requests' keys, its ticket."""

    order: Order
    keys: tuple[Key, ...]
    ticket: Any = None


class Submitter:
    """Buys requests from a shop.

    All jobs of a purchase are submitted before the submitter waits for the first. Each result is
    written to the journal before it is returned.

    Args:
        journal: The journal of finished jobs; None to keep none.
        budget: The most to spend; None for no limit.
        prices: The service's prices; None if it is free.
        retries: What to do after errors; None for the defaults.
        requests_per_job: The most requests in a job, if less than the shop's limit.
        progress: Whether to show a line on a terminal.

    Attributes:
        spent: The purchases of this process.
    """

    def __init__(
        self,
        *,
        journal: Journal | None = None,
        budget: Budget | None = None,
        prices: Prices | None = None,
        retries: Retries | None = None,
        requests_per_job: int | None = None,
        progress: bool = False,
    ) -> None:
        self.journal = journal if journal is not None else MemoryJournal()
        self.budget = budget
        self.prices = prices if prices is not None else Prices()
        self.retries = retries if retries is not None else Retries()
        self.requests_per_job = requests_per_job
        self.spent = Spent()
        self._progress = Progress(progress, self.prices.currency)
        self._lock = threading.Lock()
        if budget is not None:
            budget.count(self.journal)

    def most_requests(self, shop: Shop) -> int | None:
        """Returns the most requests in a job; None for any number."""
        limits = [n for n in (self.requests_per_job, shop.requests_per_job) if n is not None]
        return min(limits, default=None)

    def buy(
        self, requests: Sequence[Request], shop: Shop, seed: int | None = None
    ) -> list[np.ndarray]:
        """Buys requests, or reads them from the journal.

        Args:
            requests: What to buy. Equal requests are bought separately.
            shop: The shop to buy from.
            seed: The seed of a simulating shop.

        Returns:
            The result of each request.

        Raises:
            BudgetError: If the purchase does not fit into the budget; nothing is bought then.
            ServiceError: If the service gives no result.
        """
        parts = [_divided(request, shop.shots_per_request) for request in requests]
        flat = [part for of_one in parts for part in of_one]
        # One purchase at a time, so that requests are counted in the same order in each run.
        with self._lock:
            keys = [self.journal.next_key(part.content) for part in flat]
            try:
                bought = iter(self._bought(flat, keys, shop, seed))
            except BaseException:
                # None of these results was used. Those already bought will be read next time.
                self.journal.give_back(keys)
                raise
        results = []
        for of_one in parts:
            found = [next(bought) for _ in of_one]
            results.append(found[0] if len(found) == 1 else shop.joined(found))
        return results

    def _bought(
        self, requests: list[Request], keys: list[Key], shop: Shop, seed: int | None
    ) -> list[np.ndarray]:
        results = {key: self.journal.result(key) for key in keys}
        missing = [i for i, key in enumerate(keys) if results[key] is None]
        self.spent.replayed += len(keys) - len(missing)
        jobs = self._jobs(requests, keys, missing, shop, seed)
        if jobs and self.budget is not None:
            costs = [self._cost(job) for job in jobs]
            self.budget.check(sum(shots for shots, _ in costs), sum(money for _, money in costs))
        if jobs:
            self._progress.start(len(jobs))
        try:
            for job in jobs:
                self._submit(job, shop)
            for job in jobs:
                results.update(zip(job.keys, self._collect(job, shop), strict=True))
        finally:
            self._progress.stop()
        # Every key has its result now, which the type checker can't know.
        return [found for key in keys if (found := results[key]) is not None]

    def _jobs(
        self,
        requests: list[Request],
        keys: list[Key],
        missing: list[int],
        shop: Shop,
        seed: int | None,
    ) -> list[_Job]:
        """Groups requests into jobs: unfinished ones of an earlier run, and new ones."""
        place = {keys[i]: i for i in missing}
        open_jobs: list[tuple[list[int], PendingJob | None]] = []
        for pending in self.journal.pending() if place else ():
            if all(key in place for key in pending.keys):
                open_jobs.append(([place.pop(key) for key in pending.keys], pending))
        # All circuits of a job have the same number of shots.
        by_shots: dict[int, list[int]] = {}
        for i in place.values():
            by_shots.setdefault(requests[i].shots, []).append(i)
        for group in by_shots.values():
            size = self.most_requests(shop) or len(group)
            # Counted from the run's first request, so that jobs are the same in a restarted run.
            open_jobs += [(group[k : k + size], None) for k in range(0, len(group), size)]
        jobs = []
        for members, left_open in sorted(open_jobs, key=lambda one: one[0][0]):
            own = tuple(keys[i] for i in members)
            order = Order(
                left_open.name if left_open else _digest(self.journal.id, *own),
                [requests[i].payload for i in members],
                requests[members[0]].shots,
                None if seed is None else _seed(seed, members[0]),
            )
            jobs.append(_Job(order, own, left_open))
        return jobs

    def _submit(self, job: _Job, shop: Shop) -> None:
        pending, name = job.ticket, job.order.name
        if isinstance(pending, PendingJob):
            job.ticket = pending.ticket or self._call(
                shop, lambda: shop.find(name), "look for a job"
            )
            if job.ticket is not None:
                return
        shop.prepare(job.order)
        self.journal.intend(name, job.keys)
        tried = False

        def submit() -> Any:
            nonlocal tried
            # The last attempt may have succeeded, and only its answer been lost.
            found = shop.find(name) if tried else None
            tried = True
            return found if found is not None else shop.submit(job.order)

        job.ticket = self._call(shop, submit, "take a job")
        if isinstance(job.ticket, str):
            self.journal.submitted(name, job.ticket)

    def _collect(self, job: _Job, shop: Shop) -> list[np.ndarray]:
        shots, money = self._cost(job)
        for attempt in range(1, self.retries.jobs + 1):
            try:
                results = self._wait(job, shop)
                break
            except JobFailedError as error:
                self.journal.dropped(job.order.name)
                if error.charged:
                    self.journal.charged(shots, money)
                    self._count(shots, money)
                if attempt == self.retries.jobs:
                    raise ServiceError(
                        f"A job failed {attempt} times at the service. The last time: {error}"
                    ) from error
                if self.budget is not None:
                    self.budget.check(shots, money)
                # A new name, because the service already knows this one.
                name = _digest(job.order.name, "again")
                job.order = dataclasses.replace(job.order, name=name)
                job.ticket = None
                self._submit(job, shop)
        self.journal.finished(job.order.name, job.keys, results, shots, money)
        self.spent.jobs += 1
        self.spent.circuits += len(job.keys)
        self._count(shots, money)
        self._progress.done(self.spent.shots, self.spent.money)
        return results

    def _wait(self, job: _Job, shop: Shop) -> list[np.ndarray]:
        start = time.monotonic()
        while True:
            # A time-out does not buy again: the same job is asked for again.
            results = self._call(shop, lambda: shop.collect(job.ticket, job.order), "give a result")
            if results is not None:
                break
            limit = self.retries.queue_seconds
            if limit is not None and time.monotonic() - start > limit:
                raise ServiceError(
                    f"A job had no result after {limit:g} seconds. With a Journal, the next run "
                    "asks for the same job again."
                )
            time.sleep(self.retries.poll_seconds)
        if len(results) != len(job.keys):
            raise JobFailedError(
                f"the job has {len(results)} results for {len(job.keys)} circuits", charged=True
            )
        return [np.asarray(result) for result in results]

    def _call(self, shop: Shop, function: Callable[[], T], what: str) -> T:
        try:
            return self.retries.call(function, what, shop.call_seconds)
        except ServiceError as error:
            fix = unauthorized_fix(error.__cause__, shop.service) if error.__cause__ else ""
            if not fix:
                raise
            raise ServiceError(f"{error}.{fix}") from error.__cause__

    def _cost(self, job: _Job) -> tuple[int, float]:
        shots = job.order.shots * len(job.keys)
        return shots, self.prices.money(len(job.keys), shots, 1)

    def _count(self, shots: int, money: float) -> None:
        self.spent.shots += shots
        self.spent.money += money
        if self.budget is not None:
            self.budget.add(shots, money)


def _divided(request: Request, most: int | None) -> list[Request]:
    """Splits a request into requests with at most this many shots."""
    if most is None or request.shots <= most:
        return [request]
    n = -(-request.shots // most)
    shots = [request.shots // n + (k < request.shots % n) for k in range(n)]
    return [
        dataclasses.replace(request, content=_digest(request.content, count), shots=count)
        for count in shots
    ]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _seed(seed: int, place: int) -> int:
    """Returns a job's seed: the same for the same job, whatever was bought before it.

    It does not depend on the content: angles that are rounded differently must not change the
    noise.
    """
    return int(_digest(seed, place)[:7], 16)
