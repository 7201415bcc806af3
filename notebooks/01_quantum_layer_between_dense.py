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
# A quantum circuit becomes a layer of an ordinary Keras model: we build one, look at it, train it
# on handwritten digits, save it, and load it again.

# %%
import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cirq
import keras
import numpy as np
import sympy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from qkeras_hybrid import PQC

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The circuit
#
# Four qubits. The symbols `x0` to `x3` will take the outputs of the `Dense` layer before; all other
# symbols are weights, in the order in which the circuit first names them. Angles are in radians,
# and a rotation is $R_P(t) = e^{-i t P / 2}$.

# %%
qubits = cirq.LineQubit.range(4)
features = sympy.symbols("x:4")
weights = iter(sympy.symbols("w:16"))

circuit = cirq.Circuit(cirq.ry(x)(q) for x, q in zip(features, qubits, strict=True))
for _ in range(2):
    circuit += cirq.Circuit([cirq.ry(next(weights))(q), cirq.rz(next(weights))(q)] for q in qubits)
    circuit += cirq.Circuit(cirq.CZ(a, b) for a, b in itertools.pairwise(qubits))

# %% [markdown]
# ## The model
#
# The layer reads $\langle Z \rangle$ of each qubit: four numbers in $[-1, 1]$ for the `Dense` layer
# behind it.

# %%
quantum = PQC(circuit, "Z", inputs=features)

model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(4, activation="tanh"),
        quantum,
        keras.layers.Dense(10),
    ]
)
model.summary()

# %% [markdown]
# What the layer computes, which weight is which symbol, which engine was chosen, and what the
# circuit would ask of quantum hardware:

# %%
print(quantum.draw())

# %%
print(quantum.symbols)
print(quantum.engine.name)
print(quantum.resources())

# %% [markdown]
# ## Training

# %%
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=0, stratify=y)

model.compile(
    optimizer=keras.optimizers.Adam(0.02),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(x_train, y_train, epochs=5, verbose=2)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test accuracy {accuracy:.3f}")

# %% [markdown]
# One run says little about whether the circuit is worth its place. `qkeras-hybrid compare` trains
# such a model and two Dense networks over several seeds, on the same splits.
#
# ## Saving and loading
#
# The circuit is part of the saved model. In another process, `import qkeras_hybrid` is all that
# `load_model` needs.

# %%
model.save("digits.keras")
loaded = keras.saving.load_model("digits.keras")

assert np.array_equal(model.predict(x_test, verbose=0), loaded.predict(x_test, verbose=0))
assert loaded.layers[1].circuit == quantum.circuit
