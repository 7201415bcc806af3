"""Runs the circuit in C++, with the exact gradient (`engines/native/src/qaoa.h`)."""

from __future__ import annotations

import numpy as np

from qkeras_hybrid.annealing.qaoa.circuit import Circuit, width
from qkeras_hybrid.engines.native import library

# Below the first number, the core keeps no states (`src/qaoa_view.h`); above the second, they would
# take too much memory.
KEPT_QUBITS = 10
MOST_KEPT_BYTES = 32 * 2**20
# For graphs that are traced for any number of samples.
_USUAL_BATCH = 64


class Native:
    """A circuit, ready to run on NumPy arrays.

    Args:
        circuit: The circuit; its mixer is not tilted.
        n_fields: The number of qubits, or 0 if samples have no fields.
        dtype: "float32" or "float64".
    """

    def __init__(self, circuit: Circuit, n_fields: int, dtype: str) -> None:
        self.circuit, self.n_fields, self.dtype = circuit, n_fields, dtype
        self.width = width(circuit, n_fields)
        # Kept here, because the core reads them at each call.
        self._costs = np.ascontiguousarray(circuit.costs, "float64")
        self._pairs = np.ascontiguousarray(circuit.pairs, "int64")
        self._state = None
        if circuit.state is not None:
            self._state = np.ascontiguousarray(circuit.state, "complex128")
        # A flip of all qubits changes neither the uniform initial state nor the X mixer. If it does
        # not change the costs either, it changes no state, and half of the amplitudes are enough.
        self.even = (
            circuit.n_qubits >= KEPT_QUBITS
            and n_fields == 0
            and len(self._pairs) == 0
            and self._state is None
            and np.array_equal(self._costs, self._costs[::-1])
        )
        self._problem = library.QaoaProblem(
            circuit.n_qubits,
            circuit.n_layers,
            n_fields,
            len(self._pairs),
            self._pairs.ctypes.data,
            self._costs.ctypes.data,
            None if self._state is None else self._state.ctypes.data,
            int(self.even),
        )

    @property
    def kept_numbers(self) -> int:
        """How many numbers the kept state of a sample has."""
        amplitudes = int(2**self.circuit.n_qubits) // (2 if self.even else 1)
        return 2 * amplitudes

    def keeps(self, batch: int | None) -> bool:
        """Tells whether the states of a batch are kept from a forward pass for the gradient."""
        size = self.kept_numbers * np.dtype(self.dtype).itemsize
        fits = (_USUAL_BATCH if batch is None else batch) * size <= MOST_KEPT_BYTES
        return fits and self.circuit.n_qubits >= KEPT_QUBITS

    def values_and_states(self, parameters: np.ndarray) -> np.ndarray:
        """Returns the values, followed by the final states, which the gradient can reuse."""
        n = self.circuit.n_qubits
        rows = self._rows(parameters, self.width)
        values = np.empty((len(rows), n + 1), self.dtype)
        # NaN stays where parameters are not finite.
        states = np.full((len(rows), self.kept_numbers), np.nan, self.dtype)
        addresses = (values.ctypes.data, None, states.ctypes.data)
        library.run_qaoa(
            self._problem, "QhQaoa", self.dtype, len(rows), rows.ctypes.data, *addresses
        )
        return np.concatenate([values, states], axis=1)

    def gradient_of_kept(
        self, parameters: np.ndarray, upstream: np.ndarray, states: np.ndarray
    ) -> np.ndarray:
        """Returns the gradient by the parameters, without another forward pass."""
        return self._backward(parameters, upstream, True, states)

    def values(self, parameters: np.ndarray) -> np.ndarray:
        """Returns the means of the spins, then the mean cost.

        Args:
            parameters: The fields, gammas and betas of each sample, of shape `(batch, width)`.

        Returns:
            Array of shape `(batch, n_qubits + 1)`.
        """
        return self._forward(parameters, self.circuit.n_qubits + 1, True)

    def probabilities(self, parameters: np.ndarray) -> np.ndarray:
        """Returns the probabilities of the basis states, of shape `(batch, 2**n_qubits)`."""
        return self._forward(parameters, 2**self.circuit.n_qubits, False)

    def values_gradient(self, parameters: np.ndarray, upstream: np.ndarray) -> np.ndarray:
        """Returns the gradient by the parameters, from the gradient by the values."""
        return self._backward(parameters, upstream, True)

    def probabilities_gradient(self, parameters: np.ndarray, upstream: np.ndarray) -> np.ndarray:
        """Returns the gradient by the parameters, from the gradient by the probabilities."""
        return self._backward(parameters, upstream, False)

    def _forward(self, parameters: np.ndarray, size: int, values: bool) -> np.ndarray:
        rows = self._rows(parameters, self.width)
        result = np.empty((len(rows), size), self.dtype)
        address = result.ctypes.data
        targets = (address, None) if values else (None, address)
        addresses = (rows.ctypes.data, *targets, None)
        library.run_qaoa(self._problem, "QhQaoa", self.dtype, len(rows), *addresses)
        return result

    def _backward(
        self,
        parameters: np.ndarray,
        upstream: np.ndarray,
        values: bool,
        states: np.ndarray | None = None,
    ) -> np.ndarray:
        rows = self._rows(parameters, self.width)
        given = np.ascontiguousarray(upstream, self.dtype)
        sources = (given.ctypes.data, None) if values else (None, given.ctypes.data)
        kept = None if states is None else np.ascontiguousarray(states, self.dtype)
        result = np.empty_like(rows)
        library.run_qaoa(
            self._problem,
            "QhQaoaGradient",
            self.dtype,
            len(rows),
            rows.ctypes.data,
            *sources,
            None if kept is None else kept.ctypes.data,
            result.ctypes.data,
        )
        return result

    def _rows(self, numbers: np.ndarray, columns: int) -> np.ndarray:
        rows = np.ascontiguousarray(numbers, self.dtype)
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise ValueError(f"Parameters must have shape (batch, {columns}), not {rows.shape}.")
        return rows
