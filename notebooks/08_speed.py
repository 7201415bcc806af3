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
# A state of $n$ qubits is $2^n$ complex numbers, and each gate touches all of them. That sets the
# price of a simulated circuit. What the price comes to depends on the **engine**: the part that
# computes, chosen by `engine=`. Here we measure it on the machine at hand. Times differ between
# machines and from run to run; look at the ratios. A quiet measurement of all sizes, beside other
# libraries, is in the README under "How fast".

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
# - `native` is one TensorFlow operation in C++. It computes several samples of a batch at once in
#   the vector registers of the processor, and its gradient by going through the circuit
#   backwards.
# - `tfq` calls TensorFlow Quantum's simulator.
# - `statevector` is written in `keras.ops`: it runs on every backend of Keras, GPUs included.
# - `density` and `trajectories` compute noise: see [From a simulator to a noisy
#   device](09_noisy_device.ipynb).
#
# ## A training step
#
# That is: the values of a batch, and the gradients by inputs and weights. The first call traces
# the graph and is timed apart; of the others we take the fastest.


# %%
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
# A network is tried out more often than it is trained for long. Until the first step is done:

# %%
for name, found in times.items():
    firsts = [f"{n} qubits {first:.2f} s" for n, (first, _) in zip(sizes, found, strict=True)]
    print(f"{name:12s} {', '.join(firsts)}")

# %% [markdown]
# ## The price of a gradient
#
# Backwards through the circuit (the *adjoint* method, what `native` does by itself) a gradient
# costs a small multiple of the values, however many weights there are. The *parameter-shift
# rule*, the one that quantum hardware can do, runs the whole circuit twice for **each** angle.
# Both are exact:

# %%
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
# ## Beside a Dense layer
#
# What it comes to in an epoch of `fit`: the same model with a circuit of eight qubits and with a
# `Dense(8)` in its place. At this size both are bound by what Keras does around a batch.

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
# `native` spreads the samples of a batch over TensorFlow's threads, and for a batch of one the
# state itself. Set their number before the first operation, with
# `tf.config.threading.set_intra_op_parallelism_threads(n)`; here they are as many as there are
# cores:

# %%
print("threads:", tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count())
for batch in (1, 16, 64, 256):
    _, later = step_time("auto", 10, batch)
    print(f"10 qubits, batch of {batch:3d}: {1e6 * later / batch:7.1f} microseconds per sample")

# %% [markdown]
# ## Memory
#
# Each further qubit doubles it. A number of a state takes 8 bytes (two of 32 bits); `native`
# holds three states for each group of samples in flight, and never the whole batch at once if it
# does not fit. A circuit that no memory here could hold is refused when the layer is built,
# before anything is allocated:

# %%
qubits = np.arange(4, 41)
memory = psutil.virtual_memory().total

figure, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
axis.semilogy(qubits, 3 * 8 * 2.0**qubits, label="three states")
axis.axhline(memory, color="tab:red", linestyle="--", label="this machine's memory")
axis.set(xlabel="qubits", ylabel="bytes", title="What a training step needs")
axis.legend(frameon=False)
axis.grid(which="major", alpha=0.4)
plt.show()

try:
    PQCDense(45).build((None, 45))
except ValueError as error:
    print(str(error)[:300])

# %% [markdown]
# **To take away.** Leave `engine="auto"`: it takes the fastest that can compute the circuit. Use
# batches. On hardware, count circuits, not seconds: `resources()` does. And measure on your
# machine with `qkeras-hybrid perf`.
#
# Next: [from a simulator to a noisy device](09_noisy_device.ipynb)
