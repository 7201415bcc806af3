"""Runs the circuit on `keras.ops`: on any backend and device, differentiated by the backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid._double import elementwise
from qkeras_hybrid.annealing.qaoa.circuit import Circuit

_cos, _sin = elementwise("cos"), elementwise("sin")


class Portable:
    """A circuit, ready to run on tensors.

    A state is a pair of tensors of shape `(batch, 2**n_qubits)`, its real and imaginary parts.

    Args:
        circuit: The circuit.
        n_fields: The number of qubits, or 0 if samples have no fields.
        dtype: "float32" or "float64".
    """

    def __init__(self, circuit: Circuit, n_fields: int, dtype: str) -> None:
        self.circuit, self.n_fields, self.dtype = circuit, n_fields, dtype

    def values(self, parameters: Any) -> Any:
        """Returns the means of the spins, then the mean cost, of shape `(batch, n_qubits + 1)`.

        Args:
            parameters: The fields, gammas and betas of each sample, of shape `(batch, width)`.
        """
        n = self.circuit.n_qubits
        probabilities, costs = self._run(parameters)
        means = []
        for q in range(n):
            halves = ops.sum(ops.reshape(probabilities, (-1, 2**q, 2, 2 ** (n - 1 - q))), (1, 3))
            means.append(halves[:, 0] - halves[:, 1])
        return ops.stack([*means, ops.sum(probabilities * costs, axis=1)], axis=1)

    def probabilities(self, parameters: Any) -> Any:
        """Returns the probabilities of the basis states, of shape `(batch, 2**n_qubits)`."""
        return self._run(parameters)[0]

    def _constant(self, array: np.ndarray) -> Any:
        return ops.convert_to_tensor(array.astype(self.dtype))

    def _run(self, parameters: Any) -> tuple[Any, Any]:
        circuit, layers = self.circuit, self.circuit.n_layers
        fields, angles = parameters[:, : self.n_fields], parameters[:, self.n_fields :]
        costs = self._constant(circuit.costs)[None]
        if self.n_fields:
            costs = costs + self._spin_sums(fields)
        size = 2**circuit.n_qubits
        start = np.full(size, size**-0.5) if circuit.state is None else circuit.state
        # An empty batch stays empty; each sample's NaN stays its own.
        rows = ops.zeros_like(angles[:, :1])
        re = rows + self._constant(start.real)[None]
        im = rows + self._constant(start.imag)[None]
        for layer in range(layers):
            phase = angles[:, layer : layer + 1] * costs
            c, s = _cos(phase), _sin(phase)
            re, im = c * re + s * im, c * im - s * re
            beta = angles[:, layers + layer]
            re, im = self._mixed(re, im, _cos(beta), _sin(beta))
        return re * re + im * im, costs

    def _spin_sums(self, fields: Any) -> Any:
        """Returns `sum_i field_i s_i` for each basis state."""
        signs = self._constant(np.array([1.0, -1.0]))
        sums = ops.zeros_like(fields[:, :1])
        for q in range(self.n_fields):
            both = sums[:, :, None] + fields[:, q : q + 1, None] * signs
            sums = ops.reshape(both, (-1, 2 ** (q + 1)))
        return sums

    def _mixed(self, re: Any, im: Any, c: Any, s: Any) -> tuple[Any, Any]:
        circuit = self.circuit
        n, size = circuit.n_qubits, 2**circuit.n_qubits
        if len(circuit.pairs):
            for first, second in np.sort(circuit.pairs, axis=1).tolist():
                between = second - first - 1
                shape = (-1, 2**first, 2, 2**between, 2, 2 ** (n - 1 - second))
                re, im = ops.reshape(re, shape), ops.reshape(im, shape)
                re, im = _exchanged(re, im, _column(c, 5), _column(s, 5))
        else:
            tilts = np.full(n, np.pi / 2) if circuit.tilts is None else circuit.tilts
            for q, tilt in enumerate(tilts.tolist()):
                halves = (-1, 2**q, 2, 2 ** (n - 1 - q))
                re, im = ops.reshape(re, halves), ops.reshape(im, halves)
                re, im = _turned(re, im, _column(c, 3), _column(s, 3), tilt)
        return ops.reshape(re, (-1, size)), ops.reshape(im, (-1, size))


def _column(numbers: Any, axes: int) -> Any:
    return ops.reshape(numbers, (-1, *(1,) * axes))


def _turned(re: Any, im: Any, c: Any, s: Any, tilt: float) -> tuple[Any, Any]:
    """Applies `c - i s (sin(tilt) X + cos(tilt) Z)` to the qubit on axis 2."""

    def axis(x: Any) -> Any:
        flipped = ops.flip(x, axis=2)
        if tilt == np.pi / 2:
            return flipped
        signs = ops.convert_to_tensor(np.array([[[1.0], [-1.0]]]), dtype=x.dtype)
        return float(np.sin(tilt)) * flipped + float(np.cos(tilt)) * signs * x

    return c * re + s * axis(im), c * im - s * axis(re)


def _exchanged(re: Any, im: Any, c: Any, s: Any) -> tuple[Any, Any]:
    """Applies `exp(-i beta (XX + YY) / 2)` to the qubits on axes 2 and 4, which turns 01 and 10."""
    order = (0, 1, 4, 3, 2, 5)
    turns = np.array([[0.0, 1.0], [1.0, 0.0]]).reshape(1, 1, 2, 1, 2, 1)
    mask = ops.convert_to_tensor(turns, dtype=re.dtype)
    by_c, by_s = mask * (c - 1), mask * s
    return (
        re + by_c * re + by_s * ops.transpose(im, order),
        im + by_c * im - by_s * ops.transpose(re, order),
    )
