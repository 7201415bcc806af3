"""Optimizers for the weights of circuits, for `compile(optimizer=...)` of any Keras model.

| optimizer | a step | circuits for a sample, beside its value |
|---|---|---|
| `QNG` | steepest descent in the space of the states | the gradient; one for each angle, and one |
| `QNSPSA` | the same with an estimated metric | the gradient; five |
| `SPSA` | Spall's decreasing steps | two |
| `Rotosolve` | each weight to its best place | the gradient; two or more a weight |
| `Rotoselect` | the same, with the best of several gates | the gradient; two or more a weight |

Each finds the quantum layers of the model by their weights, trains these, and leaves all other
weights to Adam. "The gradient" is the layer's own, by its differentiator; that of a simulator takes
no circuit more. `optimizer.circuits` counts what ran, and is saved with the model.
"""

from qkeras_hybrid.optimizers.natural import QNG
from qkeras_hybrid.optimizers.rotosolve import Rotoselect, Rotosolve
from qkeras_hybrid.optimizers.stochastic import QNSPSA, SPSA

__all__ = ["QNG", "QNSPSA", "SPSA", "Rotoselect", "Rotosolve"]
