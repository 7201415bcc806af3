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
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/06_barren_plateaus.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/06_barren_plateaus.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** Measurements of how the gradient of a large random circuit vanishes, and which
# starts and observables help.
#
# **Running time:** about 2 minutes on two cores.
#
# A model trains only if its loss has a slope. In a circuit with random weights the slope can be too
# small for training, and it shrinks *exponentially* with the number of qubits. This is called a
# **barren plateau** ([McClean et al. 2018](https://arxiv.org/abs/1803.11173)). Here we measure
# this, and see what makes it worse and what helps.
#
# A **circuit** is a list of **gates** on **qubits**, and its weights are the angles of some of the
# gates. What it returns is an **expectation value**, the mean of many measurements of an
# **observable**: see the [glossary](../docs/glossary.md). The state of $n$ qubits has $2^n$
# numbers. Random gates spread the state evenly over all of them. Then every expectation value is
# close to its mean over all weights, and a single weight hardly changes it.
#
# The mean of the derivative over random weights is 0, so we look at its **variance**. A variance of
# $10^{-6}$ means slopes of about $10^{-3}$.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

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
# The circuit is `HardwareEfficient`: each of its layers rotates every qubit about two axes, Y and
# Z, and entangles neighbouring qubits by CNOT gates. We want the derivative with respect to *one*
# weight in the middle, for many random draws of all weights. So we make all weights *inputs* of a
# `PQC`. Then a batch is a set of draws, and one call of the gradient returns the derivatives of all
# of them.
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
# First a check with a known answer. With one qubit and one layer there are two pairs of rotations,
# and $\langle Z \rangle = \cos w_0 \cos w_2 - \sin w_0 \cos w_1 \sin w_2$. For weights drawn from
# the whole circle, the derivative with respect to $w_0$ has the variance $\frac14 + \frac18 =
# \frac38$.

# %%
one = derivatives(1, 1, draws=20_000)[1]
print(f"variance {one.var():.3f}, and 0.375 by calculation")
np.testing.assert_allclose(one.var(), 3 / 8, atol=0.01)

# %% [markdown]
# ## It shrinks with every qubit
#
# We measure deep circuits of 20 layers and shallow ones of 2, with 2 to 10 qubits. The vertical
# axis is logarithmic, so a straight line down is exponential decay.

# %% alt="Variance against qubits. With 20 layers both observables fall, with 2 layers only global."
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
        print(f"{depth:2d} layers, {name:6s}: each qubit divides the variance by {2**-slope:.2f}")

# %% [markdown]
# In deep circuits, each further qubit halves the variance of both observables. With 50 qubits there
# would be no slope to follow. In shallow circuits, the variance of the local observable hardly
# falls, because only a few gates can influence the qubit that is read. That of the global
# observable still falls. This is the result of [Cerezo et al.
# 2021](https://arxiv.org/abs/2001.00550): **shallow circuits with local observables have no barren
# plateau.** For this reason `PQCDense` reads single qubits first.
#
# ## Start small
#
# Weights from the whole circle make a random circuit. The layers of this package start with *small*
# angles instead: `SmallAngles` draws from a normal distribution with a standard deviation of 0.1.
# Such a circuit is close to one that does nothing. The next cell draws small angles from a uniform
# distribution with the same standard deviation.

# %%
spreads = {
    "whole circle": np.pi,
    "small angles": 0.1 * np.sqrt(3),  # a uniform distribution with standard deviation 0.1
}
starts = {
    name: np.array([derivatives(n, 20, spread)[1].std() for n in sizes])
    for name, spread in spreads.items()
}
for name, found in starts.items():
    print(f"{name}: typical slope {found[0]:.3f} at 2 qubits, {found[-1]:.3f} at 10")

# %% [markdown]
# At ten qubits the slope from small angles is about four times as large. But a slope at the start
# does not yet mean that training succeeds. So now a circuit with ten qubits and twelve layers
# learns a function of two of its ten features. It trains three times from each start, by plain
# gradient descent (`SGD`), whose steps are proportional to the slope.

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
# Another remedy is to train a shallow circuit first, and to add layers step by step: the trained
# layers keep their weights, and the new ones start at zero ([Skolik et al.
# 2021](https://arxiv.org/abs/2006.14904)). The weights are in the order of the layers, so those of
# the shallow circuit are the first weights of the deeper one. We start from the whole circle, which
# is the harder start for the deep circuit.


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
# From the whole circle, the loss starts near that of predicting the mean, and falls slowly. From
# small angles it starts higher, because all outputs are far from 0 there. But training has a slope
# to follow, and the loss is soon lower. Adding layers step by step does not help on this task: the
# mean of its three runs ends above the other two, and the runs differ widely. So a remedy that
# helped in one paper need not help elsewhere.
#
# ## Two things that are easily overlooked
#
# **Adam hides the plateau.** It divides each slope by its usual size, so small slopes lead to large
# steps, too. That works in an exact simulation. On a quantum computer, a slope is the difference of
# two measured means. With 1000 shots, each mean has an error of about 0.03, and a slope of 0.01 is
# lost in it.
#
# **Small angles hardly help with a global observable.** If the output is the product of $Z$ on all
# ten qubits, both starts end at nearly the same loss. The table shows both effects:

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
# **To take away.** In deep random circuits, each further qubit halves the variance of the slope.
# Read single qubits, keep circuits as shallow as the task allows, and start with small angles.
# Don't conclude from a simulation with exact slopes and Adam that a quantum computer could train
# the same circuit.

# %% [markdown]
# ## What to try next
#
# - [Images](07_images.ipynb): three ways to use a circuit on images.
# - [Diagnose a circuit, and train it well](../docs/guides/diagnose-a-circuit.md) measures the
#   gradients of your own circuit with one call.
#
# ## Exercises
#
# **1.** The package measures this, too, with `diagnostics.gradient_sweep` (see the guide above).
# Use it to find the variances of `HardwareEfficient` with 2, 4 and 6 qubits, 1 and 8 layers, and
# the observable $Z$ of the first qubit.
#
# <details><summary>Answer</summary>
#
# ```python
# from qkeras_hybrid import diagnostics
#
# sweep = diagnostics.gradient_sweep(
#     "hardware_efficient", qubits=[2, 4, 6], layers=[1, 8], observable="Z0", samples=50
# )
# print(sweep)
# ```
#
# The table also says how many shots a device would need to see a typical derivative.
#
# </details>
#
# **2.** A slope has the size $10^{-3}$, and the measured means are near 0. How many shots make the
# error of a mean ten times smaller than the slope?
#
# <details><summary>Answer</summary>
#
# The error is $\sqrt{(1 - \langle Z \rangle^2) / N}$ (notebook 03), which is about
# $1 / \sqrt{N}$ here.
#
# ```python
# shots = round(1 / (1e-3 / 10) ** 2)
# print(f"{shots:,} shots for each mean, and two means for each weight")
# assert shots == 100_000_000
# ```
#
# </details>
