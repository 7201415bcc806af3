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
# # Without the circuit: what it computes, and the model in a file
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/13_without_the_circuit.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/13_without_the_circuit.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How to replace a trained circuit by Keras's own layers, see which function it
# computes, and write it to files that run without a simulator.
#
# **Running time:** about 2 minutes on two cores.
#
# A hybrid model needs a simulator of circuits, which phones and browsers don't have. But after
# training, its circuit is a fixed function of a few angles: a sum of products of their cosines and
# sines. `surrogate` builds this function from Keras's own layers, and `export_model` writes it to a
# file for another runtime. On the way we learn what the circuit computes. This notebook needs the
# package's extra `export`: `pip install "qkeras-hybrid[export]"`.
#
# A **circuit** is what a quantum layer computes. It takes angles, and returns **expectation
# values**, numbers between $-1$ and $1$. The [glossary](../docs/glossary.md) has more.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid[export] @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subprocess
import sys
import warnings

import cirq
import keras
import matplotlib.pyplot as plt
import numpy as np
import sympy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from qkeras_hybrid import PQC, PQCDense, plot, set_engine, surrogate

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The model
#
# The data are handwritten digits of 8 x 8 pixels. A Dense layer turns an image into eight angles. A
# circuit with eight qubits and three layers takes the angles and returns eight expectation values.
# A second Dense layer turns these into ten probabilities.

# %%
digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(
    (digits.data / 16).astype("float32"),
    digits.target,
    test_size=0.25,
    random_state=0,
    stratify=digits.target,
)


