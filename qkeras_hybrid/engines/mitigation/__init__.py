"""Error mitigation: engines that run other programs on an engine, and correct its values.

| engine | corrects | costs |
|---|---|---|
| `ZeroNoiseExtrapolation` | any noise that grows with the circuit, partly | `sum_k c_k**2` |
| `ReadoutMitigation` | wrong bits, completely | `1 / (1 - a - b)**2` for each qubit read |
| `ProbabilisticErrorCancellation` | known noise, completely | `gamma**2` |
| `CliffordDataRegression` | any noise that shrinks and shifts values | `slope**2` |
| `PauliTwirling` | makes coherent errors random, for others to correct | nothing |
| `DynamicalDecoupling` | coherent drifts of idle qubits | nothing |

The cost is the factor by which the variance grows; `report` computes it along with the bias that is
removed. Methods can be nested, for example `ReadoutMitigation` inside `ZeroNoiseExtrapolation`.
Models train with all of them: gradients are those of the programs that run.
"""

from qkeras_hybrid.engines.mitigation.base import Mitigation, Report
from qkeras_hybrid.engines.mitigation.cancellation import ProbabilisticErrorCancellation
from qkeras_hybrid.engines.mitigation.clifford_data import CliffordDataRegression
from qkeras_hybrid.engines.mitigation.decoupling import DynamicalDecoupling
from qkeras_hybrid.engines.mitigation.readout import ReadoutMitigation
from qkeras_hybrid.engines.mitigation.twirling import PauliTwirling
from qkeras_hybrid.engines.mitigation.zero_noise import ZeroNoiseExtrapolation

__all__ = [
    "CliffordDataRegression",
    "DynamicalDecoupling",
    "Mitigation",
    "PauliTwirling",
    "ProbabilisticErrorCancellation",
    "ReadoutMitigation",
    "Report",
    "ZeroNoiseExtrapolation",
]
