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
# # Quantum data, and fewer parameters
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/15_quantum_data_and_frontiers.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/15_quantum_data_and_frontiers.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** A comparison of a circuit that works on quantum states with networks that get
# measurements of the same states, and how to find out whether a circuit needs fewer parameters.
#
# **Running time:** about 2 minutes on two cores.
#
# On ordinary data, there is no reason to expect that a circuit does better. Here the data are
# quantum: a sample is the state of several qubits. A circuit can take the state as it is. A network
# gets what a laboratory measured of the state. Does the circuit do better, and by how much? The
# words *qubit*, *state*, *observable* and *entanglement* are in the
# [glossary](../docs/glossary.md).

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

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from qkeras_hybrid import PQC, datasets, set_engine
from qkeras_hybrid.bench import models, run_task, runner
from qkeras_hybrid.bench.on_states import exact_qcnn
from qkeras_hybrid.bench.report.frontiers import sentence
from qkeras_hybrid.bench.statistics.frontiers import frontiers
from qkeras_hybrid.datasets import quantum

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Ground states
#
# Our states come from chains of *spins*, which are qubits that act on their neighbours. The
# *Hamiltonian* is the matrix whose eigenvalues are the chain's energies, and the *ground state* is
# the state with the lowest energy. It depends on a magnetic field. At a certain field the
# properties of the state change quickly, which is called a phase transition. `ground_states`
# computes the states exactly. The first chain is the Ising ring: a ring of spins in which each acts
# on its two neighbours along Z, and the field points along X. There is a formula for its energy,
# with which we check the result.

# %% alt="Two means against the field. That of Z0 Z1 falls from 1, that of X0 rises to almost 1."
fields = np.linspace(0.1, 2, 20)
states, energies = quantum.ground_states("ising", np.stack([np.ones(20), fields], axis=1), 8)
known = [quantum.ising_energy(1.0, field, 8) for field in fields]
print("largest difference of energies:", np.abs(energies - known).max())

names, values = quantum.expectation_values(states, None)
for name in ("Z0*Z1", "X0"):
    plt.plot(fields, values[:, names.index(name)], label=f"<{name.replace('*', ' ')}>")
plt.axvline(1, color="gray", ls=":", label="transition of the endless ring")
plt.xlabel("field")
plt.legend()
plt.show()

# %% [markdown]
# ## What a lab sees
#
# A laboratory has a number of copies of a state, and can measure each copy once. For a *classical
# shadow*, each qubit of each copy is measured along a random axis: X, Y or Z. From this one record
# all observables of a few qubits can be estimated. The estimates are right on average, and with
# four times as many copies their error is half as large.

# %% alt="Estimates of Z0 Z1 from 30, 300 and 3000 copies. They scatter less with more copies."
rng = np.random.default_rng(0)
strings = quantum.local_strings(8)
exact = values[:, names.index("Z0*Z1")]
for shots in (30, 300, 3000):
    bases = rng.integers(3, size=(20, shots, 8))
    shadow = quantum.shadow_values(bases, quantum.measure(states, bases, rng))
    plt.plot(fields, shadow[:, strings.index("Z0*Z1")], ".", label=f"{shots} copies")
plt.plot(fields, exact, color="black", lw=1, label="exact")
plt.xlabel("field")
plt.ylabel("<Z0 Z1>")
plt.legend()
plt.show()

# %% [markdown]
# ## A network that knows its phase
#
# The cluster-Ising chain has two parameters, $h_1$ and $h_2$. For some of their values it is in a
# *topological phase*. No observable of a few neighbouring qubits is zero outside this phase and
# nonzero inside it. Cong, Choi and Lukin (2019) found a quantum convolutional network that
# recognises this phase without training. `exact_qcnn` is that network. With nine sites it measures
# what physicists call a string order parameter. The red lines are the boundaries of the phase in an
# infinitely long chain.

# %% alt="The value of the network over h1 and h2: high between the red boundaries, else near 0."
h1, h2 = np.linspace(0.02, 1.6, 17), np.linspace(-1.6, 1.6, 33)
points = np.array([[1.0, a, b] for a in h1 for b in h2])
chains, _ = quantum.ground_states("cluster", points, 9)
circuit, observable = exact_qcnn(9)
network = PQC(circuit, observable, encoding="amplitude")
found = keras.ops.convert_to_numpy(network(chains.astype("float32"))).reshape(17, 33)

plt.pcolormesh(h1, h2, found.T, vmin=0, vmax=1)
plt.colorbar(label="value of the network")
for side in quantum.cluster_boundaries(h1):
    plt.plot(h1, side, color="tab:red", lw=2)
plt.xlabel("$h_1 / J$")
plt.ylabel("$h_2 / J$")
plt.show()

