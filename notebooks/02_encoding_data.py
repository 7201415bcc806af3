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
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/02_encoding_data.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/02_encoding_data.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How features become a quantum state, drawn for every encoding, and what each
# encoding loses or can compute.
#
# **Running time:** about a minute on two cores.
#
# A quantum circuit works on a *state*, not on a list of numbers. So a quantum layer first turns the
# features of a sample into a state. This step is the *encoding*. It decides which samples the rest
# of the layer can tell apart, and which functions of the features it can compute. Here we draw
# every encoding of the package, look at the states it makes, and see what it loses.
#
# Five terms are all we need; the [glossary](../docs/glossary.md) has more:
#
# - A **qubit** is what a circuit works on, as a bit is what a processor works on.
# - The **state** of a qubit is a pair of complex numbers $a$ and $b$, its **amplitudes**, with
#   $|a|^2 + |b|^2 = 1$. It is written $a|0\rangle + b|1\rangle$. So $|0\rangle$ is the state with
#   $a = 1$ and $b = 0$. The state of $n$ qubits has $2^n$ amplitudes.
# - A **gate** is one step of a circuit. It changes the state, and another gate can undo it.
# - A **measurement** of a qubit gives 0 with probability $|a|^2$ and 1 with probability $|b|^2$.
# - The **expectation value** $\langle Z \rangle = |a|^2 - |b|^2$ is the mean that very many
#   measurements approach, where a 0 counts as $+1$ and a 1 as $-1$.

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
# `encodings.names()` returns the names of all encodings, and `qkeras-hybrid list encodings` prints
# them in a shell. `QuantumEmbedding` is a layer that has an encoding and nothing else. We draw each
# encoding on two qubits. Each line is a qubit, the gates act from left to right, and `x0, x1, ...`
# are the inputs.
#
# How to read the boxes:
#
# - $R_x(t)$, $R_y(t)$ and $R_z(t)$ turn a qubit by the angle $t$, in radians, about three axes.
# - `H`, the Hadamard gate, turns $|0\rangle$ into a state in which 0 and 1 are equally probable.
# - `Z^(x/π)` multiplies the amplitude of $|1\rangle$ by $e^{ix}$, a complex number of size 1. Such
#   a number is called a **phase**.
# - Boxes joined by a line are one gate on two qubits. `ZZ`, and two boxes with `X`, `Y` or `Z`,
#   turn both qubits together by an angle.
#
# The colours say what a gate does, and what is read at the end.

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
    "phase": ("phase", 2, "A Hadamard gate, then the feature as a phase."),
    "iqp": (
        "iqp",
        2,
        "As `phase`, and then a gate on the pair of qubits. Its angle `x2` is the product of the "
        "two features.",
    ),
    "zz": (
        "zz",
        2,
        "The gates of `iqp` with doubled angles, and all of them twice. For the gate on the pair, "
        "`x2` is $(\\pi - x_0)(\\pi - x_1)$.",
    ),
    "hamiltonian": (
        HamiltonianEncoding(start="plus", trotter_steps=1),
        1,
        "Each feature is the angle of gates on a pair of neighbouring qubits. (By default, these "
        "gates follow a random rotation of each qubit, and come twice, each time with half the "
        "angle.)",
    ),
    "reuploading": (
        "reuploading",
        2,
        "The features enter several times. `e0, e1, ...` are weights, which train.",
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
# ## The state of one qubit is an arrow
#
# The state of one qubit can be drawn as an arrow in a ball, the **Bloch sphere**. The arrow of
# $|0\rangle$ points up, that of $|1\rangle$ down. The tip has three coordinates: the expectation
# values $\langle X \rangle$, $\langle Y \rangle$ and $\langle Z \rangle$. To measure $X$ or $Y$
# means to turn the qubit first, by a quarter turn about another axis, and then to measure $Z$.
#
# `plot.bloch` computes the coordinates and draws the tips. One feature grows, and the colour goes
# from dark to bright. Pale points are on the far side.

# %%
# Re-uploading uses the feature several times, once in each round. A round has three weights: the
# first changes the scale of the feature (0 leaves it as it is), the others are a shift and a phase.
# With other seeds the curve may be close to a plain arc.
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
# What the pictures show:
#
# - `angle` and `phase` go round a circle once and end where they began.
# - `dense_angle` has two features, and reaches the whole surface with them.
# - `amplitude` of $(x, 1)$ stays on one circle. Equal steps of $x$ are far apart near 0 and close
#   together at the ends, because the state depends on the ratio of the features alone.
# - `basis` has two points: up and down.
# - `zz` has two blocks with a Hadamard gate between them. Its path is not a circle.
# - `hamiltonian`, with the settings used here, starts at a random point and circles round the
#   vertical axis.
# - `reuploading` draws a curve that a single rotation can't draw. Its weights shape the curve.
#
# ## What an encoding can tell apart
#
# If two samples have the same state, no later gate or layer can tell them apart, whatever its
# weights are. The **fidelity** $F(x, x') = |\langle \psi(x) | \psi(x') \rangle|^2$ says how alike
# the states of two samples are. Here $\psi(x)$ is the state of the sample $x$, and the fidelity is
# the squared size of the scalar product of two states. It is 1 for the same state. It is 0 for two
# states that are as different as can be: one suitable measurement tells them apart every time. A
# function that says how alike two samples are is called a kernel, so the fidelity is a *quantum
# kernel*.
#
# We draw $F(x, x')$ for two numbers $x$ and $x'$. For `amplitude` there are two pictures: of $x$
# alone, and of $x$ with a constant 1 beside it.


# %% alt="Six maps of the fidelity of two numbers: stripes or curves, but amplitude (x) is 1."
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
# A bright place away from the diagonal is a pair of numbers that the encoding confuses. `iqp` has
# products of features. They make stripes, which are finer the farther $x$ is from 0: a small change
# of $x$ there gives a very different state. In `reuploading` the weights shape the pattern. It
# repeats every $2\pi$, because the weights here don't scale the feature. For the others there are
# simple formulas, which the next cell checks:
#
# - `angle` and `phase`: $F = \cos^2\frac{x - x'}{2}$. So $x$ and $x + 2\pi$ have the same state.
#   Scale each feature so that its values are less than $2\pi$ apart, for example to lie between
#   $-3$ and $3$.
# - `amplitude` divides a sample by its length. So $F$ is the squared cosine of the angle between
#   the two feature vectors. The length and the overall sign of a vector are lost, and of a single
#   number everything is lost: the third picture is 1 everywhere.

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
# If the length of a vector matters to your task, add it as one more feature. The signs *within* a
# vector are kept: $v$ and $|v|$ have different states.
#
# The fidelity is not the whole story. `angle` and `phase` have the same picture above. But if we
# measure right after the encoding, `angle` shows the size of the feature, though not its sign.
# `phase` shows nothing, because a phase changes no probability. Another gate must turn the phase
# into a probability, such as a second Hadamard gate. So with `phase` the circuit after the encoding
# needs such a gate.

# %% alt="The probability of 1: a wave for angle, and for phase with a Hadamard; phase is flat."
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
# ## Features that are too large
#
# Most encodings use features as angles. Nothing warns you if these features are too large: the
# angles go round and round, and samples that are close together get states that have nothing to do
# with each other. Here a model learns $\sin 2x$ from $x$ between $-1$ and $1$. Then the same model
# gets $100 x$ as its feature, with the same targets. `PQCDense(1, n_qubits=2)` is a layer with the
# encoding `angle`, weights and one output:

# %%
samples = rng.uniform(-1, 1, (200, 1))
targets = np.sin(2 * samples)
for factor in (1, 100):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), PQCDense(1, n_qubits=2)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(factor * samples[:150], targets[:150], epochs=40, verbose=0)
    error = model.evaluate(factor * samples[150:], targets[150:], verbose=0)
    print(f"features times {factor:3d}: mean squared error on new samples {error:.3f}")
