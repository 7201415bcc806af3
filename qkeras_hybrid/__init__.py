"""Quantum circuits as layers of ordinary Keras models."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

# First, so that a missing Keras backend gives a one-sentence error.
from qkeras_hybrid import _keras  # noqa: F401

# isort: split
from qkeras_hybrid import (
    annealing,
    ansatz,
    callbacks,
    decisions,
    diagnostics,
    encodings,
    engines,
    exporting,
    generative,
    gradients,
    interop,
    interventions,
    kernels,
    layers,
    noise,
    observables,
    optimizers,
    program,
    readouts,
    surrogates,
)
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.costs import ModelCost, model_cost
from qkeras_hybrid.exporting import export_model
from qkeras_hybrid.gradients import SPSA, Adjoint, FiniteDifference, ParameterShift
from qkeras_hybrid.interventions import intervention_test
from qkeras_hybrid.layers import (
    PQC,
    BoltzmannMachine,
    DecisionLayer,
    DiscreteLatent,
    IsingLayer,
    PQCDense,
    QAOALayer,
    QuantumEmbedding,
    QuantumKernel,
    Resources,
    SmallAngles,
    WeightGroup,
    set_engine,
)
from qkeras_hybrid.program import Compiled, Program, compile_circuit
from qkeras_hybrid.surrogates import surrogate

if TYPE_CHECKING:
    from qkeras_hybrid import chemistry, finance, plot

try:
    __version__ = version("qkeras_hybrid")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"

__all__ = [
    "PQC",
    "SPSA",
    "Adjoint",
    "ArgumentError",
    "BoltzmannMachine",
    "Compiled",
    "DecisionLayer",
    "DiscreteLatent",
    "FiniteDifference",
    "IsingLayer",
    "ModelCost",
    "PQCDense",
    "ParameterShift",
    "Program",
    "QAOALayer",
    "QuantumEmbedding",
    "QuantumKernel",
    "Resources",
    "SmallAngles",
    "WeightGroup",
    "__version__",
    "annealing",
    "ansatz",
    "callbacks",
    "chemistry",
    "compile_circuit",
    "decisions",
    "diagnostics",
    "encodings",
    "engines",
    "export_model",
    "exporting",
    "finance",
    "generative",
    "gradients",
    "interop",
    "intervention_test",
    "interventions",
    "kernels",
    "layers",
    "model_cost",
    "noise",
    "observables",
    "optimizers",
    "plot",
    "program",
    "readouts",
    "set_engine",
    "surrogate",
    "surrogates",
]


def __getattr__(name: str) -> Any:
    """Imports `chemistry`, `finance` and `plot` at their first use, because few users need them."""
    if name in ("chemistry", "finance", "plot"):
        return importlib.import_module(f"qkeras_hybrid.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
