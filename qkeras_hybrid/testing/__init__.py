"""The package's contract checks, for authors of engines and layers."""

from qkeras_hybrid.testing.circuits import (
    random_circuit,
    random_gates,
    reference_expectation,
    reference_gradients,
)
from qkeras_hybrid.testing.engines import assert_engine_conforms, assert_matches_reference
from qkeras_hybrid.testing.layers import run_layer_test
from qkeras_hybrid.testing.numbers import assert_close, value_and_gradients
from qkeras_hybrid.testing.systems import System, systems

__all__ = [
    "System",
    "assert_close",
    "assert_engine_conforms",
    "assert_matches_reference",
    "random_circuit",
    "random_gates",
    "reference_expectation",
    "reference_gradients",
    "run_layer_test",
    "systems",
    "value_and_gradients",
]
