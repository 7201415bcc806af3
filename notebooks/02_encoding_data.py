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
# # Encoding data into quantum states
#
# A quantum circuit works on a *state*, not on a list of numbers. So the first thing any quantum
# layer does is to turn the features of a sample into a state. This step is the *encoding*. It
# decides what the rest of the layer can tell apart, and which functions of the features it can
# compute at all. Here we draw every encoding of the package, look at the states it makes, and see
# what it loses.
#
# Four terms are all we need:
#
# - A **qubit** is the unit a circuit works on. Its state is $a|0\rangle + b|1\rangle$, with two
#   complex numbers, the **amplitudes** $a$ and $b$, where $|a|^2 + |b|^2 = 1$. The state of $n$
#   qubits has $2^n$ amplitudes.
# - A **gate** is one step of a circuit. It changes the state, and it can be undone.
# - A **measurement** of a qubit gives 0 with probability $|a|^2$ and 1 with probability $|b|^2$.
# - The **expectation value** $\langle Z \rangle = |a|^2 - |b|^2$ is the mean of many measurements,
#   with 0 counted as $+1$ and 1 counted as $-1$.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cirq
import keras
import matplotlib.pyplot as plt
import numpy as np
import sympy
from IPython.display import Markdown, display

from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, encodings, plot
from qkeras_hybrid.encodings import (
    HamiltonianEncoding,
    ReuploadingEncoding,
)

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## A gallery
#
# `encodings.names()` names them (`qkeras-hybrid list encodings` prints the same list in a shell).
# `QuantumEmbedding` is the layer that has an encoding and nothing else. We draw each on two qubits.
# Time runs from left to right, one line is one qubit, `x0, x1, ...` are the inputs.
#
# How to read the boxes: $R_x(t)$, $R_y(t)$, $R_z(t)$ turn a qubit by the angle $t$, in radians.
# `H`, the Hadamard gate, turns $|0\rangle$ into an equal mix of $|0\rangle$ and $|1\rangle$.
# A gate `Z^(x/π)` multiplies the amplitude of $|1\rangle$ by the phase $e^{ix}$. Boxes joined by a
# line act on two qubits at once. Colours tell what a gate does, and what is read at the end.

# %%
gallery = {
    "angle": ("angle", 2, "One rotation for each feature."),
    "dense_angle": ("dense_angle", 4, "Two features for each qubit: a rotation and a phase."),
    "amplitude": (
        "amplitude",
        4,
        "The features become the amplitudes, up to $2^n$ of them. The angles are computed from "
        "the features, so `x0` to `x2` here are not the features themselves.",
    ),
    "basis": ("basis", 2, "A feature of 1 flips its qubit, a feature of 0 does nothing."),
    "phase": ("phase", 2, "A Hadamard, then the feature as a phase."),
    "iqp": ("iqp", 2, "As `phase`, and the product of the two features (`x2`) on the pair."),
    "zz": ("zz", 2, "Twice a similar block. The pair gets $(\\pi - x_0)(\\pi - x_1)$, as `x2`."),
    "hamiltonian": (
        HamiltonianEncoding(start="plus", trotter_steps=1),
        1,
        "A feature says how strongly two neighbours act on each other. (Drawn with a simpler "
        "start than the default, and one time step instead of two.)",
    ),
    "reuploading": (
        "reuploading",
        2,
        "The features go in again and again. `e0, e1, ...` are weights that are trained.",
    ),
}
assert set(gallery) <= set(encodings.names())

for name, (encoding, n_features, says) in gallery.items():
    layer = QuantumEmbedding(2, encoding=encoding)
    layer.build((None, n_features))
    plural = "feature" if n_features == 1 else "features"
    display(Markdown(f"**`{name}`**, {n_features} {plural} on 2 qubits. {says}"))
    display(plot.circuit(layer))

# %% [markdown]
# ## One qubit is an arrow
#
# The state of one qubit can be drawn as an arrow in a ball, the **Bloch sphere**. Up is
# $|0\rangle$, down is $|1\rangle$. The coordinates of the tip are three expectation values,
# $\langle X \rangle$, $\langle Y \rangle$ and $\langle Z \rangle$. `plot.bloch` computes them and
# draws the tips. We sweep one feature and watch the tip go from dark to bright. Pale points are on
# the far side.

# %%
# Weights of three re-uploading rounds: in each a scale, left alone here, a shift and a phase.
# The seed is chosen: with others the curve may be close to a plain arc.
weights = np.random.default_rng(3).uniform(-np.pi, np.pi, 9)
weights[0::3] = 0.0
precession = HamiltonianEncoding(terms=["Z0"], start="random", seed=2)

