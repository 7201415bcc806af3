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
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/03_reading_probabilistic_output.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/03_reading_probabilistic_output.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How random bits become the outputs of a quantum layer, how large the error of
# these outputs is, and what it does to accuracy and training.
#
# **Running time:** about a minute on two cores.
#
# A `Dense` layer returns the same numbers every time. A quantum computer returns random bits, and
# the outputs of a quantum layer are means over many of these bits. A simulator can compute the
# means exactly, which is the default. Here we look at the bits themselves, at the error of a mean
# of finitely many, and at what this error does to a classifier and to training.
#
# Some words first; the [glossary](../docs/glossary.md) has more:
#
# - A **qubit** is what a circuit works on, and a **gate** is one step of a circuit.
# - To **measure** a qubit gives one bit, 0 or 1, at random. The circuit sets the probabilities.
# - A **shot** is one run of the circuit, at the end of which all its qubits are measured.
# - An **observable** is a rule that turns the bits of a shot into a number.
# - An **expectation value** is the mean of this number over infinitely many shots.

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
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from statsmodels.stats.proportion import proportion_confint

from qkeras_hybrid import PQC, PQCDense, compile_circuit, engines, plot, set_engine

keras.utils.set_random_seed(0)

# %% [markdown]
# ## From a circuit to bits
#
# Our circuit has two qubits. All qubits start as 0. The gate $R_y(t)$ turns a qubit by the angle
# $t$, in radians. If it is measured right after that, it gives 1 with probability $\sin^2(t/2)$.
# The gate between the two lines, CNOT, flips the second qubit if the first is 1. Cirq prints angles
# as multiples of $\pi$: 1.2 is $0.382\pi$.

# %%
a, b = cirq.LineQubit.range(2)
circuit = cirq.Circuit(cirq.ry(1.2)(a), cirq.CNOT(a, b), cirq.ry(0.8)(b))
print(circuit)

# %% [markdown]
# An *engine* is the simulator, or the device, that runs a circuit. The engine `"statevector"`
# computes the state of all qubits. It can return the probabilities of the four outcomes 00, 01, 10
# and 11, and it can draw shots. A layer does all of this for you; here we do it by hand, so
# `compile_circuit` prepares the circuit first. It has no inputs and no weights, so we pass an empty
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

# %% [markdown]
# `plot.probabilities` draws the share of each outcome among the shots, beside the exact
# probabilities. What the intervals of the bars mean is explained below.

# %%
figure = plot.Picture(figsize=(8, 3), layout="constrained")
for ax, shots in zip(figure.subplots(1, 2, sharey=True), (20, 2000), strict=True):
    plot.probabilities(compiled, shots=shots, seed=1, ax=ax)
figure.suptitle("The shots of a circuit are random; its probabilities are not")
figure

# %% [markdown]
# ## From bits to an expectation value
#
# The usual observable is $Z$: it counts a 0 as $+1$ and a 1 as $-1$. `Z0` is this $+1$ or $-1$ for
# the first qubit. The product `Z0*Z1` is $+1$ if the two bits agree and $-1$ if they differ. The
# sum `Z0 + Z1` adds the two numbers. The mean over the shots estimates the expectation value, and
# the exact value follows from the probabilities.

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
# The mean of `Z0*Z1` is not the product of the two means, because the CNOT makes the two bits
# depend on each other. Qubits whose bits depend on each other in this way are called *entangled*.
#
# A mean converges slowly. The picture shows the mean of `Z0` after each shot, in six runs. The grey
# band reaches two standard errors to either side; the next section says what these are.

# %% alt="Six running means of Z come closer to 0.362 with more shots, mostly in the grey band."
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
# We write $\langle Z \rangle$ for the expectation value of $Z$. A single shot of $Z$ is $+1$ or
# $-1$, with mean $\langle Z \rangle$. Its square is always 1, so its variance is $1 - \langle Z
# \rangle^2$. Take the mean of $N$ shots, many times over: these means scatter. Their standard
# deviation is the *standard error*:
#
# $$ \sigma = \sqrt{\frac{1 - \langle Z \rangle^2}{N}}. $$
#
# Two things follow. An error ten times smaller takes a hundred times as many shots. And the error
# is largest at $\langle Z \rangle = 0$, where both bits are equally likely, and zero at $\pm 1$.
#
# A layer with the argument `shots` measures instead of computing exactly. One qubit with $R_y(x)$
# has $\langle Z \rangle = \cos x$. The batch below has the same $x$ in 2000 rows. Each row is
# measured separately, so the rows differ. Each call of the layer draws new shots, too. So with
# `shots=100`, three things change: each $\langle Z \rangle$ has a standard error of at most 0.1,
# two calls differ, and `fit` gets a noisy gradient, as the end of this notebook shows.
#
# **Repeatable runs.** Give a layer with shots a `seed`: a new layer with the same seed draws the
# same shots in the same order. If you give none, the layer takes one from
# `keras.utils.set_random_seed`.

# %%
x = sympy.Symbol("x")
one_qubit = cirq.Circuit(cirq.ry(x)(a))


