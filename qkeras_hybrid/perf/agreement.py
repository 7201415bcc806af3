"""Whether two engines have computed the same."""

from __future__ import annotations

from typing import Any

import numpy as np

LOSS_TOLERANCE = 1e-4
"""Relative. A gate in float32 rounds by 6e-8, and a hundred gates and the sum over the batch stay
below 1e-5; a wrong gate changes the loss by percents."""

GRADIENT_TOLERANCE = 1e-3
"""Relative, of the whole gradient as a vector. TFQ's gradient takes differences in float32, which
leaves up to 1e-4; a wrong gate changes it by its own size."""


class DisagreementError(Exception):
    """Two engines have computed different things, so that their times don't compare."""


def compare(
    where: str, first: tuple[str, list[np.ndarray]], second: tuple[str, list[np.ndarray]]
) -> None:
    """Holds the results of two engines against each other.

    Args:
        where: The configuration.
        first: An engine's name; its loss, and its gradients with respect to inputs and weights.
        second: Those of the other.

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
        # Written so that NaN is a disagreement too.
        if not error <= tolerance:
            raise DisagreementError(
                f"At {where} the engines {first[0]} and {second[0]} disagree: the {what} differs "
                f"by {error:.2g} of its size, and rounding explains {tolerance:g}. One of them is "
                "wrong, so that their times don't compare."
            )


def relative_difference(first: Any, second: Any) -> float:
    """Returns `|first - second| / |first|`, with lengths as vectors."""
    a, b = (np.asarray(value, dtype=np.float64) for value in (first, second))
    difference, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(a))
    return difference / size if size > 0 else difference
