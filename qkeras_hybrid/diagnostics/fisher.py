"""The quantum Fisher information of a circuit's weights, and how many of them are independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._states import Metric, best_precision
from qkeras_hybrid.diagnostics.base import compiled_of, inputs_of, weights_of
from qkeras_hybrid.diagnostics.figures import new_figure, style


@dataclass(frozen=True)
class FisherInformation:
    """The quantum Fisher information of a circuit's weights.

    Attributes:
        matrix: The mean over the samples, of shape `(n_weights, n_weights)`.
        eigenvalues: Its eigenvalues, the largest first.
        rank: The number of eigenvalues above `tolerance` times the largest.
        tolerance: The tolerance of the rank.
    """

    matrix: np.ndarray
    eigenvalues: np.ndarray
    rank: int
    tolerance: float

    def __str__(self) -> str:
        n = len(self.matrix)
        if self.rank == n:
            return f"All {n} weights change the state independently."
        return (
            f"{self.rank} of {n} weights change the state independently. Along the other "
            f"{n - self.rank} directions of the weights, no measurement sees a change."
        )

    def plot(self) -> Any:
        """Returns a Matplotlib figure: the eigenvalues, and the threshold of the rank."""
        title = f"Quantum Fisher information: rank {self.rank} of {len(self.matrix)}"
        figure, axes = new_figure(title, "number", "eigenvalue")
        largest = self.eigenvalues[0] or 1.0
        shown = np.maximum(self.eigenvalues, 1e-3 * self.tolerance * largest)
        axes.plot(np.arange(1, len(shown) + 1), shown, linestyle="", **style(0))
        axes.axhline(self.tolerance * largest, color="black", linestyle="--", linewidth=1)
        axes.set_yscale("log")
        return figure


def quantum_fisher(
    circuit: Any, *, weights: Any = None, x: Any = None, tolerance: float = 1e-5
) -> FisherInformation:
    """Computes the quantum Fisher information of a circuit's weights, exactly.

    `F_jk = 4 Re(<d_j psi|d_k psi> - <d_j psi|psi><psi|d_k psi>)`: four times the Fubini-Study
    metric. The layer's noise and shots are ignored: the state is pure.

    Args:
        circuit: A built quantum layer, or what `compile_circuit` returned.
        weights: The circuit's weights, `(n_weights,)`, in radians; by default those of the layer.
        x: The samples over which the matrix is averaged: the features of a layer,
            `(batch, n_features)`, or the inputs of a compiled circuit, `(batch, n_inputs)`. Not
            needed for a circuit without inputs.
        tolerance: An eigenvalue counts if it is above `tolerance` times the largest.

    Raises:
        ValueError: If weights or samples are missing or have the wrong shape, the circuit has no
            weights, or the circuit itself is noisy.

    Reference:
        Meyer: Fisher information in noisy intermediate-scale quantum applications, Quantum 5, 539
        (2021), arXiv 2103.15191. The rank: Haug, Bharti, Kim: Capacity and quantum geometry of
        parametrized quantum circuits, PRX Quantum 2, 040309 (2021), arXiv 2102.01659.

    Example: two rotations about the same axis act as one.

    >>> q, (a, b) = cirq.LineQubit(0), sympy.symbols("a b")
    >>> twice = compile_circuit(cirq.Circuit(cirq.ry(a)(q), cirq.ry(b)(q)))
    >>> found = qh.diagnostics.quantum_fisher(twice, weights=[0.1, 0.2])
    >>> found.matrix.round(5).tolist(), found.rank
    ([[1.0, 1.0], [1.0, 1.0]], 1)
    """
    compiled = compiled_of(circuit)
    n = len(compiled.weights)
    if not n:
        raise ArgumentError("circuit", "have weights", "one without any")
    values = weights_of(circuit, compiled, weights)
    if finite_number("tolerance", tolerance) <= 0:
        raise ArgumentError("tolerance", "be positive", tolerance)
    precision = best_precision()
    metric = Metric.of(compiled.job(precision))
    at = ops.convert_to_tensor(values, dtype=precision)
    inputs = inputs_of(circuit, len(compiled.inputs), x, precision)
    # One sample at a time: each needs memory for one state per weight.
    total = np.zeros((n, n))
    for i in range(len(inputs)):
        one = ops.convert_to_tensor(inputs[i : i + 1], dtype=precision)
        total += 4.0 * ops.convert_to_numpy(metric(one, at))[0]
    matrix = total / len(inputs)
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    rank = int(np.sum(eigenvalues > tolerance * max(eigenvalues[0], 1e-12)))
    return FisherInformation(matrix, eigenvalues, rank, tolerance)