def measured(angles, shots, repeats):
    """Returns estimates of <Z> = cos(x), of shape (repeats, angles)."""
    layer = PQC(one_qubit, "Z", inputs=[x], shots=shots, seed=0)
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

# %% alt="Measured standard deviations lie on the lines of the formula, and fall with more shots."
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
# Often we want the probability of an outcome. Say that 1 of 20 shots gave a 1: the share is 0.05,
# and it needs an interval. The textbook interval, share $\pm$ 1.96 standard errors, is poor if the
# share is near 0 or 1. After 0 hits in 20 shots it has no width at all. The **Wilson** interval is
# better, and `statsmodels` has it.

# %%
for hits in (0, 1, 10):
    for method in ("normal", "wilson"):
        low, high = proportion_confint(hits, 20, method=method)
        print(f"{hits:2d} of 20, {method}: {low:.3f} to {high:.3f}")

# %% [markdown]
# A 95 % interval should contain the true value in 95 of 100 repetitions. Here we know the true
# probability, so we can count. On the left are the intervals of fifty repetitions with 20 shots,
# for a true probability of 0.1. On the right is the share of 4000 repetitions in which the interval
# contains the true probability, for many true probabilities.

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

# %% alt="Fifty Wilson intervals; one misses 0.1. Their coverage stays near 95 %, unlike normal."
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
# Now a model. The data set Iris has 150 flowers of three kinds, with four features each; 60 of them
# are the test part. The model has four qubits, three of which are read. Softmax needs a wider range
# than $-1$ to $1$, so we multiply the outputs by 5. We train with exact values.
#
# The circuit repeats a block of rotations and entangling gates three times: `n_layers=3`. We chose
# three after a look at the test accuracy with one, two and three blocks. So the exact accuracy is
# too good as an estimate for new flowers. Here it only serves as a mark, with which we compare the
# accuracies from shots.

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
# Now the same weights with shots. We make the layer again with `shots`, give it the trained
# weights, and measure the test part 200 times.


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

# %% alt="200 test accuracies each for 1, 10, 100 and 1000 shots come closer to the exact one."
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
# With one shot, two flowers in five are classified wrongly: all scores are $+1$ or $-1$, they often
# tie, and `argmax` takes the first. Ten shots cost some accuracy, and a hundred are nearly as good
# as exact values. The best of the 200 repetitions with 100 shots has no error at all. It is better
# than the exact model, but only by luck. Never report the best of several measurements.
#
# Which flowers change their class? Those near a border, where the two largest scores are close.

# %%
scores = keras.ops.convert_to_numpy(quantum(x_test))
two_best = np.sort(scores, axis=1)[:, -2:]
near = np.argsort(two_best[:, 1] - two_best[:, 0])[:15]
far = np.setdiff1d(np.arange(len(x_test)), near)

noisy = keras.ops.convert_to_numpy(with_shots(quantum, 100)(np.tile(x_test, (200, 1))))
changed = noisy.reshape(200, -1, 3).argmax(axis=2) != scores.argmax(axis=1)
print(f"100 shots change the class of the 15 closest flowers in {changed[:, near].mean():.1%},")
print(f"and that of the other 45 in {changed[:, far].mean():.1%} of the measurements")

# %% [markdown]
# ### What softmax returns
#
# Softmax turns the three scores into numbers that add up to 1. They look like the probabilities of
# the three kinds, but no measurement gave them, and they are not *calibrated*: of the predictions
# with 0.9, more or fewer than nine in ten may be right. They depend on the factor 5 that we chose:

# %%
for factor in (1.0, 5.0, 20.0):
    confidence = keras.ops.convert_to_numpy(keras.ops.softmax(factor * scores))
    right = (confidence.argmax(axis=1) == y_test).mean()
    print(
        f"factor {factor:4.0f}: mean top score {confidence.max(axis=1).mean():.2f}, "
        f"right {right:.2f}"
    )

# %% [markdown]
# The predictions are the same for each factor, but their confidence is not. The error bar of the
# shots says something different: how exactly an expectation value is known, and not how likely it
# is that the class is right.
#
# ## On another engine, with noise
#
# A layer has three arguments that say where and how its circuit runs: `engine`, `shots` and
# `noise`. `set_engine` changes them in a finished model, and leaves its weights alone. **Noise**
# means the errors of a device. With `"depolarizing:0.01"`, after each gate, each of the gate's
# qubits gets a random error with a probability of 1 %. The engine `"auto"` takes the fastest
# simulator that can do what the other arguments ask for. An argument that you leave out stays as it
# is, and the model need not be compiled again.
#
# [Choose an engine](../docs/guides/choose-an-engine.md) lists the engines, and
# [add noise](../docs/guides/add-noise.md) the kinds of noise. A real device is one more engine: see
# [notebook 09](09_noisy_device.ipynb).

