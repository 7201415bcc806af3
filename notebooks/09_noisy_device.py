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
# A model that was trained on an ideal simulator meets a real device twice: its values come from a
# finite number of measurements (**shots**), and its gates and its readout make errors (**noise**).
# Here one model goes all the way. Only its engine changes: weights, layers and `fit` stay.
#
# This notebook takes about a minute. No device is needed: the noise is simulated, exactly.

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
# Two curves that wind around each other; a Dense layer, a circuit of four qubits, a Dense layer.

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
# A noise model is a sum of errors. This one has depolarizing errors after every gate, ten times as
# likely after gates on two qubits; qubits that decay; and wrong bits at the readout. `set_engine`
# gives the whole model another engine, with the noise: the weights stay.


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
# "auto" took `density`: it holds the density matrix, and knows the noisy values exactly. For more
# qubits than it can hold, `trajectories` draws errors at random and takes the mean of many runs.
#
# How much noise does this model bear?

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
# A device does not return expectation values. It returns bits, and their mean is off by about
# $1/\sqrt{\text{shots}}$. So the accuracy is a random number too: here it is drawn eight times.

# %%
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
# **How to read it.** Noise shrinks the values of the circuit. The last Dense layer then decides
# mostly the same way, and the accuracy hardly changes; but the model is less sure, and the
# cross-entropy grows. With shots the price of the noise shows: values that are smaller need more
# shots to be told from zero.
#
# ## Mitigation: pay with variance for less bias
#
# *Zero-noise extrapolation* runs longer circuits that do the same, so with more noise, and
# extrapolates to none. It is a wrapper around an engine. Its `report` says how far it moves the
# values, and what that costs: the factor by which the variance grows.

# %%
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
# ## Train on it
#
# All of this is differentiable, so that a model can also learn *under* noise and shots. It starts
# from the ideal weights and adapts to the device. On hardware, `differentiator="spsa"` takes two
# circuits per gradient, whatever the number of weights.

# %%
set_engine(model, "density", noise=device(8.0), shots=None)
before = model.evaluate(split.x_test, split.y_test, verbose=0)
model.fit(split.x_train, split.y_train, epochs=10, verbose=0)
after = model.evaluate(split.x_test, split.y_test, verbose=0)
print("eight times the noise    cross-entropy  accuracy")
print(f"weights of the ideal one  {before[0]:12.3f}  {before[1]:8.3f}")
print(f"after ten epochs under it {after[0]:12.3f}  {after[1]:8.3f}")

# %% [markdown]
# ## On a device
#
# A device is one more engine. `SamplerEngine` takes any `cirq.Sampler`, of a service too;
# `QiskitEngine` any backend or sampler of Qiskit's. Before it costs money, ask what it will cost:

# %%
on_device = build()
set_engine(on_device, engines.SamplerEngine(cirq.Simulator(seed=0), shots=200))
print(model_cost(on_device, split.x_train, 1, on_device.layers[1].engine))

# %% [markdown]
# **To take away.** Train where it is cheap, then change the engine. Look at noise and shots
# separately: noise is a bias, shots are a variance, and mitigation trades the one for the other.
