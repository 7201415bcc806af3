"""Quantum kernels in scikit-learn: its checks, pipelines, searches, pickles."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils.estimator_checks import check_estimator

from qkeras_hybrid.kernels import (
    QSVC,
    QSVR,
    FidelityKernel,
    ProjectedKernel,
    QGaussianProcessClassifier,
    QGaussianProcessRegressor,
    QKernelRidge,
    QuantumKernelTransformer,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = np.where(X[:, 0] * X[:, 1] > 0, "in", "out")
T = np.sin(X[:, 0])
KERNEL = FidelityKernel("angle", scale=0.7)

ESTIMATORS = [
    QSVC(KERNEL, scale=None),
    QSVR(KERNEL, scale=None),
    QKernelRidge(KERNEL, scale=None),
    QGaussianProcessClassifier(KERNEL, scale=None, optimizer=None),
    QGaussianProcessRegressor(KERNEL, scale=None),
    QuantumKernelTransformer(KERNEL, scale=None),
]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [*ESTIMATORS, QSVC(), QuantumKernelTransformer()])
def test_scikit_learns_checks_pass(estimator: Any) -> None:
    check_estimator(
        estimator,
        # As scikit-learn expects of its own support vector machines.
        expected_failed_checks={
            "check_sample_weight_equivalence_on_dense_data": "libsvm stops at a tolerance"
        }
        if isinstance(estimator, (QSVC, QSVR))
        else {},
    )


def test_a_classifier_is_scikit_learns_with_the_kernels_matrix() -> None:
    model = QSVC(KERNEL, scale=None, C=3.0).fit(X, Y)
    twin = SVC(kernel="precomputed", C=3.0).fit(KERNEL.matrix(X), Y)
    other = RNG.normal(size=(9, 2))
    rows = KERNEL.matrix(other, X)
    assert (model.predict(other) == twin.predict(rows)).all()
    np.testing.assert_allclose(model.decision_function(other), twin.decision_function(rows))
    assert list(model.classes_) == ["in", "out"]


def test_samples_without_weight_are_as_good_as_absent() -> None:
    weight = RNG.integers(0, 3, 40).astype(float)
    kept = weight > 0
    for kind, y in ((QSVC, Y), (QSVR, T), (QKernelRidge, T)):
        whole = kind(KERNEL, scale=None).fit(X, y, sample_weight=weight)
        part = kind(KERNEL, scale=None).fit(X[kept], y[kept], sample_weight=weight[kept])
        assert (whole.predict(X) == part.predict(X)).all()


def test_regressions_are_scikit_learns_with_the_kernels_matrix() -> None:
    gram = KERNEL.matrix(X)
    for ours, theirs in (
        (QSVR(KERNEL, scale=None, C=3.0), SVR(kernel="precomputed", C=3.0)),
        (QKernelRidge(KERNEL, scale=None), KernelRidge(kernel="precomputed")),
    ):
        expected = theirs.fit(gram, T).predict(gram)
        np.testing.assert_allclose(ours.fit(X, T).predict(X), expected, atol=1e-10)
    both = QKernelRidge(KERNEL).fit(X, np.c_[T, -T])
    assert both.predict(X).shape == (40, 2)


def test_a_gaussian_process_has_the_posterior_of_the_kernel() -> None:
    model = QGaussianProcessRegressor(KERNEL, scale=None, alpha=0.1, optimizer=None).fit(X, T)
    other = RNG.normal(size=(5, 2))
    inverse = np.linalg.inv(KERNEL.matrix(X) + 0.1 * np.eye(40))
    rows = KERNEL.matrix(other, X)
    mean, deviation = model.predict(other, return_std=True)
    np.testing.assert_allclose(mean, rows @ inverse @ T, atol=1e-9)
    variance = 1 - np.sum(rows @ inverse * rows, axis=1)
    np.testing.assert_allclose(deviation**2, variance, atol=1e-9)


def test_the_constant_of_a_gaussian_process_is_fitted() -> None:
    model = QGaussianProcessRegressor(KERNEL, scale=None, alpha=0.1).fit(X, 10 * T)
    assert model.estimator_.kernel_.k1.constant_value > 2
    assert isinstance(model.estimator_, GaussianProcessRegressor)
    assert isinstance(model.estimator_.kernel_.k1, ConstantKernel)


def test_a_gaussian_process_classifies() -> None:
    model = QGaussianProcessClassifier(KERNEL, scale=None, optimizer=None).fit(X, Y)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.score(X, Y) > 0.8


def test_the_scale_is_searched_by_default() -> None:
    model = QSVC().fit(X, Y)
    assert model.kernel_.scale != 1
    assert model.kernel is None
    assert QSVC(scale=0.25).fit(X, Y).kernel_.scale == 0.25
    assert QSVC(KERNEL, scale=None).fit(X, Y).kernel_ is KERNEL
    # Targets that are whole numbers stay targets.
    assert QSVR().fit(X, np.arange(40)).kernel_.scale > 0


def test_nystroem_features_of_all_samples_are_the_kernel() -> None:
    features = QuantumKernelTransformer(KERNEL, scale=None).fit_transform(X)
    np.testing.assert_allclose(features @ features.T, KERNEL.matrix(X), atol=1e-7)
    few = QuantumKernelTransformer(KERNEL, scale=None, n_components=5, random_state=0)
    assert few.fit_transform(X).shape == (40, 5)
    landmarks = few.transform(few.landmarks_)
    np.testing.assert_allclose(landmarks @ landmarks.T, KERNEL.matrix(few.landmarks_), atol=1e-7)


def test_equal_samples_are_one_landmark() -> None:
    twice = np.concatenate([X[:5], X[:5]])
    model = QuantumKernelTransformer(KERNEL, scale=None).fit(twice)
    assert len(model.landmarks_) == 5
    features = model.transform(twice)
    np.testing.assert_allclose(features @ features.T, KERNEL.matrix(twice), atol=1e-7)


def test_a_transformer_gives_rows_of_the_kernel_matrix() -> None:
    model = make_pipeline(
        QuantumKernelTransformer(KERNEL, scale=None, output="matrix"), SVC(kernel="precomputed")
    ).fit(X, Y)
    assert (model.predict(X) == QSVC(KERNEL, scale=None).fit(X, Y).predict(X)).all()
    names = model[0].get_feature_names_out()
    assert names[0] == "quantumkerneltransformer0"
    assert len(names) == 40


def test_pipelines_and_searches_take_quantum_kernels() -> None:
    pipeline = make_pipeline(StandardScaler(), QSVC(C=10.0))
    assert cross_val_score(pipeline, X, Y, cv=2).shape == (2,)
    grid = {"qsvc__scale": [0.1, 0.5], "qsvc__kernel": [KERNEL, ProjectedKernel("angle")]}
    found = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)
    assert found.best_params_["qsvc__scale"] in (0.1, 0.5)
    features = make_pipeline(QuantumKernelTransformer(n_components=10), LogisticRegression())
    assert features.fit(X, Y).score(X, Y) > 0.5


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_fitted_estimator_comes_back_from_a_pickle(estimator: Any) -> None:
    y = T if hasattr(estimator, "alpha") or isinstance(estimator, QSVR) else Y
    model = clone(estimator).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    compute = "transform" if hasattr(model, "transform") else "predict"
    first, second = getattr(model, compute)(X), getattr(again, compute)(X)
    assert (np.asarray(first) == np.asarray(second)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QSVC().fit(X, np.ones(40)), "at least two classes"),
        (lambda: QSVC().fit(np.where(X > 1, np.nan, X), Y), "contains NaN"),
        (lambda: QSVC().fit(X, Y).predict(X[:, :1]), "expecting 2 features"),
        (lambda: QSVC("rbf").fit(X, Y), "`kernel` must be a quantum kernel"),
        (lambda: QSVC(scale="large").fit(X, Y), '`scale` must be "auto"'),
        (lambda: QuantumKernelTransformer(output="rows").fit(X), "`output` must be one of"),
        (lambda: QuantumKernelTransformer(n_components=0).fit(X), "`n_components` must be"),
        (lambda: QSVC().predict(X), "is not fitted yet"),
        (lambda: QSVC(FidelityKernel("reuploading")).fit(X, Y), "hold the 12 weights"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
