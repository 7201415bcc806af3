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
# # Reading probabilistic output
#
# A `Dense` layer gives the same numbers every time. A quantum computer gives random bits, and the
# numbers that a quantum layer returns are averages over them. A simulator can compute these
# averages exactly, and by default it does. Here we look at what is being averaged, how far off an
# average of finitely many measurements is, and what that does to a classifier and to training.
#
# Some words first. A **qubit** is the unit a circuit works on, a **gate** is one step of a circuit.
# To **measure** a qubit gives one bit, 0 or 1, with probabilities that the circuit has set. To run
# the circuit once and measure all its qubits is a **shot**. An **observable** is a rule that turns
# the bits of a shot into a number, and its **expectation value** is the mean of this number over
# infinitely many shots.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cirq
import keras
import matplotlib.pyplot as plt
import numpy as np
import sympy
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from statsmodels.stats.proportion import proportion_confint

from qkeras_hybrid import PQC, PQCDense, compile_circuit, engines

keras.utils.set_random_seed(0)

# %% [markdown]
# ## From a circuit to bits
#
# A circuit of two qubits. $R_y(t)$ turns a qubit: measured after it, a fresh qubit gives 1 with
# probability $\sin^2(t/2)$. The gate between the two lines, CNOT, flips the second qubit if the
# first is 1. We take angles in radians, as always.

# %%
a, b = cirq.LineQubit.range(2)
circuit = cirq.Circuit(cirq.ry(1.2)(a), cirq.CNOT(a, b), cirq.ry(0.8)(b))
print(circuit)

# %% [markdown]
# An *engine* computes a compiled circuit. It can give us the probabilities of the four outcomes 00,
# 01, 10, 11, and it can draw shots. The circuit has neither inputs nor weights, hence the empty
# tensor.

# %%
observables = ["Z0", "Z1", "Z0*Z1", "Z0 + Z1"]
compiled = compile_circuit(circuit, observables)
engine = engines.get("statevector")
no_inputs = keras.ops.zeros((1, 0))

probabilities = engine.probabilities(compiled, no_inputs)
probabilities = keras.ops.convert_to_numpy(probabilities)[0]
bits = engine.sample(compiled, no_inputs, shots=2000, seed=1)
bits = keras.ops.convert_to_numpy(bits)[0]
print("the first five shots:", *("".join(map(str, shot)) for shot in bits[:5]))

# %%
outcome = 2 * bits[:, 0] + bits[:, 1]
labels = ["00", "01", "10", "11"]
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
for ax, shots in zip(axes, (20, 2000), strict=True):
    share = np.bincount(outcome[:shots], minlength=4) / shots
    ax.bar(labels, share, color="tab:blue", alpha=0.7, label="share of shots")
    ax.plot(labels, probabilities, "k_", ms=40, mew=2, label="exact probability")
    ax.set(title=f"{shots} shots", xlabel="outcome")
axes[0].set_ylabel("probability")
handles = axes[0].get_legend_handles_labels()
figure.legend(*handles, loc="outside lower center", ncols=2, markerscale=0.4)
figure.suptitle("What a circuit gives is random; its probabilities are not")
plt.show()

# %% [markdown]
# ## From bits to an expectation value
#
# The usual observable is $Z$. It counts a 0 as $+1$ and a 1 as $-1$. The product `Z0*Z1` multiplies
# the two numbers of a shot: $+1$ if the bits agree, $-1$ if they differ. A sum adds them. Their
# expectation values are the means over many shots, and the exact ones follow from the
# probabilities.

# %%
z = 1 - 2 * bits  # 0 to +1, 1 to -1
in_each_shot = np.stack([z[:, 0], z[:, 1], z[:, 0] * z[:, 1], z[:, 0] + z[:, 1]], axis=1)
exact = keras.ops.convert_to_numpy(engine.expectation(compiled, no_inputs))[0]

print("observable   mean of 2000 shots    exact")
for name, mean, value in zip(observables, in_each_shot.mean(axis=0), exact, strict=True):
    print(f"{name:10} {mean:14.3f} {value:16.3f}")

