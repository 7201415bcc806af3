"""Buying results from services: jobs, retries, budgets, prices, a journal.

Nothing here knows what a circuit is. An engine makes `Request`s, defines in a `Shop` how its
service takes jobs, and gives both to a `Submitter`.

| name | what it is |
|---|---|
| `Budget` | the most shots and money to spend |
| `Prices` | what a service charges, and how long it takes |
| `Journal` | the file that keeps the bought results |
| `Retries` | how often and when a failed call is repeated |
| `credential` | a service's credential from its environment variable, or an error that names it |
| `Request`, `Order`, `Shop`, `Submitter` | for authors of an engine for a service |
"""

from qkeras_hybrid.engines.services.accounts import ACCOUNTS, Account, credential
from qkeras_hybrid.engines.services.budget import Budget
from qkeras_hybrid.engines.services.errors import (
    BudgetError,
    JobFailedError,
    ServiceError,
    is_transient,
)
from qkeras_hybrid.engines.services.journal import Journal
from qkeras_hybrid.engines.services.prices import Prices
from qkeras_hybrid.engines.services.retries import Retries
from qkeras_hybrid.engines.services.shop import Order, Request, Shop
from qkeras_hybrid.engines.services.submitter import Spent, Submitter

__all__ = [
    "ACCOUNTS",
    "Account",
    "Budget",
    "BudgetError",
    "JobFailedError",
    "Journal",
    "Order",
    "Prices",
    "Request",
    "Retries",
    "ServiceError",
    "Shop",
    "Spent",
    "Submitter",
    "credential",
    "is_transient",
]
