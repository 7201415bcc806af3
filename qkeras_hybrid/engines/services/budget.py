"""Budgets: the most that may be spent."""

from __future__ import annotations

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines.services.errors import BudgetError
from qkeras_hybrid.engines.services.journal import Journal

_ADVICE = (
    "Give the engine a larger Budget to go on. With the callback StopAtBudget, `fit` ends here "
    "and keeps the weights of the last complete step."
)


class Budget:
    """The most shots, and the most money, that may be spent.

    A purchase, such as all circuits of a gradient, is made as a whole or not at all. Several
    engines can share one budget. With a journal, the spending of earlier runs counts too.

    Args:
        shots: The most shots; None for any number.
        money: The most money, in the currency of the engine's `Prices`; None for any amount.

    Attributes:
        spent_shots: The shots bought so far.
        spent_money: The money spent so far.

    Raises:
        ValueError: If both are None, or one is not positive.

    Example:

    >>> from qkeras_hybrid.engines.services import Budget
    >>> budget = Budget(shots=1000)
    >>> budget.check(900, 0.0)
    >>> budget.add(900, 0.0)
    >>> budget.check(200, 0.0)
    Traceback (most recent call last):
        ...
    qkeras_hybrid.engines.services.errors.BudgetError: The budget of 1,000 shots is used up: ...
    """

    def __init__(self, shots: int | None = None, money: float | None = None) -> None:
        if shots is None and money is None:
            raise ArgumentError("shots", "be a number if `money` is None", None)
        self.shots = None if shots is None else positive_int("shots", shots)
        self.money = None if money is None else finite_number("money", money)
        if self.money is not None and self.money <= 0:
            raise ArgumentError("money", "be positive", money)
        self.spent_shots = 0
        self.spent_money = 0.0
        self._journals: set[str] = set()

    def count(self, journal: Journal) -> None:
        """Counts what earlier runs with a journal spent, only once however often it is called."""
        if journal.id not in self._journals:
            self._journals.add(journal.id)
            _, _, shots, money = journal.spent()
            self.add(shots, money)

    def check(self, shots: int, money: float) -> None:
        """Makes sure that a purchase fits.

        Raises:
            BudgetError: If it does not.
        """
        if self.shots is not None and self.spent_shots + shots > self.shots:
            raise BudgetError(
                f"The budget of {self.shots:,} shots is used up: {self.spent_shots:,} are spent, "
                f"and the next purchase needs {shots:,}. {_ADVICE}"
            )
        # Sums of prices such as 0.1 have rounding errors, which must not stop the last purchase.
        if self.money is not None and self.spent_money + money > self.money * (1 + 1e-9):
            raise BudgetError(
                f"The budget's money, {self.money:,.2f}, is used up: {self.spent_money:,.2f} is "
                f"spent, and the next purchase costs {money:,.2f}. {_ADVICE}"
            )

    def add(self, shots: int, money: float) -> None:
        """Counts a purchase that was made."""
        self.spent_shots += shots
        self.spent_money += money

    def __repr__(self) -> str:
        return f"Budget(shots={self.shots!r}, money={self.money!r})"
