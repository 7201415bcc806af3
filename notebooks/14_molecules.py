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
# # Molecules
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/14_molecules.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/14_molecules.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How a circuit learns the energy of a molecule, with the energy itself as the
# loss, and how close it comes to the exact energy, with and without shots and noise.
#
# **Running time:** about a minute on two cores.
#
# The energies of a molecule are the eigenvalues of a matrix, the *Hamiltonian*. The lowest one is
# the energy of the *ground state*, the state in which the electrons settle. A circuit prepares a
# state of the electrons. The mean energy of any state is at least the lowest energy, so the energy
# itself can be the loss that trains the circuit's weights. This method is called the *variational
# quantum eigensolver*. Here it is a Keras model without features, trained by `fit`. For the words
# *qubit*, *shots* and *noise* see the [glossary](../docs/glossary.md).
#
# The result in short: **a classical program solves every molecule here exactly, in less time**.
# What we learn is how close each circuit comes, and how much shots and noise change the result.
#
# This notebook needs OpenFermion and PySCF: `pip install "qkeras-hybrid[chemistry]"`.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid[chemistry] @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

# %%
import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import qkeras_hybrid as qh
from qkeras_hybrid import chemistry, plot

# TensorFlow warns when many small models are trained one after the other.
logging.getLogger("tensorflow").setLevel("ERROR")

# %% [markdown]
# ## The Hamiltonian
#
# *Hartree-Fock* is a fast approximation that finds the orbitals, the places of the electrons. An
# orbital has room for two electrons, one of each spin. Each of these two places is full or empty,
# so it becomes a qubit. The orbitals are built from a *basis*, a fixed set of functions. In the
# smallest one H2 has two orbitals, so it has four qubits. The Hamiltonian is a sum of products of
# X, Y and Z on these qubits, called Pauli strings. Energies are in *hartree*, the unit of
# chemistry. *FCI* is the exact energy in this basis.

# %%
hydrogen = chemistry.electrons("H2", bond_length=0.7414)
print(hydrogen.hamiltonian)
print(f"Hartree-Fock  {hydrogen.hf_energy:.10f} hartree")
print(f"exact (FCI)   {hydrogen.fci_energy:.10f} hartree")

# %% [markdown]
# The number of electrons of each spin does not change, and the molecule has mirror symmetries. For
# each of these symmetries one qubit is constant and can be left out, which is called tapering. For
# H2 one qubit is left.

# %%
rows = []
for name, length in (("H2", 0.7414), ("LiH", 1.45), ("BeH2", 1.334), ("H2O", 0.958)):
    for taper in (False, True):
        found = chemistry.electrons(name, bond_length=length, taper=taper)
        terms = len(found.hamiltonian)
        rows.append({"molecule": name, "tapered": taper, "qubits": found.n_qubits, "terms": terms})
pd.DataFrame(rows).pivot(index="molecule", columns="tapered", values=["qubits", "terms"])

# %% [markdown]
# ## The ground state
#
# The circuit UCCSD (unitary coupled cluster with single and double excitations) starts from the
# Hartree-Fock state and moves one or two electrons at a time. Each move has a weight. LiH has 12
# qubits and 92 such weights.

# %%
lithium = chemistry.ground_state("LiH", bond_length=1.45, ansatz="uccsd")
print(lithium)
lithium.model.summary()

# %%
figure = plot.Picture(figsize=(6, 3.2), layout="constrained")
axis = figure.subplots()
plot.training(lithium.history - lithium.fci_energy, log=True, ax=axis)
axis.axhline(chemistry.CHEMICAL_ACCURACY, color="gray", linestyle="--")
axis.text(60, 1.9e-3, "chemical accuracy", color="gray")
axis.set(xlabel="step", ylabel="energy above FCI, hartree", title="LiH, UCCSD, 12 qubits")
figure

# %% [markdown]
# Training stops when thirty steps in a row have not lowered the energy. The small error that is
# left comes from the circuit: it makes its moves one after the other, and never moves three
# electrons at once. *Chemical accuracy*, 0.0016 hartree, is the error that chemists aim for.
#
# ## Which circuit?
#
# We compare circuits on a chain of four hydrogen atoms. At one distance the chain is near its best
# shape. At the other it is pulled apart, and its four electrons depend on each other most.

# %%
rows = []
for length in (0.9, 2.0):
    chain = chemistry.electrons("H4", bond_length=length)
    for ansatz in ("hartree_fock", "uccsd", "k_upccgsd", "hardware_efficient"):
        found = chemistry.ground_state(chain, ansatz=ansatz, seed=0)
        rows.append(
            {
                "distance": length,
                "ansatz": ansatz,
                "weights": len(found.weights),
                "above FCI": found.deviation,
            }
        )
pd.DataFrame(rows).pivot(index=["ansatz", "weights"], columns="distance", values="above FCI")

# %% [markdown]
# UCCSD reaches chemical accuracy near the best distance, and misses it where the chain is pulled
# apart. `k_upccgsd`, another circuit of moves, has fewer weights and larger errors.
# `hardware_efficient` is a circuit that was not made for electrons. It has more than twice as many
# weights as UCCSD, and it removes less than half of the error of Hartree-Fock.
#
# ## With shots and noise
#
# Shots, noise and the engine are arguments. We take the trained weights, and estimate the energy
# from 100 to 10,000 shots for each group of Pauli strings. Then we compute it with depolarizing
# noise: after each gate, each of its qubits gets a random X, Y or Z, with the probability in the
# table.

# %%
exact = chemistry.ground_state("H2", bond_length=0.7414)
rows = {"exact": exact.energy}
for shots in (100, 1000, 10000):
    found = chemistry.ground_state(
        "H2", bond_length=0.7414, shots=shots, steps=1, seed=0, weights=exact.weights
    )
    rows[f"{shots} shots"] = found.history[0]
