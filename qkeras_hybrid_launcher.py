"""Starts the command line without TensorFlow's start-up messages.

A module beside the package, because importing anything of the package imports Keras, and with it
TensorFlow, which must find its log level set; and what its C++ libraries say before they look at
that level can only be kept from the terminal while they load.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Runs `qkeras-hybrid` and returns its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        from qkeras_hybrid import cli
    except KeyboardInterrupt:
        return 130
    except (ImportError, ValueError) as error:
        # What Keras raises of a KERAS_BACKEND that it does not know, or that is not installed.
        os.dup2(terminal, 2)
        backend = os.environ.get("KERAS_BACKEND", "not set")
        print(
            f"qkeras-hybrid: error: Keras can't start (KERAS_BACKEND is {backend}): {error}. "
            "Its backends are tensorflow, jax and torch.",
            file=sys.stderr,
        )
        return 2
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
    return cli.main()
