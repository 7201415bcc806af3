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
# # One GPU, several processes
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/16_many_devices.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/16_many_devices.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** Two processes share the training of a hybrid model, one is killed, and the
# training goes on from its backup.
#
# **Running time:** about a minute on two cores.
#
# Under JAX, Keras can train *data-parallel*: each device computes its share of every batch, and the
# gradients are summed over all devices. A quantum layer needs nothing special for that. Here two
# processes of one machine share the training of one model. Then one of them is killed, and the
# training goes on from its backup. At the end we see what changes with a GPU.
#
# Everything except the section *With a GPU* runs on the processor, and needs JAX:
# `pip install "qkeras-hybrid[jax]"`.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

# %%
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# %% [markdown]
# ## The script that every process runs
#
# A process can't join others after JAX has begun to compute in it. So the training is a script, and
# the notebook starts it. Five things in it differ from a training run in one process:
#
# - `keras.distribution.initialize` finds the other processes.
# - All processes start from the same seed, so that their initial weights are equal.
# - `DataParallel` divides each batch among all devices.
# - Each process passes its own part of each batch to `fit`, so that all parts together are the
#   batch that one process would take. `shuffle=False` leaves the samples in this order.
# - After each epoch, the first process writes all variables to a file under another name, and then
#   renames this file to `backup.npz`. So the backup is always whole, even if a process is killed
#   while it writes.

# %%
SCRIPT = """
import json, os, signal, sys

import jax
import keras
import numpy as np

from qkeras_hybrid import PQCDense, datasets

EPOCHS, SAMPLES, BATCH = 3, 128, 32
killed_in, seed = int(sys.argv[1]), int(sys.argv[2])

if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
    keras.distribution.initialize()
place, count = jax.process_index(), jax.process_count()
keras.utils.set_random_seed(seed)
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))

model = keras.Sequential(
    [
        keras.Input((30,)),
        keras.layers.Dense(4, activation="tanh"),
        PQCDense(4, n_layers=1, engine="statevector"),
        keras.layers.Dense(2),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
model.optimizer.build(model.trainable_variables)
variables = [*model.variables, *model.optimizer.variables]

parts = datasets.split(datasets.load("breast_cancer"), seed=0, n_train=SAMPLES)
mine = np.arange(SAMPLES).reshape(-1, count, BATCH // count)[:, place].ravel()

losses = []
if os.path.exists("backup.npz"):
    with np.load("backup.npz") as stored:
        losses = stored["losses"].tolist()
        for i, variable in enumerate(variables):
            variable.assign(stored[f"arr_{i}"])


class Backup(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        losses.append(float(logs["loss"]))
        if place == 0:
            values = [keras.ops.convert_to_numpy(variable) for variable in variables]
            np.savez("unfinished.npz", *values, losses=losses)
            os.replace("unfinished.npz", "backup.npz")


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch == killed_in and place == count - 1

    def on_train_batch_end(self, batch, logs=None):
        if self.now and batch == 2:
            os.kill(os.getpid(), signal.SIGKILL)


resumed_at = len(losses)
model.fit(
    parts.x_train[mine],
    parts.y_train[mine],
    batch_size=BATCH // count,
    epochs=EPOCHS,
    initial_epoch=resumed_at,
    shuffle=False,
    verbose=0,
    callbacks=[Backup(), Killed()],
)
if place == 0:
    weights = np.concatenate([value.ravel() for value in model.get_weights()]).tolist()
    found = {"devices": jax.device_count(), "first": resumed_at, "losses": losses}
    print(json.dumps({**found, "weights": weights}))
"""
FOLDER = Path(tempfile.mkdtemp())
_ = (FOLDER / "train.py").write_text(SCRIPT)

# %% [markdown]
# The next function starts the script in one process or several. They find each other by the address
# of the first. If one process is lost, the others would wait for it forever, so the function ends
# all of them.


