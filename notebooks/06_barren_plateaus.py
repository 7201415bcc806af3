# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Barren plateaus and trainability
#
# A network trains if its loss has a slope. In a circuit with random weights the slope can be so
# small that nothing trains, and it shrinks *exponentially* with the number of qubits: a **barren
# plateau** ([McClean et al. 2018](https://arxiv.org/abs/1803.11173)). Here we measure it, see
# what makes it worse, and what helps.
#
# A circuit of $n$ qubits has a state of $2^n$ numbers. Random gates spread a state evenly over
# all of them, and then every expectation value is close to its mean, whatever a single weight
# does. The derivative by a weight is 0 on average, so that what counts is its **variance** over
# random weights: a variance of $10^{-6}$ means slopes of about $10^{-3}$.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cirq
import keras
import matplotlib.pyplot as plt
import numpy as np
import sympy
import tensorflow as tf

from qkeras_hybrid import PQC, PQCDense, plot
from qkeras_hybrid.ansatz import HardwareEfficient

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## Measuring it
#
# The circuit is `HardwareEfficient`: in each layer every qubit is rotated about Y and Z, and
# CNOTs join neighbours. We want the derivative by *one* weight in the middle, for many random
# weights. For that all weights become *inputs* of a `PQC`, so that a batch is a set of random
# draws, and one gradient of the batch gives the derivatives of all draws.
#
# Two observables are read from the same circuits:
#
# - **global**: the product of $Z$ on all qubits;
# - **local**: $Z$ on the first qubit alone.


