"""Decisions: problems whose costs a network predicts, and how to train the network for them.

- Problems: `GridShortestPath`, `ShortestPath`, `Knapsack`, `QuadraticProgram` (a `Qubo`, an `Ising`
  or a `Problem`, solved exactly or by an annealer), `Choices` (a list), `Minimiser` (your own
  function). Derive new ones from `DecisionProblem`.
- The layer `qkeras_hybrid.DecisionLayer` turns predicted costs into decisions. Its gradient is
  `PerturbedOptimizer`, `BlackBox`, `ImplicitMLE` or `NegativeIdentity`.
- Losses on predicted costs, without the layer: `SPOPlus`, `PerturbedFenchelYoung`. After the layer:
  `decision_cost`.
- The measure: `Regret`, a metric, and `regret`, a function.
"""

from qkeras_hybrid.decisions.base import DecisionProblem, decide
from qkeras_hybrid.decisions.choices import Choices
from qkeras_hybrid.decisions.data import knapsack_data, shortest_path_data
from qkeras_hybrid.decisions.estimators import (
    BlackBox,
    GradientEstimator,
    ImplicitMLE,
    NegativeIdentity,
    PerturbedOptimizer,
)
from qkeras_hybrid.decisions.functions import Minimiser
from qkeras_hybrid.decisions.knapsack import Knapsack
from qkeras_hybrid.decisions.losses import PerturbedFenchelYoung, SPOPlus, decision_cost
from qkeras_hybrid.decisions.metrics import Regret, regret
from qkeras_hybrid.decisions.paths import GridShortestPath, ShortestPath
from qkeras_hybrid.decisions.quadratic import QuadraticProgram
from qkeras_hybrid.decisions.targets import targets

__all__ = [
    "BlackBox",
    "Choices",
    "DecisionProblem",
    "GradientEstimator",
    "GridShortestPath",
    "ImplicitMLE",
    "Knapsack",
    "Minimiser",
    "NegativeIdentity",
    "PerturbedFenchelYoung",
    "PerturbedOptimizer",
    "QuadraticProgram",
    "Regret",
    "SPOPlus",
    "ShortestPath",
    "decide",
    "decision_cost",
    "knapsack_data",
    "regret",
    "shortest_path_data",
    "targets",
]