values_of_outcomes = np.array([[1, 1, 1, 2], [1, -1, -1, 0], [-1, 1, -1, 0], [-1, -1, 1, -2]])
np.testing.assert_allclose(probabilities @ values_of_outcomes, exact, atol=1e-5)
np.testing.assert_allclose(exact[0], np.cos(1.2), atol=1e-5)

# %% [markdown]
# `Z0*Z1` is not the product of the two single values: the CNOT has made the two bits depend on each
# other.
#
# The mean settles slowly. Here it is for `Z0`, shot by shot, in six separate runs. The grey band is
# two standard errors wide to either side, which we come to next.

# %%
print(f"<Z0> <Z1> = {exact[0] * exact[1]:.3f}, but <Z0*Z1> = {exact[2]:.3f}")

runs = [engine.sample(compiled, no_inputs, shots=1000, seed=s) for s in range(6)]
runs = 1 - 2 * np.concatenate([keras.ops.convert_to_numpy(run) for run in runs])[:, :, 0]
n = np.arange(1, 1001)
band = 2 * np.sqrt((1 - exact[0] ** 2) / n)

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.fill_between(n, exact[0] - band, exact[0] + band, color="0.88", label="two standard errors")
ax.plot(n, (np.cumsum(runs, axis=1) / n).T, lw=1)
ax.axhline(exact[0], color="k", lw=1, label="exact")
ax.set(xscale="log", ylim=(-1.05, 1.05), xlabel="shots so far", ylabel=r"mean of $\pm 1$")
ax.set_title(r"An estimate of $\langle Z \rangle$ settles as shots come in")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## The error bar
#
# A single shot of $Z$ is $+1$ or $-1$ with mean $\langle Z \rangle$. Its square is always 1, so its
# variance is $1 - \langle Z \rangle^2$. The mean of $N$ shots has the standard error
#
# $$ \sigma = \sqrt{\frac{1 - \langle Z \rangle^2}{N}}. $$
#
# Two things follow. Ten times the precision needs a hundred times the shots. And the error is
# largest in the middle, where the layer is undecided, and zero at $\pm 1$.
#
# A layer measures if we give it `shots`. The `statevector` engine does this, and the layer takes it
# by itself. One qubit with $R_y(x)$ has $\langle Z \rangle = \cos x$. We feed the same $x$ 2000
# times, and each copy gets its own shots.

# %%
x = sympy.Symbol("x")
one_qubit = cirq.Circuit(cirq.ry(x)(a))


def measured(angles, shots, repeats):
    """Returns estimates of <Z> = cos(x), of shape (repeats, angles)."""
    layer = PQC(one_qubit, "Z", inputs=[x], shots=shots, seed=shots)
    copies = np.tile(np.asarray(angles), repeats)[:, None]
    return keras.ops.convert_to_numpy(layer(copies)).reshape(repeats, -1)


shots = np.array([10, 30, 100, 300, 1000, 3000, 10000])
middle = [np.pi / 2, np.pi / 4, np.pi / 12]
spread = np.array([measured(middle, int(count), 2000).std(axis=0) for count in shots])
expected = np.abs(np.sin(middle)) / np.sqrt(shots[:, None])
np.testing.assert_allclose(spread, expected, rtol=0.1)

angles = np.linspace(0, np.pi, 25)
by_angle = measured(angles, 100, 2000).std(axis=0)
np.testing.assert_allclose(by_angle, np.sin(angles) / 10, atol=0.01)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for k, angle in enumerate(middle):
    left.loglog(shots, expected[:, k], color=f"C{k}", lw=1)
    left.loglog(shots, spread[:, k], "o", color=f"C{k}", label=f"{np.cos(angle):.2f}")
