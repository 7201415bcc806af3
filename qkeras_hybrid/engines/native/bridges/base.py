"""Shared by the bridges."""

from __future__ import annotations

SECOND_DERIVATIVES = (
    "The native engine has no second derivatives. Use engine='statevector' to differentiate a "
    "gradient."
)
