"""Problems in the field's standard forms."""

from qkeras_hybrid.annealing.problems.assignments import clustering, quadratic_assignment
from qkeras_hybrid.annealing.problems.constrained import from_cqm, values_of
from qkeras_hybrid.annealing.problems.data import feature_selection, portfolio
from qkeras_hybrid.annealing.problems.graphs import independent_set, maxcut
from qkeras_hybrid.annealing.problems.sequences import low_autocorrelation
from qkeras_hybrid.annealing.problems.subsets import knapsack, number_partition, set_packing

__all__ = [
    "clustering",
    "feature_selection",
    "from_cqm",
    "independent_set",
    "knapsack",
    "low_autocorrelation",
    "maxcut",
    "number_partition",
    "portfolio",
    "quadratic_assignment",
    "set_packing",
    "values_of",
]