left.legend(title=r"$\langle Z \rangle$", frameon=False)
left.set(xlabel="shots", ylabel="standard deviation", title="It falls as $1 / \\sqrt{N}$")
right.plot(np.cos(angles), np.sin(angles) / 10, color="k", lw=1, label="formula")
right.plot(np.cos(angles), by_angle, "o", label="2000 repeats")
right.set(xlabel=r"$\langle Z \rangle$", ylabel="standard deviation", title="100 shots")
right.legend(frameon=False)
figure.suptitle("The spread of an expectation value: dots measured, lines the formula")
plt.show()

# %% [markdown]
# ## An interval for a probability
#
# Often we want a probability rather than a mean: of 20 shots, 1 gave the outcome 1. How likely is
# it? The share, 0.05, needs an interval. The textbook interval, share $\pm$ 1.96 standard errors,
# is poor when the share is near 0 or 1: after 0 hits in 20 shots it says exactly 0, plus or minus
# nothing. The **Wilson** interval does better, and `statsmodels` has it.

# %%
for hits in (0, 1, 10):
    for method in ("normal", "wilson"):
        low, high = proportion_confint(hits, 20, method=method)
        print(f"{hits:2d} of 20, {method}: {low:.3f} to {high:.3f}")

# %% [markdown]
# An interval "at 95 %" should hold the true value in 95 of 100 repetitions. We know the truth here,
# so we can count. Left: fifty repetitions with 20 shots, where the true probability is 0.1. Right:
# how often the interval holds the truth, in 4000 repetitions for each true probability.

# %%
truth = np.linspace(0.01, 0.5, 50)
estimates = measured(2 * np.arcsin(np.sqrt(truth)), 20, 4000)  # <Z> = 1 - 2 P(1)
hits = np.round(20 * (1 - estimates) / 2)
at_one_tenth = np.argmin(np.abs(truth - 0.1))


def holds(method):
    """Returns the intervals, and whether each holds the truth."""
    low, high = proportion_confint(hits, 20, method=method)
    return low, high, (low <= truth) & (truth <= high)


low, high, inside = holds("wilson")
coverage = {"normal": holds("normal")[2].mean(axis=0), "wilson": inside.mean(axis=0)}
for method, share in coverage.items():
    print(f"{method}: holds the truth in {share.min():.0%} to {share.max():.0%} of repetitions")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for i in range(50):
    ends = low[i, at_one_tenth], high[i, at_one_tenth]
    left.plot(ends, [i, i], color="0.6" if inside[i, at_one_tenth] else "tab:red", lw=2)
left.axvline(truth[at_one_tenth], color="k", lw=1)
left.set(xlabel="probability of 1", ylabel="repetition", title="Wilson, 20 shots (red: misses)")
for method, share in coverage.items():
    right.plot(truth, share, ".-", label=method)
right.axhline(0.95, color="k", lw=1)
right.set(xlabel="true probability of 1", ylabel="share that holds the truth", ylim=(0, 1.02))
right.set_title("Coverage, 20 shots")
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## A classifier with shots
#
# Now a model. Iris: four features, three kinds of flower, 150 samples, of which we hold back 60 to
# test. The model is four qubits, three of which are read. Softmax needs larger numbers than those
# between $-1$ and 1, so we stretch them by 5. We train with exact values.
#
# We took three layers after looking at the test accuracy with one, two and three. So read the exact
# accuracy as a mark to compare the measured ones with, not as an estimate for new flowers.

# %%
features, kinds = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(
    features, kinds, test_size=0.4, random_state=0, stratify=kinds
)
mean, std = x_train.mean(axis=0), x_train.std(axis=0)
x_train, x_test = (x_train - mean) / std, (x_test - mean) / std

keras.utils.set_random_seed(0)
quantum = PQCDense(3, n_qubits=4, n_layers=3)
model = keras.Sequential(
    [keras.Input((4,)), quantum, keras.layers.Rescaling(5.0), keras.layers.Softmax()]
)
model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=60, batch_size=30, verbose=0)
exact_accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
print(f"test accuracy with exact values: {exact_accuracy:.3f}")