def trained(middle):
    """Returns a trained classifier with a layer in its middle."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((64,), name="pixels"),
        keras.layers.Dense(8, activation="tanh"),
        middle(),
        keras.layers.Dense(10, activation="softmax"),
    ]
    built = keras.Sequential(layers)
    built.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    built.fit(x_train, y_train, epochs=20, verbose=0)
    return built


model = trained(lambda: PQCDense(8, n_qubits=8, n_layers=3, name="circuit"))
twin = trained(lambda: keras.layers.Dense(8, activation="tanh"))  # as many parameters
for name, each in (("hybrid", model), ("Dense", twin)):
    accuracy = each.evaluate(x_test, y_test, verbose=0)[1]
    print(f"{name:6} {each.count_params()} parameters, {accuracy:.1%} of the test part right")

# %% [markdown]
# ## Without the circuit
#
# `surrogate` returns a Keras model with the same inputs and outputs. It compares the two models on
# the data that we pass, and on random inputs.

# %%
classical = surrogate(model, x_test)
report = classical.surrogate_report
print(report)

# %% [markdown]
# Nothing was trained or approximated here. Each of the eight angles enters the circuit by one
# rotation, so each expectation value is exactly
#
# $$f(\theta) = \sum_{k} c_k \prod_{j=1}^{8} g_{k_j}(\theta_j), \qquad
# g \in \{1, \cos, \sin\},$$
#
# with $3^8 = 6561$ products. The coefficients $c_k$ are computed from values of the circuit. The
# remaining difference is rounding in float32. The report says why the other methods were not taken.
# `method="auto"` takes the exact method that stores the fewest numbers, and skips slow methods if
# another one stores few numbers.
#
# The report also has the time for a sample in Keras. With a fast simulator the circuit may be
# faster than its surrogate, as here. The advantage of the surrogate is that it runs where there is
# no simulator.

# %%
print([type(layer).__name__ for layer in classical.layers])
inside = {type(layer).__name__ for layer in classical.get_layer("circuit").layers}
print("the circuit's place is taken by:", ", ".join(sorted(inside)))

# %% [markdown]
# ## What the circuit computes
#
# The circuit is a sum of waves, and its Fourier spectrum says how large each of them is. Each point
# is a wave in the eight angles. Here the frequency in each angle is -1, 0 or 1, so a wave whose
# frequencies have the norm $\sqrt{m}$ depends on $m$ angles. The report has the same spectrum as
# numbers.

# %%
figure = plot.Picture(figsize=(6, 3.4), layout="constrained")
plot.spectrum(model.get_layer("circuit"), ax=figure.subplots())
figure

# %% alt="The power by the number of angles in a wave: 3 angles have most, then 4, 5 and 6."
spectrum = report.layers[0].spectrum
orders = np.abs(spectrum.frequencies).round().astype(int).sum(axis=1)
power = (np.abs(spectrum.coefficients) ** 2).sum(axis=1)
shares = np.bincount(orders, power, minlength=9) / power.sum()
figure, axis = plt.subplots(figsize=(6, 3))
axis.bar(range(9), shares, color="#0b57a4")
axis.set(xlabel="angles in a wave", ylabel="share of the power")
plt.show()
print(f"Share of waves of one angle: {shares[1]:.1%}, of six and more: {shares[6:].sum():.1%}")

# %% [markdown]
# So the circuit mostly computes waves that depend on three or more angles. Almost no part of its
# output depends on one angle alone. The Dense model above is not made of waves, and is the better
# model for these digits. Whether waves help depends on the data. The controls of [notebook
# 05](05_better_than_dense.ipynb) show whether they help on yours.

# %% [markdown]
# ## Fewer waves
#
# `method="fourier_series"` stores the waves one by one. It leaves out the smallest ones, as long as
# the sum of their amplitudes stays below a quarter of the tolerance. So no expectation value
# changes by more than that, whatever the input. With all waves, this method stores more numbers
# than the products, because it also stores the eight frequencies of each wave.

# %% alt="Numbers stored against the difference. The measured difference is below the bound."
tolerances = (1e-5, 1e-3, 1e-2, 1e-1)
kept, bounds, seen = [], [], []
for tolerance in tolerances:
    found = surrogate(model, x_test, method="fourier_series", tolerance=tolerance)
    layer = found.surrogate_report.layers[0]
    same = np.mean(
        np.argmax(found.predict(x_test, verbose=0), 1)
        == np.argmax(model.predict(x_test, verbose=0), 1)
    )
    kept.append(layer.numbers)
    bounds.append(layer.bound)
    seen.append(layer.worst)
    print(f"{tolerance:6g}: {layer.numbers:6,} numbers, {same:.1%} of the test part named alike")

figure, axis = plt.subplots(figsize=(6, 3))
axis.loglog(bounds, kept, "o-", color="#0b57a4", label="the bound")
axis.loglog(seen, kept, "s--", color="#c47900", label="the worst that was measured")
axis.set(xlabel="difference of an expectation value", ylabel="numbers stored")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## A shallow circuit splits into small parts
#
# An expectation value depends only on the gates that can reach its qubit. These gates are called
# its *light cone*. The next circuit has twelve qubits and two rounds of gates on neighbours. It has
# $3^{12}$ products of waves, but no expectation value depends on more than four angles.

# %%
qubits = cirq.LineQubit.range(12)
angles = sympy.symbols("x0:12")
shallow = cirq.Circuit(
    (cirq.ry(angle)(qubit) for angle, qubit in zip(angles, qubits, strict=True)),
    (cirq.CZ(*qubits[k : k + 2]) for k in (*range(0, 11, 2), *range(1, 11, 2))),
)
observables = [f"X{k}" for k in range(12)]
wide = keras.Sequential([keras.Input((12,)), PQC(shallow, observables, inputs=list(angles))])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # "has taken no training step": it has nothing to train
    parts = surrogate(wide).surrogate_report.layers[0]
print(f"{3**12:,} products in all; {parts.numbers} numbers are enough:")
for says in parts.says:
    print("  ", says)

# %% [markdown]
# Each further round makes the cones wider. The circuit for the digits has three rounds on a ring of
# eight qubits, and there each cone contains all qubits.

# %% [markdown]
# ## In a file
#
# `export_model` makes the surrogate, writes the file with Keras's own `model.export`, runs the file
# in the runtime of its format, and compares the result with the model. The command line does the
# same:
#
# ```sh
# qkeras-hybrid export digits.keras --format onnx --data x_test.npy --labels y_test.npy \
#     --output digits.onnx
# ```

# %%
model.save("digits.keras")
np.save("x_test.npy", x_test)
np.save("y_test.npy", y_test)


def export(name, kind, output, *more):
    """Runs the command, and prints what follows on the surrogate's report."""
    words = ["export", name, "--format", kind, "--output", output, *more]
    words += ["--data", "x_test.npy", "--labels", "y_test.npy"]
    command = [sys.executable, "-m", "qkeras_hybrid", *words]
    plain = os.environ | {"FORCE_COLOR": ""}  # Jupyter asks for colours
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=plain).stdout
    print(said.partition("\n\n")[2])


export("digits.keras", "onnx", "digits.onnx")
export("digits.keras", "litert", "digits.tflite")

# %% [markdown]
# With one sample in a batch, Keras's `predict` spends most of its time on its own overhead. So
# compare the time of the file with that of `predict_on_batch`.
#
# With `--int8` the weights of products take one byte each. The file is smaller and less exact. Your
# data serve two purposes here: they set the ranges of the numbers, and they are the test of how
# much the accuracy changes.

