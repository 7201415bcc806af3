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
# # Is it better than Dense?
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/05_better_than_dense.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/05_better_than_dense.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** How to compare a hybrid model with networks without a circuit, so that the
# result can be believed, and five ways to fool yourself.
#
# **Running time:** about 2 minutes on two cores.
#
# A *hybrid* model has a quantum circuit among its layers. If it reaches a test accuracy of 95 %,
# that shows nothing yet. Perhaps its `Dense` layers do the work alone. Perhaps a smaller network
# reaches as much. Perhaps another split of the data would reverse the result. This notebook first
# makes a comparison that can be believed, and then several that fool you.
#
# A few words from the notebooks before ([glossary](../docs/glossary.md)):
#
# - A **circuit** is what a quantum layer computes: a list of gates on qubits.
# - A **qubit** gives a random bit when it is measured, and a **gate** changes one or two qubits.
#   Gates on two qubits *entangle* them: their measured bits depend on each other.
# - The **encoding** is the part of the circuit that takes the features.

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

from qkeras_hybrid import PQCDense, datasets
from qkeras_hybrid.bench import controls_for
from qkeras_hybrid.bench.statistics import holm, t_interval, wilcoxon

# %% [markdown]
# ## The task
#
# The task is to tell two noisy curves in four dimensions apart. The data set is one of the
# package's, and follows [Bowles, Ahmed and Schuld 2024](https://arxiv.org/abs/2403.07059).

# %%
data = datasets.load("two_curves", n_features=4, seed=0)
print(data.x.shape, "samples and features;", np.bincount(data.y), "samples of the two classes")

# %% [markdown]
# ## The hybrid and its controls
#
# The hybrid has a `PQCDense` layer between two `Dense` layers. Its circuit has four qubits, one for
# each output, and two blocks (`n_layers=2`) of three rotations on each qubit. So it has 24 weights.
#
# A **control** is the same model with something else in the circuit's place. If a `Dense` layer can
# do all that the circuit does, the controls with a `Dense` layer score as well as the hybrid. So
# the circuit has added something only if the hybrid is better than all of them. Each control
# answers a question:
#
# | control | question |
# |---|---|
# | `dense_same_parameters` | is a `Dense` layer just as good if it has as many parameters? |
# | `dense_same_width` | is a `Dense` layer just as good if it has as many outputs? |
# | `linear` | is a `Dense` layer without an activation just as good? |
# | `frozen_circuit` | does it matter that the circuit's weights train? |
# | `no_entanglement` | do the gates on two qubits matter? |
# | `fourier_features` | are the sines and cosines of the encoding enough? |


