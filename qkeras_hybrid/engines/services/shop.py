"""What a service has to do: take jobs, and give their results."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Request:
    """Something to be bought.

    Attributes:
        content: A digest of all that decides what is bought, the shots and the service included.
        payload: What the shop is given.
        shots: How many measurements it takes.
    """

    content: str
    payload: Any
    shots: int


@dataclasses.dataclass(frozen=True)
class Order:
    """A job as a shop gets it.

    Attributes:
        name: A name for it that no other job has, nor had in an earlier run; for services whose
            jobs can be found by name.
        payloads: Those of its requests.
        shots: The shots of each of them.
        seed: A number that depends on the run's seed and the job's place in the run alone, for
            shops that are simulators; None if the run has none.
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
            divided.
        call_seconds: After how many seconds a call counts as timed out; None for never.
        service: The name of its account in `ACCOUNTS`; "" if it needs none.
    """

    requests_per_job: int | None = None
    shots_per_request: int | None = None
    call_seconds: float | None = None
    service: str = ""

    def prepare(self, order: Order) -> None:  # noqa: B027 (most have nothing to do)
        """Does what needs no service, such as writing circuits, before a job is submitted.

        It takes the time that it takes; `submit` is given up after `call_seconds`.
        """

    @abc.abstractmethod
    def submit(self, order: Order) -> Any:
        """Submits a job, and returns without waiting where the service can do that.

        Returns:
            What `collect` needs. A string means that the job can be collected by it in a later
            process too; it is noted in the journal.
        """

    @abc.abstractmethod
    def collect(self, ticket: Any, order: Order) -> list[np.ndarray] | None:
        """Returns the results of a job, one for each payload; None where it is not done yet.

        Raises:
            JobFailedError: If the job has ended without, or its results are not what was ordered.
        """

    def find(self, name: str) -> str | None:
        """Returns the ticket of a job with this name, or None if the service knows none.

        Asked where it is not known whether a submission arrived.
        """
        return None

    def joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Puts together the results of a request that was divided."""
        return np.concatenate(parts)
