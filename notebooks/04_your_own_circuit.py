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
# # Building your own circuit
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/04_your_own_circuit.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/04_your_own_circuit.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How to turn a circuit of your own into a layer, and how to look into it, train
# it, combine it with others and save it.
#
# **Running time:** about 20 seconds on two cores.
#
# A circuit that you write with the library Cirq becomes a Keras layer. You choose which of its
# symbols are data and which are weights, and what is measured at the end. Then we look inside the
# layer, train it, use several circuits in one model, and save the model.
#
# Words from the notebooks before ([glossary](../docs/glossary.md)): a **qubit** is what a circuit
# works on, a **gate** is one step of a circuit and changes one or two qubits, and an **expectation
# value** is the mean that very many measurements approach, where a 0 counts as $+1$ and a 1 as
# $-1$.

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
import numpy as np
import sympy

from qkeras_hybrid import PQC, PQCDense, diagnostics, plot

keras.utils.set_random_seed(0)

# %% [markdown]
# ## A circuit with symbols
#
# In Cirq, a circuit is made of gates on qubits. The gates `rx`, `ry` and `rz` turn a qubit about
# three axes, by an angle in radians. The angle may be a number, a SymPy symbol, or a formula of
# symbols. The gate `CNOT` acts on two qubits: it flips the second if the first is 1.

# %%
a, b = cirq.LineQubit.range(2)
x, y, w, v = sympy.symbols("x y w v")

circuit = cirq.Circuit(
    cirq.ry(x)(a),
    cirq.ry(y)(b),
    cirq.CNOT(a, b),
    cirq.rz(w)(b),  # a weight alone
    cirq.ry(2 * v * x + sympy.sin(w))(b),  # a formula of weights and data
)
print(circuit)

# %% [markdown]
# ## Data or weights
#
# `inputs` lists the symbols that take the features, in the order of the features. All other symbols
# are weights, which train. They are in the order in which they first appear in the circuit, step by
# step: all gates of a step come before those of the next. Look at `symbols` before you set weights:

# %%
layer = PQC(circuit, "Z", inputs=[x, y])
layer.build((None, 2))
print("inputs: ", layer.compiled.inputs)
print("weights:", layer.symbols)

# %% [markdown]
# A symbol in `inputs` that the circuit doesn't have is an error. Otherwise a typing error would
# turn an input into a weight, and nobody would notice:

# %%
try:
    PQC(circuit, "Z", inputs=["x", "z"])
except ValueError as error:
    print(error)

# %% [markdown]
# ## What to read
#
# An **observable** is a rule that turns the measured bits into a number. $Z$ is the usual one: 0
# counts as $+1$, and 1 as $-1$. We write $\langle Z \rangle$ for its expectation value. $X$ is
# another observable of the same qubit: the qubit is rotated by 90 degrees first, and then measured
# as for $Z$. You give observables as short strings or as Cirq objects:
#
# | you write | the layer returns |
# |---|---|
# | `"Z"` | $\langle Z \rangle$ of each qubit |
# | `["Z0", "Z0*Z1"]` | $\langle Z \rangle$ of the first qubit, and the mean of the product |
# | `"X0"` | $\langle X \rangle$ of the first qubit |
# | `cirq.Z(a) + 0.5 * cirq.X(b)` | one number, the weighted sum |

# %%
weights = [np.array([0.4, -0.3])]
sample = np.array([[0.5, 1.2]])
for observables in ("Z", ["Z0", "Z0*Z1"], "X0", cirq.Z(a) + 0.5 * cirq.X(b)):
    layer = PQC(circuit, observables, inputs=[x, y])
    layer.build((None, 2))
    layer.set_weights(weights)
    print(f"{observables!s:24s} {np.round(np.array(layer(sample))[0], 4)}")

# %% [markdown]
# We can check one of these numbers. The first qubit is turned by $x = 0.5$, and the CNOT does not
# change its probabilities. So its expectation value must be $\cos 0.5$.

# %%
layer = PQC(circuit, ["Z0", "Z1", "Z0*Z1"], inputs=[x, y])
layer.build((None, 2))
layer.set_weights(weights)
np.testing.assert_allclose(np.array(layer(sample))[0, 0], np.cos(0.5), atol=1e-6)

