"""The conclusions from a study of kernels, as sentences."""

from __future__ import annotations

import math

from qkeras_hybrid.kernels.studies import KernelResult, Study, difference

_LARGE = 0.25
"""A geometric difference of at least this share of `sqrt(n)` leaves room for an advantage."""

_ALIKE = 0.95
_MISSED = 0.1
_MANY_SHOTS = 10_000


def verdict(study: Study) -> str:
    """Returns which kernel to use, in one or two sentences.

    Args:
        study: The result of `qkeras_hybrid.kernels.study`.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> kernel = qh.kernels.FidelityKernel("angle")
    >>> found = qh.kernels.study(x, x[:, 0] > 0, [kernel], folds=2)
    >>> "fidelity" in qh.kernels.verdict(found) or "RBF" in qh.kernels.verdict(found)
    True
    """
    ours, theirs = study.best(True), study.best(False)
    mean, half = difference(study)
    kind = "R²" if study.task == "regression" else "accuracy"
    numbers = f"{kind} {ours.score:.3f} against {theirs.score:.3f}"
    interval = f"95 % interval of the difference {mean - half:+.3f} to {mean + half:+.3f}"
    if mean - half > 0:
        return (
            f"The {ours.name} kernel is ahead of the {theirs.name} kernel: {numbers}, {interval}. "
            "Confirm it on samples that were not used here, since several kernels were tried."
        )
    if mean + half < 0:
        return f"Use the {theirs.name} kernel, which is ahead: {numbers}, {interval}."
    return (
        f"The {ours.name} and the {theirs.name} kernel can't be told apart: {numbers}, {interval}. "
        f"Use the {theirs.name} kernel, which costs less."
    )


def reasons(study: Study) -> list[str]:
    """Returns a sentence for each measure, with its number.

    Args:
        study: The result of `qkeras_hybrid.kernels.study`.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> kernel = qh.kernels.FidelityKernel("angle")
    >>> found = qh.kernels.study(x, x[:, 0] > 0, [kernel], folds=2)
    >>> "geometric difference" in qh.kernels.reasons(found)[0]
    True
    """
    ours = study.best(True)
    said = [_geometry(study, ours), _complexity(study, ours)]
    if ours.likeness >= _ALIKE:
        said.append(
            f"With its best bandwidth the {ours.name} kernel is nearly a classical one (similarity "
            f"{ours.likeness:.2f}): it can be computed without a circuit."
        )
    if study.unscaled:
        few, many = study.unscaled[0], study.unscaled[-1]
        if many.deviation < few.deviation / 2:
            said.append(
                f"With scale 1 the {study.results[0].name} kernel concentrates: from "
                f"{few.n_qubits} to {many.n_qubits} qubits, the standard deviation of its entries "
                f"falls from {few.deviation:.2g} to {many.deviation:.2g}."
            )
    shots = ours.entries.shots
    if ours.name.startswith("fidelity") and _MANY_SHOTS < shots < math.inf:
        said.append(
            f"On a device, each entry of the {ours.name} kernel would need more than "
            f"{_rounded(shots)} measurements before it differs measurably from the others."
        )
    return said


def _geometry(study: Study, ours: KernelResult) -> str:
    name, g = min(
        ((c, g) for (c, q), g in study.differences.items() if q == ours.name),
        key=lambda pair: pair[1],
    )
    n = study.n_samples
    root = f"sqrt(n) = {math.sqrt(n):.2g} for n = {n} samples"
    size = f"its geometric difference to the {name} kernel is {g:.2g}"
    if g < _LARGE * math.sqrt(n):
        return (
            f"The {ours.name} kernel can't be far ahead on labels that the {name} kernel can fit: "
            f"{size}, less than a quarter of {root}."
        )
    return (
        f"There are labels on which the {ours.name} kernel would be ahead: {size}, at least a "
        f"quarter of {root}."
    )


def _complexity(study: Study, ours: KernelResult) -> str:
    theirs = min((r for r in study.results if not r.quantum), key=lambda r: r.complexity)
    n, s, t = study.n_samples, ours.complexity, theirs.complexity
    if max(ours.missed, theirs.missed) > _MISSED:
        return (
            f"Even on the samples that they are fitted to, the {ours.name} kernel misses "
            f"{ours.missed:.0%} of these labels and the {theirs.name} kernel {theirs.missed:.0%}: "
            "their model complexities can't be compared."
        )
    numbers = (
        f"the model complexity of the {ours.name} kernel is {s:.3g}, that of the {theirs.name} "
        f"kernel {t:.3g}, for {n} samples"
    )
    if min(s, t) > n:
        return f"These labels are hard for both kinds of kernel: {numbers}."
    if s < t / 2:
        return f"These labels are simpler for the {ours.name} kernel: {numbers}."
    if t < s / 2:
        return f"These labels are simpler for a classical kernel: {numbers}."
    return f"These labels are about as simple for both kinds of kernel: {numbers}."


def _rounded(shots: float) -> str:
    power = 10 ** int(math.log10(shots))
    return f"{int(shots // power) * power:,}"