# %% [markdown]
# The same weights, measured. We make the layer again with `shots`, give it the trained weights, and
# go through the test set 200 times.


# %%
def with_shots(layer, shots, seed=0):
    """Returns the same layer with a finite number of shots."""
    copy = PQCDense.from_config({**layer.get_config(), "shots": shots, "seed": seed})
    copy.build((None, 4))
    copy.set_weights(layer.get_weights())
    return copy


accuracies = {}
for count in (1, 10, 100, 1000):
    scores = with_shots(quantum, count)(np.tile(x_test, (200, 1)))
    scores = keras.ops.convert_to_numpy(scores).reshape(200, -1, 3)
    accuracies[count] = (scores.argmax(axis=2) == y_test).mean(axis=1)
    print(
        f"{count:5d} shots: accuracy {accuracies[count].mean():.3f} on average, "
        f"from {accuracies[count].min():.3f} to {accuracies[count].max():.3f}"
    )

# %%
figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
jitter = np.random.default_rng(0)
for k, values in enumerate(accuracies.values()):
    ax.plot(
        k + jitter.uniform(-0.25, 0.25, 200),
        values + jitter.uniform(-0.004, 0.004, 200),
        ".",
        ms=4,
        alpha=0.5,
    )
    ax.plot([k - 0.35, k + 0.35], [values.mean()] * 2, "k", lw=2)
ax.axhline(exact_accuracy, color="k", ls="--", lw=1)
ax.text(-0.4, exact_accuracy + 0.008, "exact", va="bottom")
ax.set(xticks=range(4), xticklabels=accuracies, xlabel="shots", ylabel="test accuracy")
ax.set(ylim=(None, 1.05), title="One trained model, its test set measured 200 times")
plt.show()

# %% [markdown]
# With a single shot for each score, two flowers in five are named wrongly: scores are then all $+1$
# or $-1$ and often tie, and `argmax` takes the first. Ten shots lose some flowers, a hundred are
# nearly as good as exact values. Note the best repetition with 1000 shots: it beats the exact
# model, by luck. Never report the best of several measurements.
#
# Which flowers change sides? Those near a border, where the two best scores are close.

# %%
scores = keras.ops.convert_to_numpy(quantum(x_test))
two_best = np.sort(scores, axis=1)[:, -2:]
near = np.argsort(two_best[:, 1] - two_best[:, 0])[:15]
far = np.setdiff1d(np.arange(len(x_test)), near)

noisy = keras.ops.convert_to_numpy(with_shots(quantum, 100)(np.tile(x_test, (200, 1))))
changed = noisy.reshape(200, -1, 3).argmax(axis=2) != scores.argmax(axis=1)
print(f"100 shots change the answer for the 15 closest calls in {changed[:, near].mean():.1%},")
print(f"and for the other 45 flowers in {changed[:, far].mean():.1%} of measurements")

# %% [markdown]
# ### What the softmax says
#
# Softmax turns the three scores into numbers that add up to 1. They look like the probabilities of
# the three kinds, but they are not measured probabilities, and nobody has *calibrated* them: a
# score of 0.9 need not be right nine times in ten. They depend on the factor 5 that we chose:

# %%
for factor in (1.0, 5.0, 20.0):
    confidence = keras.ops.convert_to_numpy(keras.ops.softmax(factor * scores))
    right = (confidence.argmax(axis=1) == y_test).mean()
    print(
        f"factor {factor:4.0f}: mean top score {confidence.max(axis=1).mean():.2f}, "
        f"right {right:.2f}"
    )

# %% [markdown]
# The predictions stay the same, the confidence is whatever we like. What the shots tell you is a
# different uncertainty again: how well an expectation value is known, not how sure the model may be
# of the class.
#
# ## Training with shots
#
# Hardware can't hand out exact gradients either. The **parameter-shift rule** gets them from
# further measurements: run the circuit with a weight turned forward by $\pi / 2$, then backward,
# and take half the difference. With finite shots this is right on average, and noisy. The layer
# uses it as soon as `shots` is given.
#
# A tiny circuit, four weights, learns a sine wave. All runs begin at the same weights. A callback
# writes down the loss that an exact evaluation of the same weights would have.