print(f"predicting the mean:                                  {targets[150:].var():.3f}")

# %% [markdown]
# With the features 100 times as large, the model is no better than predicting the mean. So
# standardise your features. Or put `Dense(n, activation="tanh")` in front of the circuit: its
# outputs always lie between $-1$ and $1$.
#
# ## More features than qubits
#
# How do 20 features enter a circuit with four qubits? There are two ways:
#
# - A `Dense(4, activation="tanh")` layer in front learns which four numbers enter. This is the
#   usual way, and that of notebook 01.
# - Most encodings start again at the first qubit when they have used the last one. Nothing is left
#   out, but the circuit gets longer. Its *depth* is the number of steps that must follow each
#   other. For a layer that trains, write `PQCDense(units, n_qubits=4, encoding="angle")`.
#
# With more qubits there is a third: `amplitude` takes up to $2^n$ features on $n$ qubits, so 20
# features need five. `basis` needs a qubit for each feature.

# %%
for encoding in ("angle", "dense_angle", "reuploading", "amplitude", "basis"):
    layer = QuantumEmbedding(4, encoding=encoding)
    try:
        layer.build((None, 20))
    except ValueError as error:
        print(f"{encoding}: {error}")
    else:
        print(f"{encoding}: 20 features in 4 qubits, depth {layer.resources().depth}")

