"""Circuits from and to other packages, and Keras's companions.

| module | what |
|---|---|
| `qasm` | OpenQASM 2 and 3 |
| `qiskit` | Qiskit's circuits, with their parameters: `pip install qkeras-hybrid[qiskit]` |
| `tuner` | a search space for KerasTuner |

TensorFlow Quantum's string tensors of circuits need nothing from here: `PQC` takes them as its
input. Nor do scikit-learn's pipelines: `keras.wrappers.SKLearnClassifier` makes an estimator of
a model with quantum layers as of any other.
"""

from qkeras_hybrid.interop.qasm import from_qasm, to_qasm
from qkeras_hybrid.interop.qiskit import from_qiskit, to_qiskit
from qkeras_hybrid.interop.tuner import tuned_pqc_dense

__all__ = ["from_qasm", "from_qiskit", "to_qasm", "to_qiskit", "tuned_pqc_dense"]