# %%
for chosen, count, errors in (
    ("auto", None, None),
    ("statevector", None, None),
    ("auto", None, "depolarizing:0.01"),
    ("auto", 100, "depolarizing:0.01"),
):
    set_engine(model, chosen, shots=count, noise=errors)
    predicted = keras.ops.convert_to_numpy(model(x_test)).argmax(axis=1)
    accuracy = np.mean(predicted == y_test)
    used = model.layers[0].engine.name
    print(f"engine {used:11s}  shots {count!s:4}  noise {errors!s:17}  accuracy {accuracy:.3f}")
set_engine(model, "auto", shots=None, noise=None)

# %% [markdown]
# Another simulator gives the same accuracy. The noise alone costs little here: it makes the scores
# smaller, but the largest one mostly stays the largest. With 100 shots, smaller scores are harder
# to tell apart. The last accuracy is that of a single measurement: another one would differ by a
# few points, as the picture above showed.
#
# ## Training with shots
#
# How does a layer get its gradient? With exact values, the simulator computes it, exactly and
# quickly. A quantum computer can't do backpropagation. The **parameter-shift rule** gets the
# gradient from more measurements: run the circuit with the weight increased by $\pi / 2$, then with
# the weight decreased by $\pi / 2$, and take half of the difference. With finitely many shots, this
# estimate is right in the mean, but noisy. A layer with `shots` uses this rule.
#
# A small circuit with four weights learns a sine wave. All runs start with the same weights. A
# callback records the exact loss of the same weights in each epoch.

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
names = {count: f"{count} shots" if count else "exact" for count in trained}
figure = plot.Picture(figsize=(8, 3.4), layout="constrained")
left, right = figure.subplots(1, 2, sharey=True)
plot.training({names[count]: seen for count, (_, seen, _) in trained.items()}, log=True, ax=left)
plot.training({names[count]: true for count, (_, _, true) in trained.items()}, log=True, ax=right)
left.set(title="the loss that training sees", ylabel="mean squared error")
right.set(title="the exact loss of the same weights", ylabel="")
figure.suptitle("Training with shots")
figure

# %% [markdown]
# The loss that training sees stops at a floor, while the weights still get better for some time.
# The outputs are noisy, and the mean squared error counts this noise (its variance) too. So the
# loss can't fall below it:
#
# $$ \text{expected loss} = \text{exact loss}
#    + \text{mean of } \frac{1 - \langle Z \rangle^2}{N}. $$
#
# We check this with 500 evaluations of the trained weights.

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
# What would this cost on a quantum computer? For each sample, the circuit runs once for the
# prediction, and twice for each of its five angles: four for the weights and one for the feature.
# (A layer in front of the circuit would need the derivative with respect to the feature.) Each of
# these runs takes all shots.

# %%
resources = trained[100][0].layers[0].resources()
print(resources.evaluations_per_sample, "circuits per sample and training step")
print(f"{resources.evaluations_per_sample * 16 * 100 * 120:,} shots for the run with 100 shots")

# %% [markdown]
# **To take away.** On a quantum computer, an output is a mean of random numbers. Its error is
# $\sqrt{(1 - \langle Z \rangle^2) / N}$, so report shots and repetitions with every result. In a
# simulation, train with exact values. Then measure with `shots`, before you believe that the model
# would work on a quantum computer.

# %% [markdown]
# ## What to try next
#
# - [Building your own circuit](04_your_own_circuit.ipynb): from gates to a layer.
# - [From a simulator to a noisy device](09_noisy_device.ipynb) adds the errors that gates make.
# - [Run on quantum hardware](../docs/guides/run-on-hardware.md) shows how to measure on a device.
#
# ## Exercises
#
# **1.** An expectation value is 0.6. How many shots bring its standard error to 0.01? Check it with
# `measured`.
#
# <details><summary>Answer</summary>
#
# The formula, solved for $N$: $(1 - 0.6^2) / 0.01^2 = 6400$.
#
# ```python
# needed = round((1 - 0.6**2) / 0.01**2)
# error = measured([np.arccos(0.6)], needed, 2000).std()
# print(f"{needed} shots: standard deviation {error:.4f}")
# assert abs(error - 0.01) < 0.001
# ```
#
# </details>
#
# **2.** How many shots of the first circuit does it take until the most probable outcome is also
# the most frequent one, in 95 of 100 runs?
#
# <details><summary>Answer</summary>
#
# ```python
# best = probabilities.argmax()
# for count in (5, 20, 80, 320):
#     drawn = engine.sample(compiled, no_inputs, shots=500 * count, seed=2)
#     drawn = keras.ops.convert_to_numpy(drawn)[0].reshape(500, count, 2)
#     outcomes = 2 * drawn[:, :, 0] + drawn[:, :, 1]  # 00, 01, 10, 11 as 0 to 3
#     counts = (outcomes[:, :, None] == np.arange(4)).sum(axis=1)
#     share = (counts.argmax(axis=1) == best).mean()
#     print(f"{count:3d} shots: it is the most frequent one in {share:.0%} of 500 runs")
# ```
#
# A few more than 20: with 20 shots it is the right one in 94 % of the runs, and with 80 in all of
# them.
#
# </details>
