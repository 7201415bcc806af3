"""The quantum approximate optimization algorithm: circuits, engines, initial angles."""

from qkeras_hybrid.annealing.qaoa.annealer import QAOASampling
from qkeras_hybrid.annealing.qaoa.optimising import optimised_angles, qaoa_samples
from qkeras_hybrid.annealing.qaoa.starts import start_angles, stored_graphs

__all__ = ["QAOASampling", "optimised_angles", "qaoa_samples", "start_angles", "stored_graphs"]
