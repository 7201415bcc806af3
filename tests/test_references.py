"""References: scikit-learn models, what is tuned of them, and what is said of them."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import sklearn.exceptions

from qkeras_hybrid.bench.references import REFERENCES, TASKS, Reference


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Noisy rings, or a sum of waves: what no linear model learns."""
    if task == "classification":
        x, y = sklearn.datasets.make_circles(200, noise=0.1, factor=0.4, random_state=0)
        return x.astype("float32"), y
    x = np.random.default_rng(0).uniform(-2, 2, (200, 2)).astype("float32")
    return x, np.sin(2 * x[:, 0]) + np.cos(2 * x[:, 1])


def fitted(reference: Reference, task: str, seed: int = 0, **values: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        return reference.build(values, task, seed).fit(*data(task))


# Hyperparameters for these data, where the defaults don't do.
FITTING = {"rbf_svc": {"C": 10.0, "gamma": 0.5}, "qsvc": {"C": 1000.0, "scale": 0.1}}


def ends(space: dict[str, dict[str, Any]], end: str) -> dict[str, Any]:
    """The hyperparameters at one end of their ranges."""
    return {name: entry[end] for name, entry in space.items()}


def test_the_names() -> None:
    assert list(REFERENCES) == ["mlp", "rbf_svc", "qsvc", "gradient_boosting"]
    assert all(name == reference.name for name, reference in REFERENCES.items())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", REFERENCES)
def test_references_learn_what_is_not_linear(name: str, task: str) -> None:
    values = FITTING.get(name, {})
    estimator = fitted(REFERENCES[name], task, **values)
    # Accuracy, or R² of targets without noise: a linear model has 0.5 and about 0.
    assert estimator.score(*data(task)) > 0.8


@pytest.mark.parametrize("name", REFERENCES)
def test_a_search_space_is_json_and_holds_the_defaults(name: str) -> None:
    reference = REFERENCES[name]
    space = reference.search_space
    assert json.loads(json.dumps(space)) == space
    assert set(reference.defaults) == set(space)
    for key, entry in space.items():
        assert entry["type"] in ("float", "int")
        assert 0 < entry["low"] <= reference.defaults[key] <= entry["high"]
        assert isinstance(entry["low"], int if entry["type"] == "int" else float)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", ["rbf_svc", "qsvc", "gradient_boosting"])
def test_both_ends_of_the_ranges_can_be_fitted(name: str, task: str, end: str) -> None:
    reference = REFERENCES[name]
    estimator = fitted(reference, task, **ends(reference.search_space, end))
    assert np.isfinite(estimator.predict(data(task)[0])).all()


@pytest.mark.parametrize("end", ["low", "high"])
def test_every_hyperparameter_of_the_network_arrives(end: str) -> None:
    values = ends(REFERENCES["mlp"].search_space, end)
    estimator = REFERENCES["mlp"].build(values, "classification", 7)
    assert estimator.hidden_layer_sizes == (values["width"],) * values["n_layers"]
    assert estimator.alpha == values["alpha"]
    assert estimator.learning_rate_init == values["learning_rate"]
    assert estimator.random_state == 7


@pytest.mark.parametrize("name", ["rbf_svc", "qsvc", "gradient_boosting"])
def test_every_other_hyperparameter_arrives(name: str) -> None:
    reference = REFERENCES[name]
    values = ends(reference.search_space, "high")
    for task in TASKS:
        found = reference.build(values, task, 7).get_params()
        assert {key: found[key] for key in values} == values


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", REFERENCES)
def test_the_same_seed_gives_the_same_fit(name: str, task: str) -> None:
    x, _ = data(task)
    first, again = (fitted(REFERENCES[name], task, seed=3).predict(x) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("task", TASKS)
def test_parameters_of_a_network_are_weights_and_biases(task: str) -> None:
    reference = REFERENCES["mlp"]
    estimator = fitted(reference, task, width=5, n_layers=2)
    # Two features, two layers of five, one output.
    assert reference.parameters(estimator) == 3 * 5 + 6 * 5 + 6
    assert reference.describe(estimator).startswith(f"{type(estimator).__name__}(5, 5; relu), ")


@pytest.mark.parametrize("task", TASKS)
def test_parameters_of_a_support_vector_machine_are_its_coefficients(task: str) -> None:
    reference = REFERENCES["rbf_svc"]
    estimator = fitted(reference, task, C=2.0)
    n = len(estimator.support_vectors_)
    assert reference.parameters(estimator) == n + 1
    kind = {"classification": "SVC", "regression": "SVR"}[task]
    assert reference.describe(estimator) == f"{kind}(C=2, gamma=0.1), {n} support vectors"


@pytest.mark.parametrize("task", TASKS)
def test_parameters_of_a_quantum_kernel_machine_are_its_coefficients(task: str) -> None:
    reference = REFERENCES["qsvc"]
    estimator = fitted(reference, task, C=2.0, scale=0.25)
    n = len(estimator.support_)
    assert reference.parameters(estimator) == n + 1
    kind = {"classification": "QSVC", "regression": "QSVR"}[task]
    said = f"{kind}(C=2, zz, scale=0.25), {n} support vectors"
    assert reference.describe(estimator) == said


@pytest.mark.parametrize("task", TASKS)
def test_trees_have_no_count(task: str) -> None:
    reference = REFERENCES["gradient_boosting"]
    estimator = fitted(reference, task, max_iter=7, max_leaf_nodes=5)
    assert reference.parameters(estimator) is None
    assert "7 rounds of trees with up to 5 leaves" in reference.describe(estimator)


@pytest.mark.parametrize("name", REFERENCES)
def test_unknown_names_list_the_known_ones(name: str) -> None:
    reference = REFERENCES[name]
    with pytest.raises(ValueError, match=r"`hyperparameters`.*but got 'depth'"):
        reference.build({"depth": 3}, "classification", 0)
    with pytest.raises(ValueError, match="'classification', 'regression', but got 'ranking'"):
        reference.build({}, "ranking", 0)


def test_the_support_vector_machine_is_the_kernel_it_says() -> None:
    estimator = fitted(REFERENCES["rbf_svc"], "classification", C=3.0, gamma=0.5)
    x, _ = data("classification")
    distances = ((x[:, None] - estimator.support_vectors_) ** 2).sum(axis=-1)
    values = np.exp(-0.5 * distances) @ estimator.dual_coef_[0] + estimator.intercept_[0]
    np.testing.assert_allclose(estimator.decision_function(x), values, atol=1e-8)