# %% [markdown]
# ## Looking inside
#
# If a layer is the last thing in a cell, the notebook shows its circuit and its weights.
# `plot.circuit` draws it with colours that say what a gate does, and `draw()` prints it as text.

# %%
layer

# %%
plot.circuit(layer)

# %% [markdown]
# `resources()` counts what a quantum computer would have to do. $Z_0$, $Z_1$ and their product come
# from the same bits, so one circuit is enough for a prediction. A training step also needs the
# derivative with respect to every angle, and each derivative takes two more circuits. Four gates
# have an angle, so there are $1 + 2 \cdot 4 = 9$.

# %%
print(layer.resources())

# %% [markdown]
# ## What it computes
#
# Now we train the layer. The label of a sample is $1$ if its two features have the same sign, and
# $-1$ if not. The model returns the expectation value of the second qubit, and its sign is the
# predicted label. `plot.decision_boundary` colours the regions in which the model predicts each
# label, before training and after it.

# %%
rng = np.random.default_rng(0)
data = rng.uniform(-np.pi / 2, np.pi / 2, (200, 2))
same = np.where(data[:, 0] * data[:, 1] > 0, 1.0, -1.0)

trained = PQC(circuit, "Z1", inputs=[x, y])
model = keras.Sequential([keras.Input((2,)), trained])
model.compile(keras.optimizers.Adam(0.1), "mse")

figure = plot.Picture(figsize=(9, 3.6), layout="constrained")
before, after = figure.subplots(1, 2)
plot.decision_boundary(model, data, same, threshold=0.0, names=("x", "y"), ax=before)
loss = model.fit(data, same, epochs=30, verbose=0).history["loss"]
plot.decision_boundary(model, data, same, threshold=0.0, names=("x", "y"), ax=after)
before.set_title("before training")
after.set_title("after training")
print(f"mean squared error: {loss[0]:.2f} in the first epoch, {loss[-1]:.2f} in the last")
figure

# %% [markdown]
# ## Will it train?
#
# In a circuit with many qubits, the gradient can be almost zero for nearly all values of the
# weights. This is called a **barren plateau**: training makes no progress, from the first epoch on.
# You can see it coming. `diagnostics.gradient_variance` draws random weights, as angles from the
# whole circle, and computes the variance of the derivatives. The typical size of a derivative, the
# slope, is the square root of the variance. One number alone says little. So we compare deep
# circuits with 2, 4 and 8 qubits:

# %%
for n_qubits in (2, 4, 8):
    deep = PQCDense(1, n_qubits=n_qubits, n_layers=16)
    deep.build((None, n_qubits))
    found = diagnostics.gradient_variance(deep, samples=100)
    slope = found.variance**0.5
    print(f"{n_qubits} qubits: variance {found.variance:.4f}, typical slope {slope:.2f}")

# %% [markdown]
# Each further qubit divides the slope by about 1.4. If your circuit behaves like this, use fewer
# qubits or fewer layers, and start with small weights. On a quantum computer with $N$ shots, a
# slope much smaller than their error, about $1 / \sqrt{N}$, is lost in the noise. The diagnostic
# draws weights from the whole circle. A layer starts with smaller ones, as the next section says,
# and that is usually better.
# [Notebook 06](06_barren_plateaus.ipynb) shows what else helps.
#
# ## Keras's usual arguments
#
# The weights are an ordinary Keras variable, with an initializer, a regularizer and a constraint.
# By default they start as small angles, about 0.1 radian, because circuits with such weights are
# less likely to be on a barren plateau.

# %%
limited = PQC(
    circuit,
    "Z",
    inputs=[x, y],
    weight_initializer=keras.initializers.RandomUniform(-0.5, 0.5, seed=1),
    weight_regularizer=keras.regularizers.L2(1e-3),
    weight_constraint=keras.constraints.MaxNorm(1.0),
)
limited(sample)
for symbol, value in zip(limited.symbols, limited.get_weights()[0], strict=True):
    print(symbol, f"{value:.3f}")