# %% [markdown]
# ## A circuit on states, compared with networks on shadows
#
# Now models learn from labelled samples whether a state is in the topological phase. The hybrid
# model starts with the state, and has two layers with weights on eight qubits. It estimates its
# answer from as many copies as the laboratory measured. A Dense network and gradient boosting get
# the classical shadow of the same samples: estimates of all products of X, Y and Z on up to three
# neighbouring qubits.
#
# `split` standardises the features from shadows, and leaves the amplitudes of states as they are.


# %%
def compiled(model):
    """Returns a model that is ready to train."""
    model.compile(
        keras.optimizers.Adam(0.03), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def accuracy(model, x, y):
    """Returns the share of samples that a model names right."""
    return (keras.ops.convert_to_numpy(model(x)).argmax(axis=1) == y).mean()


def load(shots):
    """Returns states and shadows of the same samples, split alike."""
    data = {"name": "cluster_phases", "n_samples": 160, "n_qubits": 8}
    data |= {"lab": "shadows", "shots": shots, "test_size": 0.5}
    dataset, states = datasets.prepare(data, seed=0)
    return dataset, states, datasets.prepare(data, seed=0, lab=True)[1]


dataset, on_states, _ = load(30)
hybrid = compiled(models.build({"name": "circuit_on_states", "n_layers": 2}, dataset))
hybrid.fit(on_states.x_train, on_states.y_train, epochs=30, batch_size=16, verbose=0)
print("trainable parameters:", hybrid.count_params())
print("accuracy from exact values:", accuracy(hybrid, on_states.x_test, on_states.y_test))

# %% alt="Accuracy against copies. The hybrid leads up to 300 copies; at 1000 all are close."
copies = (30, 100, 300, 1000)
scores = {"hybrid on states": [], "Dense on shadows": [], "gradient boosting on shadows": []}
for shots in copies:
    _, _, lab = load(shots)
    measured = set_engine(hybrid, "auto", shots=shots)
    scores["hybrid on states"].append(accuracy(measured, on_states.x_test, on_states.y_test))
    keras.utils.set_random_seed(0)
    width = lab.x_train.shape[1]
    dense = compiled(
        keras.Sequential(
            [
                keras.Input((width,)),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(2, activation="softmax"),
            ]
        )
    )
    dense.fit(lab.x_train, lab.y_train, epochs=30, batch_size=16, verbose=0)
    scores["Dense on shadows"].append(accuracy(dense, lab.x_test, lab.y_test))
    trees = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    trees.fit(lab.x_train, lab.y_train)
    scores["gradient boosting on shadows"].append(trees.score(lab.x_test, lab.y_test))

for name, values in scores.items():
    plt.plot(copies, values, "o-", label=name)
plt.xscale("log")
plt.xlabel("copies of each state")
plt.ylabel("accuracy on the test part")
plt.legend()
plt.show()

# %% [markdown]
# With 30 to 300 copies of each state, the hybrid is the most accurate. With 1000 copies, the three
# differ little. The networks can learn the phase from observables of a few qubits because all
# samples are from one kind of chain, in which these observables change with $h_1$ and $h_2$.
#
# Read this picture with care. The models use the same number of copies for an answer, but not for
# training: the hybrid was trained on exact values, and on a quantum computer each training step
# would need more copies. Also, the hybrid can answer only this question, while a shadow can answer
# questions that come later. And one split of one data set proves nothing. The suite `quantum_data`
# (`qkeras-hybrid run quantum_data`) has eight splits of all six data sets, tuned references, and
# intervals.

# %% [markdown]
# ## Two copies at once
#
# Some questions are hard to answer from single copies: are the two halves of a state entangled? In
# `entangled_pairs` the states of both classes are random. Averaged over the samples of a class, an
# observable of a single copy has the same mean in both classes, so it can't tell them apart. With
# two copies there is one that can: swap one half of the first copy with that of the second. Its
# mean is called the *purity* of the half. It is 1 if the halves are not entangled, and smaller if
# they are.

# %% alt="The purity is 1 for all product states, and between 0.3 and 0.8 for the entangled ones."
pairs = datasets.load("entangled_pairs", n_samples=200)
swap = models.build({"name": "two_copy_test"}, pairs).layers[0]
purity = keras.ops.convert_to_numpy(swap(pairs.x))[:, 0]
for label, name in enumerate(("product", "entangled")):
    plt.hist(purity[pairs.y == label], np.linspace(-0.025, 1.075, 23), alpha=0.7, label=name)
plt.xlabel("purity of a half, from the test on two copies")
plt.legend()
plt.show()

# %% [markdown]
# ## Fewer parameters?
#
# The other hope is the same accuracy with fewer parameters. One size of a model can't test it. A
# *frontier* trains each model at several sizes, and asks how many parameters each of them needs for
# a score. The data below suit the circuit: noisy values of a function that is a sum of six waves. A
# circuit that takes its input `n` times computes a sum of `n` waves, and it can learn their
# frequencies (*data re-uploading*).
#
# We compare it with a Dense network of each size (`dense_same_parameters`), with a linear layer on
# such waves with fixed frequencies (`fourier_features`), and with the same circuit where the input
# enters only once (`single_upload`).

# %% alt="R² against parameters: the hybrid is highest from 16 on, single upload stays near 0."
rows = []
for n_layers in (2, 4, 8, 12):
    tasks, _ = runner.plan(
        data={"name": "periodic_series", "n_features": 1, "degree": 6},
        model={"name": "reuploading", "n_qubits": 1, "n_layers": n_layers},
        training={"epochs": 100, "batch_size": 32, "learning_rate": 0.05, "patience": 20},
        seeds=range(6),
        contenders=["hybrid", "dense_same_parameters", "fourier_features", "single_upload"],
        size={"n_layers": n_layers},
    )
    rows += [run_task(task, fast=True) for task in tasks]

(found,) = frontiers(rows)
for front in found.fronts["parameters"]:
    points = front.points
    x, y = [p.cost for p in points], [p.mean for p in points]
    ends = [[p.mean - p.low for p in points], [p.high - p.mean for p in points]]
    plt.errorbar(x, y, ends, marker="o", capsize=3, label=front.contender)
plt.xlabel("trainable parameters")
plt.ylabel("R² on the test part")
plt.legend()
plt.show()
print(sentence(found))

# %% [markdown]
# The circuit reaches a score that the networks of these sizes don't reach. Without re-uploading,
# the same circuit learns nothing: the gain comes from the waves. So there is a further question:
# how good is a model that is told that the data are a sum of six waves? Then the problem is linear,
# with 13 numbers, and least squares solves it:

# %%
scores = []
for seed in range(6):
    data = {"name": "periodic_series", "n_features": 1, "degree": 6}
    _, split = datasets.prepare(data, seed)
    # `prepare` has divided the phases, uniform between -pi and pi, by about pi / sqrt(3).
    train, test = (x * np.pi / np.sqrt(3) * np.arange(7) for x in (split.x_train, split.x_test))
    columns = [np.concatenate([np.cos(p), np.sin(p[:, 1:])], axis=1) for p in (train, test)]
    fitted, *_ = np.linalg.lstsq(columns[0], split.y_train, rcond=None)
    rest = split.y_test - columns[1] @ fitted
    scores.append(1 - (rest**2).sum() / ((split.y_test - split.y_test.mean()) ** 2).sum())
print(f"least squares with 13 numbers: R² {np.mean(scores):.3f}")

# %% [markdown]
# Least squares is as good as the largest circuit, with a third of the numbers. A circuit can have
# the right form for the data, and then it needs fewer parameters than a network without that form.
# But whoever knows the form can use it directly. The suite `frontier` asks this on all data sets,
# with tuned contenders: [what we found](../docs/what-was-found.md).

# %% [markdown]
# ## What to try next
#
# - [One GPU, several processes](16_many_devices.ipynb): the same training on many devices.
# - [Learn from quantum data](../docs/guides/quantum-data.md): all data sets, views and models.
# - [Find out whether fewer parameters suffice](../docs/guides/fewer-parameters.md): frontiers of
#   your own models.
# - [What we found](../docs/what-was-found.md#on-quantum-data-the-circuit-can-have-an-edge): the
#   results with intervals.
#
# ## Exercises
#
# **1.** In the Ising ring, what is $\langle Z_0 Z_1 \rangle$ with almost no field and with a very
# large one?
#
# <details><summary>Answer</summary>
#
# With almost no field all neighbours agree, and the mean is nearly 1. A large field along X makes
# each Z random, and the mean goes to 0.
#
# ```python
# limits, _ = quantum.ground_states("ising", np.array([[1.0, 1e-3], [1.0, 100.0]]), 8)
# means = quantum.expectation_values(limits, None)[1][:, names.index("Z0*Z1")]
# print(means.round(3))
# assert means[0] > 0.99 and abs(means[1]) < 0.01
# ```
#
# </details>
#
# **2.** How many copies does a shadow need for the same error as direct measurements of
# $\langle Z_0 Z_1 \rangle$?
#
# <details><summary>Answer</summary>
#
# Nine times as many, if $\langle Z_0 Z_1 \rangle$ is near 0. Both qubits are measured along Z in
# one of nine copies, and only these copies count.
#
# ```python
# bases = rng.integers(3, size=(1, 9000, 2))
# hits = (bases == 2).all(axis=2).mean()
# print(f"both along Z in {hits:.3f} of the copies, 1/9 = {1 / 9:.3f}")
# assert abs(hits - 1 / 9) < 0.02
# ```
#
# </details>
