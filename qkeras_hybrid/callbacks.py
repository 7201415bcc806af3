"""Callbacks for Keras's `fit`."""

from qkeras_hybrid._stop_at_budget import StopAtBudget

__all__ = ["StopAtBudget"]
