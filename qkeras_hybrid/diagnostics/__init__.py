"""Diagnostics: whether a circuit can be trained, what it can express, and what it has learned.

| function | what it tells |
|---|---|
| `gradient_variance` | how large the gradient is, and whether a device could measure it |
| `gradient_sweep` | the same for several numbers of qubits and layers |
| `expressibility` | how evenly the circuit reaches all states |
| `entangling_capability`, `meyer_wallach` | how much it entangles |
| `fourier_spectrum` | which waves a trained layer is made of |
| `quantum_fisher` | how many weights change the state independently |
| `effective_dimension`, `fisher_matrices` | how many parameters of a model its data determine |

The functions take a built quantum layer, or what `compile_circuit` returned; the last two take a
Keras model, and `meyer_wallach` takes states. Most results print as a sentence and have a method
`plot` that returns a Matplotlib figure. While a model trains,
`qkeras_hybrid.callbacks.WatchGradients` watches its gradient.
"""

from qkeras_hybrid.diagnostics.dimension import (
    EffectiveDimension,
    effective_dimension,
    fisher_matrices,
)
from qkeras_hybrid.diagnostics.fisher import FisherInformation, quantum_fisher
from qkeras_hybrid.diagnostics.spectrum import Spectrum, fourier_spectrum
from qkeras_hybrid.diagnostics.spread import (
    Entangling,
    Expressibility,
    entangling_capability,
    expressibility,
    meyer_wallach,
)
from qkeras_hybrid.diagnostics.variance import (
    GradientSweep,
    GradientVariance,
    gradient_sweep,
    gradient_variance,
)

__all__ = [
    "EffectiveDimension",
    "Entangling",
    "Expressibility",
    "FisherInformation",
    "GradientSweep",
    "GradientVariance",
    "Spectrum",
    "effective_dimension",
    "entangling_capability",
    "expressibility",
    "fisher_matrices",
    "fourier_spectrum",
    "gradient_sweep",
    "gradient_variance",
    "meyer_wallach",
    "quantum_fisher",
]
