"""Callbacks for Keras's `fit`."""

from qkeras_hybrid._raise_shots import RaiseShots
from qkeras_hybrid._stop_at_budget import StopAtBudget

__all__ = ["RaiseShots", "StopAtBudget"]
