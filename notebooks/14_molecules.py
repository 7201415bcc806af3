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
# The energy of a molecule is the lowest eigenvalue of its Hamiltonian. A circuit prepares a state
# of its electrons, the mean energy of that state is never below the lowest one, and so the
# circuit's weights can be trained: the energy itself is the loss. That is the variational quantum
# eigensolver, and here it is a Keras model without features, trained with `fit`.
#
# To say it first: **every molecule here is solved exactly by a classical program in less time**.
# What the circuits tell is which of them come how far, and what shots and noise leave of it.
#
# This needs OpenFermion and PySCF: `pip install "qkeras-hybrid[chemistry]"`. The notebook takes
# about a minute.

# %%
import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import qkeras_hybrid as qh
from qkeras_hybrid import chemistry

# TensorFlow warns when many small models are trained one after the other.
logging.getLogger("tensorflow").setLevel("ERROR")

# %% [markdown]
# ## The Hamiltonian
#
# Hartree-Fock finds orbitals. A spin orbital is full or empty, which is a qubit: H2 has two
# orbitals in the smallest basis, so four qubits. The Hamiltonian is a sum of Pauli strings.

# %%
hydrogen = chemistry.electrons("H2", bond_length=0.7414)
print(hydrogen.hamiltonian)
print(f"Hartree-Fock  {hydrogen.hf_energy:.10f} hartree")
print(f"exact (FCI)   {hydrogen.fci_energy:.10f} hartree")

# %% [markdown]
# The numbers of electrons of each spin do not change, and the molecule has mirrors. Each of these
# symmetries makes one qubit constant, so that it can be left out. For H2 a single qubit is left.

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
# UCCSD starts from the Hartree-Fock state and moves one or two electrons at a time, each move by
# a weight. LiH has 92 of them on 12 qubits.

# %%
lithium = chemistry.ground_state("LiH", bond_length=1.45, ansatz="uccsd")
print(lithium)
lithium.model.summary()

# %%
plt.figure(figsize=(6, 3.2))
plt.semilogy(lithium.history - lithium.fci_energy)
plt.axhline(chemistry.CHEMICAL_ACCURACY, color="gray", linestyle="--")
plt.text(60, 1.9e-3, "chemical accuracy", color="gray")
plt.xlabel("step")
plt.ylabel("energy above FCI, hartree")
plt.title("LiH, UCCSD, 12 qubits")
plt.tight_layout()

# %% [markdown]
# Adam stops when thirty steps have gained nothing. The little that is left is the ansatz's: its
# excitations come one after the other, and there are no triple ones.
#
# ## Which circuit?
#
# A chain of four hydrogen atoms, near its best distance and pulled apart, where all four
# electrons are needed at once.

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
# UCCSD is below chemical accuracy, 0.0016 hartree, near the best distance, and above it where the
# chain is pulled apart. The template that knows nothing of electrons has more than twice as many
# weights, and comes less than half of the way from Hartree-Fock.
#
# ## On another coprocessor
#
# Shots, noise and the engine are arguments. The exact weights, read by 1,000 measurements of each
# group of strings; and with a depolarizing channel after each gate:

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
# With symmetries tapered off, one qubit and one rotation are left. The same noise does less harm:

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
# The next state is the lowest that overlaps with none before it.

# %%
states = chemistry.excited_states("H2", bond_length=0.7414, k=3)
pd.DataFrame({"found": states.energies, "exact": states.exact_energies})

# %% [markdown]
# ## Angles from geometry
#
# A training for each bond length repeats itself. A small Dense network can predict the circuit's
# angles from the bond length instead, trained on the mean energy of a few geometries. It sees no
# exact energy; the fits beside it see nothing else.

# %%
TRAIN = [0.5, 0.8, 1.1, 1.5, 2.0]
BETWEEN = [0.6, 0.7, 0.9, 1.0, 1.3, 1.7]
BEYOND = [0.4, 2.2, 2.5]
table = chemistry.curve_study("H2", TRAIN, between=BETWEEN, beyond=BEYOND, seeds=(0, 1), steps=600)
table.groupby("contender", sort=False)[["train", "between", "beyond"]].mean() * 1000

# %% [markdown]
# In thousandths of a hartree, mean absolute errors. Between the points and beyond them the
# circuit's are the smallest. The reason is no secret: at each new bond length Hartree-Fock was
# solved, and the circuit has its Hamiltonian. The spline of the correlation energy knows nearly
# as much, and is the fit to compare with. For LiH in an active space, whose rows are in
# `benchmarks/chemistry`, the circuit is ahead between the points, and a plain cubic spline does
# as well as the circuit beyond them.

# %%
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
