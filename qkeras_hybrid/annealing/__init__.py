"""Annealing: quadratic models of spins and bits, problems, and their samplers and solvers."""

from qkeras_hybrid.annealing import files
from qkeras_hybrid.annealing.annealers import Annealer, ExactSampling, SimulatedAnnealing
from qkeras_hybrid.annealing.batch import Batch
from qkeras_hybrid.annealing.constraints import Constraint
from qkeras_hybrid.annealing.models import Ising, Quadratic, Qubo
from qkeras_hybrid.annealing.polynomial import Polynomial
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.problems import (
    clustering,
    feature_selection,
    from_cqm,
    independent_set,
    knapsack,
    low_autocorrelation,
    maxcut,
    number_partition,
    portfolio,
    quadratic_assignment,
    set_packing,
)
from qkeras_hybrid.annealing.qaoa import QAOASampling, optimised_angles, qaoa_samples, start_angles
from qkeras_hybrid.annealing.samplers import DimodAnnealer
from qkeras_hybrid.annealing.solving import SOLVERS, Solution, get, solve

__all__ = [
    "SOLVERS",
    "Annealer",
    "Batch",
    "Constraint",
    "DimodAnnealer",
    "ExactSampling",
    "Ising",
    "Polynomial",
    "Problem",
    "QAOASampling",
    "Quadratic",
    "Qubo",
    "SimulatedAnnealing",
    "Solution",
    "clustering",
    "feature_selection",
    "files",
    "from_cqm",
    "get",
    "independent_set",
    "knapsack",
    "low_autocorrelation",
    "maxcut",
    "number_partition",
    "optimised_angles",
    "portfolio",
    "qaoa_samples",
    "quadratic_assignment",
    "set_packing",
    "solve",
    "start_angles",
]
