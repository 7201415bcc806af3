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
# # Quantum kernels, and whether one can help
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/10_quantum_kernels.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/10_quantum_kernels.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** What a quantum kernel is, how to choose its bandwidth, and how to find out
# whether it can be better than an ordinary one.
#
# **Running time:** about a minute on two cores.
#
# A circuit turns a sample $x$ into a state $|x\rangle$, a vector of complex numbers. The **fidelity
# kernel** $K(x, y) = |\langle x|y\rangle|^2$, the squared magnitude of the scalar product of two
# states, says how alike they are, from 0 to 1. A support vector machine can classify by these
# numbers. The question is whether it classifies *better* than it does with RBF, the most common
# kernel: $\exp(-\gamma|x-y|^2)$. Much of the answer is known before any model is trained.
#
# The words *circuit*, *qubit* and *state* are in the [glossary](../docs/glossary.md), and
# [notebook 02](02_encoding_data.ipynb) shows the states.

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
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from qkeras_hybrid import QuantumKernel, datasets, kernels, plot

keras.utils.set_random_seed(0)

# %% [markdown]
# ## A matrix at the speed of a matrix product
#
# The circuit here is `zz`, which turns features and products of two features into angles. It runs
# once for each sample, and not for each pair of samples: the matrix of the kernel, called the Gram
# matrix, is computed from the states by one product of matrices.

# %%
data = datasets.load("wine")
x, y = StandardScaler().fit_transform(data.x)[:, :8], data.y

kernel = kernels.FidelityKernel("zz", n_qubits=8)
gram = kernel.matrix(x)
print("shape", gram.shape, "| symmetric:", np.array_equal(gram, gram.T))
print(f"smallest eigenvalue {kernels.smallest_eigenvalue(gram):.1e}")
print(f"mean off the diagonal {kernels.concentration(gram).mean:.4f}")

# %% [markdown]
# The mean is close to zero: to this kernel, nearly all samples are entirely different from each
# other. A model with such a kernel remembers each training sample, but can't predict anything for a
# new one.
#
# ## The bandwidth
#
# The kernel needs a bandwidth: a `scale` that multiplies the features. `best_scale` looks for the
# scale at which the Gram matrix agrees best with the labels. The measure for that is the centred
# alignment, which is 1 for perfect agreement.

# %%
search = kernels.best_scale(kernel, x, y)
scaled = kernel.with_changes(scale=search.best)
print(f"best scale {search.best:.3g}, alignment {max(search.scores):.3f}")

shown = {
    "scale 1": kernel,
    f"scale {search.best:.3g}": scaled,
    "RBF": lambda samples: rbf_kernel(samples, gamma=1 / 8),
}
figure = plot.Picture(figsize=(11, 3), layout="constrained")
for axis, (title, each) in zip(figure.subplots(1, 3), shown.items(), strict=True):
    plot.gram(each, x, y, ax=axis).set_title(title)
figure

# %% alt="The centred alignment against the scale: highest at small scales, falling above 0.05."
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot(search.tried, search.scores, "o-")
axis.set(xscale="log", xlabel="scale", ylabel="centred alignment", title="Search")
axis.grid(alpha=0.3)
plt.show()

# %% [markdown]
# With the best scale, the three classes of wine show as blocks. They show more clearly with the RBF
# kernel, although we did not search for its bandwidth ($\gamma = 1/8$).
#
# ## Concentration
#
# Without a bandwidth (scale 1), the entries off the diagonal shrink exponentially with the number
# of qubits, and so do the differences between them. On a device this is fatal, because it would
# take too many measurements to tell the entries apart.

# %% alt="At scale 1, entries spread less with each qubit and need more shots; at 0.0442 not so."
qubits = range(1, 9)
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.5), layout="constrained")
for name, chosen, marker in (
    ("scale 1", kernel, "o--"),
    (f"scale {search.best:.3g}", scaled, "s-"),
):
    found = kernels.concentrations(chosen, x, qubits)
    left.plot(qubits, [c.deviation for c in found], marker, label=name)
    right.plot(qubits, [c.shots for c in found], marker, label=name)
left.set(yscale="log", xlabel="qubits", ylabel="standard deviation of entries")
right.set(yscale="log", xlabel="qubits", ylabel="shots to tell entries apart")
for axis in (left, right):
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## Can it be better at all? The geometric difference
#
# [Huang et al. 2021](https://arxiv.org/abs/2011.01938) compare two Gram matrices without labels.
# Their geometric difference $g(K_C, K_Q)$ bounds how much simpler a model on the quantum kernel can
# be, over *all* possible labels. If it is far below $\sqrt n$ for $n$ samples, the classical kernel
# is about as good, whatever the labels are. If not, there are labels on which the quantum kernel
# would be better.

# %% alt="Left: the geometric difference to RBF grows with the scale. Right: the similarity falls."
root = np.sqrt(len(x))
similar = rbf_kernel(x, gamma=1 / 8)
matrices = [kernel.with_changes(scale=scale).matrix(x) for scale in search.tried]
differences = [kernels.geometric_difference(similar, matrix) for matrix in matrices]
likeness = [kernels.similarity(matrix, similar) for matrix in matrices]

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.5), layout="constrained")
left.plot(search.tried, differences, "o-")
left.axhline(root, color="black", linestyle="--", linewidth=1)
left.text(search.tried[0], root, r"$\sqrt{n}$", va="bottom")
left.set(xscale="log", xlabel="scale", ylabel="geometric difference to RBF", ylim=(0, None))
right.plot(search.tried, likeness, "s-")
right.set(xscale="log", xlabel="scale", ylabel="similarity to RBF", ylim=(0, 1))
for axis in (left, right):
    axis.axvline(search.best, color="tab:red", linewidth=1)
    axis.grid(alpha=0.3)
