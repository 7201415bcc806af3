"""Bridges from each Keras backend's tensors to the core, one module for each backend.

A bridge has

- `unavailable()`: why it can't be used, apart from the core's own reasons, or None;
- `threads()`: how many threads the backend's own operations use, 0 if it does not say;
- `Operations(program, lanes, keep)`: runs a lowered program; `keep` says whether a gradient of the
  expectation values will follow. Its methods take tensors of one dtype, `inputs` of shape
  `(batch, n_inputs)` and `weights` of `(n_weights,)`:
    - `expectation(inputs, weights)`: `(batch, n_observables)`, differentiable,
    - `state(inputs, weights)`: complex, `(batch, 2**n_qubits)`, differentiable,
    - `sample(inputs, weights, shots, seed)`: int32, `(batch, shots, n_qubits)`; `seed` is None, a
      whole number or a `keras.random.SeedGenerator`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

BACKENDS = frozenset({"jax", "tensorflow", "torch"})


def bridge(backend: str) -> ModuleType:
    """Returns the bridge of a Keras backend."""
    return importlib.import_module(f"{__name__}.{backend}")
