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
# # From a simulator to a noisy device
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/09_noisy_device.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/09_noisy_device.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How noise and shots change the results of a trained model, how much of the
# error mitigation removes, and what a device would cost.
#
# **Running time:** about a minute on two cores.
#
# A real device differs from an ideal simulator in two ways. Its outputs are means of a finite
# number of measurements, the **shots**. And its gates, and the measurement itself (the *readout*),
# make errors, the **noise**. Here we take one trained model from the simulator to a noisy device.
# Only its **engine** changes, the simulator or device that runs its circuit. Its layers and weights
# stay as they are. No device is needed, because the noise is simulated. The
# [glossary](../docs/glossary.md) explains the other words.

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

from qkeras_hybrid import PQCDense, datasets, engines, model_cost, noise, set_engine

keras.utils.set_random_seed(3)

# %% [markdown]
# ## Train without noise
#
# The task is to tell two curves apart that wind around each other. The model is a circuit with four
# qubits between two Dense layers.

# %%
data = datasets.load("two_curves", n_samples=400, n_features=4, seed=0)
split = datasets.split(data, seed=0)


def build():
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, activation="tanh"),
            PQCDense(4, n_layers=2, seed=0),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


model = build()
model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(split.x_train, split.y_train, epochs=30, verbose=0)


def accuracy(model):
    return model.evaluate(split.x_test, split.y_test, verbose=0)[1]


print(f"accuracy on the ideal simulator: {accuracy(model):.3f}")

# %% [markdown]
# ## A device's errors
#
# A noise model is a sum of errors. Ours has three kinds:
#
# - *Depolarizing*: after a gate, its qubits get a random error (a product of X, Y and Z) with a
#   small probability, which is ten times larger after gates on two qubits.
# - *Amplitude damping*: after a gate, a qubit falls back to 0 with a small probability.
# - *Readout errors*: a bit is read wrongly with a small probability.
#
# `set_engine` gives the whole model another engine, with the noise, and leaves the weights alone.


# %%
def device(strength):
    """Returns a noise model; 1 is a device of today."""
    return (
        noise.depolarizing(0.001 * strength).on(n_qubits=1)
        + noise.depolarizing(0.01 * strength, n_qubits=2).on(n_qubits=2)
        + noise.amplitude_damping(0.002 * strength)
        + noise.readout_error(0.02 * strength)
    )


weights = model.get_weights()
set_engine(model, "auto", noise=device(1.0))
print("engine:", model.layers[1].engine)
print(f"accuracy with the device's noise: {accuracy(model):.3f}")
assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))

# %% [markdown]
# The setting "auto" took the engine `density`. This engine stores the density matrix, which
# describes a state with all its possible errors at once. So it computes the noisy values exactly.
# If there are too many qubits for that, the engine `trajectories` draws errors at random and takes
# the mean of many runs.
#
# How much noise does this model tolerate?

# %%
strengths = [0.0, 1, 2, 4, 8, 12]
exact = []
for strength in strengths:
    set_engine(model, "density", noise=device(strength))
    exact.append(model.evaluate(split.x_test, split.y_test, verbose=0))
losses, accuracies = np.array(exact).T

# %% [markdown]
# ## Shots
#
# A device does not return expectation values. It returns bits, and their mean has an error of about
# $1/\sqrt{\text{shots}}$. So the accuracy is random, too. For each number of shots we measure it
# eight times.

# %% alt="Noise raises the cross-entropy, and costs accuracy only together with few shots."
shots = [1, 8, 64, 512]
drawn = {}
for strength in (0.0, 1.0, 8.0):
    drawn[strength] = []
    for count in shots:
        set_engine(model, "density", shots=count, noise=device(strength))
        drawn[strength].append([accuracy(model) for _ in range(8)])

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.7), layout="constrained")
left.plot(strengths, accuracies, "o-", label="accuracy")
left.plot(strengths, losses, "s--", label="cross-entropy")
left.set(xlabel="noise (1: a device of today)", title="Noise, exact values", ylim=(0, 1))
left.legend(frameon=False, loc="lower right")
for (strength, found), marker in zip(drawn.items(), "os^", strict=True):
    found = np.array(found)
    (line,) = right.plot(shots, found.mean(axis=1), marker + "-", label=f"noise {strength:g}")
    low, high = np.quantile(found, [0.1, 0.9], axis=1)
    right.fill_between(shots, low, high, alpha=0.15, color=line.get_color())
right.set(xscale="log", xlabel="shots", title="Shots: mean of eight, and 80 % of them")
right.set_ylabel("test accuracy")
right.legend(frameon=False, loc="lower right")
for axis in (left, right):
    axis.grid(alpha=0.3)
plt.show()

# %% [markdown]
# **How to read it.** Noise makes the outputs of the circuit smaller. The last Dense layer mostly
# decides as before, so the accuracy hardly changes. But the model is less sure, and the
# cross-entropy grows. With few shots, noise costs accuracy: it takes more shots to tell a smaller
# value from zero.
#
# ## Mitigation: less bias for more variance
#
# *Mitigation* means calculations that remove part of the error. *Zero-noise extrapolation* also
# runs longer circuits that compute the same with more noise, and extrapolates the results to no
# noise: by a straight line (`linear`) or a polynomial through all points (`richardson`). In the
# package, it is a wrapper around an engine. Its `report` says how far it moves the values, and by
# which factor their variance grows when they are estimated from shots.

