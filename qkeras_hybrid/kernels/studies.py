"""Whether a quantum kernel can help on data: all measures, next to tuned classical kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.kernels.agreement import centred_alignment, label_vectors, similarity
from qkeras_hybrid.kernels.bandwidth import SCALES, draw
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.fidelity import FidelityKernel
from qkeras_hybrid.kernels.geometry import (
    geometric_difference,
    model_complexity,
    training_error,
)
from qkeras_hybrid.kernels.projected import ProjectedKernel
from qkeras_hybrid.kernels.repair import repaired
from qkeras_hybrid.kernels.spectra import (
    Concentration,
    concentration,
    concentrations,
    participation_ratio,
)

if TYPE_CHECKING:
    import sklearn.kernel_ridge as sklearn_kernel_ridge
    import sklearn.metrics.pairwise as sklearn_pairwise
    import sklearn.model_selection as sklearn_model_selection
    import sklearn.preprocessing as sklearn_preprocessing
    import sklearn.svm as sklearn_svm
    import sklearn.utils.multiclass as sklearn_multiclass
else:
    sklearn_kernel_ridge = lazy_module("sklearn.kernel_ridge")
    sklearn_pairwise = lazy_module("sklearn.metrics.pairwise")
    sklearn_model_selection = lazy_module("sklearn.model_selection")
    sklearn_preprocessing = lazy_module("sklearn.preprocessing")
    sklearn_svm = lazy_module("sklearn.svm")
    sklearn_multiclass = lazy_module("sklearn.utils.multiclass")

WIDTHS: tuple[float, ...] = tuple(float(g) for g in 2.0 ** np.arange(-7, 8))
"""The values of `gamma * n_features` to try for the classical kernels, as many as `SCALES`."""

_PENALTIES = (0.1, 1.0, 10.0, 100.0)
_REPEATS = 2
_QUBITS = (2, 4, 6, 8)

Watch = Callable[[str], None]


@dataclass(frozen=True)
class KernelResult:
    """What a study found about one kernel.

    Attributes:
        name: The name of the kernel.
        quantum: Whether it is a quantum kernel.
        bandwidth: The bandwidth with the best centred alignment: the `scale` of a quantum kernel,
            `gamma` of a classical one.
        tried: All bandwidths that were tried.
        alignments: The centred alignment for each of them.
        matrix: The kernel matrix for the best bandwidth, of shape `(n, n)`.
        complexity: The model complexity `s_K`.
        missed: The share of the labels that the kernel can't fit on these samples.
        participation: The effective number of eigenvalues of the matrix.
        entries: How concentrated the entries of the matrix are.
        likeness: The similarity to the most similar classical kernel matrix; 1 for a classical
            kernel.
        scores: The scores of cross-validation: accuracies, or R² of a regression. The bandwidth and
            the penalty of each score were chosen without the samples that it is computed on.
    """

    name: str
    quantum: bool
    bandwidth: float
    tried: tuple[float, ...]
    alignments: tuple[float, ...]
    matrix: np.ndarray
    complexity: float
    missed: float
    participation: float
    entries: Concentration
    likeness: float
    scores: tuple[float, ...]

    @property
    def alignment(self) -> float:
        """The centred alignment with the best bandwidth."""
        return max(self.alignments)

    @property
    def score(self) -> float:
        """The mean of the scores."""
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class Study:
    """What a study found.

    Attributes:
        task: "classification" or "regression".
        y: The labels of the samples that were used, of shape `(n,)`.
        n_features: The number of features.
        n_qubits: The number of qubits.
        results: One result for each kernel.
        differences: The geometric difference of each quantum kernel to each classical one, by
            their names `(classical, quantum)`.
        unscaled: The concentration of the first kernel with scale 1, for several numbers of qubits.
        scaled: The same with its best scale.
        folds: The number of parts into which cross-validation divides the samples.
    """

    task: str
    y: np.ndarray
    n_features: int
    n_qubits: int
    results: tuple[KernelResult, ...]
    differences: dict[tuple[str, str], float]
    unscaled: tuple[Concentration, ...]
    scaled: tuple[Concentration, ...]
    folds: int

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.y)

    def best(self, quantum: bool) -> KernelResult:
        """Returns the quantum, or the classical, kernel with the best score."""
        return max((r for r in self.results if r.quantum == quantum), key=lambda r: r.score)


@dataclass(frozen=True)
class _Candidate:
    name: str
    quantum: bool
    tried: tuple[float, ...]
    matrices: tuple[np.ndarray, ...]

    def best(self, y: np.ndarray, task: str, rows: np.ndarray) -> tuple[int, tuple[float, ...]]:
        """Returns the index of the best matrix on the samples in `rows`, and all alignments."""
        found = tuple(
            centred_alignment(matrix[np.ix_(rows, rows)], y[rows], task=task)
            for matrix in self.matrices
        )
        return int(np.argmax(found)), found


def study(
    x: Any,
    y: Any,
    kernels: Sequence[Kernel] | None = None,
    *,
    task: str = "auto",
    n_samples: int = 300,
    folds: int = 5,
    regularization: float = 1e-3,
    seed: int = 0,
    watch: Watch | None = None,
) -> Study:
    """Measures whether a quantum kernel can help on data.

    The quantum kernels are compared with an RBF and a Laplacian kernel. The bandwidths of all
    kernels are chosen in the same way, from equally many values.

    Args:
        x: Samples of shape `(n, n_features)`; they are standardised.
        y: Labels or targets of shape `(n,)`.
        kernels: Quantum kernels without `shots` and `noise`; by default a fidelity and a projected
            kernel of the ZZ feature map. Their scales are not used.
        task: "classification", "regression", or "auto" to decide by the labels.
        n_samples: The largest number of samples to use. If there are more, they are drawn at
            random.
        folds: The number of parts into which cross-validation divides the samples; fewer if a class
            has fewer samples. It does so twice.
        regularization: The `regularization` of the geometric differences and model complexities.
        seed: The seed of all draws.
        watch: A function that is called with a description of each step before it starts.

    Raises:
        ValueError: If there are fewer than two classes, a class has fewer than two samples, or an
            argument is invalid.

    Reference:
        Huang et al., Nature Communications 12, 2631 (2021), arXiv 2011.01938.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> found = qh.kernels.study(x, x[:, 0] > 0, [qh.kernels.FidelityKernel("angle")], folds=2)
    >>> [result.name for result in found.results]
    ['fidelity', 'RBF', 'Laplacian']
    """
    chosen = (FidelityKernel(), ProjectedKernel()) if kernels is None else tuple(kernels)
    if not chosen:
        raise ArgumentError("kernels", "hold at least one kernel", chosen)
    for kernel in chosen:
        if kernel.shots is not None or kernel.noise is not None:
            raise ArgumentError("kernels", "be exact, without `shots` and `noise`", kernel)
    samples = chosen[0].check("x", x)
    labels = np.asarray(y)
    label_vectors(labels, len(samples), task=task)  # raises if they are invalid
    if task == "auto":
        continuous = sklearn_multiclass.type_of_target(labels) == "continuous"
        task = "regression" if continuous else "classification"
    if len(samples) > positive_int("n_samples", n_samples):
        kept = labels if task == "classification" else None
        # Two of each class, for cross-validation.
        rows = draw(len(samples), kept, n_samples, seed, least=2)
        samples, labels = samples[rows], labels[rows]
    folds = _folds(labels, task, positive_int("folds", folds))
    samples = sklearn_preprocessing.StandardScaler().fit_transform(samples)
    if task == "regression":
        labels = (labels - labels.mean()) / labels.std()
    say = watch or (lambda what: None)
    candidates = list(_candidates(chosen, samples, say))
    classical = [c for c in candidates if not c.quantum]
    results = []
    for candidate in candidates:
        say(f"{candidate.name} kernel: cross-validation")
        number, alignments = candidate.best(labels, task, np.arange(len(labels)))
        matrix = candidate.matrices[number]
        results.append(
            KernelResult(
                name=candidate.name,
                quantum=candidate.quantum,
                bandwidth=candidate.tried[number],
                tried=candidate.tried,
                alignments=alignments,
                matrix=matrix,
                complexity=model_complexity(matrix, labels, regularization, task=task),
                missed=training_error(matrix, labels, regularization, task=task),
                participation=participation_ratio(matrix),
                entries=concentration(matrix),
                likeness=_likeness(matrix, classical) if candidate.quantum else 1.0,
                scores=_scores(candidate, labels, task, folds, seed),
            )
        )
    say("geometric differences")
    first, scale = chosen[0], results[0].bandwidth
    prepared = first.feature_map(samples.shape[1], first.precision(samples.dtype))
    return Study(
        task=task,
        y=labels,
        n_features=samples.shape[1],
        n_qubits=prepared.compiled.n_qubits,
        results=tuple(results),
        differences={
            (c.name, q.name): geometric_difference(c.matrix, q.matrix, regularization)
            for c in results
            if not c.quantum
            for q in results
            if q.quantum
        },
        unscaled=_concentrations(first.with_changes(scale=1.0), samples),
        scaled=_concentrations(first.with_changes(scale=scale), samples),
        folds=folds,
    )


def _concentrations(kernel: Kernel, x: np.ndarray) -> tuple[Concentration, ...]:
    if kernel.layer is not None:
        return ()
    try:
        return tuple(concentrations(kernel, x, [q for q in _QUBITS if q <= x.shape[1]]))
    except ArgumentError:
        return ()  # an encoding that needs another number of features for so many qubits


def _folds(labels: np.ndarray, task: str, folds: int) -> int:
    """Returns the number of folds, lowered where the samples or a class are too few for it."""
    most = len(labels) // 2
    if task == "classification":
        classes, sizes = np.unique(labels, return_counts=True)
        most = int(sizes.min())
        if most < 2:
            rare = classes[int(np.argmin(sizes))]
            raise ArgumentError("y", "have at least two samples of each class", f"one of {rare}")
    if min(folds, most) < 2:
        raise ArgumentError("folds", "be at least 2, and `x` hold at least 4 samples", folds)
    return min(folds, most)


def _candidates(kernels: Sequence[Kernel], x: np.ndarray, say: Watch) -> Iterable[_Candidate]:
    names: list[str] = []
    for kernel in kernels:
        name = type(kernel).__name__.removesuffix("Kernel").lower()
        name = name if name not in names else f"{name} {names.count(name) + 1}"
        names.append(name)
        say(f"{name} kernel: {len(SCALES)} bandwidths")
        matrices = []
        for scale in SCALES:
            matrix = np.asarray(kernel.with_changes(scale=scale, psd=None).matrix(x), float)
            matrices.append(repaired(matrix, "shrink"))  # rounding may make it indefinite
        yield _Candidate(name, True, SCALES, tuple(matrices))
    gammas = tuple(width / x.shape[1] for width in WIDTHS)
    for name, compute in (
        ("RBF", sklearn_pairwise.rbf_kernel),
        ("Laplacian", sklearn_pairwise.laplacian_kernel),
    ):
        say(f"{name} kernel: {len(gammas)} bandwidths")
        found = tuple(np.asarray(compute(x, gamma=gamma), float) for gamma in gammas)
        yield _Candidate(name, False, gammas, found)


def _likeness(matrix: np.ndarray, classical: Sequence[_Candidate]) -> float:
    return max(similarity(matrix, other) for each in classical for other in each.matrices)


def _scores(
    candidate: _Candidate, y: np.ndarray, task: str, folds: int, seed: int
) -> tuple[float, ...]:
    """Cross-validates a kernel, with its bandwidth and penalty chosen within the training part."""
    regression = task == "regression"
    kind = "RepeatedKFold" if regression else "RepeatedStratifiedKFold"
    split = getattr(sklearn_model_selection, kind)(
        n_splits=folds, n_repeats=_REPEATS, random_state=seed
    )
    scores = []
    for train, test in split.split(np.zeros((len(y), 1)), y):
        number, _ = candidate.best(y, task, train)
        matrix = candidate.matrices[number]
        if regression:
            inner: Any = min(3, len(train))
            model = sklearn_kernel_ridge.KernelRidge(kernel="precomputed")
            grid = {"alpha": [1 / (2 * penalty) for penalty in _PENALTIES]}
        else:
            smallest = int(np.unique(y[train], return_counts=True)[1].min())
            inner = min(3, smallest)
            model = sklearn_svm.SVC(kernel="precomputed")
            grid = {"C": list(_PENALTIES)}
        if inner >= 2:
            model = sklearn_model_selection.GridSearchCV(model, grid, cv=inner)
        model.fit(matrix[np.ix_(train, train)], y[train])
        scores.append(float(model.score(matrix[np.ix_(test, train)], y[test])))
    return tuple(scores)


def difference(study: Study) -> tuple[float, float]:
    """Returns the score of the best quantum kernel minus that of the best classical kernel.

    Args:
        study: The result of `study`.

    Returns:
        The mean difference, and half the width of its 95 % interval. The interval is that of a t
        test whose variance is corrected for the overlap of the training parts.

    Reference:
        Nadeau, Bengio: Inference for the generalization error, Machine Learning 52, 239 (2003).
    """
    import scipy.stats

    ours, theirs = study.best(True).scores, study.best(False).scores
    differences = np.array(ours) - np.array(theirs)
    count = len(differences)
    ratio = 1 / (study.folds - 1)  # the size of a test part divided by that of its training part
    error = math.sqrt((1 / count + ratio) * float(np.var(differences, ddof=1)))
    return float(differences.mean()), error * float(scipy.stats.t.ppf(0.975, count - 1))
