"""Generators of bits: what learns a distribution of bit strings from samples, and draws new ones.

| layer | what it is | size |
|---|---|---|
| `IQPGenerator` | a circuit of commuting gates, trained without its state | hundreds of qubits |
| `BornMachine` | any ansatz, trained on its state | up to 12 qubits |
| `AutoregressiveBits` | each bit a logistic regression on those before it | thousands of bits |
| `qkeras_hybrid.layers.BoltzmannMachine` | an Ising energy, exact or sampled | see there |

An `IQPGenerator` of pairs, a `BoltzmannMachine` without hidden bits and `AutoregressiveBits` have
the same number of parameters, `n (n + 1) / 2`. `compare_generators` trains them side by side, and
`mmd` tells how far samples are from each other.
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
