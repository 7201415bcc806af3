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
# # Annealing and optimisation layers
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/11_optimisation.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/11_optimisation.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How to solve problems by annealing and QAOA, and how spins, a Boltzmann machine
# and decisions become parts of Keras models.
#
# **Running time:** about a minute on two cores.
#
# A *spin* is a number $s_i$ that is $+1$ or $-1$. A quantum annealer is a machine that looks for
# the spins with the least energy
#
# $$E(s) = \sum_i h_i s_i + \sum_{i<j} J_{ij} s_i s_j.$$
#
# The fields $h_i$ and the couplings $J_{ij}$ are given. A quantum computer with gates can look for
# these spins, too, by the algorithm QAOA. Here we use both in Keras models: as a solver, as a layer
# of spins, as a model of data, and as the decision behind a network that predicts costs. Everything
# is simulated here. To use a machine, you change one argument. The words *qubit*, *annealer* and
# *QUBO* are in the [glossary](../docs/glossary.md).

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
import networkx as nx
import numpy as np

from qkeras_hybrid import BoltzmannMachine, IsingLayer, QAOALayer, annealing, decisions
from qkeras_hybrid.annealing import SimulatedAnnealing, independent_set, maxcut, solve

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Problems, and several solvers
#
# The data are the members of a karate club, and who meets whom outside it (Zachary, 1977). How many
# of them can we invite so that no two guests know each other? Such a group is called a *maximum
# independent set*. The solver `exact` also proves that no group is larger.

# %%
club = nx.karate_club_graph()
problem = independent_set(club)
for solver in ("exact", "simulated_annealing", "tree_decomposition", "steepest_descent"):
    found = solve(problem, solver, seed=0)
    proved = "proved" if found.optimal else ""
    print(f"{solver:20} {-found.energy:.0f} guests in {1000 * found.seconds:7.1f} ms  {proved}")

# %% alt="The club as a graph. Its 20 guests are orange, and no edge joins two of them."
guests = [v for v, chosen in solve(problem, "exact").values.items() if chosen]
places = nx.spring_layout(club, seed=4)
figure, axis = plt.subplots(figsize=(6, 4))
colours = ["#c47900" if v in guests else "#c9ced6" for v in club]
nx.draw_networkx(
    club, places, ax=axis, node_color=colours, edge_color="#9aa1ab", node_size=230, font_size=8
)
axis.set_title(f"{len(guests)} guests, no two of whom know each other")
axis.axis("off")
plt.show()

# %% [markdown]
# An annealer can't take constraints. `to_qubo` turns each of them into a penalty so large that
# breaking the constraint never pays. The result is a QUBO, a sum of products of bits. To run it on
# D-Wave's machine, write `solver="qpu"`. You can also pass any `dimod.Sampler`.

# %%
qubo = problem.to_qubo()
print(problem, "becomes", qubo, "with a penalty of", problem.penalty())

# %% [markdown]
# ## What annealing does
#
# Simulated annealing flips spins at random. At first it accepts flips that raise the energy; as the
# temperature falls, it accepts fewer of them. A *sweep* tries each spin once, and a *read* is one
# result. With more sweeps the energies are lower. The problem here is a maximum cut: divide the 60
# nodes of a random graph into two parts so that many edges go from one part to the other.

