"""References: scikit-learn models of any size, which are tuned for each data set.

The size of a control is derived from the hybrid; the size of a reference is chosen by tuning. It
shows how hard the data are: which score usual methods reach without circuits and, with `qsvc`,
which score a quantum kernel reaches in place of an RBF kernel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qkeras_hybrid import kernels
from qkeras_hybrid._checks import one_of
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.derived import DoesNotApplyError

if TYPE_CHECKING:
    import sklearn.ensemble as sklearn_ensemble
    import sklearn.neural_network as sklearn_neural_network
    import sklearn.svm as sklearn_svm
else:
    sklearn_ensemble = lazy_module("sklearn.ensemble")
    sklearn_neural_network = lazy_module("sklearn.neural_network")
    sklearn_svm = lazy_module("sklearn.svm")

SearchSpace = dict[str, dict[str, Any]]
"""A search space as plain JSON: for each hyperparameter, its `"type"` and its range."""

TASKS = ("classification", "regression")


@dataclasses.dataclass(frozen=True)
class Reference:
    """A kind of model with scikit-learn's interface, and its search space.

    Attributes:
        name: The name of the reference in suites and rows.
        defaults: The default of each hyperparameter.
        search_space: The range of each hyperparameter:
            `{"type": "float", "low": 0.1, "high": 10.0, "log": True}`, the same with "int", or
            `{"type": "categorical", "choices": [...]}`.
        make: Makes an estimator from hyperparameters, task and seed.
        count: Counts the parameters of a fitted estimator; None if they can't be counted.
        say: Describes a fitted estimator.
    """

    name: str
    defaults: Mapping[str, Any]
    search_space: SearchSpace
    make: Callable[[Mapping[str, Any], str, int], Any]
    count: Callable[[Any], int | None]
    say: Callable[[Any], str]

    def build(self, hyperparameters: Mapping[str, Any], task: str, seed: int) -> Any:
        """Makes an estimator that is not yet fitted.

        It expects standardised features and, for regression, standardised targets, as
        `datasets.split` returns them.

        Args:
            hyperparameters: Values of some or all of the hyperparameters in `search_space`.
            task: "classification" or "regression".
            seed: Seed of the fit's random numbers, a whole number of at least 0 and below 2**32.

        Returns:
            A scikit-learn estimator with `fit(x, y)`, `predict(x)` and `score(x, y)`; the score is
            the accuracy or R².

        Raises:
            DoesNotApplyError: If the task is "decisions".
            ValueError: If a hyperparameter or the task is unknown.

        Example:

        >>> REFERENCES["rbf_svc"].build({"C": 10.0}, "classification", seed=0)
        SVC(C=10.0, gamma=0.1, random_state=0)
        """
        for name in hyperparameters:
            one_of("hyperparameters", name, self.search_space)
        self.require(task)
        return self.make({**self.defaults, **hyperparameters}, task, seed)

    def require(self, task: str) -> None:
        """Makes sure that the reference can learn a task.

        Raises:
            DoesNotApplyError: If the task is "decisions".
            ValueError: If the task is unknown.
        """
        if task == "decisions":
            raise DoesNotApplyError(
                f"The contender {self.name!r} does not apply to decisions: it predicts one class "
                "or one number for a sample, but no vector of costs."
            )
        one_of("task", task, TASKS)

    def parameters(self, estimator: Any) -> int | None:
        """Returns the number of fitted parameters of a fitted estimator.

        For `mlp`, these are its weights and biases. For `rbf_svc` and `qsvc`, they are the
        coefficients of its support vectors and its intercepts; their number grows with the data.
        None for `gradient_boosting`, because the size of trees can't be compared with these.
        """
        return self.count(estimator)

    def describe(self, estimator: Any) -> str:
        """Returns a line that describes a fitted estimator."""
        return self.say(estimator)


def _mlp(values: Mapping[str, Any], task: str, seed: int) -> Any:
    kind = (
        sklearn_neural_network.MLPClassifier
        if task == "classification"
        else sklearn_neural_network.MLPRegressor
    )
    return kind(
        hidden_layer_sizes=(values["width"],) * values["n_layers"],
        alpha=values["alpha"],
        learning_rate_init=values["learning_rate"],
        max_iter=500,
        random_state=seed,
    )


def _count_mlp(estimator: Any) -> int:
    return sum(int(part.size) for part in [*estimator.coefs_, *estimator.intercepts_])


def _say_mlp(estimator: Any) -> str:
    widths = ", ".join(map(str, estimator.hidden_layer_sizes))
    return f"{type(estimator).__name__}({widths}; relu), {estimator.n_iter_} epochs"


def _rbf_svc(values: Mapping[str, Any], task: str, seed: int) -> Any:
    if task == "regression":
        return sklearn_svm.SVR(C=values["C"], gamma=values["gamma"])
    return sklearn_svm.SVC(C=values["C"], gamma=values["gamma"], random_state=seed)


def _count_svc(estimator: Any) -> int:
    return int(estimator.dual_coef_.size + estimator.intercept_.size)


def _say_svc(estimator: Any) -> str:
    return (
        f"{type(estimator).__name__}(C={estimator.C:.3g}, gamma={estimator.gamma:.3g}), "
        f"{len(estimator.support_)} support vectors"
    )


def _qsvc(values: Mapping[str, Any], task: str, seed: int) -> Any:
    kernel = kernels.FidelityKernel("zz")
    kind = kernels.QSVR if task == "regression" else kernels.QSVC
    return kind(kernel, scale=values["scale"], C=values["C"])


def _count_qsvc(estimator: Any) -> int:
    return _count_svc(estimator.estimator_)


def _say_qsvc(estimator: Any) -> str:
    return (
        f"{type(estimator).__name__}(C={estimator.C:.3g}, zz, scale={estimator.scale:.3g}), "
        f"{len(estimator.support_)} support vectors"
    )


def _gradient_boosting(values: Mapping[str, Any], task: str, seed: int) -> Any:
    kind = (
        sklearn_ensemble.HistGradientBoostingClassifier
        if task == "classification"
        else sklearn_ensemble.HistGradientBoostingRegressor
    )
    # No early stopping, which would hold back samples: every contender learns from all of them.
    return kind(**values, early_stopping=False, random_state=seed)


def _say_boosting(estimator: Any) -> str:
    return (
        f"{type(estimator).__name__}({estimator.n_iter_} rounds of trees with up to "
        f"{estimator.max_leaf_nodes} leaves)"
    )


def _float(low: float, high: float) -> dict[str, Any]:
    return {"type": "float", "low": low, "high": high, "log": True}


def _int(low: int, high: int, *, log: bool) -> dict[str, Any]:
    return {"type": "int", "low": low, "high": high, "log": log}


REFERENCES: dict[str, Reference] = {
    reference.name: reference
    for reference in (
        Reference(
            name="mlp",
            defaults={"width": 64, "n_layers": 1, "alpha": 1e-4, "learning_rate": 1e-2},
            search_space={
                "width": _int(8, 256, log=True),
                "n_layers": _int(1, 3, log=False),
                "alpha": _float(1e-6, 1.0),
                "learning_rate": _float(1e-4, 1e-1),
            },
            make=_mlp,
            count=_count_mlp,
            say=_say_mlp,
        ),
        Reference(
            name="rbf_svc",
            defaults={"C": 1.0, "gamma": 0.1},
            search_space={"C": _float(1e-2, 1e3), "gamma": _float(1e-4, 1e1)},
            make=_rbf_svc,
            count=_count_svc,
            say=_say_svc,
        ),
        Reference(
            name="qsvc",
            defaults={"C": 1.0, "scale": 0.1},
            search_space={"C": _float(1e-2, 1e3), "scale": _float(1e-2, 2.0)},
            make=_qsvc,
            count=_count_qsvc,
            say=_say_qsvc,
        ),
        Reference(
            name="gradient_boosting",
            defaults={
                "learning_rate": 0.1,
                "max_iter": 100,
                "max_leaf_nodes": 31,
                "min_samples_leaf": 20,
                "l2_regularization": 1e-3,
            },
            search_space={
                "learning_rate": _float(1e-2, 0.5),
                "max_iter": _int(20, 300, log=True),
                "max_leaf_nodes": _int(4, 64, log=True),
                "min_samples_leaf": _int(2, 50, log=True),
                "l2_regularization": _float(1e-6, 10.0),
            },
            make=_gradient_boosting,
            count=lambda estimator: None,
            say=_say_boosting,
        ),
    )
}
"""The references by name; each is tuned by `search_space` and made by `build`."""
