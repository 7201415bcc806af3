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
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/01_quantum_layer_between_dense.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/01_quantum_layer_between_dense.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** A quantum circuit is a layer of a Keras model: it is built, trained, looked at,
# saved and loaded.
#
# **Running time:** about 30 seconds on two cores.
#
# We start with the smallest model that has a quantum circuit, see why it learns little, and turn
# it into one that reads handwritten digits. Pictures show what the layer does. Then we save the
# model and load it again.
#
# No physics is needed. Five words come up all the time, and the
# [glossary](../docs/glossary.md) explains the others:
#
# - A **qubit** is what a quantum circuit works on, as a bit is what a processor works on.
# - To **measure** a qubit gives 0 or 1, at random. The circuit sets the probabilities.
# - A **gate** is one step of a circuit. It changes one or two qubits. The most common gates are
#   rotations: they turn a qubit by an angle, in radians. Data and weights enter as such angles.
# - A **circuit** is a list of gates.
# - An **expectation value** is the mean that very many measurements of a qubit approach, where a 0
#   counts as $+1$ and a 1 as $-1$. So it lies between $-1$ and $1$. A quantum layer returns
#   expectation values. A *simulator*, a program that computes what a quantum computer would do,
#   gets them exactly, without measuring.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

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

from qkeras_hybrid import PQC, plot

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The data
#
# 1797 images of digits, 8 by 8 pixels each. A quarter of them is the test part.
#
# **Repeatable runs.** `set_random_seed` in the cell above makes the run repeatable: it fixes the
# initial weights, also those of the circuits, and the order of the samples. A layer with shots
# takes a seed of its own: see [notebook 03](03_reading_probabilistic_output.ipynb).

# %% alt="Ten handwritten digits of 8 by 8 pixels, with their labels above."
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
# A *hybrid* model has a quantum layer among its layers. This one has a circuit with one qubit: a
# rotation by a fixed angle, `cirq.rx(0.5)`, and then a measurement, `cirq.Z(qubit)`. The layer
# returns one number for each sample, the expectation value. Circuits are written with the library
# Cirq, where a qubit has a name: `GridQubit(0, 0)` here, `LineQubit` below. `PQC` (parameterized
# quantum circuit) turns a circuit into a layer.

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
    """Trains a model and returns its history, with the accuracy on the test part."""
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = (x_test, y_test)
    return model.fit(x_train, y_train, epochs=epochs, validation_data=data, verbose=0)


smallest_history = train(smallest)
print(f"test accuracy {smallest_history.history['val_accuracy'][-1]:.2f}; guessing gives 0.10")

# %% [markdown]
# It learns something, but little. Our circuit doesn't say where the 64 features go. In that case
# `PQC` adds gates in front of it that take the features as their angles. This part is called the
# *encoding*. The default encoding is `angle`: one rotation for each feature. If there are more
# features than qubits, it starts again at the first qubit. Here there is only one qubit, so all 64
# rotations act on it, one after the other. They alternate between two axes, because rotations about
# the same axis would only add up:

# %%
print(smallest.layers[1].draw()[:200], "...")

# %% [markdown]
# Whatever these rotations do, the last `Dense` layer gets **one number for ten classes**. Training
# can't change that. The circuit needs more qubits, and weights of its own.
#
# ## A circuit that can learn
#
# This circuit has four qubits. An angle may be a symbol of SymPy instead of a number. The symbols
# listed in `inputs`, here `x0` to `x3`, take the four outputs of the `Dense` layer in front. All
# other symbols are weights, which Keras trains together with those of the `Dense` layers. `ry` and
# `rz` are rotations about two different axes.
#
# Between the rotations, `CZ` gates act on pairs of neighbours: such a gate turns the second qubit
# by half a turn about the axis of `rz` if the first is 1. So the gates *entangle* the qubits, which
# means that the measured bits depend on each other. Without them, each output of the layer would
# depend on one of the circuit's four inputs alone.

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
# `"Z"` asks for the expectation value of each qubit. So this layer takes a tensor of
# shape `(batch, 4)`, with a column for each symbol in `inputs`. It returns a tensor of shape
# `(batch, 4)`, with a column for each expectation value. The number of outputs need not be that of
# the inputs: with `"Z0"` instead of `"Z"` the layer would return `(batch, 1)`.
#
# The layer has 16 weights: two rotations on each of four qubits, twice. Together they are one
# ordinary Keras variable, and `fit` gets their gradient in the usual way. The simulator computes it
# exactly (see *adjoint gradient* in the glossary). A quantum computer would have to measure it, as
# [notebook 03](03_reading_probabilistic_output.ipynb) shows.
#
# If a layer is the last thing in a cell, the notebook shows its circuit, its weights and what it
# would cost:

# %%
quantum

# %% [markdown]
# `resources()` says what a quantum computer would have to do. `depth` is the number of steps of the
# circuit that must follow each other. `measurement_settings` is the number of different ways to
# measure the qubits that the outputs need. `evaluations_per_sample` is the number of circuits that
# one sample needs in one training step: one for the output, and two for the derivative with respect
# to each of the 20 angles, 16 weights and 4 inputs. A quantum computer would repeat each of these
# circuits many times, because a single run gives only random bits.

