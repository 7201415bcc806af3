"""Circuits from and to other packages, and a search space for KerasTuner.

| module | converts |
|---|---|
| `qasm` | OpenQASM 2 and 3 |
| `qiskit` | Qiskit circuits with their parameters: `pip install qkeras-hybrid[qiskit]` |
| `tuner` | KerasTuner's hyperparameters to a `PQCDense` |

Circuits of TensorFlow Quantum need no conversion: `PQC` takes its string tensors as input. To use a
model in a scikit-learn pipeline, wrap it in `keras.wrappers.SKLearnClassifier`, like any other
Keras model.
"""

from qkeras_hybrid.interop.qasm import from_qasm, to_qasm
from qkeras_hybrid.interop.qiskit import from_qiskit, to_qiskit
from qkeras_hybrid.interop.tuner import tuned_pqc_dense

__all__ = ["from_qasm", "from_qiskit", "to_qasm", "to_qiskit", "tuned_pqc_dense"]
