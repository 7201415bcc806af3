"""Annealing: quadratic models of spins and bits, problems, what samples and solves them."""

from qkeras_hybrid.annealing.models import Ising, Quadratic, Qubo

__all__ = ["Ising", "Quadratic", "Qubo"]
