"""The states of a layer at some samples, and their Bloch vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._states import batches_of_states, best_precision
from qkeras_hybrid.diagnostics.base import compiled_of, inputs_of, weights_of
from qkeras_hybrid.program import Compiled

MOST_AMPLITUDES = 2**24
"""The most amplitudes of all states together."""


def values_of(layer: Any, x: Any, weights: Any) -> tuple[Compiled, np.ndarray, np.ndarray]:
    """Returns a layer's circuit, its inputs `(batch, n_inputs)` and its weights `(n_weights,)`.

    Args:
        layer: A built quantum layer, or a compiled circuit.
        x: Features of the layer, or inputs of the circuit.
        weights: The weights in radians; None for those of the layer.

    Raises:
        ValueError: If one of them is invalid, or the states would be too large.
    """
    compiled = compiled_of(layer, "layer")
    if weights is None and not compiled.weights:
        weights = ()
    values = weights_of(layer, compiled, weights)
    inputs = inputs_of(layer, len(compiled.inputs), x, best_precision())
    if len(inputs) * math.ldexp(1.0, compiled.n_qubits) > MOST_AMPLITUDES:
        raise ArgumentError(
            "x",
            f"give states with at most {MOST_AMPLITUDES:,} amplitudes in total",
            f"{len(inputs):,} samples on {compiled.n_qubits} qubits",
            "Give fewer samples.",
        )
    return compiled, inputs, values


def states_of(compiled: Compiled, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the states of the ideal circuit, of shape `(batch, 2**n_qubits)`.

    Raises:
        ValueError: If the circuit's final state is not a state vector.
    """
    rows = np.hstack([inputs, np.tile(weights, (len(inputs), 1))])
    return np.concatenate(list(batches_of_states(compiled, rows)))


def bloch_vectors(states: np.ndarray) -> np.ndarray:
    """Returns the Bloch vector `(<X>, <Y>, <Z>)` of each qubit.

    Args:
        states: Complex array of shape `(batch, 2**n_qubits)`.

    Returns:
        Array of shape `(batch, n_qubits, 3)`. A vector of length 1 is a pure state. If it is
        shorter, the qubit is entangled with others.

    Reference:
        Nielsen, Chuang: Quantum Computation and Quantum Information, section 2.4.3:
        `rho = (1 + r.sigma)/2` for the reduced state of a qubit.
    """
    n_qubits = states.shape[1].bit_length() - 1
    found = np.zeros((len(states), n_qubits, 3))
    for qubit in range(n_qubits):
        halves = states.reshape(len(states), 2**qubit, 2, -1)
        zero, one = halves[:, :, 0], halves[:, :, 1]
        across = np.sum(zero.conj() * one, axis=(1, 2))  # rho_10
        found[:, qubit, 0] = 2 * across.real
        found[:, qubit, 1] = 2 * across.imag
        found[:, qubit, 2] = np.sum(np.abs(zero) ** 2 - np.abs(one) ** 2, axis=(1, 2))
    return found