# %% [markdown]
# ## Two inputs, one circuit
#
# In a functional model, a circuit can take features from several sources. `Concatenate` joins them;
# give them to it in the order of `inputs`. And like any Keras layer, a quantum layer that is called
# twice has the same weights in both places.

# %%
left = keras.Input((3,), name="left")
right = keras.Input((5,), name="right")
joined = keras.layers.Concatenate()(
    [keras.layers.Dense(1, activation="tanh")(left), keras.layers.Dense(1)(right)]
)
shared = PQC(circuit, "Z", inputs=[x, y], name="shared")
outputs = keras.layers.Concatenate()([shared(joined), shared(-joined)])
two = keras.Model([left, right], outputs)

print(two.output_shape, "from", shared.count_params(), "circuit weights, used twice")

# %% [markdown]
# ## Several circuits side by side
#
# Circuits can also work beside each other. Here a `Dense` layer for each of three circuits chooses
# what enters it, and a last `Dense` layer reads the outputs of all three. `PQCDense(units)` builds
# its circuit itself, and returns `units` expectation values.

# %%
features = keras.Input((6,))
branches = []
for n_qubits in (2, 3, 4):
    angles = keras.layers.Dense(n_qubits, activation="tanh")(features)
    branches.append(PQCDense(2, n_qubits=n_qubits, name=f"circuit_{n_qubits}")(angles))
beside = keras.Model(features, keras.layers.Dense(1)(keras.layers.Concatenate()(branches)))

print("shapes of the branches:", [tuple(branch.shape) for branch in branches])
for each in beside.layers:
    if isinstance(each, PQCDense):
        print(each.name, "has", each.count_params(), "weights")

# %% [markdown]
# The circuit of `PQCDense` repeats a block with three rotations on each qubit. The argument
# `n_layers` is the number of blocks, 2 by default. So a circuit of $n$ qubits has $6n$ weights.
#
# ## Saving
#
# The file of the model contains the circuit with its formulas. `load_model` needs no
# `custom_objects`. A process that loads the file only has to import `qkeras_hybrid` first.

# %%
model.save("surface.keras")
loaded = keras.saving.load_model("surface.keras")

assert loaded.layers[0].circuit == trained.circuit
np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))

# %% [markdown]
# **To take away.** Symbols in `inputs` are data, and all others are weights. The observables are
# the outputs. A quantum layer is trained, saved and shared like any other Keras layer.

# %% [markdown]
# ## What to try next
#
# - [Is it better than Dense?](05_better_than_dense.ipynb): a comparison that can be believed.
# - [Come from Qiskit](../docs/guides/from-qiskit.md) and
#   [come from PennyLane](../docs/guides/from-pennylane.md), if you have circuits there.
# - [Diagnose a circuit](../docs/guides/diagnose-a-circuit.md) tells whether yours can be trained.
#
# ## Exercises
#
# **1.** Build a layer with one qubit and one input whose output is $\sin x$, without weights.
#
# <details><summary>Answer</summary>
#
# `ry(x)` turns the qubit about the Y axis. Then $\langle Z \rangle$ is $\cos x$, and
# $\langle X \rangle$ is $\sin x$.
#
# ```python
# qubit = cirq.LineQubit(0)
# sine = PQC(cirq.Circuit(cirq.ry(x)(qubit)), "X0", inputs=[x])
# angles = np.linspace(-3, 3, 7)[:, None]
# np.testing.assert_allclose(np.array(sine(angles)), np.sin(angles), atol=1e-5)
# ```
#
# </details>
#
# **2.** Give both qubits one weight for a common turn: the same symbol `w` in two gates. How many
# weights does the layer have?
#
# <details><summary>Answer</summary>
#
# One. A symbol is one weight, however many gates use it.
#
# ```python
# tied = cirq.Circuit(cirq.ry(x)(a), cirq.ry(y)(b), cirq.CZ(a, b), cirq.rx(w)(a), cirq.rx(w)(b))
# layer = PQC(tied, "Z", inputs=[x, y])
# layer.build((None, 2))
# print(layer.count_params(), "weight:", layer.symbols)
# assert layer.count_params() == 1
# ```
#
# </details>
