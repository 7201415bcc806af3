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
# # A quantum layer between two Dense layers
#
# A quantum circuit becomes a layer of an ordinary Keras model. We start with the smallest example
# there is, see why it learns little, and turn it into a model that learns: on handwritten digits,
# with pictures of what the layer does. Then we save it and load it again.
#
# No physics is needed. Three words come up all the time:
#
# - A **qubit** is the unit a quantum circuit works on. Measured, it gives 0 or 1.
# - A **gate** changes the state of one or two qubits. Gates here are rotations by an angle, in
#   radians; angles are what data and weights enter by.
# - An **expectation value** is the mean of many measurements, with 0 counted as $+1$ and 1 as $-1$.
#   It lies in $[-1, 1]$. It is what the layer gives to the next one.

# %%
import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cirq
import keras
import matplotlib.pyplot as plt
import numpy as np
import sympy
from keras import Sequential
from keras.layers import Dense
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from qkeras_hybrid import PQC

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The data
#
# 1797 images of digits, 8 by 8 pixels each.

# %%
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=0, stratify=y)

figure, axes = plt.subplots(1, 10, figsize=(8, 1.2))
for axis, image, digit in zip(axes, x_train, y_train, strict=False):
    axis.imshow(image.reshape(8, 8), cmap="gray_r")
    axis.set_title(digit)
    axis.set_axis_off()
figure.suptitle("Ten of the digits, with their labels", y=1.1)
plt.show()

# %% [markdown]
# ## The smallest hybrid model
#
# One qubit, one fixed rotation, one number out. It stands between two `Dense` layers as any layer
# would.

# %%
qubit = cirq.GridQubit(0, 0)

smallest = Sequential(
    [
        Dense(64, activation="relu"),
        PQC(cirq.Circuit(cirq.rx(0.5)(qubit)), cirq.Z(qubit)),
        Dense(10),
    ]
)


def train(model, epochs=8):
    """Trains a model and returns its accuracy on the test part after each epoch."""
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = (x_test, y_test)
    fitted = model.fit(x_train, y_train, epochs=epochs, validation_data=data, verbose=0)
    return fitted.history["val_accuracy"]


smallest_accuracy = train(smallest)
print(f"test accuracy {smallest_accuracy[-1]:.2f}; guessing gives 0.10")

# %% [markdown]
# It runs, and learns something, but little. The circuit names no parameter for its 64 features, so
# the layer put an *encoding* in front of it, which turns features into angles, one after the other
# on the only qubit there is:

# %%
print(smallest.layers[1].draw()[:200], "...")

# %% [markdown]
# However these angles turn the qubit, all that the last `Dense` layer sees is **one number for ten
# classes**. No training gets around that. The circuit has to be wider, and have weights of its own.
#
# ## A circuit that can learn
#
# Four qubits. The symbols `x0` to `x3` will take the four outputs of a `Dense` layer; all other
# symbols are weights, in the order in which the circuit first names them. Between the rotations,
# `CZ` gates join neighbours: they *entangle* the qubits, so that none of them can be described
# without the others.

# %%
qubits = cirq.LineQubit.range(4)
features = sympy.symbols("x:4")
weights = iter(sympy.symbols("w:16"))

circuit = cirq.Circuit(cirq.ry(x)(q) for x, q in zip(features, qubits, strict=True))
for _ in range(2):
    circuit += cirq.Circuit([cirq.ry(next(weights))(q), cirq.rz(next(weights))(q)] for q in qubits)
    circuit += cirq.Circuit(cirq.CZ(a, b) for a, b in itertools.pairwise(qubits))

quantum = PQC(circuit, "Z", inputs=features)
model = Sequential([keras.Input((64,)), Dense(4, activation="tanh"), quantum, Dense(10)])
model.summary()

# %% [markdown]
# `"Z"` reads the expectation value of each qubit: four numbers. A layer that stands at the end of a
# cell shows its circuit, its weights and what it would cost:

# %%
quantum

# %% [markdown]
# `resources()` says what this would ask of quantum hardware: for one sample of one training step, a
# processor would have to run so many circuits (each with many measurements).

# %%
print(quantum.resources())

# %%
accuracy = train(model, epochs=25)
print(f"test accuracy {accuracy[-1]:.2f}")

# %%
figure, axis = plt.subplots(figsize=(6, 3.2))
axis.plot(
    range(1, len(accuracy) + 1), accuracy, "o-", markersize=3, label="four qubits, 16 weights"
)
epochs = range(1, len(smallest_accuracy) + 1)
axis.plot(epochs, smallest_accuracy, "o-", markersize=3, label="one qubit, no weights")
axis.axhline(0.1, color="gray", linestyle=":", label="guessing")
axis.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1), title="What the circuit makes of it")
axis.legend(frameon=False, loc="center right")
plt.show()

# %% [markdown]
# ## What the layer sees and what it says
#
# On the left two of the four numbers that enter the circuit, on the right two of those that leave
# it, for the test images of four digits. Both are bounded, the first by the `tanh`, the second
# because they are expectation values. The circuit bends the cloud of points into another shape; the
# last layer separates the digits in it, with all four numbers.

# %%
before = keras.Model(model.inputs, model.layers[0].output).predict(x_test, verbose=0)
after = keras.Model(model.inputs, model.layers[1].output).predict(x_test, verbose=0)

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
for axis, values, name in ((axes[0], before, "angle"), (axes[1], after, r"$\langle Z \rangle$")):
    for digit in (0, 1, 4, 7):
        chosen = y_test == digit
        axis.scatter(values[chosen, 0], values[chosen, 1], s=14, alpha=0.7, label=digit)
    axis.set(xlabel=f"{name}, qubit 0", ylabel=f"{name}, qubit 1", aspect="equal")
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
axes[0].set_title("into the circuit")
axes[1].set_title("out of the circuit")
axes[1].legend(title="digit", frameon=False, bbox_to_anchor=(1, 1))
plt.show()

assert np.all(np.abs(after) <= 1 + 1e-5)

# %% [markdown]
# ## Saving and loading
#
# The circuit is part of the saved model. In another process, `import qkeras_hybrid` is all that
# `load_model` needs.

# %%
model.save("digits.keras")
loaded = keras.saving.load_model("digits.keras")

assert np.array_equal(model.predict(x_test, verbose=0), loaded.predict(x_test, verbose=0))
assert loaded.layers[1].circuit == quantum.circuit

# %% [markdown]
# **To take away.** A circuit is a layer: it takes features as angles, has weights that train with
# all others, and gives numbers between $-1$ and $1$. How wide it is, and how the data enter it,
# decides what it can learn. Whether it is *worth* its place is another question: a `Dense` layer in
# its place has to be tried as well, over several seeds, which is what `qkeras-hybrid compare` does.
#
# Next: [encoding data into quantum states](02_encoding_data.ipynb), and later
# [is it better than Dense?](05_better_than_dense.ipynb)
