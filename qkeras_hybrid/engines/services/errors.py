"""The errors of a service, and which of them are transient."""

from __future__ import annotations

# The answers of a busy or restarting server. 52x are Cloudflare's.
_TRANSIENT_CODES = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 530)})

# Error classes of `requests`, `urllib3`, `http.client` and others, recognized by name without
# importing them.
_TRANSIENT_NAMES = frozenset(
    {
        "ChunkedEncodingError",
        "ConnectionError",
        "HTTPException",
        "ProtocolError",
        "Timeout",
        "TimeoutError",
        "TransportError",
    }
)


class ServiceError(RuntimeError):
    """A service gave no result, and trying again does not help."""


class BudgetError(ServiceError):
    """A purchase would exceed the budget. Nothing of it was bought."""


class JobFailedError(ServiceError):
    """A job ended without a usable result. It may be submitted again.

    Args:
        message: What happened.
        charged: Whether the service is likely to have charged for it.
    """

    def __init__(self, message: str, charged: bool = False) -> None:
        super().__init__(message)
        self.charged = charged


def is_transient(error: BaseException) -> bool:
    """Tells whether the same call may succeed later.

    It decides by the HTTP status, in the attribute `status_code` or `code` of the error or of its
    `response`, or else by the error's class: time-outs and broken connections.

    Example:

    >>> from qkeras_hybrid.engines.services import is_transient
    >>> is_transient(ConnectionResetError()), is_transient(ValueError())
    (True, False)
    """
    if isinstance(error, ServiceError):
        return False
    for holder in (error, getattr(error, "response", None)):
        for attribute in ("status_code", "code"):
            code = getattr(holder, attribute, None)
            # An enumeration, as in Google's errors, counts as its number.
            if isinstance(code, int):
                return int(code) in _TRANSIENT_CODES
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, (ConnectionError, TimeoutError)) or bool(names & _TRANSIENT_NAMES)
