"""Checks that two engines have computed the same."""

from __future__ import annotations

from typing import Any

import numpy as np

LOSS_TOLERANCE = 1e-4
"""Relative tolerance for the loss. A gate in float32 rounds by 6e-8. A hundred gates and the sum
over the batch stay below 1e-5, while a wrong gate changes the loss by some percent."""

GRADIENT_TOLERANCE = 1e-3
"""Relative tolerance for the gradient as one vector. TFQ's gradient is made of differences in
float32, with errors of up to 1e-4, while a wrong gate changes a gradient by its own size."""


class DisagreementError(Exception):
    """Two engines have computed different results, so their times can't be compared."""


def compare(
    where: str, first: tuple[str, list[np.ndarray]], second: tuple[str, list[np.ndarray]]
) -> None:
    """Compares the results of two engines.

    Args:
        where: The configuration, for the error.
        first: An engine's name, and its loss and gradients with respect to inputs and weights.
        second: The same for the other engine.

    Raises:
        DisagreementError: If losses or gradients differ by more than rounding.
    """
    for what, tolerance, a, b in zip(
        ("loss", "gradient with respect to the inputs", "gradient with respect to the weights"),
        (LOSS_TOLERANCE, GRADIENT_TOLERANCE, GRADIENT_TOLERANCE),
        first[1],
        second[1],
        strict=True,
    ):
        error = relative_difference(a, b)
        # With `not`, NaN is a disagreement too.
        if not error <= tolerance:
            raise DisagreementError(
                f"At {where} the engines {first[0]} and {second[0]} disagree: the {what} differs "
                f"by {error:.2g} of its size, but rounding explains only {tolerance:g}. One of "
                "them is wrong, so their times can't be compared."
            )


def relative_difference(first: Any, second: Any) -> float:
    """Returns `|first - second| / |first|`, with the arrays as vectors."""
    a, b = (np.asarray(value, dtype=np.float64) for value in (first, second))
    difference, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(a))
    return difference / size if size > 0 else difference
