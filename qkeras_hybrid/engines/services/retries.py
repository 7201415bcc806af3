"""Repeats calls that fail for a transient reason."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.engines.services.errors import ServiceError, is_transient

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Retries(Value):
    """How often a failed call is repeated, and after which pauses.

    The pause before repetition `k` is drawn between 0 and `min(longest, first * 2**k)` seconds
    ("full jitter": M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015), so
    that many clients do not return to an overloaded service at the same moment.

    Args:
        attempts: The most calls, the first included.
        first: The longest first pause, in seconds.
        longest: The longest pause of all, in seconds.
        call_seconds: After how many seconds a call counts as timed out; None for the service's
            default, which is never for a sampler that blocks until it has its results.
        poll_seconds: The pause between two checks whether a job is done.
        queue_seconds: How long a job may take, its time in the queue included; None for any time.
        jobs: How often a job that failed at the service is submitted, the first time included.

    Raises:
        ValueError: If a number is not positive.
    """

    attempts: int = 8
    first: float = 1.0
    longest: float = 60.0
    call_seconds: float | None = None
    poll_seconds: float = 1.0
    queue_seconds: float | None = None
    jobs: int = 3

    def __post_init__(self) -> None:
        positive_int("attempts", self.attempts)
        positive_int("jobs", self.jobs)
        for name in ("first", "longest", "call_seconds", "poll_seconds", "queue_seconds"):
            value = getattr(self, name)
            if value is not None and finite_number(name, value) <= 0:
                raise ArgumentError(name, "be positive", value)

    def call(self, function: Callable[[], T], what: str, seconds: float | None = None) -> T:
        """Calls a function, again after transient errors, and returns its result.

        Args:
            function: Called without arguments.
            what: What the function does, for the error message: "take a job".
            seconds: After how many seconds a call counts as timed out, if `call_seconds` is None.

        Raises:
            ServiceError: If the last attempt fails, or one fails for a permanent reason.
        """
        for attempt in range(self.attempts):
            try:
                return _within(self.call_seconds or seconds, function)
            except ServiceError:
                raise
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                if not is_transient(error):
                    raise ServiceError(f"The service refused to {what}: {said}") from error
                if attempt == self.attempts - 1:
                    raise ServiceError(
                        f"The service could not {what} in {self.attempts} attempts. The last "
                        f"error was {said}"
                    ) from error
                time.sleep(random.uniform(0, min(self.longest, self.first * 2**attempt)))
        raise AssertionError("unreachable")


def _within(seconds: float | None, function: Callable[[], T]) -> T:
    """Calls a function in another thread, and stops waiting for it after some time."""
    if seconds is None:
        return function()
    found: dict[str, Any] = {}

    def call() -> None:
        try:
            found["value"] = function()
        except BaseException as error:
            found["error"] = error

    # A daemon, because a hanging connection must not keep the process alive.
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    if "error" in found:
        raise found["error"]
    value: T = found["value"]
    return value