# %%
w = sympy.symbols("w:4")
tiny = cirq.Circuit(
    [cirq.ry(w[0])(a), cirq.rx(x)(a)],
    [cirq.ry(w[1])(a), cirq.rz(w[2])(a), cirq.rx(w[3])(a)],
)
inputs = np.linspace(-np.pi, np.pi, 16)[:, None]
targets = 0.8 * np.sin(inputs + 0.5)
exact_layer = PQC(tiny, "Z", inputs=[x])
exact_layer.build((None, 1))


def exact_loss(weights):
    """Returns the loss and the predictions without shots."""
    exact_layer.set_weights(weights)
    predictions = keras.ops.convert_to_numpy(exact_layer(inputs))
    return np.mean((predictions - targets) ** 2), predictions


def train(shots):
    """Returns the model, the losses it saw, and the exact losses behind them."""
    start = keras.initializers.RandomUniform(-1, 1, seed=3)
    layer = PQC(tiny, "Z", inputs=[x], shots=shots, seed=0, weight_initializer=start)
    small = keras.Sequential([keras.Input((1,)), layer])
    small.compile(keras.optimizers.Adam(0.05), "mse")
    true = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: true.append(exact_loss(layer.get_weights())[0])
    )
    seen = small.fit(inputs, targets, batch_size=16, epochs=120, verbose=0, callbacks=[note])
    return small, seen.history["loss"], true


trained = {shots: train(shots) for shots in (10, 100, None)}

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for color, (count, (_, seen, true)) in zip(("C1", "C0", "k"), trained.items(), strict=True):
    name = f"{count} shots" if count else "exact"
    axes[0].semilogy(seen, color=color, lw=1, label=name)
    axes[1].semilogy(true, color=color, lw=1)
axes[0].set(title="as training sees it", xlabel="epoch", ylabel="mean squared error")
axes[1].set(title="the same weights, evaluated exactly", xlabel="epoch")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.suptitle("Loss while training with shots")
plt.show()

# %% [markdown]
# The loss that training sees stops at a floor, while the weights go on getting better for a while.
# The floor is the variance of the estimates, which the square in the loss adds up:
#
# $$ \text{expected loss} = \text{exact loss}
#    + \text{mean of } \frac{1 - \langle Z \rangle^2}{N}. $$
#
# We check this on the trained weights, with 500 evaluations each.

# %%
for count in (10, 100):
    small = trained[count][0]
    exact, predictions = exact_loss(small.get_weights())
    floor = np.mean((1 - predictions**2) / count)
    noisy = keras.ops.convert_to_numpy(small.layers[0](np.tile(inputs, (500, 1))))
    seen = np.mean((noisy - np.tile(targets, (500, 1))) ** 2)
    np.testing.assert_allclose(seen, exact + floor, rtol=0.05)
    print(f"{count:4d} shots: exact {exact:.4f} + floor {floor:.4f}, measured {seen:.4f}")
exact_end = exact_loss(trained[None][0].get_weights())[0]
print(f"trained with exact values: {exact_end:.5f}")

# %% [markdown]
# What it would cost on hardware: each sample runs the circuit once for its prediction, and twice
# more for each of its five angles, the one of the feature included, with all shots each time.

# %%
resources = trained[100][0].layers[0].resources()
print(resources.evaluations_per_sample, "circuits per sample and training step")
print(f"{resources.evaluations_per_sample * 16 * 100 * 120:,} shots for the run with 100 shots")

# %% [markdown]
# ## To take away
#
# An expectation value is a mean of random numbers. Its error is
# $\sqrt{(1 - \langle Z \rangle^2) / N}$, so report shots and repetitions with every result. Train
# with exact values where you simulate anyway, and measure with `shots` before you believe that a
# model would work on hardware.
#
# Next: [Your own circuit](04_your_own_circuit.ipynb).