# %%
export("digits.keras", "onnx", "small.onnx", "--int8")

# %% [markdown]
# ## Shots
#
# A model with shots (a finite number of measurements) returns another output each time. The file
# computes the mean, and the report says so. The difference in the report is then the random error
# of the measurements.

# %%
set_engine(model, "auto", shots=200)
model.save("measured.keras")
set_engine(model, "auto", shots=None)
export("measured.keras", "onnx", "mean.onnx")

# %% [markdown]
# ## Where there is no simulator
#
# A second process runs two of the ONNX files with ONNX Runtime and NumPy alone. It loads neither
# this package nor Keras. Both files compute the same as the exact model.

# %%
np.save("expected.npy", model.predict(x_test, verbose=0))
code = """
import sys
import numpy as np
import onnxruntime
for file in ("digits.onnx", "mean.onnx"):
    session = onnxruntime.InferenceSession(file)
    found, = session.run(None, {"pixels": np.load("x_test.npy")})
    worst = np.abs(found - np.load("expected.npy")).max()
    print(f"{file}: {len(found)} samples, worst difference {worst:.1e}")
print("loaded:", [name for name in ("qkeras_hybrid", "keras", "cirq") if name in sys.modules])
"""
done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
print(done.stdout)

# %% [markdown]
# The surrogate is an ordinary Keras model. `classical.save` writes it, and
# `keras.models.load_model` loads it on a machine that has Keras but not this package. It can also
# be trained further.

# %% [markdown]
# ## Noise
#
# Noise changes the expectation values, and the surrogate of a noisy circuit computes the changed
# values exactly. Here depolarizing noise follows each gate on two qubits: each of the two gets a
# random X, Y or Z, with a probability of 2 %. This makes the waves of the circuit smaller.

# %%
set_engine(model, "auto", noise="depolarizing:0.02@2q")
noisy = surrogate(model, x_test)
print(noisy.surrogate_report.layers[0])
noisy_spectrum = noisy.surrogate_report.layers[0].spectrum
noisy_power = (np.abs(noisy_spectrum.coefficients) ** 2).sum()
print(f"The noise leaves {noisy_power / power.sum():.0%} of the power.")

# %% [markdown]
# ## What has no surrogate
#
# Each further angle multiplies the number of products by three. Up to about twenty angles, a tensor
# train may be small enough: it writes the table of coefficients as a product of small matrices
# ([Take the circuit out](../docs/guides/take-the-circuit-out.md)). With more angles, there is an
# exact surrogate only if the light cones are small. Otherwise a network can approximate the
# circuit, and the report calls it an approximation. If no method works, the error says which ones
# were tried. That some circuits have no small surrogate is no surprise: otherwise nobody would need
# a quantum computer.

# %% [markdown]
# **To take away.** A trained circuit with few angles is a known function. You can look at it, store
# it as ordinary layers, and run it where there is no simulator.

# %% [markdown]
# ## What to try next
#
# - [Molecules](14_molecules.ipynb): circuits whose loss is an energy.
# - [Take the circuit out](../docs/guides/take-the-circuit-out.md) lists all methods and their
#   sizes.
# - [Export a model](../docs/guides/export-a-model.md) lists all formats.
#
# ## Exercises
#
# **1.** Make the surrogate of one qubit with one rotation by a feature. Which function of the
# feature does it compute, and what does the report say about it?
#
# <details><summary>Answer</summary>
#
# `ry(x)` on a qubit in 0 gives $\langle Z \rangle = \cos x$. The report says that the circuit
# equals a Fourier series of one wave.
#
# ```python
# one = sympy.Symbol("one")
# turn = PQC(cirq.Circuit(cirq.ry(one)(cirq.LineQubit(0))), "Z", inputs=[one])
# small = keras.Sequential([keras.Input((1,)), turn])
# with warnings.catch_warnings():
#     warnings.simplefilter("ignore")  # it has nothing to train
#     known = surrogate(small)
# points = np.linspace(-3, 3, 13, dtype="float32")[:, None]
# np.testing.assert_allclose(known.predict(points, verbose=0), np.cos(points), atol=1e-5)
# print(known.surrogate_report.layers[0])
# ```
#
# </details>
#
# **2.** How many products are there with eight angles, if each angle enters the circuit twice?
#
# <details><summary>Answer</summary>
#
# With two rotations by an angle there are the frequencies 0, 1 and 2, so five functions of each
# angle: 1, and a cosine and a sine for each of the other two.
#
# ```python
# print(f"{5**8:,} products, and {3**8:,} if each angle enters once")
# assert 5**8 == 390_625
# ```
#
# </details>