# %%
print(quantum.resources())

# %%
history = train(model, epochs=25)
print(f"test accuracy {history.history['val_accuracy'][-1]:.2f}")

# %%
figure = plot.Picture(figsize=(6, 3.2), layout="constrained")
axis = figure.subplots()
axis.axhline(0.1, color="gray", linestyle=":", label="guessing")
runs = {"four qubits, 16 weights": history, "one qubit, no weights": smallest_history}
plot.training(runs, metric="val_accuracy", ax=axis)
axis.set(ylabel="test accuracy", ylim=(0, 1), title="Two circuits between the same layers")
figure

# %% [markdown]
# ## What goes in and what comes out
#
# Each point is a test image; four of the ten digits are drawn. On the left are two of the four
# numbers that enter the circuit. They lie between $-1$ and $1$ because of the `tanh`. On the right
# are two of the four numbers that leave it. They lie between $-1$ and $1$ because they are
# expectation values. The circuit moves the points, and the last layer separates the digits by all
# four numbers.

# %% alt="Test images, coloured by digit, before and after the circuit; it moves the points."
before = keras.Model(model.inputs, model.layers[0].output).predict(x_test, verbose=0)
after = keras.Model(model.inputs, model.layers[1].output).predict(x_test, verbose=0)

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
for axis, values, name in ((axes[0], before, "angle"), (axes[1], after, r"$\langle Z \rangle$")):
    for digit in (0, 1, 4, 7):
        chosen = y_test == digit
        axis.scatter(values[chosen, 0], values[chosen, 1], s=14, alpha=0.7, label=digit)
    axis.set(xlabel=f"{name}, qubit 0", ylabel=f"{name}, qubit 1", aspect="equal")
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
axes[0].set_title("what enters the circuit")
axes[1].set_title("what leaves it")
axes[1].legend(title="digit", frameon=False, bbox_to_anchor=(1, 1))
plt.show()

assert np.all(np.abs(after) <= 1 + 1e-5)

# %% [markdown]
# ## Saving and loading
#
# The circuit is part of the saved model. A process that loads it has to import `qkeras_hybrid`
# first, and needs nothing else.

# %%
model.save("digits.keras")
loaded = keras.saving.load_model("digits.keras")

assert np.array_equal(model.predict(x_test, verbose=0), loaded.predict(x_test, verbose=0))
assert loaded.layers[1].circuit == quantum.circuit

# %% [markdown]
# **To take away.** A circuit can be a layer. It takes features as angles, it returns numbers
# between $-1$ and $1$, and its weights are trained together with all others. What it can learn
# depends on its number of qubits and on how the data enter it. Whether it is *better* than a
# `Dense` layer is another question: put a `Dense` layer in its place, and compare over several
# seeds. The command `qkeras-hybrid compare` does that on a data set, and
# [notebook 05](05_better_than_dense.ipynb) shows how.

# %% [markdown]
# ## What to try next
#
# - [Encoding data into quantum states](02_encoding_data.ipynb): how features enter a circuit.
# - [Is it better than Dense?](05_better_than_dense.ipynb): how to compare the two.
# - [Which layer do I want?](../docs/which-layer.md) lists all layers. `PQC` takes your own circuit.
#   `PQCDense(units)` needs none: it is an encoding, trained rotations with entangling gates, and
#   `units` expectation values. `QuantumEmbedding` is an encoding alone.
#
# ## Exercises
#
# **1.** Read the first qubit alone, `"Z0"`, instead of all four. What does it cost?
#
# <details><summary>Answer</summary>
#
# ```python
# narrow = PQC(circuit, "Z0", inputs=features)
# one_number = Sequential([keras.Input((64,)), Dense(4, activation="tanh"), narrow, Dense(10)])
# one_history = train(one_number, epochs=25)
# print(f"test accuracy {one_history.history['val_accuracy'][-1]:.2f}")
# ```
#
# The last layer gets one number for ten classes again, and the accuracy falls to 0.27.
#
# </details>
#
# **2.** Leave out the `CZ` gates. Does this model need them?
#
# <details><summary>Answer</summary>
#
# ```python
# without = cirq.Circuit(
#     operation for operation in circuit.all_operations() if operation.gate != cirq.CZ
# )
# apart = PQC(without, "Z", inputs=features)
# four_numbers = Sequential([keras.Input((64,)), Dense(4, activation="tanh"), apart, Dense(10)])
# apart_history = train(four_numbers, epochs=25)
# print(f"test accuracy {apart_history.history['val_accuracy'][-1]:.2f}")
# ```
#
# In this run they made little difference: the accuracy is 0.87 without them and 0.85 with them. The
# Dense layers around the circuit mix the features already. One run can't settle the question;
# notebook 05 shows how to do that.
#
# </details>