# %% [markdown]
# ## Which functions a circuit can compute
#
# The encoding also decides which *functions* a layer can compute. If a feature $x$ enters by $r$
# rotations, each by the angle $x$, then the layer's output is a Fourier series with $r$
# frequencies, that is, a sum of sine waves:
#
# $$ f(x) = \sum_{k=-r}^{r} c_k e^{i k x}. $$
#
# The weights of the other gates choose the coefficients $c_k$. They can't add a frequency (Schuld,
# Sweke and Meyer 2021, [arXiv:2008.08605](https://arxiv.org/abs/2008.08605)). One rotation gives
# one sine wave. To let the same feature enter several times is called **data re-uploading**.
#
# We write such a circuit by hand. It has one qubit. It begins with three rotations whose angles are
# weights, and three more of them follow each rotation $R_x(x)$.

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
# For each number of rounds we draw thirty random sets of weights, and compute the Fourier transform
# of the output over one period. All coefficients beyond $k = r$ are zero, up to rounding.

# %% alt="Outputs and spectra for 1 to 4 rounds. Coefficients beyond the number of rounds are 0."
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
# A step needs many frequencies. We fit one with 1, 4 and 8 rounds, by ordinary training in Keras.
# We know the best possible loss beforehand: it is that of the step's own Fourier series, without
# the coefficients beyond $k = r$.

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

# %% alt="A step, its best Fourier series and the trained circuit, closer with more rounds."
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
# With 1 and 4 rounds, training finds the best possible series; only more rounds can fit better.
# With 8 rounds the error is less than a third of that with 1. Training ends a little above the best
# possible loss there, because more weights are harder to train.
#
# You don't have to write such circuits yourself: `PQCDense` takes an encoding, by name or as an
# object. `ReuploadingEncoding(n_layers=4)` has four rounds of three weights. One of the three
# scales the feature, so the frequencies need not be whole numbers. After the encoding,
# `n_layers=1` of `PQCDense` adds three rotations with weights:

# %%
layer = PQCDense(1, n_layers=1, encoding=ReuploadingEncoding(n_layers=4))
layer.build((None, 1))
print(layer.count_params(), "weights")

# %% [markdown]
# **To take away.** An encoding decides what is periodic, what is lost, and how fast the output can
# change with a feature. Scale each feature so that its values are less than $2\pi$ apart. If there
# are more features than qubits, put a `Dense` layer in front. If the length of a vector matters,
# make it a feature. If the target is not a plain wave, let the features enter several times.

# %% [markdown]
# ## What to try next
#
# - [Reading probabilistic output](03_reading_probabilistic_output.ipynb): what a measurement gives.
# - [Choose an encoding](../docs/guides/choose-an-encoding.md) says which encoding suits which data.
# - [Write an encoding](../docs/guides/write-an-encoding.md) shows how to make one of your own.
#
# ## Exercises
#
# **1.** Can `angle`, `phase` or `zz` on one qubit tell $0.3$ from $0.3 + 2\pi$? And from
# $0.3 + \pi$?
#
# <details><summary>Answer</summary>
#
# ```python
# for step in (2 * np.pi, np.pi):
#     pair = np.array([[0.3], [0.3 + step]])
#     for encoding in ("angle", "phase", "zz"):
#         print(f"{encoding:6} step {step:.2f}: fidelity {fidelity(encoding, pair)[0, 1]:.3f}")
# ```
#
# None of them notices a full turn. Half a turn is the largest difference for `angle` and `phase`.
# `zz` turns by twice the feature, so half a turn of the feature is a full turn there. If you halve
# the features first, all of these periods become twice as long.
#
# </details>
#
# **2.** How many rounds does the target $0.5 \cos 3x$ need? Train `rounds(2)` and `rounds(3)` on
# it.
#
# <details><summary>Answer</summary>
#
# ```python
# wave = 0.5 * np.cos(3 * period)
# for r in (2, 3):
#     start = keras.initializers.RandomUniform(-1, 1, seed=1)
#     layer = PQC(rounds(r), "Z", inputs=[feature], weight_initializer=start)
#     model = keras.Sequential([keras.Input((1,)), layer])
#     model.compile(keras.optimizers.Adam(0.05), "mse")
#     model.fit(period, wave, batch_size=64, epochs=250, verbose=0)
#     print(f"{r} rounds: mean squared error {model.evaluate(period, wave, verbose=0):.5f}")
# ```
#
# Three: the target has the frequency 3. With two rounds the best the circuit can do is to return
# the mean, which is 0, and the error is the variance of the target, 0.125.
#
# </details>
