"""The prices of a service, and the time that it takes."""

from __future__ import annotations

import dataclasses

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value


@dataclasses.dataclass(frozen=True)
class Prices(Value):
    """The prices of a service, and the time that it takes.

    Args:
        per_shot: Money for each measurement of a circuit.
        per_circuit: Money for each circuit.
        per_job: Money for each job.
        currency: The currency of all three.
        seconds_per_shot: Seconds for each measurement of a circuit.
        seconds_per_circuit: Seconds for each circuit.
        seconds_per_job: Seconds for each job, its time in the queue included.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:

    >>> from qkeras_hybrid.engines.services import Prices
    >>> prices = Prices(per_circuit=0.3, per_shot=0.01)
    >>> prices.money(circuits=2, shots=200, jobs=1)
    2.6
    """

    per_shot: float = 0.0
    per_circuit: float = 0.0
    per_job: float = 0.0
    currency: str = "USD"
    seconds_per_shot: float = 0.0
    seconds_per_circuit: float = 0.0
    seconds_per_job: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "currency" and finite_number(field.name, value) < 0:
                raise ArgumentError(field.name, "be at least 0", value)

    def money(self, circuits: int, shots: int, jobs: int) -> float:
        """Returns the cost of so many circuits, shots and jobs, in the currency."""
        return self.per_circuit * circuits + self.per_shot * shots + self.per_job * jobs

    def seconds(self, circuits: int, shots: int, jobs: int) -> float:
        """Returns how many seconds they take, one after the other."""
        return (
            self.seconds_per_circuit * circuits
            + self.seconds_per_shot * shots
            + self.seconds_per_job * jobs
        )
