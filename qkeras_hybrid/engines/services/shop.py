"""The interface of a service: it takes jobs and returns their results."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Request:
    """Something to buy.

    Attributes:
        content: A digest of everything that defines the purchase, including the shots and the
            service.
        payload: The data for the shop.
        shots: The number of measurements.
    """

    content: str
    payload: Any
    shots: int


@dataclasses.dataclass(frozen=True)
class Order:
    """A job for a shop.

    Attributes:
        name: A unique name, also across runs, for services that can find jobs by name.
        payloads: The payloads of its requests.
        shots: The shots of each of them.
        seed: A number that depends only on the run's seed and the job's place in the run, for
            simulating shops; None if the run has no seed.
    """

    name: str
    payloads: Sequence[Any]
    shots: int
    seed: int | None = None


class Shop(abc.ABC):
    """Sells results.

    Attributes:
        requests_per_job: The most requests in a job; None for any number.
        shots_per_request: The most shots of one request; None for any number. Larger requests are
            split.
        call_seconds: After how many seconds a call counts as timed out; None for never.
        service: The name of its account in `ACCOUNTS`; empty if it needs none.
    """

    requests_per_job: int | None = None
    shots_per_request: int | None = None
    call_seconds: float | None = None
    service: str = ""

    def prepare(self, order: Order) -> None:  # noqa: B027 (most have nothing to do)
        """Does the work that needs no service, such as writing circuits, before a job is submitted.

        It has no time limit, whereas `submit` is given up after `call_seconds`.
        """

    @abc.abstractmethod
    def submit(self, order: Order) -> Any:
        """Submits a job, and returns without waiting for its results if the service allows it.

        Returns:
            The ticket for `collect`. If it is a string, a later process can collect the job by it,
            and the journal records it.
        """

    @abc.abstractmethod
    def collect(self, ticket: Any, order: Order) -> list[np.ndarray] | None:
        """Returns the results of a job, one for each payload; None if it is not done yet.

        Raises:
            JobFailedError: If the job has ended without results, or they are not what was ordered.
        """

    def find(self, name: str) -> str | None:
        """Returns the ticket of a job with this name, or None if the service knows none.

        It is called if it is not known whether a submission arrived.
        """
        return None

    def joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Combines the results of a split request."""
        return np.concatenate(parts)