# %%
def hybrid():
    """Returns a new hybrid model."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, activation="tanh"),
            PQCDense(4, n_layers=2),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


keras.utils.set_random_seed(0)
for name, model in controls_for(hybrid()).items():
    print(f"{name:22s} {model.count_params():3d} parameters")
print(f"{'hybrid':22s} {hybrid().count_params():3d} parameters")

# %% [markdown]
# ## A fair comparison
#
# For each of six seeds, the data are split into a training part and a test part. All models of a
# seed get the same split, epochs, batches and learning rate. The features are scaled by the mean
# and the standard deviation of the training part alone. We keep the training and the test accuracy
# of every run. The table shows the mean test accuracy of the six seeds, and after ± half the width
# of its 95 % interval.


# %%
EPOCHS, RATE = 10, 0.03
SEEDS = range(6)


def run(model, seed, rate=RATE):
    """Trains a model on the split of a seed; returns training and test accuracy in percent."""
    parts = datasets.split(data, seed=seed)
    # Without XLA: compiling such a small model takes longer than training it.
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", jit_compile=False)
    model.fit(parts.x_train, parts.y_train, epochs=EPOCHS, batch_size=32, verbose=0)
    return [
        100 * np.mean((np.array(model(x))[:, 0] > 0.5) == y)
        for x, y in ((parts.x_train, parts.y_train), (parts.x_test, parts.y_test))
    ]


scores = {}
for seed in SEEDS:
    keras.utils.set_random_seed(seed)
    model = hybrid()
    for name, contender in {"hybrid": model, **controls_for(model)}.items():
        scores.setdefault(name, []).append(run(contender, seed))
scores = {name: np.array(found) for name, found in scores.items()}  # seeds by (training, test)

for name, found in scores.items():
    interval = t_interval(found[:, 1])
    print(f"{name:22s} test accuracy {interval.mean:5.1f} % ± {interval.half_width:.1f}")

# %% [markdown]
# ## Differences, seed by seed
#
# Some splits are harder than others, for every model. So we don't compare the means of all seeds.
# We take the difference between the hybrid and a control **within each seed**, where both have the
# same data. Each gray dot is a seed. The bar is the 95 % interval of the mean difference.

# %% alt="The mean difference from each of six controls. All six 95 % intervals contain 0."
others = [name for name in scores if name != "hybrid"]
differences = {name: scores["hybrid"][:, 1] - scores[name][:, 1] for name in others}

figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for place, name in enumerate(others):
    interval = t_interval(differences[name])
    axis.plot(differences[name], [place] * len(SEEDS), "o", color="gray", alpha=0.5, markersize=4)
    axis.plot([interval.low, interval.high], [place, place], color="tab:blue", linewidth=2.5)
    axis.plot(interval.mean, place, "o", color="tab:blue")
axis.axvline(0, color="black", linewidth=1)
axis.set_yticks(range(len(others)), others)
axis.invert_yaxis()
axis.set(
    xlabel="hybrid minus control, points of test accuracy (right: the hybrid is better)",
    title="Six seeds, paired",
)
plt.show()

# %% [markdown]
# ## How sure can we be?
#
# If the hybrid and a control were equally good, how often would luck give differences that lean
# this much to one side? Wilcoxon's signed-rank test computes this share, $p$. Below 0.05 it is
# usual to say that there is a difference. With six controls there are six chances to find something
# by luck. Holm's correction raises each $p$ to make up for that.
#
# The package's reports use this rule: *better* or *worse* if the corrected $p$ is below 0.05;
# *equivalent* if the runs show that the difference is less than 2 points; else *undecided*.
# Undecided does not mean equal. It means that these runs can't tell whether there is a difference:
# they are too few, or they scatter too much.

# %%
tested = [wilcoxon(differences[name])[0] for name in others]
for name, p, corrected in zip(others, tested, holm(tested), strict=True):
    interval = t_interval(differences[name])
    print(
        f"{name:22s} p = {p:.3f}, corrected {corrected:.3f}, "
        f"95 % interval from {interval.low:+5.1f} to {interval.high:+5.1f} points"
    )
smallest = 2 / 2 ** len(SEEDS)
print(f"the smallest p that {len(SEEDS)} seeds can give: {smallest:.3f}")
print(f"corrected for {len(others)} controls: {min(1, len(others) * smallest):.3f}")

# %% [markdown]
# No corrected $p$ is below 0.05, and no interval lies between $-2$ and $2$. So all six comparisons
# are undecided.
#
# Look at the last line. With six seeds and six controls, **no result at all could get below 0.05**.
# For that reason the comparisons of the package use ten seeds, and their reports say so if there
# are too few.
#
# ## How to fool yourself
#
# Now we read the same runs with less care.
#
# **1. Report the best seed.** Compare the best of six hybrids with the mean of the Dense networks:

# %%
dense = scores["dense_same_parameters"][:, 1]
best = scores["hybrid"][:, 1].max()
print(f"'the hybrid reaches {best:.1f} %, Dense {dense.mean():.1f} %': +{best - dense.mean():.1f}")
print(f"by the same trick, Dense reaches {dense.max():.1f} %")
print(f"paired, over all seeds: {np.mean(scores['hybrid'][:, 1] - dense):+.1f} points")

# %% [markdown]
# **2. Use one split.** Each seed alone would have led to another conclusion:

# %%
print("hybrid minus Dense, seed by seed:", np.round(differences["dense_same_parameters"], 1))

# %% [markdown]
# **3. Choose a baseline that is too small.** Beside a model without a hidden layer, almost anything
# looks good:

# %%
small = []
for seed in SEEDS:
    keras.utils.set_random_seed(seed)
    weak = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    small.append(run(weak, seed)[1])
print(f"hybrid minus logistic regression: {np.mean(scores['hybrid'][:, 1] - small):+.1f} points")

# %% [markdown]
# **4. Tune one side only.** Try two learning rates for the hybrid and keep the better one, but
# leave the Dense network at the first guess. We also make the mistake of choosing by the accuracy
# on the *test part*; a fair choice needs a third part of the data. In the last line, both models
# are chosen by the test part, which at least favours neither:

# %%
RATES = (0.03, 0.1)


def tuned(which, seed):
    """Returns the best test accuracy over the rates: what one should not do."""
    found = []
    for rate in RATES:
        keras.utils.set_random_seed(seed)
        model = hybrid()
        model = model if which == "hybrid" else controls_for(model)[which]
        found.append(run(model, seed, rate)[1])
    return max(found)


seed = 1
first_guess = scores["dense_same_parameters"][seed, 1]
best_hybrid, best_dense = tuned("hybrid", seed), tuned("dense_same_parameters", seed)
untuned = differences["dense_same_parameters"][seed]
print(f"seed {seed}: neither tuned:          {untuned:+.1f} points")
print(f"seed {seed}: hybrid tuned, Dense not: {best_hybrid - first_guess:+.1f} points")
print(f"seed {seed}: both tuned:             {best_hybrid - best_dense:+.1f} points")

# %% [markdown]
# **5. Report the accuracy on the training part.** It says how well a model remembers its data:

# %%
for name in ("hybrid", "dense_same_parameters"):
    on_training, on_test = scores[name].mean(axis=0)
    print(f"{name:22s} training {on_training:.1f} %, test {on_test:.1f} %")

# %% [markdown]
# ## Let the package do it
#
# It is easy to get one of these steps wrong. The command line does them all:
#
# ```sh
# qkeras-hybrid run quick                              # ten seeds, all controls, two minutes
# qkeras-hybrid run quick --model my_model.py:build    # with a model of yours
# qkeras-hybrid report results/quick                   # the page with pictures and statistics
# ```
#
# Here `build` is a function in `my_model.py` that returns a model. For a first look,
# `qkeras-hybrid compare` trains three models on a single data set: the hybrid, a `Dense` network,
# and the hybrid with a `Dense` layer in the circuit's place. The commands `run` and `report` keep
# every run in a file, failed ones too. They compare within each seed, correct for the number of
# controls, and say in words what each difference shows and what it doesn't.
#
# Our largest study of classical data compared 17 hybrids with their controls. Twelve of them had a
# circuit between two `Dense` layers, and none of these was better than the same model with a linear
# layer in the circuit's place. The one clear gain in accuracy was on curves like those above, by
# data re-uploading, in which the features enter the circuit several times.
#
# **To take away.** Compare within each seed, and keep all runs. Tune all models alike. Put a
# control in the circuit's place. Correct for the number of questions. Decide on all of this before
# the first run.

# %% [markdown]
# ## What to try next
#
# - [Barren plateaus](06_barren_plateaus.ipynb): why large circuits are hard to train.
# - [Read the benchmark](../docs/guides/read-the-benchmark.md) explains the report of these
#   commands.
# - [What we found](../docs/what-was-found.md) has the results of our own studies.
#
# ## Exercises
#
# **1.** How many seeds do six controls need at least, so that a corrected $p$ can get below 0.05?
#
# <details><summary>Answer</summary>
#
# The smallest $p$ of $n$ seeds is $2 / 2^n$, and Holm's correction multiplies the smallest of six
# by six.
#
# ```python
# n = next(n for n in range(1, 20) if 6 * 2 / 2**n < 0.05)
# print(n, "seeds:", round(6 * 2 / 2**n, 3))
# assert n == 8
# ```
#
# Eight seeds are enough only if all eight differences have the same sign.
#
# </details>
#
# **2.** Compare the hybrid with `linear` alone, seed by seed. What is the 95 % interval of the mean
# difference, and does it contain 0?
#
# <details><summary>Answer</summary>
#
# ```python
# interval = t_interval(differences["linear"])
# print(f"{interval.mean:+.1f} points, from {interval.low:.1f} to {interval.high:.1f}")
# print("it contains 0:", bool(interval.low <= 0 <= interval.high))
# ```
#
# The mean is 0.9 points, and the interval contains 0. So these six seeds can't tell whether the
# circuit or the linear layer is better.
#
# </details>
