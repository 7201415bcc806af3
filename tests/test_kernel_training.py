"""Kernels that train: losses, their gradients, what comes of them, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops
from sklearn.svm import SVC

from qkeras_hybrid.kernels import (
    FidelityKernel,
    ProjectedKernel,
    alignment,
    centred_alignment,
    train_kernel,
    training,
)
from qkeras_hybrid.testing import value_and_gradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = np.where(X[:, 0] + X[:, 1] > 0, 1, -1)


@pytest.mark.parametrize("loss", ["alignment", "centred_alignment"])
@pytest.mark.parametrize("y", [Y, np.digitize(X[:, 0], [-0.5, 0.5])], ids=["two", "three"])
def test_the_loss_is_the_negative_alignment(loss: str, y: np.ndarray) -> None:
    kernel = FidelityKernel("angle")
    start = train_kernel(kernel, X, y, loss=loss, steps=1, batch_size=40).losses[0]
    measure = alignment if loss == "alignment" else centred_alignment
    # float32.
    assert start == pytest.approx(-measure(kernel.matrix(X), y), abs=1e-5)


def test_the_svm_loss_is_the_optimum_of_the_dual_problem() -> None:
    kernel = FidelityKernel("angle")
    gram = kernel.matrix(X)
    model = SVC(kernel="precomputed").fit(gram, Y)
    signed = np.zeros(40)
    signed[model.support_] = model.dual_coef_[0]
    optimum = abs(signed).sum() - signed @ gram @ signed / 2
    found = train_kernel(kernel, X, Y, loss="svm", steps=1, batch_size=40).losses[0]
    # libsvm stops at 1e-3.
    assert found == pytest.approx(optimum, rel=1e-3)


@pytest.mark.parametrize("name", ["alignment", "centred_alignment"])
def test_a_loss_has_the_gradient_of_finite_differences(name: str) -> None:
    labels = np.where(np.arange(5) < 2, -1.0, 1.0)[:, None].astype("float32")
    matrix = np.exp(-np.abs(np.arange(5)[:, None] - np.arange(5))).astype("float32")
    loss = training._LOSSES[name]
    tensor = ops.convert_to_tensor(labels)
    _, (gradient,) = value_and_gradients(lambda k: loss(tensor, k), matrix)
    step = np.zeros((5, 5))
    step[1, 3] = 1e-2
    up, down = (
        float(loss(tensor, ops.convert_to_tensor((matrix + s * step).astype("float32"))))
        for s in (1, -1)
    )
    # Of float32 values, divided by the step.
    assert gradient[1, 3] == pytest.approx((up - down) / 2e-2, abs=1e-4)


@pytest.mark.parametrize("loss", training.LOSSES)
def test_training_improves_the_loss(loss: str) -> None:
    kernel = FidelityKernel("reuploading", n_qubits=2, scale=0.5)
    found = train_kernel(kernel, X, Y, loss=loss, steps=25, batch_size=40)
    assert found.losses[-1] < found.losses[0]
    assert found.kernel.weights is not None
    assert len(found.kernel.weights) == 12
    assert found.kernel.scale != 0.5
    found.kernel.matrix(X)  # it is fitted


def test_the_trained_kernel_has_the_alignment_that_the_last_loss_says() -> None:
    found = train_kernel(FidelityKernel("reuploading", 2), X, Y, steps=10, batch_size=40)
    more = train_kernel(found.kernel, X, Y, steps=1, batch_size=40)
    value = centred_alignment(found.kernel.matrix(X), Y)
    assert more.losses[0] == pytest.approx(-value, abs=1e-5)


def test_a_scale_alone_trains_and_a_projected_kernel_too() -> None:
    for kernel in (ProjectedKernel("zz"), ProjectedKernel("zz", kind="linear", subsystem=2)):
        found = train_kernel(kernel, X, Y, steps=15, batch_size=40)
        start = -centred_alignment(kernel.matrix(X), Y)
        assert found.losses[0] == pytest.approx(start, abs=1e-5)
        assert found.losses[-1] < found.losses[0]
        assert found.kernel.scale != 1
        assert found.kernel.weights is None


def test_a_scale_may_stay() -> None:
    kernel = FidelityKernel("reuploading", 2, scale=0.5)
    assert train_kernel(kernel, X, Y, steps=2, train_scale=False).kernel.scale == 0.5


def test_targets_of_a_regression_are_aligned_with() -> None:
    found = train_kernel(FidelityKernel("angle"), X, X[:, 0], steps=15, batch_size=40)
    assert found.losses[-1] < found.losses[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: train_kernel(FidelityKernel(shots=5), X, Y), "be exact for training"),
        (lambda: train_kernel(FidelityKernel(noise="depolarizing:0.1"), X, Y), "be exact"),
        (
            lambda: train_kernel(FidelityKernel(), X, Y, train_scale=False),
            "have weights if `train_scale`",
        ),
        (lambda: train_kernel(FidelityKernel(), X, Y, loss="hinge"), "`loss` must be one of"),
        (
            lambda: train_kernel(FidelityKernel(), X, X[:, 0], loss="svm"),
            "unless there are two classes",
        ),
        (lambda: train_kernel(FidelityKernel(), X, np.arange(40) % 3, loss="svm"), "two classes"),
        (lambda: train_kernel(FidelityKernel(), X, np.ones(40)), "at least two classes"),
        (lambda: train_kernel(FidelityKernel(), X, Y, steps=0), "`steps` must be"),
        (lambda: train_kernel(FidelityKernel(), X, Y, C=0, loss="svm"), "`C` must be positive"),
        (lambda: train_kernel(FidelityKernel("reuploading", weights=[1]), X, Y), "have shape"),
        (lambda: train_kernel(FidelityKernel(), X * np.nan, Y), "hold finite numbers"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
