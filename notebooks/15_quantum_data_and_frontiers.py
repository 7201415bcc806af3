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
# # Quantum data: a circuit on states beside networks on measurements
#
# On data that were never quantum, a circuit has to earn its place. Here the data are quantum by
# birth: a sample is a state. A circuit can take it as it is; a network gets what a lab measured. Is
# that an edge, and how large? This notebook takes a minute or two.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from qkeras_hybrid import PQC, datasets, set_engine
from qkeras_hybrid.bench import models
from qkeras_hybrid.bench.on_states import exact_qcnn
from qkeras_hybrid.datasets import quantum

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Ground states
#
# A chain of spins has a Hamiltonian, and its state of lowest energy changes its character with the
# field: a phase transition. `ground_states` diagonalises exactly. For the Ising ring the energy is
# known as a sum over free fermions, so that we can look whether it is right.

# %%
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
# A lab has copies of the state, and every copy can be measured once. In a classical shadow each
# copy is measured in random bases, and one record serves all local observables. The estimates
# are unbiased, and their error falls with the root of the number of copies.

# %%
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
# The cluster-Ising chain has a topological phase, which no local observable marks. Cong, Choi and
# Lukin (2019) wrote down a quantum convolutional network that recognises it, without training.
# `exact_qcnn` is that network. With nine sites it is what physicists call a string order parameter.
# The red lines are the phase boundaries of an endless chain.

# %%
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
# ## A circuit on states beside networks on shadows
#
# The same question, learned from labelled samples: topological or not? The hybrid has two trained
# layers on eight qubits, begins with the state, and reads its answer from as many copies as the
# lab measured. The others get the lab's shadow of the same samples, all Pauli strings on three
# neighbouring sites: a Dense network, and gradient boosting.
#
# Features from shadows are standardised by `split`; amplitudes are left as they are.


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

# %%
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
# Read it with care. The copies are equal for an answer, not for training: the hybrid was trained on
# exact values, and on hardware each step of its training would take copies again. It was trained
# for this question; a shadow is measured before anybody asks. And one split of one data set is
# no result: the suite `quantum_data` (`qkeras-hybrid run quantum_data`) has eight splits of all
# six data sets, tuned references, and intervals.

# %% [markdown]
# ## Two copies at once
#
# Here is a question that one copy answers badly: are the two halves of a state entangled? In
# `entangled_pairs` both classes are the same in the mean, so that no observable of a single copy
# tells them apart. Two copies have one that does: the swap of a half, whose mean is its purity.

# %%
pairs = datasets.load("entangled_pairs", n_samples=200)
swap = models.build({"name": "two_copy_test"}, pairs).layers[0]
purity = keras.ops.convert_to_numpy(swap(pairs.x))[:, 0]
for label, name in enumerate(("product", "entangled")):
    plt.hist(purity[pairs.y == label], np.linspace(-0.025, 1.075, 23), alpha=0.7, label=name)
plt.xlabel("purity of a half, from the test on two copies")
plt.legend()
plt.show()
