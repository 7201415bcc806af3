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
# A quantum annealer looks for the spins $s_i = \pm 1$ of least energy
#
# $$E(s) = \sum_i h_i s_i + \sum_{i<j} J_{ij} s_i s_j,$$
#
# and a gate-based processor can do the same by QAOA. This notebook puts both into Keras models: as
# a solver, as a layer of spins, as a model of data, and behind a network that predicts the costs of
# a decision. Everything runs by simulation; a machine takes its place by one argument. It takes
# about a minute.

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
# The members of a karate club, and who meets whom outside it (Zachary, 1977). How many of them can
# be invited so that no two know each other? That is a maximum independent set.

# %%
club = nx.karate_club_graph()
problem = independent_set(club)
for solver in ("exact", "simulated_annealing", "tree_decomposition", "steepest_descent"):
    found = solve(problem, solver, seed=0)
    proved = "proved" if found.optimal else ""
    print(f"{solver:20} {-found.energy:.0f} guests in {1000 * found.seconds:7.1f} ms  {proved}")

# %%
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
# An annealer knows no constraints. `to_qubo` makes each of them a penalty, just large enough that
# no gain outweighs it. For D-Wave's machine, write `solver="qpu"`, or give any `dimod.Sampler`.

# %%
qubo = problem.to_qubo()
print(problem, "becomes", qubo, "with a penalty of", problem.penalty())

# %% [markdown]
# ## What annealing does
#
# Simulated annealing flips spins at random, and seldom upwards in energy once it is cold. The more
# sweeps, the lower the energies. Here are a thousand reads of a cut of a random graph of 60 nodes.

# %%
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
# `IsingLayer` takes the fields $h$ from the network before it, and has the couplings $J$ as its
# weights. It returns the mean of each spin. Its gradient comes from the covariances of the same
# samples: $\partial\langle s_i\rangle/\partial h_j = -\beta\,\mathrm{Cov}(s_i, s_j)$.

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
    print(f"{spins.evaluate(x, y, verbose=0)[1]:.3f} of the samples are told by {annealer!r}")

# %% [markdown]
# With `annealer="exact"` all states are summed: no noise, up to 16 spins. Sampled means are noisy,
# as those of a machine are, and training copes with that. A Dense layer of the same width solves
# this task as well, and faster: what the spins cost is the point of the comparison, not a secret.

# %% [markdown]
# ## A Boltzmann machine
#
# The same spins as a model of data: `BoltzmannMachine` trains itself by the likelihood. Bars and
# stripes of 3 x 3 pixels are the classical test: 14 patterns, so that the best model has a negative
# log-likelihood of $\ln 14$.

# %%
rows = [np.tile([(k >> i) & 1 for i in range(3)], (3, 1)) for k in range(8)]
patterns = np.unique([p.ravel() for row in rows for p in (row, row.T)], axis=0).astype("float32")
machine = BoltzmannMachine(16, seed=1)
model = keras.Sequential([keras.Input((9,)), machine])
model.compile(keras.optimizers.Adam(0.05))
model.fit(np.tile(patterns, (100, 1)), epochs=4, batch_size=14, shuffle=False, verbose=0)
print(f"{len(patterns)} patterns, ln 14 = {np.log(14):.3f}")
print(f"negative log-likelihood: {-machine.log_likelihood(patterns).mean():.3f}")

# %%
figure, axes = plt.subplots(2, 10, figsize=(6, 1.5))
for axis, sample in zip(axes.ravel(), machine.sample(20, seed=0), strict=True):
    axis.imshow(sample.reshape(3, 3), cmap="Greys", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
figure.suptitle("drawn from the machine")
plt.show()

# %% [markdown]
# ## A network that is trained on its decision
#
# A network predicts the costs of the edges of a grid, and the shortest path is taken by them. What
# counts is not how well it predicts, but how much longer its path is: the *regret*. Here is a
# linear model of costs that are not linear. One is trained for small errors, one by the SPO+ loss
# on the decision (Elmachtoub, Grigas, 2022).

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
# The second predicts costs worse, and paths better. `DecisionLayer(grid)` is for models in which
# the decision itself goes on into further layers. The guide "Train through decisions" has both.

# %% [markdown]
# ## QAOA
#
# `QAOALayer` multiplies each state by a phase that grows with its energy, mixes the states, and
# does so `n_layers` times. On 3-regular graphs without triangles one layer cuts 0.6924 of the edges
# on average, with angles that are known in advance (Farhi et al., 2014).

# %%
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
# That is the mean over all measured states; the best of a hundred of them is the maximum cut.
# Simulated annealing finds it, too, in far less time. QAOA is here because gate-based
# processors run it, and because its angles train with the rest of a model.

# %%
for solver in ("qaoa", "simulated_annealing"):
    found = solve(maxcut(petersen), solver, seed=0)
    print(f"{solver:20} cuts {-found.energy:.0f} edges in {1000 * found.seconds:8.1f} ms")
