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
# From a Cirq circuit to a layer: which symbols are data and which are weights, what is read at
# the end, how to look inside, what is saved, and models with several inputs.
#
# Words from the notebooks before: a **qubit** is the unit of a circuit, a **gate** changes the
# state of one or two, an **expectation value** is the mean of many measurements, between $-1$ and
# $1$.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cirq
import keras
import matplotlib.pyplot as plt
import numpy as np
import sympy
from IPython.display import SVG

from qkeras_hybrid import PQC

keras.utils.set_random_seed(0)

# %% [markdown]
# ## A circuit with symbols
#
# Cirq builds circuits from gates on qubits; an angle may be a number, a SymPy symbol, or a
# formula of symbols. Angles are in radians: `cirq.rx(t)` is $e^{-i t X / 2}$, a turn by $t$ about
# the X axis.

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
# The layer is told which symbols take the features, in which order. All others are weights that
# train, in the order in which the circuit first names them:

# %%
layer = PQC(circuit, "Z", inputs=[x, y])
layer.build((None, 2))
print("inputs: ", layer.compiled.inputs)
print("weights:", layer.symbols)

# %% [markdown]
# A slip of the pen is refused, since a symbol that nobody meant would train silently:

# %%
try:
    PQC(circuit, "Z", inputs=["x", "z"])
except ValueError as error:
    print(error)

# %% [markdown]
# ## What to read
#
# Observables say what is measured at the end. Short spellings, or Cirq's own objects:
#
# | you write | what the layer gives |
# |---|---|
# | `"Z"` | $\langle Z \rangle$ of each qubit |
# | `["Z0", "Z0*Z1"]` | of the first qubit, and the mean of the *product* of both |
# | `"X0"` | measured along another axis |
# | `cirq.Z(a) + 0.5 * cirq.X(b)` | a weighted sum, one number |

# %%
weights = [np.array([0.4, -0.3])]
sample = np.array([[0.5, 1.2]])
for observables in ("Z", ["Z0", "Z0*Z1"], "X0", cirq.Z(a) + 0.5 * cirq.X(b)):
    layer = PQC(circuit, observables, inputs=[x, y])
    layer.build((None, 2))
    layer.set_weights(weights)
    print(f"{observables!s:24s} {np.round(np.array(layer(sample))[0], 4)}")

# %% [markdown]
# The first qubit is only turned by $x$ before the CNOT, which does not change its $Z$: its value
# must be $\cos 0.5$, and it is.

# %%
layer = PQC(circuit, ["Z0", "Z1", "Z0*Z1"], inputs=[x, y])
layer.build((None, 2))
layer.set_weights(weights)
np.testing.assert_allclose(np.array(layer(sample))[0, 0], np.cos(0.5), atol=1e-6)

# %% [markdown]
# ## Looking inside
#
# A layer at the end of a cell shows its circuit and its weights. `draw()` gives the circuit as
# text, `draw("svg")` as a picture for a paper:

# %%
layer

# %%
SVG(layer.draw("svg"))

# %% [markdown]
# `resources()` counts what hardware would have to do. Reading $Z_0$, $Z_1$ and their product
# takes one way of measuring; a training step needs the gradient of every angle besides.

# %%
print(layer.resources())

# %% [markdown]
# ## What it computes
#
# With two inputs, a layer is a surface. Here the value of the second qubit over all data, with
# the weights it starts from, and after it was trained to tell whether the two features have the
# same sign:

# %%
rng = np.random.default_rng(0)
data = rng.uniform(-np.pi / 2, np.pi / 2, (200, 2))
same = np.where(data[:, 0] * data[:, 1] > 0, 1.0, -1.0)

trained = PQC(circuit, "Z1", inputs=[x, y])
model = keras.Sequential([keras.Input((2,)), trained])
model.compile(keras.optimizers.Adam(0.1), "mse")

grid = np.linspace(-np.pi / 2, np.pi / 2, 41)
points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)


def surface():
    """Returns the model's output over the square."""
    return model.predict(points, batch_size=1681, verbose=0).reshape(41, 41)


before = surface()
loss = model.fit(data, same, epochs=30, verbose=0).history["loss"]
after = surface()
print(f"mean squared error: {loss[0]:.2f} in the first epoch, {loss[-1]:.2f} in the last")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
extent = (grid[0], grid[-1], grid[0], grid[-1])
for axis, values, name in ((axes[0], before, "before"), (axes[1], after, "after")):
    image = axis.imshow(values, origin="lower", extent=extent, cmap="RdBu", vmin=-1, vmax=1)
    axis.set(title=f"{name} training", xlabel="x")
    for value, marker in ((1, "+"), (-1, "_")):
        chosen = data[same == value]
        axis.plot(chosen[:, 0], chosen[:, 1], marker, color="black", markersize=5, alpha=0.5)
axes[0].set_ylabel("y")
figure.colorbar(image, ax=axes, label=r"$\langle Z_1 \rangle$")
plt.show()

# %% [markdown]
# ## Keras's usual arguments
#
# Weights are an ordinary Keras variable, with initializer, regularizer and constraint. By default
# they start small, a tenth of a radian wide: [notebook 06](06_barren_plateaus.ipynb) shows why.

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
# In a functional model, features from different sources meet in one circuit; `Concatenate` puts
# them into the order of `inputs`. And a layer that is called twice shares its weights, as any
# Keras layer.

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
# ## Saving
#
# The circuit, formulas included, is part of the file. `load_model` needs no `custom_objects`,
# only `import qkeras_hybrid`.

# %%
model.save("surface.keras")
loaded = keras.saving.load_model("surface.keras")

assert loaded.layers[0].circuit == trained.circuit
np.testing.assert_array_equal(loaded.predict(points, verbose=0), model.predict(points, verbose=0))

# %% [markdown]
# **To take away.** Symbols in `inputs` are data, all others are weights; observables say what
# comes out; the layer shows, counts, saves and shares like any other of Keras.
#
# Next: [is it better than Dense?](05_better_than_dense.ipynb)