turn = np.linspace(0, 2 * np.pi, 44)[:, None]
wide = np.linspace(-6, 6, 44)[:, None]
sweeps = {
    "angle\nx from 0 to 2$\\pi$": ("angle", turn),
    "dense angle\nx to $\\pi$, y = 6x": ("dense_angle", np.hstack([turn / 2, 3 * turn])),
    "amplitude\n(x, 1), x from -6 to 6": ("amplitude", np.hstack([wide, np.ones_like(wide)])),
    "basis\nx is 0 or 1": ("basis", np.array([[0.0], [1.0]])),
    "phase\nx from 0 to 2$\\pi$": ("phase", turn),
    "zz\nx from 0 to $\\pi$/2": ("zz", turn / 4),
    "hamiltonian\nx from 0 to $\\pi$": (precession, turn / 2),
    "re-uploading\n3 rounds, x to 2$\\pi$": (ReuploadingEncoding(n_layers=3), turn),
}


def one_qubit(encoding, features):
    """Returns a layer that encodes the features in one qubit."""
    layer = QuantumEmbedding(1, encoding=encoding, observables=["X", "Y", "Z"])
    layer.build((None, features.shape[1]))
    if layer.weights:
        layer.set_weights([weights])
    return layer


# %%
figure = plot.Picture(figsize=(8, 5), layout="constrained")
for ax, (title, (encoding, features)) in zip(
    figure.subplots(2, 4).flat, sweeps.items(), strict=True
):
    layer = one_qubit(encoding, features)
    tip = keras.ops.convert_to_numpy(layer(features))
    np.testing.assert_allclose(np.sum(tip**2, axis=1), 1, atol=1e-5)
    plot.bloch(layer, features, np.linspace(0, 1, len(features)), ax=ax)
    ax.set_title(title, fontsize=9)
figure.suptitle("The state of one qubit while a feature grows (dark to bright)")
figure

# %% [markdown]
# What the pictures say:
#
# - `angle` and `phase` go once round a circle and come back to where they began.
# - `dense_angle` reaches the whole surface with its two features.
# - `amplitude` of $(x, 1)$ stays on one circle: equal steps of $x$ are far apart near 0 and
#   close together at the ends. The state only knows the ratio of the features.
# - `basis` knows two points: up and down.
# - `zz` has two such blocks with a Hadamard between them. Its path is no circle any more.
# - `hamiltonian`, here with the single term $Z$, turns a random start about the upright axis.
# - `reuploading` draws a curve that no single rotation can. Its weights shape it.
#
# ## What an encoding can tell apart
#
# Two samples with the same state are the same to everything behind the encoding, whatever its
# weights. The **fidelity** $F(x, x') = |\langle \psi(x) | \psi(x') \rangle|^2$ says how alike two
# states are: 1 for the same state, 0 for states that one measurement can always tell apart. As a
# function of two samples it is also called a quantum kernel.
#
# We take a single number $x$ and draw $F(x, x')$. With `amplitude` we show it twice: $x$ alone, and
# $x$ with a constant 1 beside it.


# %%
def states(encoding, features, n_qubits):
    """Returns the state of each sample, one a row."""
    layer = QuantumEmbedding(n_qubits, encoding=encoding, output="state")
    layer.build((None, features.shape[1]))
    if layer.weights:
        layer.set_weights([weights])
    return keras.ops.convert_to_numpy(layer(features))


def fidelity(encoding, features, n_qubits=1):
    """Returns |<psi(x)|psi(x')>|^2 for all pairs of samples."""
    psi = states(encoding, features, n_qubits)
    return np.abs(psi @ psi.conj().T) ** 2


x = np.linspace(-2 * np.pi, 2 * np.pi, 121)[:, None]
one = np.ones_like(x)
kernels = {
    "angle": fidelity("angle", x),
    "phase": fidelity("phase", x),
    "amplitude, (x)": fidelity("amplitude", x),
    "amplitude, (x, 1)": fidelity("amplitude", np.hstack([x, one])),
    "iqp, (x, x), 2 qubits": fidelity("iqp", np.hstack([x, x]), 2),
    "re-uploading, 3 rounds": fidelity(ReuploadingEncoding(n_layers=3), x),
}

figure, axes = plt.subplots(2, 3, figsize=(8, 5.4), sharex=True, sharey=True, layout="constrained")
for ax, (title, kernel) in zip(axes.flat, kernels.items(), strict=True):
    image = ax.imshow(
        kernel,
        origin="lower",
        extent=[-2, 2, -2, 2],
        vmin=0,
        vmax=1,
        cmap=plt.get_cmap("viridis", 12),
        interpolation="nearest",
    )
    ax.set_title(title, fontsize=10)
for ax in axes[-1]:
    ax.set_xlabel("$x / \\pi$")
for ax in axes[:, 0]:
    ax.set_ylabel("$x' / \\pi$")