for rate in (0.0001, 0.001, 0.01):
    found = chemistry.ground_state(
        "H2",
        bond_length=0.7414,
        noise=f"depolarizing:{rate}",
        steps=1,
        weights=exact.weights,
    )
    rows[f"noise {rate}"] = found.history[0]
pd.Series(rows, name="energy").to_frame().assign(off=lambda table: table.energy - exact.fci_energy)

# %% [markdown]
# With shots, an estimate can lie below the exact energy, as with 100 and 1000 shots here: its
# random error goes both ways. With noise, the energy is always too high. A noise of 0.0001 is
# enough to miss chemical accuracy.
#
# After tapering, one qubit and one rotation are left. The same noise does less harm there, because
# there are fewer gates:

# %%
small = chemistry.ground_state(
    "H2", bond_length=0.7414, taper=True, optimizer=qh.optimizers.Rotosolve(), steps=2
)
noisy = chemistry.ground_state(
    "H2",
    bond_length=0.7414,
    taper=True,
    noise="depolarizing:0.01",
    steps=1,
    weights=small.weights,
)
print(small, "after", len(small.history) - 1, "steps")
print(f"with noise 0.01: {noisy.history[0] - exact.fci_energy:+.4f} hartree")

# %% [markdown]
# ## Excited states
#
# An excited state has a higher energy than the ground state. `excited_states` looks for the lowest
# energy among the states that have no overlap with the states found before.

# %%
states = chemistry.excited_states("H2", bond_length=0.7414, k=3)
pd.DataFrame({"found": states.energies, "exact": states.exact_energies})

# %% [markdown]
# ## Angles from geometry
#
# So far, each bond length needs a training run of its own. Instead, a small Dense network can
# predict the circuit's angles from the bond length. Its loss is the mean energy of a few bond
# lengths, so it never sees an exact energy. We compare it with fits to the exact energies at the
# same bond lengths.

# %%
TRAIN = [0.5, 0.8, 1.1, 1.5, 2.0]
BETWEEN = [0.6, 0.7, 0.9, 1.0, 1.3, 1.7]
BEYOND = [0.4, 2.2, 2.5]
table = chemistry.curve_study("H2", TRAIN, between=BETWEEN, beyond=BEYOND, seeds=(0, 1), steps=600)
table.groupby("contender", sort=False)[["train", "between", "beyond"]].mean() * 1000

# %% [markdown]
# The numbers are mean absolute errors in thousandths of a hartree. The circuit has the smallest
# errors between the trained bond lengths and beyond them. The reason is that it knows more: at each
# new bond length, Hartree-Fock is solved first, and the circuit gets the Hamiltonian. The spline of
# the correlation energy (the exact energy minus that of Hartree-Fock) also uses Hartree-Fock, so it
# is the fit to compare with. For LiH (`benchmarks/chemistry`), the circuit is best between the
# trained bond lengths, and beyond them a cubic spline is as good.

# %% alt="Energy against bond length: the circuit's dots on the exact curve, Hartree-Fock above."
curve = chemistry.energy_curve("H2", np.arange(4, 26) / 10)
known = chemistry.energy_curve("H2", TRAIN)
model = chemistry.angles_model(known, seed=0)
chemistry.fit_angles(model, known, steps=600)
predicted = np.ravel(model(curve.inputs))

plt.figure(figsize=(6, 3.6))
plt.plot(curve.bond_lengths, curve.fci_energies, label="exact (FCI)")
plt.plot(curve.bond_lengths, curve.hf_energies, "--", label="Hartree-Fock")
plt.plot(curve.bond_lengths, predicted, ".", label="circuit, predicted angles")
plt.plot(known.bond_lengths, known.fci_energies, "k|", markersize=14, label="trained here")
plt.xlabel("bond length, Å")
plt.ylabel("energy, hartree")
plt.legend()
plt.tight_layout()

# %% [markdown]
# **To take away.** A circuit that is made for electrons comes close to the exact energy, and the
# same model runs with shots and noise. On these molecules the classical program is exact and
# faster.

# %% [markdown]
# ## What to try next
#
# - [Quantum data](15_quantum_data_and_frontiers.ipynb): tasks in which the samples are states.
# - [Molecules](../docs/guides/molecules.md): all molecules, circuits and mappings.
# - [What we found](../docs/what-was-found.md#molecules): the results of our studies.
#
# ## Exercises
#
# **1.** Find the bond length at which H2 has the lowest exact energy, to 0.01 ångström.
#
# <details><summary>Answer</summary>
#
# ```python
# lengths = np.round(np.arange(0.70, 0.80, 0.01), 2)
# energies = [chemistry.electrons("H2", bond_length=length).fci_energy for length in lengths]
# best = lengths[np.argmin(energies)]
# print(f"{best} Å, {min(energies):.6f} hartree")
# assert best == 0.73 or best == 0.74
# ```
#
# </details>
#
# **2.** Hartree-Fock is exact for one electron. What share of the energy of H2 does it miss at 0.74
# and at 2.0 ångström?
#
# <details><summary>Answer</summary>
#
# ```python
# for length in (0.74, 2.0):
#     found = chemistry.electrons("H2", bond_length=length)
#     missed = found.hf_energy - found.fci_energy
#     print(f"{length} Å: {missed:.4f} hartree, {missed / -found.fci_energy:.1%}")
# ```
#
# It misses 1.8 % at 0.74 ångström, and 17.4 % at 2.0. When the atoms are far apart, each electron
# stays at one atom, and Hartree-Fock can't describe that.
#
# </details>
