"""Draws the pictures of the README: a hybrid model, and the stored results.

python benchmarks/pictures.py              # into benchmarks/pictures/
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkeras_hybrid.bench.report import content
from qkeras_hybrid.bench.results import read_rows

HERE = Path(__file__).resolve().parent
PEERS = {
    "tfq": "TensorFlow Quantum",
    "tensorcircuit": "TensorCircuit-NG (JAX)",
    "pennylane-jax": "PennyLane (JAX)",
}
COLOURS = {"tfq": "#1f77b4", "tensorcircuit": "#2ca02c", "pennylane-jax": "#d95f02"}
MATCHED = "dense_same_parameters"
OUTCOMES = {"better": "#1b7837", "worse": "#b2182b"}
GREY = "#555555"


def ratios() -> dict[str, dict[str, float]]:
    """Returns the step times divided by those of `native`, by name and size."""
    found: dict[str, dict[str, float]] = {name: {} for name in PEERS}
    for file in ("engines", "peers"):
        stored = json.loads((HERE / "speed" / f"{file}.json").read_text(encoding="utf-8"))
        for step in stored["steps"]:
            size = f"{step['n_qubits']} qubits\nbatch {step['batch']}"
            native = step["engines"]["native"]["median_s"]
            others = step["peers"] if file == "peers" else {"tfq": step["engines"]["tfq"]}
            for name, its in others.items():
                found[name][size] = its["median_s"] / native
    return found


def draw_speed(axes: Axes) -> None:
    """Draws the ratios as bars over the sizes; missing measurements have no bar."""
    found = ratios()
    sizes = list(found["tfq"])
    width = 0.27
    for name, label in PEERS.items():
        places, values = [], []
        for n, size in enumerate(sizes):
            there = [other for other in PEERS if size in found[other]]
            if name in there:
                places.append(n + (there.index(name) - (len(there) - 1) / 2) * width)
                values.append(found[name][size])
        bars = axes.bar(places, values, width, label=label, color=COLOURS[name])
        axes.bar_label(bars, [f"{value:.0f}" for value in values], fontsize=9, padding=1)
    axes.axhline(1, color="black", label="native")
    axes.set(
        yscale="log",
        ylim=(0.7, 800),
        ylabel="time of a training step / native",
        title="A training step against this package's native engine (2 cores, one run each)",
    )
    axes.set_xticks(range(len(sizes)), sizes)
    axes.legend(frameon=False, ncols=4, loc="upper right")


def differences() -> list[tuple[str, float, float, float, str]]:
    """Returns a label, mean, low, high (in points) and outcome of hybrid minus matched Dense."""
    rows = read_rows(HERE / "paper" / "results.jsonl")
    found = []
    for comparison in content.build(rows).comparisons:
        contrast = comparison.contrasts.get(MATCHED)
        if contrast is None or comparison.metric != "accuracy":
            continue
        estimate = contrast.difference
        title = f"{comparison.model}, {comparison.data_title}".replace("_", " ")
        mean, low, high = (100 * v for v in (estimate.mean, estimate.low, estimate.high))
        found.append((title, mean, low, high, contrast.outcome))
    return found


def draw_differences(axes: Axes) -> None:
    """Draws the differences as points with their intervals, one below the other."""
    found = differences()
    for place, (_, mean, low, high, outcome) in enumerate(found):
        # As in the report, the colour shows the test corrected for the number of controls.
        colour = OUTCOMES.get(outcome, GREY)
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(mean, place, "o", color=colour, markersize=6)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(found)), [title for title, *_ in found], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(
        "points of test accuracy, 95 % interval; in colour: more than chance explains", x=0.3
    )
    axes.set_title("Hybrid minus the Dense network with as many parameters", x=0.2)
    axes.grid(axis="x", color="#dddddd")


SERIES = {
    "hybrid": ("hybrid", "#1b7837", "-"),
    "no_entanglement": ("hybrid, qubits apart", "#1b7837", "--"),
    "single_upload": ("hybrid, features enter once", "#1b7837", ":"),
    "surrogate": ("tensor train on the circuit's waves", "#8b62d0", "-"),
    "hashed_dense": ("Dense, shared weights", "#1f77b4", "--"),
    "dense_same_parameters": ("Dense", "#1f77b4", "-"),
}


def draw_frontier(axes: Axes) -> None:
    """Draws scores by size on the periodic series of two features, with standard errors."""
    found: dict[str, dict[int, list[float]]] = {name: {} for name in SERIES}
    for row in read_rows(HERE / "frontier" / "results.jsonl"):
        data = row.data.get("n_features"), row.data.get("n_train")
        if data == (2, 225) and row.contender in SERIES:
            found[row.contender].setdefault(row.parameters, []).append(row.test_score)
    for name, (label, colour, line) in SERIES.items():
        sizes = sorted(found[name])
        means = [statistics.mean(found[name][size]) for size in sizes]
        errors = [statistics.stdev(v) / len(v) ** 0.5 for v in map(found[name].get, sizes)]
        style = {"color": colour, "linestyle": line, "marker": "o", "markersize": 4}
        axes.errorbar(sizes, means, errors, label=label, **style)
    axes.set_xlabel("trainable parameters")
    axes.set_ylabel("R² on the test part, with standard errors")
    axes.set_title("Data that are sums of waves: score against size")
    axes.set_ylim(0, 1)
    axes.grid(color="#dddddd")
    axes.legend(frameon=False, fontsize=9)


# These colours are readable on light and on dark pages.
LINE, DENSE, ENCODING, TRAINED, READ = "#7d8590", "#3a8fd0", "#d9690f", "#8b62d0", "#2f9e44"


def draw_model(axes: Axes) -> None:
    """Draws a model of Dense, a circuit of four qubits, and Dense."""
    rows, left, right = [3.0, 2.0, 1.0, 0.0], 2.0, 10.6
    features, classes = ([1.5 + 0.72 * (k - (n - 1) / 2) for k in range(n)] for n in (6, 5))
    for x, places, colour in ((0.0, features, LINE), (left, rows, DENSE), (12.6, classes, DENSE)):
        axes.plot([x] * len(places), places, "o", color=colour, markersize=9, zorder=3)
    for ends, starts, x in ((features, rows, (0.0, left)), (rows, classes, (right, 12.6))):
        for one, other in itertools.product(ends, starts):
            axes.plot(x, [one, other], color=DENSE, linewidth=0.5, alpha=0.6, zorder=1)
    for y in rows:
        axes.plot([left, right], [y, y], color=LINE, linewidth=1.2, zorder=1)
    for x, label, colour in (
        (3.2, "encode", ENCODING),
        (4.5, "RY", TRAINED),
        (5.5, "RZ", TRAINED),
        (9.6, "⟨Z⟩", READ),
    ):
        for k, y in enumerate(rows):
            text = f"RX(x{k})" if label == "encode" else label
            axes.text(
                x,
                y,
                text.translate(str.maketrans("0123", "₀₁₂₃")),
                ha="center",
                va="center",
                color="white",
                fontsize=9.5,
                bbox={"boxstyle": "round,pad=0.32", "facecolor": colour, "edgecolor": "none"},
                zorder=3,
            )
    for k in range(4):
        x, control, target = 6.4 + 0.72 * k, rows[k], rows[(k + 1) % 4]
        axes.plot([x, x], [control, target], color=TRAINED, linewidth=1.4, zorder=2)
        axes.plot(x, control, "o", color=TRAINED, markersize=7, zorder=3)
        axes.plot(x, target, "o", color=TRAINED, markersize=13, zorder=3)
        axes.plot(x, target, "+", color="white", markersize=9, zorder=4)
    for x, text, colour in (
        (0.0, "features", LINE),
        (left, "Dense", DENSE),
        (3.3, "encoding", ENCODING),
        (6.5, "trained rotations, entanglement", TRAINED),
        (9.6, "expectation\nvalues", READ),
        (12.6, "Dense", DENSE),
    ):
        axes.text(x, -0.95, text, ha="center", va="center", color=colour, fontsize=11)
    axes.set(xlim=(-0.6, 13.2), ylim=(-1.4, 3.6))
    axes.set_axis_off()


def main(folder: Path) -> None:
    """Writes the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    # These settings keep text as text, and make files reproducible.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "qkeras_hybrid"}):
        for name, draw, size in (
            ("model", draw_model, (9.0, 3.2)),
            ("speed", draw_speed, (9.0, 4.0)),
            ("comparison", draw_differences, (9.0, 5.6)),
            ("frontier", draw_frontier, (9.0, 4.4)),
        ):
            figure = Figure(figsize=size, layout="constrained")
            axes = figure.subplots()
            axes.spines[["top", "right"]].set_visible(False)
            draw(axes)
            # A picture without numbers suits light and dark pages.
            figure.savefig(
                folder / f"{name}.svg", metadata={"Date": None}, transparent=name == "model"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "pictures")