figure.colorbar(image, ax=axes, label="fidelity $F(x, x')$", shrink=0.8)
figure.suptitle("How alike the states of two numbers are")
plt.show()

# %% [markdown]
# Bright places away from the diagonal are pairs that the encoding mixes up. Products of features,
# as in `iqp`, make stripes that get finer with distance from 0: there, a small change of $x$ gives
# quite another state. In `reuploading` the weights shape the pattern, and it still repeats every
# $2\pi$ as long as they leave the scale of the feature alone. For the others there are simple
# formulas, and they hold:
#
# - `angle` and `phase`: $F = \cos^2\frac{x - x'}{2}$. So $x$ and $x + 2\pi$ are the same state.
#   Scale your features to less than one turn.
# - `amplitude` divides by the length of the sample, so $F$ is the squared cosine of the angle
#   between the two feature vectors. A single number is lost altogether (the third picture is 1
#   everywhere), and so are the norm and the overall sign of a vector.

# %%
distance = x - x.T
np.testing.assert_allclose(kernels["angle"], np.cos(distance / 2) ** 2, atol=1e-5)
np.testing.assert_allclose(kernels["phase"], np.cos(distance / 2) ** 2, atol=1e-5)
np.testing.assert_allclose(kernels["amplitude, (x)"], 1, atol=1e-5)

uploaded = kernels["re-uploading, 3 rounds"]  # 60 steps of the grid are 2 pi
np.testing.assert_allclose(uploaded[:, 60:], uploaded[:, :61], atol=1e-5)

v = np.array([[0.3, -0.5, 0.2, 0.7]])
others = {"3 v": 3 * v, "-v": -v, "|v|": np.abs(v), "v reversed": v[:, ::-1]}
for name, other in others.items():
    print(f"amplitude: F(v, {name}) = {fidelity('amplitude', np.vstack([v, other]), 2)[0, 1]:.3f}")

cosine = (v @ v[:, ::-1].T).item() / (v @ v.T).item()
np.testing.assert_allclose(
    fidelity("amplitude", np.vstack([v, v[:, ::-1]]), 2)[0, 1], cosine**2, atol=1e-5
)

# %% [markdown]
# If the norm matters to your task, give it to the model as one more feature. Signs *within* a
# vector are kept: $v$ and $|v|$ are different states.
#
# Two numbers with the same fidelity can still look different to the *measurement* behind the
# encoding. `angle` and `phase` have the same heat map. But read in the usual way, by the
# probability of measuring 1, `phase` shows nothing at all: a phase changes no probability, until
# a gate such as another Hadamard turns it into one. That gate has to come from the circuit behind
# the encoding.

# %%
qubit = cirq.LineQubit(0)
nothing, hadamard = cirq.Circuit(cirq.I(qubit)), cirq.Circuit(cirq.H(qubit))


def chance_of_one(circuit, encoding):
    """Returns the probability of measuring 1, from <Z> = P(0) - P(1)."""
    layer = PQC(circuit, "Z", encoding=encoding)
    return (1 - keras.ops.convert_to_numpy(layer(x))[:, 0]) / 2


angle, phase = chance_of_one(nothing, "angle"), chance_of_one(nothing, "phase")
phase_hadamard = chance_of_one(hadamard, "phase")
np.testing.assert_allclose(phase, 0.5, atol=1e-5)
np.testing.assert_allclose(phase_hadamard, np.sin(x[:, 0] / 2) ** 2, atol=1e-5)

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(x / np.pi, angle, lw=5, color="0.8", label="angle")
ax.plot(x / np.pi, phase, color="tab:red", label="phase")
ax.plot(x / np.pi, phase_hadamard, "--", color="tab:blue", label="phase, then a Hadamard")
ax.set(xlabel="$x / \\pi$", ylabel="probability of measuring 1", title="A phase alone is not seen")
ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3, frameon=False)
plt.show()

# %% [markdown]
# ## Which functions a circuit can compute
#
# The encoding also decides the *functions* that a layer can compute. If a feature $x$ enters
# through $r$ rotations by the angle $x$, the layer's output is a Fourier series with $r$
# frequencies,
#
# $$ f(x) = \sum_{k=-r}^{r} c_k e^{i k x}, $$
#
# whatever gates stand between the rotations. Those gates only choose the coefficients $c_k$
# (Schuld, Sweke and Meyer 2021, [arXiv:2008.08605](https://arxiv.org/abs/2008.08605)). One rotation
# gives one sine wave. To put the same feature in several times is called **data re-uploading**.
#
# We write it by hand: one qubit, and between the rotations $R_x(x)$ three rotations by weights.

# %%
feature = sympy.Symbol("x")


