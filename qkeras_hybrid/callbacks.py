"""Callbacks for Keras's `fit`."""

from qkeras_hybrid._raise_shots import RaiseShots
from qkeras_hybrid._stop_at_budget import StopAtBudget
from qkeras_hybrid._watch_gradients import WatchGradients

__all__ = ["RaiseShots", "StopAtBudget", "WatchGradients"]