# %% alt="Histograms of the energies after 3, 30 and 300 sweeps. More sweeps give lower energies."
graph = nx.random_regular_graph(3, 60, seed=1)
model = maxcut(graph).to_qubo()
figure, axis = plt.subplots(figsize=(6, 3))
for sweeps, colour in ((3, "#c9ced6"), (30, "#6a8fb5"), (300, "#0b57a4")):
    spins = SimulatedAnnealing(sweeps).sample(annealing.Batch.of([model]), 1000, seed=0)[0]
    energies = model.energies((spins + 1) // 2)
    axis.hist(
        energies, bins=np.arange(-82.5, -60, 1), color=colour, alpha=0.8, label=f"{sweeps} sweeps"
    )
axis.set(xlabel="energy (minus the number of edges cut)", ylabel="reads of 1000")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Spins as a layer
#
# `IsingLayer` gets the fields $h$ from the layer before it, and its weights are the couplings $J$.
# It samples spins and returns the mean of each. Its gradient is computed from the covariances of
# the same samples: $\partial\langle s_i\rangle/\partial h_j = -\beta\,\mathrm{Cov}(s_i, s_j)$,
# where $\beta$ is the inverse temperature.

# %%
x = np.random.default_rng(0).uniform(-1, 1, (400, 2)).astype("float32")
y = (x[:, :1] * x[:, 1:] > 0).astype("float32")


def classifier(annealer):
    """Returns a model of eight spins between two Dense layers."""
    layers = [
        keras.Input((2,)),
        keras.layers.Dense(8),
        IsingLayer(annealer=annealer, reads=200, seed=0),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    built = keras.Sequential(layers)
    built.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    return built


for annealer in ("exact", SimulatedAnnealing(sweeps=50)):
    keras.utils.set_random_seed(0)
    spins = classifier(annealer)
    spins.fit(x, y, epochs=40, verbose=0)
    print(f"accuracy {spins.evaluate(x, y, verbose=0)[1]:.3f} with annealer={annealer!r}")

# %% [markdown]
# `annealer="exact"` computes the means without noise, by a sum over all states, and takes up to 16
# spins. Sampled means are noisy, like those of a machine, and the model trains all the same. With
# `Dense(8, activation="relu")` in place of the spins, the same model reaches an accuracy of 0.99.

# %% [markdown]
# ## A Boltzmann machine
#
# Spins can also be a model of data. `BoltzmannMachine` is a layer that trains on the likelihood of
# the data, without labels. A common test is bars and stripes of 3 x 3 pixels. There are 14 such
# patterns, so the best model has a negative log-likelihood of $\ln 14$.

# %%
rows = [np.tile([(k >> i) & 1 for i in range(3)], (3, 1)) for k in range(8)]
patterns = np.unique([p.ravel() for row in rows for p in (row, row.T)], axis=0).astype("float32")
machine = BoltzmannMachine(16, seed=1)
model = keras.Sequential([keras.Input((9,)), machine])
model.compile(keras.optimizers.Adam(0.05))
model.fit(np.tile(patterns, (100, 1)), epochs=4, batch_size=14, shuffle=False, verbose=0)
print(f"{len(patterns)} patterns, ln 14 = {np.log(14):.3f}")
print(f"negative log-likelihood: {-machine.log_likelihood(patterns).mean():.3f}")

# %% alt="Twenty patterns of 3 by 3 pixels drawn from the machine: bars and stripes."
figure, axes = plt.subplots(2, 10, figsize=(6, 1.5))
for axis, sample in zip(axes.ravel(), machine.sample(20, seed=0), strict=True):
    axis.imshow(sample.reshape(3, 3), cmap="Greys", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
figure.suptitle("drawn from the machine")
plt.show()

# %% [markdown]
# ## A network that is trained on its decision
#
# A network predicts the costs of the edges of a grid, and then the shortest path by these costs is
# taken. What matters is how much more this path really costs than the best one. This is the
# *regret*. The true costs are not linear in the features, and both models are linear. One is
# trained on the squared error of the costs, the other on the decision, by the SPO+ loss (Elmachtoub
# and Grigas, 2022).

# %%
grid = decisions.GridShortestPath(5, 5)
x, costs = decisions.shortest_path_data(600, degree=6, noise_width=0.5, seed=1)
train, test = slice(0, 300), slice(300, 600)
regrets = {}
for name, loss in (("squared error", "mse"), ("SPO+", decisions.SPOPlus(grid))):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(grid.n_costs)])
    model.compile(keras.optimizers.Adam(0.03), loss)
    model.fit(
        x[train],
        decisions.targets(grid, costs[train]) if loss != "mse" else costs[train],
        epochs=20,
        verbose=0,
    )
    predicted = model.predict(x[test], verbose=0)
    regrets[name] = decisions.regret(grid, costs[test], predicted)
    print(
        f"{name:14} mean squared error {np.mean((predicted - costs[test]) ** 2):6.2f}, "
        f"regret {regrets[name]:.1%}"
    )

# %% [markdown]
# The second model predicts the costs worse but chooses better paths. If the decision itself is the
# input of further layers, use `DecisionLayer(grid)`. The guide [Train through
# decisions](../docs/guides/train-through-decisions.md) has both.

# %% [markdown]
# ## QAOA
#
# `QAOALayer` starts with all states at the same amplitude. Each of its layers multiplies every
# state by a phase, a complex number of size 1 whose angle is proportional to the state's energy,
# and then mixes the states. On graphs in which each node has three edges and that have no
# triangles, one layer cuts 0.6924 of the edges on average, with angles that are known beforehand
# (Farhi et al., 2014).

# %% alt="The part of the edges cut grows from 0.69 to 0.78 in six layers; the maximum is 0.8."
petersen = nx.petersen_graph()
cut = annealing.Ising({v: 0.0 for v in petersen}, {edge: 0.5 for edge in petersen.edges})
parts = []
for n_layers in (1, 2, 3, 4, 6):
    layer = QAOALayer(cut, n_layers=n_layers, angles="fixed", output="energy")
    parts.append(0.5 - float(np.asarray(layer(np.zeros((1, 0))))[0, 0]) / len(petersen.edges))
best = -solve(maxcut(petersen), "exact").energy / len(petersen.edges)
print(f"one layer: {parts[0]:.6f}")
figure, axis = plt.subplots(figsize=(6, 3))
axis.plot((1, 2, 3, 4, 6), parts, "o-", color="#0b57a4", label="QAOA with fixed angles")
axis.axhline(best, linestyle="--", color="#444444", label="the maximum cut")
axis.set(xlabel="layers", ylabel="part of the edges that is cut", ylim=(0.6, 0.85))
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# This is the mean over all measurements. The best of a hundred measurements is the maximum cut, as
# the next cell shows. Simulated annealing finds it, too, in much less time. Reasons to use QAOA are
# that quantum computers can run it, and that its angles train together with the rest of a model.

# %%
for solver in ("qaoa", "simulated_annealing"):
    found = solve(maxcut(petersen), solver, seed=0)
    print(f"{solver:20} cuts {-found.energy:.0f} edges in {1000 * found.seconds:8.1f} ms")

# %% [markdown]
# **To take away.** Annealing and QAOA can be parts of Keras models like any other layer, with
# gradients. On the small problems here, an ordinary solver or a Dense layer does as well in less
# time.

# %% [markdown]
# ## What to try next
#
# - [Finance](12_finance.ipynb): options, volatility, portfolios, each beside the classical answer.
# - [Anneal, and put spins into a model](../docs/guides/anneal-and-optimise.md): problems, solvers
#   and machines.
# - [Use QAOA as a layer](../docs/guides/use-qaoa-as-a-layer.md): angles, constraints, warm starts.
#
# ## Exercises
#
# **1.** How many edges does the maximum cut of a ring of seven nodes have? Let `solve` find it, and
# explain the number.
#
# <details><summary>Answer</summary>
#
# ```python
# ring = nx.cycle_graph(7)
# found = solve(maxcut(ring), "exact")
# print(f"{-found.energy:.0f} of {len(ring.edges)} edges")
# assert -found.energy == 6
# ```
#
# If neighbours could always be in different parts, the parts would alternate around the ring. That
# needs an even number of nodes, so with seven at least one edge is not cut.
#
# </details>
#
# **2.** A single spin with field $h$ at inverse temperature $\beta$ has the mean $-\tanh(\beta h)$.
# Check it with an `IsingLayer` of one spin.
#
# <details><summary>Answer</summary>
#
# ```python
# layer = IsingLayer(annealer="exact")
# fields = np.linspace(-2, 2, 5, dtype="float32")[:, None]
# means = np.asarray(layer(fields))
# np.testing.assert_allclose(means, -np.tanh(layer.beta * fields), atol=1e-5)
# print(means.ravel().round(3))
# ```
#
# </details>
