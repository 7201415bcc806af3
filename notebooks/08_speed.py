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
# # Speed: engines, threads, and what a training step costs
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/08_speed.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/08_speed.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** What a training step costs on each engine, measured on your machine, and how it
# grows with qubits and weights.
#
# **Running time:** about a minute on two cores.
#
# The **state** of $n$ **qubits** is a list of $2^n$ complex numbers, and each **gate** of a circuit
# changes all of them ([glossary](../docs/glossary.md)). So once the state is large, each further
# qubit doubles the time of a run. How long a run takes depends on the **engine**, the simulator or
# device that runs the circuit. The argument `engine` of a layer chooses it. Here we measure the
# engines on your machine. Times differ between machines and between runs, so look at the ratios.
# The guide [See how fast it is](../docs/guides/how-fast.md) has careful measurements of more
# circuits, and of other libraries.

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

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import psutil
import tensorflow as tf

from qkeras_hybrid import ParameterShift, PQCDense, engines

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)

# %%
for name, status in engines.status().items():
    print(f"{name:12s} {status}")
IDEAL = ("native", "tfq", "statevector")
ENGINES = [name for name in IDEAL if engines.status()[name] == "available"]

# %% [markdown]
# - `native` is written in C++. It computes several samples of a batch at once in the vector
#   registers of the processor. It gets the gradient by going backwards through the circuit.
# - `tfq` calls TensorFlow Quantum's simulator.
# - `statevector` is written with `keras.ops`, so it runs on every Keras backend, and on GPUs.
# - `density` and `trajectories` simulate a device's errors: see
#   [From a simulator to a noisy device](09_noisy_device.ipynb).
#
# ## A training step
#
# A training step computes the outputs of a batch, and the gradients with respect to the inputs and
# the weights. The first call also traces the graph, so we time it separately. Of the later calls we
# take the fastest.


# %% alt="Milliseconds a step for each engine, with 2 to 10 qubits. Native is the fastest."
def step_time(engine, n_qubits, batch, n_layers=3, repeats=5, **options):
    """Returns the seconds of the first training step and of the fastest later one."""
    layer = PQCDense(n_qubits, n_layers=n_layers, engine=engine, **options)
    layer.build((None, n_qubits))
    x = tf.constant(rng.uniform(-1, 1, (batch, n_qubits)), tf.float32)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, [x, *layer.trainable_variables])

    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        step(x)[0].numpy()
        seconds.append(time.perf_counter() - start)
    return seconds[0], min(seconds[1:])


sizes = [2, 4, 6, 8, 10]
times = {name: [step_time(name, n, 64) for n in sizes] for name in ENGINES}

figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for name, found in times.items():
    axis.semilogy(sizes, [1e3 * later for _, later in found], "o-", label=name)
axis.set(
    xlabel="qubits",
    ylabel="milliseconds a step",
    title="A training step: three layers, batch of 64",
)
axis.grid(which="major", alpha=0.4)
axis.legend(frameon=False)
plt.show()

# %%
for i, n in enumerate(sizes):
    least = min(found[i][1] for found in times.values())
    ratios = "  ".join(f"{name} {found[i][1] / least:6.1f}" for name, found in times.items())
    print(f"{n:2d} qubits, times the fastest: {ratios}")

# %% [markdown]
# ## The first call
#
# While you try out models, the first step counts more than the later ones. It takes:

# %%
for name, found in times.items():
    firsts = [f"{n} qubits {first:.2f} s" for n, (first, _) in zip(sizes, found, strict=True)]
    print(f"{name:12s} {', '.join(firsts)}")

# %% [markdown]
# ## The price of a gradient
#
# There are two ways to compute the same exact gradient. The *adjoint* method goes backwards through
# the circuit. It costs a few times as much as the outputs, however many weights there are; `native`
# uses it. The *parameter-shift rule* runs the whole circuit twice for **each** angle. It also works
# on a quantum computer.

# %% alt="With more weights, parameter shift takes longer; the adjoint method hardly does."
few = PQCDense(4, n_layers=1)
few.build((None, 4))
print("circuits per sample, one layer of 12 weights:", few.resources().evaluations_per_sample)

depths = [1, 2, 4, 8]
by_rule = {
    "adjoint": [step_time("auto", 4, 16, n_layers=depth)[1] for depth in depths],
    "parameter shift": [
        step_time("auto", 4, 16, n_layers=depth, differentiator=ParameterShift())[1]
        for depth in depths
    ],
}

figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for name, found in by_rule.items():
    axis.plot([12 * depth for depth in depths], 1e3 * np.array(found), "o-", label=name)
axis.set(xlabel="weights", ylabel="milliseconds a step", title="Two ways to the same gradient")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Compared with a Dense layer
#
# How much longer does an epoch of `fit` take? We compare a model with a circuit of eight qubits
# with the same model that has a `Dense(8)` in its place. With so small a circuit, Keras's own work
# around each batch takes most of the time in both models.

# %%
x = rng.uniform(-1, 1, (1024, 16)).astype("float32")
y = rng.integers(0, 4, 1024)


def epoch_time(layer):
    """Returns the seconds of the fastest of three epochs, after a first one."""
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Dense(8, activation="tanh"),
            layer,
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        model.fit(x, y, batch_size=32, verbose=0)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


dense, quantum = epoch_time(keras.layers.Dense(8)), epoch_time(PQCDense(8))
print(f"an epoch with the circuit takes {quantum / dense:.2f} times as long as with Dense")

# %% [markdown]
# ## Threads
#
# `native` has its own threads, as many as TensorFlow is told to use, and divides the samples of a
# batch among them. If there are fewer samples than threads, they share each large state. By default
# there are as many threads as cores. To change their number, call
# `tf.config.threading.set_intra_op_parallelism_threads(n)` before the first operation.

# %%
print("threads:", tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count())
for batch in (1, 16, 64, 256):
    _, later = step_time("auto", 10, batch)
    print(f"10 qubits, batch of {batch:3d}: {1e6 * later / batch:7.1f} microseconds per sample")

# %% [markdown]
# ## Memory
#
# Each further qubit doubles the memory, too. Each complex number takes 8 bytes. For one sample, a
# training step needs two states with `native`, and about ten with `statevector`. If memory is
# short, `native` computes fewer samples at once. If even one sample does not fit, the layer says so
# when it is built, before it allocates anything. Below are a picture for `native`, and the error
# for 45 qubits:

# %% alt="Bytes for two states against qubits: a straight line on a logarithmic axis."
qubits = np.arange(4, 41)
memory = psutil.virtual_memory().total

figure, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
axis.semilogy(qubits, 2 * 8 * 2.0**qubits, label="two states")
axis.axhline(memory, color="tab:red", linestyle="--", label="this machine's memory")
axis.set(xlabel="qubits", ylabel="bytes", title="What a training step needs with native")
axis.legend(frameon=False)
axis.grid(which="major", alpha=0.4)
plt.show()

try:
    PQCDense(45).build((None, 45))
except ValueError as error:
    print(str(error)[:300])

# %% [markdown]
# **To take away.** Leave `engine="auto"`: it takes `native`, the fastest engine, wherever this can
# compute the circuit. Use batches. For a quantum computer, count circuits instead of seconds:
# `resources()` does it. The command `qkeras-hybrid perf` measures the engines on your machine.

# %% [markdown]
# ## What to try next
#
# - [From a simulator to a noisy device](09_noisy_device.ipynb): the same model with errors and
#   shots.
# - [Choose an engine](../docs/guides/choose-an-engine.md) says what each engine can and can't do.
# - [See how fast it is](../docs/guides/how-fast.md) has our measurements.
#
# ## Exercises
#
# **1.** How many qubits fit into 16 GB, if an engine holds three states of 8 bytes a number?
#
# <details><summary>Answer</summary>
#
# ```python
# n = int(np.log2(16e9 / (3 * 8)))
# print(n, "qubits need", f"{3 * 8 * 2**n / 1e9:.1f} GB")
# assert n == 29
# ```
#
# </details>
#
# **2.** How many circuits does a training step with the parameter-shift rule run for one sample,
# with one layer of `PQCDense(4)` and with two? What is the difference?
#
# <details><summary>Answer</summary>
#
# ```python
# counts = []
# for depth in (1, 2):
#     layer = PQCDense(4, n_layers=depth)
#     layer.build((None, 4))
#     counts.append(layer.resources().evaluations_per_sample)
# print(counts, "difference", counts[1] - counts[0])
# assert counts[1] - counts[0] == 2 * 12
# ```
#
# A layer has 12 weights, and each weight takes two circuits.
#
# </details>