# %%
def start(name, n_processes, killed_in=-1, seed=0, **variables):
    """Runs the script; returns what the first process printed, or None if a process was lost."""
    place = FOLDER / name  # of the backup
    place.mkdir(exist_ok=True)
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **variables}
    if n_processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        environment["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = address
        environment["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(n_processes)
    command = [sys.executable, str(FOLDER / "train.py"), str(killed_in), str(seed)]
    running = []
    for k in range(n_processes):
        with (place / f"log-{k}.txt").open("w") as log:
            own = {**environment, "KERAS_DISTRIBUTION_PROCESS_ID": str(k)}
            running.append(
                subprocess.Popen(
                    command, env=own, cwd=place, stdout=subprocess.PIPE, stderr=log, text=True
                )
            )
    while any(process.poll() is None for process in running):
        if any(process.poll() for process in running):
            break
        time.sleep(0.1)
    for process in running:
        process.kill()  # changes nothing if it has ended
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        return None
    return json.loads(said[0].splitlines()[-1])  # newer versions of JAX print lines of their own


# %% [markdown]
# ## One process, and two
#
# The same training in one process, and in two that share every batch:

# %%
runs = {"one process": start("one", 1), "two processes": start("two", 2)}
for name, run in runs.items():
    print(f"{name:14} {run['devices']} devices, losses", np.round(run["losses"], 4))

# %% [markdown]
# ## A process is lost
#
# Now the second process is killed in the middle of the second epoch. The first can't go on without
# it. But the backup of the first epoch is there.

# %%
lost = start("lost", 2, killed_in=1)
print("the run with the killed process returned", lost)
print("in its folder:", *sorted(path.name for path in (FOLDER / "lost").iterdir()))

# %% [markdown]
# The same command again goes on from the backup:

# %%
runs["killed, resumed"] = start("lost", 2)
print("the second run began after epoch", runs["killed, resumed"]["first"])

# %% [markdown]
# All three training runs give the same result, up to rounding: a float32 sum over two halves of a
# batch is rounded differently from the sum over the whole batch.

# %%
first = runs["one process"]
for name, run in runs.items():
    loss = np.abs(np.subtract(run["losses"], first["losses"])).max()
    weight = np.abs(np.subtract(run["weights"], first["weights"])).max()
    print(f"{name:16} losses differ by {loss:.0e}, weights by {weight:.0e}")
    assert max(loss, weight) < 1e-5
assert lost is None
assert runs["killed, resumed"]["first"] == 1

# %% [markdown]
# ## With a GPU
#
# There are two ways to use GPUs, and both need a build of JAX for GPUs:
#
# - **One training run on all GPUs of a machine.** One process is enough. It sees all GPUs, and
#   `DataParallel` divides each batch among them. The script stays as it is.
# - **Several training runs on one GPU.** A small circuit leaves most of a GPU idle, so several
#   processes can share it, for example one for each seed. By default a JAX process takes three
#   quarters of the GPU's memory. The environment variable `XLA_PYTHON_CLIENT_MEM_FRACTION` sets
#   another share.
#
# Two processes on one GPU can't share *one* training run, because JAX sums gradients only over
# processes that have a GPU each.
#
# The next cell does both if JAX finds a GPU. **For this page it was run on a machine without a
# GPU**, as its output says.

# %%
QUESTION = "import jax; print(sum(device.platform == 'gpu' for device in jax.devices()))"
answer = subprocess.run([sys.executable, "-c", QUESTION], capture_output=True, text=True)
n_gpus = int(answer.stdout or 0)
if n_gpus:
    run = start("gpu", 1, JAX_PLATFORMS="cuda")
    print(f"{run['devices']} GPUs, losses", np.round(run["losses"], 4))

    from concurrent.futures import ThreadPoolExecutor

    def on_a_share(seed):
        """Returns the losses of a seed, trained on 40 % of the GPU's memory."""
        share = {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.4"}
        return start(f"seed-{seed}", 1, seed=seed, CUDA_VISIBLE_DEVICES="0", **share)["losses"]

    with ThreadPoolExecutor(2) as pool:
        for seed, losses in enumerate(pool.map(on_a_share, range(2))):
            print("seed", seed, "on a shared GPU, losses", np.round(losses, 4))
else:
    print("not run here: JAX finds no GPU on this machine")

# %% [markdown]
# **To take away.** A hybrid model trains data-parallel like any Keras model. Give each process its
# part of each batch, and write backups that are always whole. The example is too small to be faster
# with two processes; a large batch or many qubits may be.

# %% [markdown]
# ## What to try next
#
# - [Train on many devices](../docs/guides/train-on-many-devices.md): clusters with SLURM or Ray,
#   and what was run there.
# - [Choose an engine](../docs/guides/choose-an-engine.md): which engines run on GPUs.
# - [Speed](08_speed.ipynb): what a training step costs on one machine.
#
# ## Exercises
#
# **1.** Which samples does the second of two processes take from the first two batches of 32?
#
# <details><summary>Answer</summary>
#
# The second half of each batch.
#
# ```python
# mine = np.arange(128).reshape(-1, 2, 16)[:, 1].ravel()
# print(mine[:32])
# assert mine[:32].tolist() == [*range(16, 32), *range(48, 64)]
# ```
#
# </details>
#
# **2.** Why does the script write `unfinished.npz` first? Say what could happen if it wrote
# `backup.npz` at once, and show that half a file can't be read.
#
# <details><summary>Answer</summary>
#
# A process that is killed while it writes leaves half a file. Then the old backup is gone, and the
# new one is of no use. `os.replace` gives the new file its name in one step.
#
# ```python
# whole = (FOLDER / "lost" / "backup.npz").read_bytes()
# (FOLDER / "half.npz").write_bytes(whole[: len(whole) // 2])
# try:
#     np.load(FOLDER / "half.npz")
# except Exception as error:
#     print(type(error).__name__, error)
# else:
#     raise AssertionError("half a backup was read")
# ```
#
# </details>
