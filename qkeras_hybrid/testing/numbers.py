"""Values and gradients on every Keras backend, and their comparison."""

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
        expected: The expected values.
        tolerance: The largest absolute difference.
        what: A name of the values, for the message.
        shown: What the message shows after them, such as the circuit.

    Raises:
        AssertionError: If the difference is larger.
    """
    found = found if isinstance(found, np.ndarray) else ops.convert_to_numpy(found)
    error = np.max(np.abs(found - np.asarray(expected)), initial=0.0)
    assert error <= tolerance, (
        f"{what} are off by {error:.3g}, more than {tolerance:.3g}: got {found}, expected "
        f"{expected}, in\n{shown}"
    )