# %%
def derivatives(n_qubits, n_layers, spread=np.pi, draws=256):
    """Returns derivatives of the global and the local value, each for all draws of the weights."""
    template, qubits = HardwareEfficient(), cirq.LineQubit.range(n_qubits)
    symbols = sympy.symbols(f"w:{template.n_weights(n_qubits, n_layers)}")
    circuit = template.circuit(qubits, symbols, n_layers)
    everywhere = "*".join(f"Z{i}" for i in range(n_qubits))
    layer = PQC(circuit, [everywhere, "Z0"], inputs=symbols)
    weights = tf.constant(rng.uniform(-spread, spread, (draws, len(symbols))), tf.float32)
    # A rotation about Y of the first qubit, half way through the circuit.
    middle = 2 * n_qubits * (n_layers // 2)
    found = []
    for observable in (0, 1):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = layer(weights)[:, observable]
        found.append(tape.gradient(value, weights).numpy()[:, middle])
    return found


# %% [markdown]
# First a check where the answer is known. One qubit, one layer, that is rotations about Y and Z
# twice: $\langle Z \rangle = \cos w_0 \cos w_2 - \sin w_0 \cos w_1 \sin w_2$. The variance of its
# derivative by $w_0$ over full circles is $\frac14 + \frac18 = \frac38$.

# %%
one = derivatives(1, 1, draws=20_000)[1]
print(f"variance {one.var():.3f}, and 0.375 by calculation")
np.testing.assert_allclose(one.var(), 3 / 8, atol=0.01)

# %% [markdown]
# ## It shrinks with every qubit
#
# Deep circuits (20 layers) and shallow ones (2 layers), 2 to 10 qubits. Note the logarithmic
# axis: a straight line down is exponential decay.

# %%
sizes = [2, 4, 6, 8, 10]
variances = {
    depth: np.array([[d.var() for d in derivatives(n, depth)] for n in sizes]) for depth in (2, 20)
}

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for axis, (depth, found) in zip(axes, variances.items(), strict=True):
    for column, name, marker in ((0, "global", "s-"), (1, "local", "o-")):
        axis.semilogy(sizes, found[:, column], marker, label=name)
    axis.set(xlabel="qubits", title=f"{depth} layers", xticks=sizes)
    axis.grid(which="major", alpha=0.4)
axes[0].set_ylabel("variance of the derivative")
axes[0].legend(title="observable", frameon=False)
plt.show()

for depth, found in variances.items():
    for column, name in ((0, "global"), (1, "local")):
        slope = np.polyfit(sizes, np.log2(found[:, column]), 1)[0]
        print(
            f"{depth:2d} layers, {name:6s}: the variance falls by {2**-slope:.2f} with each qubit"
        )

# %% [markdown]
# Deep: both observables lose about half of their variance with each qubit; with 50 qubits nothing
# would be left to follow. Shallow: the local observable hardly loses any, since only a few gates
# lie between a weight and the qubit that is read; the global one still falls. That is the result
# of [Cerezo et al. 2021](https://arxiv.org/abs/2001.00550): **shallow circuits with local
# observables have no barren plateau.** It is why `PQCDense` reads single qubits first.
#
# ## Start small
#
# Weights drawn from the whole circle make the circuit a random one. The layers here start with
# *small* angles instead (`SmallAngles`, a normal distribution of width 0.1), close to the circuit
# that does nothing.

# %%
spreads = {
    "whole circle": np.pi,
    "small angles": 0.1 * np.sqrt(3),
}  # of the same width as the normal
starts = {
    name: np.array([derivatives(n, 20, spread)[1].std() for n in sizes])
    for name, spread in spreads.items()
}
for name, found in starts.items():
    print(f"{name}: typical slope {found[0]:.3f} at 2 qubits, {found[-1]:.3f} at 10")

# %% [markdown]
# A slope at the start is not yet a trained model. Here a layer of ten qubits and twelve layers
# has to learn a function of two of its ten features, from either start, three times each, by
# plain gradient descent (`SGD`), which feels slopes as they are:

# %%
N_QUBITS, N_LAYERS = 10, 12
x = rng.uniform(-1, 1, (96, N_QUBITS)).astype("float32")
y = 0.8 * np.sin(np.pi * x[:, :1]) * np.cos(x[:, 1:2])

STARTS = {
    "whole circle": lambda seed: keras.initializers.RandomUniform(-np.pi, np.pi, seed=seed),
    "small angles": lambda seed: keras.initializers.RandomNormal(0.0, 0.1, seed=seed),
}


def build(initializer, n_layers=N_LAYERS, observables=None, optimizer=None):
    """Returns a compiled model: one quantum layer, whose value is scaled to [-2, 2]."""
    layer = PQCDense(
        1,
        n_qubits=N_QUBITS,
        n_layers=n_layers,
        ansatz="hardware_efficient",
        observables=observables,
        weight_initializer=initializer,
    )
    model = keras.Sequential([keras.Input((N_QUBITS,)), layer, keras.layers.Rescaling(2.0)])
    model.compile(optimizer or keras.optimizers.SGD(0.3), "mse")
    return model


def losses(model, epochs=25):
    """Trains a model and returns its loss in each epoch."""
    return model.fit(x, y, epochs=epochs, verbose=0).history["loss"]


SEEDS = range(3)
runs = {name: [losses(build(start(seed))) for seed in SEEDS] for name, start in STARTS.items()}

# %% [markdown]
# ## Layer by layer
#
# Another cure is to train a shallow circuit first and make it deeper as it goes: what was trained
# keeps its weights, and what is added starts at zero ([Skolik et al.
# 2021](https://arxiv.org/abs/2006.14904)). Weights are ordered by layer, so that those of the
# shallow circuit are the first weights of the deeper one. We start on the whole circle, where the
# deep circuit has it hard.


# %%
def grown(seed, depths=(2, 4, 6, 8, 12), epochs=5):
    """Trains circuits of growing depth, each from the one before; returns the losses."""
    history = []
    model = build(STARTS["whole circle"](seed), depths[0])
    for depth in depths:
        if depth > depths[0]:
            (trained,) = model.layers[0].get_weights()
            model = build("zeros", depth)
            (start,) = model.layers[0].get_weights()
            start[: len(trained)] = trained
            model.layers[0].set_weights([start])
        history += losses(model, epochs)
    return history


runs["layer by layer"] = [grown(seed) for seed in SEEDS]

print({name: round(float(np.mean(found, axis=0)[-1]), 3) for name, found in runs.items()})

# %%
figure = plot.Picture(figsize=(6.4, 3.6), layout="constrained")
axis = figure.subplots()
axis.axhline(y.var(), color="gray", linestyle=":", label="predicting the mean")
plot.training(runs, ax=axis)
axis.set(ylabel="mean squared error", ylim=(0, 0.6))
axis.set_title("Ten qubits, twelve layers, plain gradient descent")
figure

# %% [markdown]
# From the whole circle the loss begins where predicting the mean would leave it, and creeps. From
# small angles it begins higher (all outputs are far from 0 there), but has a slope to follow, and
# soon passes below. Growing the circuit does not help on this task: it ends behind both. A cure
# in one paper is not a cure everywhere.
#
# ## Two things that are easily overlooked
#
# **Adam hides the plateau.** It divides each slope by its usual size, so that small slopes make
# large steps all the same. In an exact simulation that works. On hardware a slope is the
# difference of two measured means; with 1000 shots each is uncertain by about 0.03, and a slope
# of 0.01 drowns.
#
# **Small angles are no cure for a global observable.** With the product of all ten signs they end
# where the whole circle does. Both in numbers:

# %%
everywhere = "*".join(f"Z{i}" for i in range(N_QUBITS))
cases = {
    "SGD, local": {},
    "Adam, local": {"optimizer": lambda: keras.optimizers.Adam(0.02)},
    "SGD, global": {"observables": [everywhere]},
}
table = [f"{'loss after 25 epochs':22s}" + "".join(f"{name:>14s}" for name in STARTS)]
for case, given in cases.items():
    line = f"{case:22s}"
    for start in STARTS.values():
        optimizer = given.get("optimizer", lambda: None)
        finals = [
            losses(build(start(seed), observables=given.get("observables"), optimizer=optimizer()))[
                -1
            ]
            for seed in SEEDS
        ]
        line += f"{np.mean(finals):14.3f}"
    table.append(line)
print("\n".join(table))

# %% [markdown]
# **To take away.** Slopes of deep random circuits shrink by half with each qubit. Read single
# qubits, keep circuits as shallow as the task allows, start with small angles or grow the
# circuit; and do not take a simulator's word, with its exact slopes and Adam, for what hardware
# would do.
#
# Next: [images](07_images.ipynb)
