"""The command line: `qkeras-hybrid compare`, `list` and so on, one module for each command.

Exit codes: 0, done; 1, some runs failed, or a file can't be read or written; 2, wrong usage; 130,
stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import os

# TensorFlow's C++ parts log while they load. Errors are still raised; a level that the user has set
# is kept.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Sequence
from typing import cast

import typer

# Each module adds its command to the app.
from qkeras_hybrid.cli import compare as _compare  # noqa: F401
from qkeras_hybrid.cli import doctor as _doctor  # noqa: F401
from qkeras_hybrid.cli import export as _export  # noqa: F401
from qkeras_hybrid.cli import kernel as _kernel  # noqa: F401
from qkeras_hybrid.cli import listing as _listing  # noqa: F401
from qkeras_hybrid.cli import perf as _perf  # noqa: F401
from qkeras_hybrid.cli import plan as _plan  # noqa: F401
from qkeras_hybrid.cli import report as _report  # noqa: F401
from qkeras_hybrid.cli import run as _run  # noqa: F401
from qkeras_hybrid.cli import solve as _solve  # noqa: F401
from qkeras_hybrid.cli.base import PROGRAM, app, say, terminated_as_interrupted

__all__ = ["main"]

# The base class of typer's usage errors: `TyperException`, or click's class in older versions.
_UsageError = cast(
    "type[typer.BadParameter]",
    next(kind for kind in typer.BadParameter.__mro__[::-1] if hasattr(kind, "exit_code")),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        arguments: The arguments after the program's name; None for those of `sys.argv`.
    """
    try:
        with terminated_as_interrupted():
            code = app(
                None if arguments is None else list(arguments),
                prog_name=PROGRAM,
                standalone_mode=False,
            )
    except _UsageError as error:
        say(f"error: {error.format_message().rstrip('.')}. See {PROGRAM} --help.")
        return error.exit_code
    except KeyboardInterrupt:
        code = 130
    return code or 0
