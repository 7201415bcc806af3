"""Quantum kernels, and measures that tell whether one can help.

- `FidelityKernel`, `ProjectedKernel`: kernel matrices from states that are prepared once.
- `best_scale`: the best bandwidth; with a bad one, all samples look about equally similar.
- `train_kernel`: trains the circuit's weights and the bandwidth by gradients.
- `polarity`, `alignment`, `centred_alignment`: how well a kernel matrix agrees with labels.
- `geometric_difference`, `model_complexity`, `training_error`: whether a classical kernel can do as
  well.
- `spectrum`, `task_alignment`, `participation_ratio`, `concentration`, `concentrations`,
  `effective_dimension`: properties of a kernel matrix.
- `QSVC`, `QSVR`, `QKernelRidge`, `QGaussianProcessClassifier`, `QGaussianProcessRegressor`,
  `QuantumKernelTransformer`: for scikit-learn.
- `study`, `verdict`, `reasons`: all of these measures on your data, compared with tuned RBF and
  Laplacian kernels.
- `repaired`, `smallest_eigenvalue`: for kernel matrices with negative eigenvalues.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from qkeras_hybrid.kernels.agreement import (
    alignment,
    centred_alignment,
    polarity,
    similarity,
)
from qkeras_hybrid.kernels.bandwidth import Search, best_scale
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.fidelity import FidelityKernel
from qkeras_hybrid.kernels.geometry import (
    geometric_difference,
    model_complexity,
    training_error,
)
from qkeras_hybrid.kernels.projected import ProjectedKernel
from qkeras_hybrid.kernels.repair import repaired, smallest_eigenvalue
from qkeras_hybrid.kernels.spectra import (
    Concentration,
    concentration,
    concentrations,
    effective_dimension,
    participation_ratio,
    spectrum,
    task_alignment,
)
from qkeras_hybrid.kernels.studies import KernelResult, Study, study
from qkeras_hybrid.kernels.training import TrainedKernel, train_kernel
from qkeras_hybrid.kernels.verdicts import reasons, verdict

if TYPE_CHECKING:
    from qkeras_hybrid.kernels.estimators import QSVC, QSVR, QKernelRidge
    from qkeras_hybrid.kernels.gaussian_processes import (
        QGaussianProcessClassifier,
        QGaussianProcessRegressor,
    )
    from qkeras_hybrid.kernels.transformer import QuantumKernelTransformer

# Their base classes are scikit-learn's, which loads when one of them is first used.
_OF_SKLEARN = {
    "QGaussianProcessClassifier": "gaussian_processes",
    "QGaussianProcessRegressor": "gaussian_processes",
    "QKernelRidge": "estimators",
    "QSVC": "estimators",
    "QSVR": "estimators",
    "QuantumKernelTransformer": "transformer",
}


def __getattr__(name: str) -> Any:
    if name not in _OF_SKLEARN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_OF_SKLEARN[name]}"), name)


__all__ = [
    "QSVC",
    "QSVR",
    "Concentration",
    "FidelityKernel",
    "Kernel",
    "KernelResult",
    "ProjectedKernel",
    "QGaussianProcessClassifier",
    "QGaussianProcessRegressor",
    "QKernelRidge",
    "QuantumKernelTransformer",
    "Search",
    "Study",
    "TrainedKernel",
    "alignment",
    "best_scale",
    "centred_alignment",
    "concentration",
    "concentrations",
    "effective_dimension",
    "geometric_difference",
    "model_complexity",
    "participation_ratio",
    "polarity",
    "reasons",
    "repaired",
    "similarity",
    "smallest_eigenvalue",
    "spectrum",
    "study",
    "task_alignment",
    "train_kernel",
    "training_error",
    "verdict",
]
