"""Values and gradients on every Keras backend, and how they are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid._gradients_of import value_and_gradients

__all__ = ["assert_close", "value_and_gradients"]


def assert_close(found: Any, expected: Any, tolerance: float, what: str, shown: Any) -> None:
    """Compares arrays by their largest absolute difference.

    Args:
        found: A tensor or an array.
        expected: What it should be.
        tolerance: The largest absolute difference.
        what: What is compared, for the message.
        shown: What to show with it, such as the circuit.

    Raises:
        AssertionError: If it is larger.
    """
    found = found if isinstance(found, np.ndarray) else ops.convert_to_numpy(found)
    error = np.max(np.abs(found - np.asarray(expected)), initial=0.0)
    assert error <= tolerance, (
        f"{what} are off by {error:.3g}, more than {tolerance:.3g}: got {found}, expected "
        f"{expected}, in\n{shown}"
    )