# %% alt="The error of a value grows with the noise; linear and Richardson extrapolation lower it."
layer = model.layers[1]
features = model.layers[0](split.x_test[:50])
ideal = keras.ops.convert_to_numpy(layer.with_engine("density", noise=None, shots=None)(features))

noisy, mitigated = {}, {}
for strength in strengths[1:]:
    for name, engine in (
        ("noisy", engines.DensityEngine()),
        ("linear", engines.ZeroNoiseExtrapolation(engines.DensityEngine(), extrapolation="linear")),
        (
            "richardson",
            engines.ZeroNoiseExtrapolation(engines.DensityEngine(), extrapolation="richardson"),
        ),
    ):
        run = layer.with_engine(engine, noise=device(strength), shots=None)
        values = keras.ops.convert_to_numpy(run(features))
        noisy.setdefault(name, []).append(np.abs(values - ideal).mean())

figure, axis = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
for name, marker in (("noisy", "o"), ("linear", "s"), ("richardson", "^")):
    axis.plot(strengths[1:], noisy[name], marker + "-", label=name)
axis.set(
    xscale="log",
    yscale="log",
    xlabel="noise (1: a device of today)",
    ylabel="mean error of a value",
    title="Zero-noise extrapolation: the bias that is left",
)
axis.grid(alpha=0.3, which="both")
axis.legend(frameon=False)
plt.show()

# %%
compiled = layer.compile(4)
for name in ("linear", "richardson"):
    engine = engines.ZeroNoiseExtrapolation(engines.DensityEngine(), extrapolation=name)
    report = engine.report(
        compiled, features, layer.get_weights()[0], noise=device(4.0), shots=1000
    )
    print(f"{name:12s} {report}")

# %% [markdown]
# With the noise of today, both extrapolations more than halve the error. With twelve times this
# noise, they gain little. Richardson's leaves the smaller error, but multiplies the variance by 19,
# so it needs 19 times as many shots for the same scatter.
#
# ## Train with noise
#
# All of this has gradients, so a model can also train *with* noise and shots. Here it starts from
# the weights of the ideal simulator and adapts to the noise. On a device, the layer's argument
# `differentiator="spsa"` estimates the gradient of a sample from two circuits, however many weights
# there are.

# %%
set_engine(model, "density", noise=device(8.0), shots=None)
before = model.evaluate(split.x_test, split.y_test, verbose=0)
model.fit(split.x_train, split.y_train, epochs=10, verbose=0)
after = model.evaluate(split.x_test, split.y_test, verbose=0)
print("eight times the noise       cross-entropy  accuracy")
print(f"weights trained without it   {before[0]:12.3f}  {before[1]:8.3f}")
print(f"after ten epochs with it     {after[0]:12.3f}  {after[1]:8.3f}")

# %% [markdown]
# The cross-entropy falls, because training minimises it. The accuracy falls by three of the 100
# test samples, which may be chance.
#
# ## On a device
#
# A device is one more engine. `SamplerEngine` takes any `cirq.Sampler`, also that of a service, and
# `QiskitEngine` takes any backend or sampler of Qiskit's. `model_cost` says beforehand what a
# training run would cost; a *job* is a group of circuits that is sent to the device together:

# %%
on_device = build()
set_engine(on_device, engines.SamplerEngine(cirq.Simulator(seed=0), shots=200))
print(model_cost(on_device, split.x_train, 1, on_device.layers[1].engine))

# %% [markdown]
# **To take away.** Train in a simulation, and then change the engine. Look at noise and shots
# separately: noise shifts the outputs (a bias), and shots scatter them (a variance). Mitigation
# lowers the bias and raises the variance.

# %% [markdown]
# ## What to try next
#
# - [Quantum kernels, and whether one can help](10_quantum_kernels.ipynb): circuits without
#   training.
# - [Add noise, and mitigate it](../docs/guides/add-noise.md) has all errors and all methods of
#   mitigation.
# - [Run on quantum hardware](../docs/guides/run-on-hardware.md): accounts, prices and budgets.
#
# ## Exercises
#
# **1.** Which of the three kinds of errors changes the cross-entropy most? Give the model one kind
# at a time, at eight times the strength in today's device.
#
# <details><summary>Answer</summary>
#
# ```python
# model.set_weights(weights)
# kinds = {
#     "depolarizing": noise.depolarizing(0.008).on(n_qubits=1)
#     + noise.depolarizing(0.08, n_qubits=2).on(n_qubits=2),
#     "amplitude damping": noise.amplitude_damping(0.016),
#     "readout": noise.readout_error(0.16),
# }
# for name, kind in kinds.items():
#     set_engine(model, "density", noise=kind, shots=None)
#     print(f"{name:18} {model.evaluate(split.x_test, split.y_test, verbose=0)[0]:.3f}")
# ```
#
# Depolarizing errors do. The cross-entropy is 0.237 without errors, 0.299 with depolarizing errors,
# 0.282 with amplitude damping, and 0.264 with readout errors.
#
# </details>
#
# **2.** A readout error reads each bit wrongly with probability $p = 0.1$. By which factor does it
# shrink the expectation values $\langle Z \rangle$?
#
# <details><summary>Answer</summary>
#
# By $1 - 2p = 0.8$, because the sign is flipped with probability $p$.
#
# ```python
# exact, wrong = (
#     layer.with_engine("density", noise=errors, shots=None)(features)
#     for errors in (None, noise.readout_error(0.1))
# )
# np.testing.assert_allclose(np.array(wrong), 0.8 * np.array(exact), atol=1e-4)
# ```
#
# </details>
