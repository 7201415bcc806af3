"""What tells whether a kernel can help, against closed forms and published numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from qkeras_hybrid.kernels import (
    FidelityKernel,
    alignment,
    best_scale,
    centred_alignment,
    concentration,
    concentrations,
    effective_dimension,
    geometric_difference,
    model_complexity,
    participation_ratio,
    polarity,
    repaired,
    smallest_eigenvalue,
    spectrum,
    task_alignment,
    training_error,
)
from qkeras_hybrid.kernels.bandwidth import draw

X = np.random.default_rng(1234).random((4, 2))
Y = (-1, -1, 1, 1)
RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(30, 2))
LABELS = np.where(SAMPLES[:, 0] * SAMPLES[:, 1] > 0, 1, -1)


def test_polarity_and_alignment_are_the_published_ones() -> None:
    kernel = FidelityKernel("angle", n_qubits=2).matrix(X)
    # PennyLane's kernels module, on the same data and kernel.
    assert polarity(kernel, Y) == pytest.approx(0.21967125681754, abs=1e-13)
    assert alignment(kernel, Y) == pytest.approx(0.05824911, abs=5e-9)


def test_a_label_is_divided_by_the_size_of_its_class() -> None:
    kernel = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]])
    y = np.array([-1 / 2, -1 / 2, 1.0])
    assert polarity(kernel, ["a", "a", "b"]) == pytest.approx(y @ kernel @ y)
    y = np.array([-1.0, -1.0, 1.0])
    assert polarity(kernel, ["a", "a", "b"], rescale=False) == pytest.approx(y @ kernel @ y)


@pytest.mark.parametrize("y", [Y, (0, 0, 1, 1), ("a", "a", "b", "b"), (0, 0, 1, 2), (1, 1, 0, 2)])
def test_the_ideal_kernel_is_aligned(y: Any) -> None:
    labels = np.asarray(y)
    n_classes = len(set(y))
    ideal = np.where(labels[:, None] == labels, 1.0, -1 / (n_classes - 1))
    assert alignment(ideal, y, rescale=False) == pytest.approx(1)
    assert centred_alignment(ideal, y) == pytest.approx(1)


def test_the_alignment_of_targets_is_that_with_their_products() -> None:
    y = np.array([0.5, 1.5, -0.3, 2.2])
    t = y - y.mean()
    assert alignment(np.outer(t, t), y) == pytest.approx(1)


def test_a_constant_kernel_has_no_centred_alignment() -> None:
    y = [-1] + 9 * [1]
    assert alignment(np.ones((10, 10)), y, rescale=False) == pytest.approx(0.64)
    assert centred_alignment(np.ones((10, 10)), y) == 0
    kernel = rbf_kernel(SAMPLES)
    shifted = centred_alignment(kernel + 3, LABELS)
    assert shifted == pytest.approx(centred_alignment(kernel, LABELS))


def test_the_geometric_difference_of_a_kernel_to_itself_is_one() -> None:
    kernel = rbf_kernel(SAMPLES)
    assert geometric_difference(kernel, kernel) == pytest.approx(1, abs=1e-3)
    assert geometric_difference(kernel, 7 * kernel) == pytest.approx(1, abs=1e-3)


def test_the_geometric_difference_to_the_identity_is_the_root_of_an_eigenvalue() -> None:
    kernel = FidelityKernel("zz", 2).matrix(SAMPLES[:8])
    eigenvalues = np.linalg.eigvalsh(kernel)
    found = geometric_difference(np.eye(8), kernel)
    assert found == pytest.approx(np.sqrt(eigenvalues[-1]))
    full = kernel + 0.1 * np.eye(8)
    smallest = np.linalg.eigvalsh(full)[0] / 1.1
    assert geometric_difference(full, np.eye(8)) == pytest.approx(1 / np.sqrt(smallest))


def test_complexities_are_bound_by_the_geometric_difference() -> None:
    x = SAMPLES[:10]
    quantum = FidelityKernel("zz", 2).matrix(x) + 0.1 * np.eye(10)
    classical = rbf_kernel(x) + 0.1 * np.eye(10)
    g = geometric_difference(classical, quantum)
    for seed in range(20):
        y = np.random.default_rng(seed).choice([-1, 1], 10)
        if len(set(y)) == 2:
            bound = g**2 * model_complexity(quantum, y)
            assert model_complexity(classical, y) <= bound * (1 + 1e-9)


def test_the_complexity_is_a_quadratic_form_of_the_inverse() -> None:
    kernel = rbf_kernel(SAMPLES[:6], gamma=5.0)
    y = LABELS[:6]
    assert model_complexity(kernel, y) == pytest.approx(y @ np.linalg.inv(kernel) @ y)
    regular = np.linalg.inv(kernel + 0.1 * np.eye(6))
    expected = y @ regular @ kernel @ regular @ y  # all commute
    assert model_complexity(kernel, y, 0.1) == pytest.approx(expected)


def test_the_spectrum_is_a_share_of_the_trace() -> None:
    found = spectrum(rbf_kernel(SAMPLES))
    assert found.sum() == pytest.approx(1)
    assert (np.diff(found) <= 1e-15).all()
    assert participation_ratio(np.ones((5, 5))) == pytest.approx(1)


def test_labels_that_are_an_eigenvector_are_aligned_at_once() -> None:
    ideal = np.outer(LABELS, LABELS) + 0.01 * np.eye(30)
    assert task_alignment(ideal, LABELS)[0] == pytest.approx(1)
    curve = task_alignment(rbf_kernel(SAMPLES), LABELS)
    assert curve[-1] == pytest.approx(1)
    assert (np.diff(curve) >= -1e-12).all()


def test_the_kernel_of_rotated_qubits_concentrates_exponentially() -> None:
    n = 3
    x = np.random.default_rng(5).uniform(0, 2 * np.pi, (400, n))
    for found in concentrations(FidelityKernel("angle"), x, [1, 2, 3]):
        k = found.n_qubits
        # Means of cos^2 and cos^4 of half a uniform angle; 400 samples give two digits.
        assert found.mean == pytest.approx(0.5**k, rel=0.05)
        variance = (3 / 8) ** k - (1 / 4) ** k
        assert found.deviation == pytest.approx(np.sqrt(variance), rel=0.05)
        assert found.shots == pytest.approx((0.5**k - (3 / 8) ** k) / variance, rel=0.15)


def test_the_effective_dimension_of_equal_fisher_matrices_is_a_closed_form() -> None:
    n = 1000
    k = n / (2 * np.pi * np.log(n))
    fisher = np.broadcast_to(5 * np.eye(4), (7, 4, 4))
    expected = 4 * np.log(1 + k) / np.log(k)
    assert effective_dimension(fisher, n) == pytest.approx(expected)
    # Of rank one, scaled to the trace 4.
    one = np.zeros((1, 4, 4))
    one[0, 0, 0] = 1
    assert effective_dimension(one, n) == pytest.approx(np.log(1 + 4 * k) / np.log(k))


def test_the_best_scale_is_neither_of_the_ends() -> None:
    x = np.random.default_rng(3).normal(size=(60, 4)) * 2
    y = (np.linalg.norm(x, axis=1) > 3.6).astype(int)
    found = best_scale(FidelityKernel("zz", 4), x, y)
    assert found.tried[0] < found.best < found.tried[-1]
    assert max(found.scores) == found.scores[found.tried.index(found.best)]
    without = best_scale(FidelityKernel("zz", 4), x)
    assert without.tried[0] < without.best < without.tried[-1]


def test_a_search_on_fewer_samples_keeps_each_class() -> None:
    y = np.r_[np.zeros(59), 1]
    x = np.random.default_rng(3).normal(size=(60, 2))
    found = best_scale(FidelityKernel("angle"), x, y, n_samples=5, scales=[0.1, 1.0])
    assert found.best in (0.1, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: polarity(np.eye(2), [1, 1]), "at least two classes.*2 times 1"),
        (lambda: polarity(np.eye(3), [1, 2]), r"`y` must have shape \(3,\)"),
        (lambda: alignment(np.ones((2, 3)), [1, 2]), "square kernel matrix.*for each sample"),
        (lambda: alignment(np.eye(2), [0.1, np.nan]), "`y` must hold finite numbers"),
        (lambda: alignment([[1, np.nan], [0, 1]], [0, 1]), r"nan at \[0, 1\]"),
        (lambda: geometric_difference(np.eye(2), np.eye(3)), r"shape of the classical matrix"),
        (lambda: geometric_difference(np.ones((2, 2)), np.eye(2)), "singular.*Try 0.001"),
        (lambda: geometric_difference(np.eye(2), [[1, 2], [2, 1]]), "eigenvalue -1.*Repair it"),
        (lambda: geometric_difference(np.eye(2), np.eye(2), -1), "be at least 0"),
        (lambda: geometric_difference(np.eye(2), np.zeros((2, 2))), "positive trace"),
        (lambda: model_complexity(np.eye(2), [0, 0]), "at least two classes"),
        (lambda: spectrum(np.zeros((2, 2))), "positive trace"),
        (lambda: concentration(np.eye(1)), "at least two samples"),
        (lambda: concentrations(FidelityKernel("angle"), X, [3]), "at most the 2 features"),
        (lambda: effective_dimension(np.eye(2), 100), "have shape"),
        (lambda: effective_dimension(np.eye(2)[None], 2), "`n_samples` must be large enough"),
        (lambda: effective_dimension(np.eye(2)[None], 100, 0.0), "`gamma` must be greater than 0"),
        (lambda: effective_dimension(np.zeros((1, 2, 2)), 100), "positive mean trace"),
        (lambda: best_scale(FidelityKernel("angle"), X, Y, scales=[]), "at least one value"),
        (lambda: best_scale(FidelityKernel("angle"), X, Y[:2]), r"`y` must have shape \(4,\)"),
        (lambda: best_scale(FidelityKernel("angle"), X[:1]), "at least two samples"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_labels_outside_of_a_kernel_are_missed() -> None:
    assert training_error(np.ones((4, 4)), [-1, 1, 1, -1], 1e-3) == pytest.approx(1.0)
    assert training_error(np.eye(4), [-1, 1, 1, -1], 1e-3) == pytest.approx(1e-6, rel=1e-2)
    with pytest.raises(ValueError, match="`regularization` must be positive"):
        training_error(np.eye(2), [0, 1], 0.0)


def test_two_values_are_classes_whatever_they_are() -> None:
    kernel = np.array([[1.0, 0.2], [0.2, 1.0]])
    assert polarity(kernel, [-0.5, 0.5]) == polarity(kernel, [0, 1]) == pytest.approx(1.6)


def test_an_alignment_has_no_scale() -> None:
    ideal = np.outer(LABELS, LABELS)
    assert centred_alignment(1e-14 * ideal, LABELS) == pytest.approx(1)
    assert centred_alignment(np.full((30, 30), 0.3), LABELS) == 0


def test_a_draw_keeps_two_of_each_class_where_that_is_asked() -> None:
    labels = np.array([0] * 390 + [1] * 10)
    for seed in range(5):
        rows = draw(400, labels, 50, seed, least=2)
        assert len(set(rows)) == 50
        assert np.sum(labels[rows] == 1) >= 2
    assert len(set(np.array([0, 0, 1])[draw(3, np.array([0, 0, 1]), 2, 0)])) == 2


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: repaired(-np.eye(2), "shrink"), "positive trace"),
        (lambda: smallest_eigenvalue(np.zeros((2, 3))), "square kernel matrix"),
        (lambda: polarity(np.eye(2), np.array(["a", None], object)), "labels of one type"),
    ],
)
def test_other_matrices_and_labels_are_told(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
