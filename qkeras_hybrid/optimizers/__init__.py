"""Optimizers for the weights of circuits, for `compile(optimizer=...)` of any Keras model.

| optimizer | a step | circuits per sample, in addition to the forward pass |
|---|---|---|
| `QNG` | steepest descent in the space of states | the gradient's; one per angle, and one more |
| `QNSPSA` | the same with an estimated metric | the gradient's; five |
| `SPSA` | Spall's decreasing steps | two |
| `Rotosolve` | each weight to its minimum | the gradient's; two or more per weight |
| `Rotoselect` | the same, and the best of several gates | the gradient's; two or more per weight |

Each optimizer finds the quantum layers of the model by their weights, trains these weights, and
trains all others by Adam. "The gradient's" circuits are those of the layer's differentiator; the
adjoint gradient of a simulator needs none. `optimizer.circuits` counts the circuits that ran, and
is saved with the model.
"""

from qkeras_hybrid.optimizers.natural import QNG
from qkeras_hybrid.optimizers.rotosolve import Rotoselect, Rotosolve
from qkeras_hybrid.optimizers.stochastic import QNSPSA, SPSA

__all__ = ["QNG", "QNSPSA", "SPSA", "Rotoselect", "Rotosolve"]
