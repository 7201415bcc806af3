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
# # A hybrid model deployed; what its circuit was
#
# A hybrid model needs a simulator of circuits, which phones and browsers don't have. But once it is
# trained, its circuit is a fixed function of a few angles, and a known one: a sum of products of
# their cosines and sines. `surrogate` writes that function down with Keras's own layers, and
# `export_model` puts the result into a file of another runtime. On the way we learn what the
# circuit was. This notebook takes a minute or two, and needs the package's extra `export`.

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

from qkeras_hybrid import PQC, PQCDense, set_engine, surrogate

keras.utils.set_random_seed(0)

# %% [markdown]
# ## The model
#
# Handwritten digits of 8 x 8 pixels. A Dense layer makes eight angles of them, a circuit of eight
# qubits and three layers turns by these and returns eight expectation values, and a Dense layer
# makes ten probabilities of those.

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
# `surrogate` returns a Keras model with the same inputs and outputs. The data are those on which
# the two are compared, beside random inputs.

# %%
classical = surrogate(model, x_test)
report = classical.surrogate_report
print(report)

# %% [markdown]
# There is no training and no guessing in this: each of the eight angles enters the circuit by one
# rotation, so each expectation value is exactly
#
# $$f(\theta) = \sum_{k} c_k \prod_{j=1}^{8} g_{k_j}(\theta_j), \qquad
# g \in \{1, \cos, \sin\},$$
#
# with $3^8 = 6561$ products. The coefficients $c_k$ were computed from values of the circuit, and
# what differs is the rounding of float32. The report says how many numbers each other method would
# need; `method="auto"` took the fewest.
#
# It also says what a sample costs in Keras. On a processor with a fast simulator the circuit may be
# the cheaper one: what is gained is a model that runs where there is no simulator.

# %%
print([type(layer).__name__ for layer in classical.layers])
inside = {type(layer).__name__ for layer in classical.get_layer("circuit").layers}
print("the circuit's place is taken by:", ", ".join(sorted(inside)))

# %% [markdown]
# ## What the circuit was
#
# The report has the circuit's Fourier spectrum. Each point is a wave of the eight angles. Here
# frequencies are -1, 0 or 1 in each angle, so a wave with norm $\sqrt{m}$ is one of $m$ angles.

# %%
report.plot()
plt.show()

# %%
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
# So the circuit is a layer of products of three and more angles; next to nothing in it depends on
# one angle alone. The Dense twin above has no such products, and is the better model of these
# digits. Whether products help depends on the data, and notebook 05 has the controls that tell; the
# surrogate says what these controls are about.

# %% [markdown]
# ## Fewer waves
#
# `method="fourier_series"` stores single waves, and leaves out the smallest ones as long as their
# amplitudes add up to less than the tolerance allows. That bound holds for all inputs. With all
# waves it stores more numbers than the products, because each wave has its eight frequencies.

# %%
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
# ## A shallow circuit falls into small parts
#
# An observable depends only on the gates that reach its qubit: its light cone. Here is a circuit of
# twelve qubits with two rounds of gates between neighbours. It has $3^{12}$ products of waves, but
# no value depends on more than four angles.

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
# Each further round widens every cone. The circuit of the digits has three rounds that go around a
# ring of eight qubits, and its cones reach all of them.

# %% [markdown]
# ## In a file
#
# `export_model` makes the surrogate, writes the file through Keras's own `model.export`, runs it in
# the format's own runtime and compares it with the model. Here is the same from the command line:
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
# At a batch of one sample, most of the time of `predict` is what Keras does around each call:
# compare the file with `predict_on_batch`.
#
# With numbers of a byte the file is smaller and less exact. The report has what that costs on your
# data, and the ranges of the numbers come from the data, too.

# %%
export("digits.keras", "onnx", "small.onnx", "--int8")

# %% [markdown]
# ## Shots
#
# A model that measures has another output each time. Its file has the mean, and the report says so;
# the difference is then the scatter of the measurements.

# %%
set_engine(model, "auto", shots=200)
model.save("measured.keras")
set_engine(model, "auto", shots=None)
export("measured.keras", "onnx", "mean.onnx")

# %% [markdown]
# ## Where there is no simulator
#
# Another process loads both ONNX files with ONNX Runtime and NumPy. Neither this package nor Keras
# is there. Both files compute what the exact model does.

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
# The surrogate itself is an ordinary Keras model: `classical.save` writes it, and
# `keras.models.load_model` loads it where Keras is and this package is not. It trains on, too.

# %% [markdown]
# ## Noise
#
# Noise changes the mean, and the surrogate of a noisy circuit has its exact effect. Two-qubit gates
# that depolarize by 2 % make the circuit's waves smaller.

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
# The number of products grows by a factor of three with each angle. Up to about twenty qubits a
# tensor train can be small enough; beyond, there is an exact surrogate only where light cones are
# small, and else an approximation by a network, labelled as such. The error says what was tried.
# That is as it should be: a circuit of which we could always do this would be no reason to build a
# quantum computer. The guide "Take the circuit out" lists all methods.
