"""What the bridges have in common."""

from __future__ import annotations

SECOND_DERIVATIVES = (
    "The native engine has no second derivatives. Use engine='statevector' where a gradient is "
    "differentiated again."
)