def rounds(r):
    """Returns a circuit that has the feature in r places, with weights around it."""
    w = iter(sympy.symbols(f"w:{3 * (r + 1)}"))
    block = [cirq.rz, cirq.ry, cirq.rz]
    circuit = cirq.Circuit(gate(next(w))(qubit) for gate in block)
    for _ in range(r):
        circuit += cirq.Circuit(cirq.rx(feature)(qubit), [g(next(w))(qubit) for g in block])
    return circuit


print(rounds(2))

# %% [markdown]
# Now thirty random sets of weights for each number of rounds, and the Fourier transform of the
# output over one period. All coefficients beyond $k = r$ are zero, up to rounding.

# %%
period = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]

figure, axes = plt.subplots(2, 4, figsize=(8, 4.2), sharey="row", layout="constrained")
for r, (above, below) in enumerate(axes.T, start=1):
    outputs = []
    for _ in range(30):
        layer = PQC(rounds(r), "Z", inputs=[feature], dtype="float64")
        layer.build((None, 1))
        layer.set_weights([rng.uniform(-np.pi, np.pi, w.shape) for w in layer.get_weights()])
        outputs.append(keras.ops.convert_to_numpy(layer(period))[:, 0])
    spectrum = np.abs(np.fft.rfft(outputs, axis=1)) / len(period)
    np.testing.assert_allclose(spectrum[:, r + 1 :], 0, atol=1e-9)
    assert spectrum[:, 1 : r + 1].max(axis=0).min() > 0.05
    above.plot(period / np.pi, np.transpose(outputs[:4]), lw=1)
    above.set(title=f"{r} round{'s' * (r > 1)}", xlabel="$x / \\pi$")
    k = np.arange(8)
    below.plot(k, spectrum[:, :8].T, "o", ms=3, color="tab:blue", alpha=0.3)
    below.axvspan(r + 0.5, 7.5, color="0.92")
    below.set(xlabel="frequency $k$", xticks=k[::2], xlim=(-0.5, 7.5))
axes[0, 0].set_ylabel("output $f(x)$")
axes[1, 0].set_ylabel("$|c_k|$")
figure.suptitle("As many frequencies as rounds (four outputs above, thirty spectra below)")
plt.show()

# %% [markdown]
# ## Why it matters: fitting a step
#
# A step needs many frequencies. We fit one with 1, 4 and 8 rounds, by ordinary Keras training. No
# training can beat the best Fourier series of the same order, and its error is easy to compute:
# leave out the coefficients beyond $k = r$. So we know the best loss beforehand.

# %%
target = np.where(period < np.pi, 0.7, -0.7)


def best_series(r):
    """Returns the best Fourier series of order r for the target."""
    coefficients = np.fft.rfft(target[:, 0])
    coefficients[r + 1 :] = 0
    return np.fft.irfft(coefficients, len(target))


fits = {}
for r in (1, 4, 8):
    layer = PQC(
        rounds(r),
        "Z",
        inputs=[feature],
        weight_initializer=keras.initializers.RandomUniform(-1, 1, seed=r),
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(period, target, batch_size=64, epochs=250, verbose=0)
    fits[r] = model.predict(period, verbose=0)[:, 0]
    loss = np.mean((fits[r] - target[:, 0]) ** 2)
    bound = np.mean((best_series(r) - target[:, 0]) ** 2)
    assert loss > bound - 1e-6
    print(f"{r} round(s): mean squared error {loss:.4f}, best possible {bound:.4f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(8, 2.9), sharey=True, layout="constrained")
for ax, (r, output) in zip(axes, fits.items(), strict=True):
    ax.plot(period / np.pi, target, color="0.6", lw=1.5, label="target")
    ax.plot(period / np.pi, best_series(r), color="navajowhite", lw=5, label="best Fourier series")
    ax.plot(period / np.pi, output, color="tab:blue", label="trained circuit")
    ax.set(title=f"{r} round{'s' * (r > 1)}", xlabel="$x / \\pi$")
axes[0].set_ylabel("output")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.suptitle("A step, fitted by one qubit")
plt.show()

# %% [markdown]
# With 1 and 4 rounds, training finds the best possible series. A better fit is only to be had with
# more rounds. With 8 rounds the error is less than a third of that with 1, but training stops a
# little short of the best: more weights are also harder to train.
#
# In your own models you don't have to write such circuits: `PQCDense` takes the encoding by name.
# `reuploading` has a trained scale for each upload besides, so its frequencies may also become
# other than whole numbers.

# %%
layer = PQCDense(1, n_layers=1, encoding=ReuploadingEncoding(n_layers=4))
layer.build((None, 1))
print(layer.count_params(), "weights")

# %% [markdown]
# ## To take away
#
# An encoding is a choice about your data: what is periodic, what is lost, and how fast the output
# may wiggle. Scale features to less than a turn, keep the norm as a feature if it counts, and
# upload features several times if the target is not a plain wave.
#
# Next: [Reading probabilistic output](03_reading_probabilistic_output.ipynb).
