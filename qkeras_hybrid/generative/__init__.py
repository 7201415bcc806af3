"""Generators of bits: layers that learn a distribution of bit strings and draw new samples.

| layer | model | size |
|---|---|---|
| `IQPGenerator` | a circuit of commuting gates, trained without its state | hundreds of qubits |
| `BornMachine` | any ansatz, trained on its state | up to 12 qubits |
| `AutoregressiveBits` | a logistic regression of each bit on those before it | thousands of bits |
| `qkeras_hybrid.layers.BoltzmannMachine` | an Ising energy, exact or sampled | see there |

An `IQPGenerator` of pairs, a `BoltzmannMachine` without hidden bits and `AutoregressiveBits` have
the same number of parameters, `n (n + 1) / 2` for `n` bits. `compare_generators` trains and
compares them. `mmd` measures the distance between two sets of samples.
"""

from __future__ import annotations

from qkeras_hybrid.generative.autoregressive import AutoregressiveBits
from qkeras_hybrid.generative.born import BornMachine
from qkeras_hybrid.generative.comparing import Generated, GeneratorComparison, compare_generators
from qkeras_hybrid.generative.iqp import IQPGenerator
from qkeras_hybrid.generative.kernels import default_bandwidths, mmd

__all__ = [
    "AutoregressiveBits",
    "BornMachine",
    "Generated",
    "GeneratorComparison",
    "IQPGenerator",
    "compare_generators",
    "default_bandwidths",
    "mmd",
]