plt.show()
print(f"at scale {search.best:.3g}: g = {differences[search.tried.index(search.best)]:.1f}")

# %% [markdown]
# The red line is the scale from the search. The picture shows a dilemma: at large scales, the
# quantum kernel is far from the classical one but learns nothing, and at a scale at which it
# learns, it is closer to the classical one. Here the difference is still large enough, so the
# quantum kernel could be better. Whether it is better for the labels of this data set is another
# question.
#
# ## The verdict
#
# `kernels.study` computes all of this for two quantum kernels and two classical ones, RBF and
# Laplacian. It chooses the bandwidths of all four in the same way, and measures their accuracy by
# cross-validation. The second quantum kernel, `projected`, is an RBF kernel on expectation values
# of the single qubits. The `complexity` $s$ says how hard the labels are for a kernel: a kernel
# with an $s$ far below the number of samples learns them well. A large $s$ proves nothing: here RBF
# has a large $s$ and is the most accurate. The command `qkeras-hybrid kernel wine` makes such a
# study with all features of the wine data, not eight.

# %%
found = kernels.study(x, y, folds=3)
for result in found.results:
    print(
        f"{result.name:10s} accuracy {result.score:.3f}  alignment {result.alignment:.3f}  "
        f"complexity {result.complexity:.1f}"
    )
print()
print(kernels.verdict(found))
for sentence in kernels.reasons(found):
    print("-", sentence)

# %% [markdown]
# ## Labels on which a quantum kernel wins
#
# We can also make labels on which a quantum kernel wins: labels along the direction in which the
# two kernels differ most. Such labels exist for every kernel that differs from RBF, so they prove
# nothing about your data. The verdict tells whether the labels of your data are like that.

# %%
half = kernels.FidelityKernel("zz", n_qubits=4, scale=0.5)
points = np.random.default_rng(1).normal(size=(200, 4))
quantum, classical = half.matrix(points), rbf_kernel(points, gamma=1 / 4)
root_q = np.linalg.cholesky(quantum + 1e-9 * np.eye(200))
inverse = np.linalg.inv(classical + 1e-2 * np.eye(200))
_, vectors = np.linalg.eigh(root_q.T @ inverse @ root_q)
made = root_q @ vectors[:, -1] > 0

for name, matrix in (("quantum", quantum), ("RBF", classical)):
    scores = cross_val_score(SVC(kernel="precomputed", C=100), matrix, made, cv=5)
    print(f"{name:8s} accuracy {scores.mean():.3f}")

# %% [markdown]
# ## In a Keras model
#
# `QuantumKernel` is a layer that compares each sample with a few stored ones, the landmarks.
# `adapt` takes the landmarks from the data, and they can train. With a `Dense` layer behind it,
# this is a kernel machine whose size depends on the number of landmarks instead of the number of
# samples.

# %%
split = datasets.split(data, seed=0)
layer = QuantumKernel(24, n_qubits=8, scale=search.best, train_landmarks=True, seed=0)
layer.adapt(split.x_train)
model = keras.Sequential(
    [keras.Input((data.n_features,)), layer, keras.layers.Dense(3, activation="softmax")]
)
model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(split.x_train, split.y_train, epochs=30, verbose=0)
print(f"test accuracy {model.evaluate(split.x_test, split.y_test, verbose=0)[1]:.3f}")

# %% [markdown]
# **To take away.** Choose a bandwidth. Compare with a tuned RBF kernel. Look at the geometric
# difference before you use a device. Don't believe that a kernel is better until it is better on
# samples that were not used to choose it.

# %% [markdown]
# ## What to try next
#
# - [Annealing and optimisation layers](11_optimisation.ipynb): spins and decisions in a model.
# - [Use a quantum kernel](../docs/guides/use-a-quantum-kernel.md): all kernels, estimators,
#   devices.
# - [What we found](../docs/what-was-found.md): the same study on all our data sets.
#
# ## Exercises
#
# **1.** Each kernel is 1 for a sample with itself. The kernel `"angle"` uses each feature as the
# angle of one rotation. Which entries of its Gram matrix are zero, for one qubit and the features
# $0$, $\pi / 2$ and $\pi$?
#
# <details><summary>Answer</summary>
#
# `angle` has $K(x, y) = \cos^2\frac{x - y}{2}$. Only the entries of $0$ with $\pi$ are zero.
#
# ```python
# points = np.array([[0.0], [np.pi / 2], [np.pi]])
# found = kernels.FidelityKernel("angle", n_qubits=1).matrix(points)
# np.testing.assert_allclose(found, np.cos((points - points.T) / 2) ** 2, atol=1e-6)
# print(found.round(3))
# ```
#
# </details>
#
# **2.** Is the Gram matrix of the scaled kernel a Gram matrix at all: symmetric, with no negative
# eigenvalue and ones on the diagonal?
#
# <details><summary>Answer</summary>
#
# ```python
# matrix = scaled.matrix(x)
# assert np.array_equal(matrix, matrix.T)
# np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-5)
# print(f"smallest eigenvalue {kernels.smallest_eigenvalue(matrix):.1e}")
# assert kernels.smallest_eigenvalue(matrix) > -1e-4
# ```
#
# Yes. A device measures each entry with an error of its own, and then the matrix may have negative
# eigenvalues. `kernels.repaired` returns the nearest matrix without them.
#
# </details>
