"""The phase diagram of the cluster-Ising chain by quantum convolutional networks.

    python benchmarks/quantum_data/qcnn.py             # writes qcnn.json and phase_diagram.png
    python benchmarks/quantum_data/qcnn.py --draw      # draws again from qcnn.json

The diagrams follow figure 2 of I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural
networks, Nature Physics 15, 1273-1278, 2019, arXiv:1810.03787, with chains that are short enough to
diagonalise. One network is exact, on 12 sites. The other has 8 qubits and 91 parameters. As in the
paper, it is trained only on 40 evenly spaced points of the line `h2 = 0`, where the exact
transition is at `h1 = 1`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from qkeras_hybrid.datasets import quantum

SITES, TRAINED_SITES = 12, 8
H1, H2 = np.linspace(0, 1.6, 33), np.linspace(-1.6, 1.6, 65)
EPOCHS, LEARNING_RATE, SEED = 200, 0.05, 0
HERE = Path(__file__).parent


def on_the_plane(n_qubits: int) -> np.ndarray:
    """Returns the ground states of all points, of shape `(33 * 65, 2**n_qubits)`."""
    h1, h2 = (values.ravel() for values in np.meshgrid(H1, H2, indexing="ij"))
    # At h1 = 0 the chain has more symmetries, and levels cross.
    couplings = np.stack([np.ones_like(h1), np.maximum(h1, 1e-3), h2], axis=1)
    return quantum.ground_states("cluster", couplings, n_qubits)[0].astype("float32")


def exact() -> np.ndarray:
    """Returns the value of the exact network at each point."""
    from qkeras_hybrid import PQC
    from qkeras_hybrid.bench.on_states import exact_qcnn

    circuit, observable = exact_qcnn(SITES)
    layer = PQC(circuit, observable, encoding="amplitude")
    parts = np.array_split(on_the_plane(SITES), 32)
    return np.concatenate([np.asarray(layer(part)) for part in parts]).reshape(len(H1), len(H2))


def trained() -> tuple[np.ndarray, dict[str, Any]]:
    """Returns the probability of the topological phase at each point, and facts on the training."""
    import keras

    from qkeras_hybrid.bench import models
    from qkeras_hybrid.datasets import load

    keras.utils.set_random_seed(SEED)
    shaped_like = load("cluster_phases", n_samples=4, n_qubits=TRAINED_SITES, line=True)
    model = models.build(
        {"name": "circuit_on_states", "ansatz": "qcnn", "n_layers": 1}, shaped_like
    )
    h1 = np.linspace(0, 2, 40)
    couplings = np.stack([np.ones(40), np.maximum(h1, 1e-3), np.zeros(40)], axis=1)
    x = quantum.ground_states("cluster", couplings, TRAINED_SITES)[0].astype("float32")
    y = (h1 < 1).astype("int64")
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    history = model.fit(x, y, batch_size=40, epochs=EPOCHS, verbose=0).history
    values = model.predict(on_the_plane(TRAINED_SITES), batch_size=256, verbose=0)[:, 1]
    told = {
        "parameters": int(sum(np.prod(w.shape) for w in model.trainable_weights)),
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "seed": SEED,
        "loss": [round(value, 5) for value in history["loss"]],
        "training_accuracy": history["accuracy"][-1],
    }
    return values.reshape(len(H1), len(H2)), told


def agreement(values: np.ndarray, threshold: float, margin: float = 0.1) -> float:
    """Returns the fraction of points, away from the boundaries, that are on the right side."""
    lower, upper = quantum.cluster_boundaries(H1)
    inside = (lower[:, np.newaxis] < H2) & (upper[:, np.newaxis] > H2)
    away = np.minimum(abs(H2 - lower[:, np.newaxis]), abs(H2 - upper[:, np.newaxis])) >= margin
    return float(((values > threshold) == inside)[away].mean())


def draw(found: dict[str, Any], path: Path) -> None:
    """Draws both diagrams with the boundaries of the infinite chain."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 5.2), sharey=True, layout="constrained")
    titles = (
        f"Exact network, {SITES} sites",
        f"Trained on the white points, {TRAINED_SITES} sites",
    )
    labels = ("value of the network", "probability of the topological phase")
    lower, upper = quantum.cluster_boundaries(H1)
    for number, axis in enumerate(axes):
        values = np.array(found[("exact", "trained")[number]]["values"])
        mesh = axis.pcolormesh(
            H1, H2, values.T, shading="nearest", cmap="viridis", vmin=0, vmax=1, rasterized=True
        )
        for side in (lower, upper):
            axis.plot(H1, side, color="tab:red", lw=2)
        axis.plot([], [], color="tab:red", lw=2, label="boundary of the endless chain")
        axis.plot([0, 0, 1], [-1, 1, 0], "D", color="tab:red", clip_on=False, label="exactly known")
        axis.set_title(titles[number])
        axis.set_xlabel("$h_1 / J$")
        axis.set_xlim(0, 1.6)
        axis.set_ylim(-1.6, 1.6)
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2}
        axis.text(1.05, 0.95, "paramagnet", ha="center", bbox=box)
        axis.text(0.35, -0.3, "topological", ha="center", bbox=box)
        axis.text(0.5, -1.45, "antiferromagnet", ha="center", bbox=box)
        figure.colorbar(mesh, ax=axis, location="bottom", label=labels[number], shrink=0.9)
    points = np.linspace(0, 2, 40)
    axes[1].plot(points[points <= 1.6], 0 * points[points <= 1.6], ".", color="white", ms=4)
    axes[0].set_ylabel("$h_2 / J$")
    axes[0].legend(loc="upper right", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Computes both diagrams, or reads them from the file, and draws them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draw", action="store_true", help="only draw, from qcnn.json")
    rows = HERE / "qcnn.json"
    if parser.parse_args().draw:
        found = json.loads(rows.read_text(encoding="utf-8"))
    else:
        from qkeras_hybrid.bench.environment import machine, versions

        start = time.perf_counter()
        values, (learned, told) = exact(), trained()
        found = {
            "h1": H1.round(6).tolist(),
            "h2": H2.round(6).tolist(),
            "exact": {
                "sites": SITES,
                # The threshold is half of the value for a cluster state.
                "agreement": agreement(values, 0.5),
                "agreement_above_a_quarter": agreement(values, 0.25),
                "values": values.round(4).tolist(),
            },
            "trained": {
                "sites": TRAINED_SITES,
                **told,
                "agreement": agreement(learned, 0.5),
                "values": learned.round(4).tolist(),
            },
            "seconds": round(time.perf_counter() - start),
            "versions": versions(),
            "machine": machine(),
        }
        rows.write_text(json.dumps(found) + "\n", encoding="utf-8")
    for kind in ("exact", "trained"):
        print(kind, {k: v for k, v in found[kind].items() if k not in ("values", "loss")})
    draw(found, HERE / "phase_diagram.png")


if __name__ == "__main__":
    main()
