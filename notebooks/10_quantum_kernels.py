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
# A circuit turns a sample $x$ into a state $|x\rangle$. The **fidelity kernel**
# $K(x, y) = |\langle x|y\rangle|^2$ says how alike two samples are; a support vector machine does
# the rest. The question is not whether that works. It is whether it works *better* than the kernel
# that everybody has: RBF, $\exp(-\gamma|x-y|^2)$.
#
# Much of the answer is known before any model is trained. This notebook takes about a minute.

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
# The state of each sample is prepared once. The matrix is then a product of the states with
# themselves: no circuit runs for a pair.

# %%
data = datasets.load("wine")
x, y = StandardScaler().fit_transform(data.x)[:, :8], data.y

kernel = kernels.FidelityKernel("zz", n_qubits=8)
gram = kernel.matrix(x)
print("shape", gram.shape, "| symmetric:", np.array_equal(gram, gram.T))
print(f"smallest eigenvalue {kernels.smallest_eigenvalue(gram):.1e}")
print(f"mean off the diagonal {kernels.concentration(gram).mean:.4f}")

# %% [markdown]
# The mean is close to zero: nearly all samples are orthogonal to each other. A kernel like that has
# learnt each sample by heart, and knows nothing of the next one.
#
# ## The bandwidth
#
# What is missing is a bandwidth: a `scale` that multiplies the features. `best_scale` searches it
# by the alignment of the matrix with the labels.

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

# %%
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot(search.tried, search.scores, "o-")
axis.set(xscale="log", xlabel="scale", ylabel="centred alignment", title="Search")
axis.grid(alpha=0.3)
plt.show()

# %% [markdown]
# With the scale the three classes of wine begin to show as blocks. In the RBF kernel, with no
# search at all, they show more clearly.
#
# ## Concentration
#
# Without a bandwidth, entries shrink exponentially with the number of qubits. On a device that is
# fatal: to tell entries apart takes more measurements than anybody has.

# %%
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
# ## Can it be ahead at all? The geometric difference
#
# Huang et al. (2021) compare two matrices, without labels. The geometric difference
# $g(K_C, K_Q)$ bounds by how much the model on the quantum kernel can be simpler, over *all*
# labels. If it is far below $\sqrt n$, the classical kernel does about as well, whatever the labels
# are. If not, there are labels on which the quantum kernel would be ahead.

# %%
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
# The red line is the scale that the search has found. There is the dilemma: the narrow kernel, on
# the right, is far from the classical one, and learns nothing. With a scale that learns it comes
# closer to it. Here it stays far enough: the door is open. Whether the labels of wine go through
# it is another question.
#
# ## The verdict
#
# `kernels.study` computes all of this beside an RBF and a Laplacian kernel, whose bandwidths are
# chosen in the same way, and cross-validates. `qkeras-hybrid kernel wine` prints the same.

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
# The geometric difference also says *where* a quantum kernel would win: on labels made for it.
# These lie along the direction in which the two kernels differ most. Such labels exist for every
# kernel that differs from RBF; whether yours are such labels is what the verdict tells.

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
# `QuantumKernel` is a layer: the kernel with some landmarks, which `adapt` takes from data and
# which may train. A `Dense` layer on it is a kernel machine that grows with the landmarks, not with
# the samples.

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
# **What to take home.** Choose a bandwidth; put a tuned RBF kernel beside it; look at the geometric
# difference before you ask a device. And believe a lead only on samples that were not used to find
# it.
