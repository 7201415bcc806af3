"""Trains a linear model through shortest paths, as PyEPO's notebook 03 does, and prints its regret.

    python benchmarks/decisions/shortest_path.py
    python benchmarks/decisions/shortest_path.py --output benchmarks/decisions/shortest_path.json

The data are PyEPO's: a 5 x 5 grid, 5 features, degree 4, noise of half width 0.5 and seed 42.
scikit-learn's `train_test_split(random_state=42)` splits them into 1,000 samples for training and
1,000 for the test. Training has 20 epochs of Adam, with learning rate 0.01 and batches of 32. The
normalised regret of the test samples is measured after the last epoch; no epoch is selected. Seed
42 is compared with the notebook; other seeds have other initial weights and orders of samples.
"MSE" predicts costs first, then decides.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.model_selection import train_test_split

GRID, EPOCHS, BATCH, RATE = (5, 5), 20, 32, 0.01

# The normalised regret after the last epoch in the notebook of PyEPO 2.2, in per cent.
NOTEBOOK = {
    "SPO+": 7.5915,
    "PFYL": 7.2863,
    "perturbed": 9.8828,
    "blackbox": 15.1177,
    "negative identity": 8.8961,
}


def data() -> tuple[np.ndarray, ...]:
    """Returns features and costs of the training set and the test set."""
    from qkeras_hybrid.decisions import shortest_path_data

    x, costs = shortest_path_data(2000, 5, GRID, degree=4, noise_width=0.5, seed=42)
    x_train, x_test, c_train, c_test = train_test_split(x, costs, test_size=1000, random_state=42)
    return x_train, x_test, c_train, c_test


def l1_of_decisions(y_true: Any, y_pred: Any) -> Any:
    """Returns the mean difference to the best decision, the last part of the targets."""
    return keras.ops.mean(keras.ops.abs(y_true[..., y_pred.shape[-1] :] - y_pred), axis=-1)


def methods(problem: Any, seed: int) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Returns the loss of each method, and the gradient that a decision layer needs for it."""
    from qkeras_hybrid import decisions

    return {
        "MSE": lambda: (mse_of_costs, None),
        "SPO+": lambda: (decisions.SPOPlus(problem), None),
        "PFYL": lambda: (decisions.PerturbedFenchelYoung(problem, seed=seed), None),
        "perturbed": lambda: (l1_of_decisions, "perturbed"),
        "blackbox": lambda: (decisions.decision_cost, "blackbox"),
        "implicit MLE": lambda: (l1_of_decisions, "implicit_mle"),
        "negative identity": lambda: (decisions.decision_cost, "negative_identity"),
    }


def mse_of_costs(y_true: Any, y_pred: Any) -> Any:
    """Returns the mean squared error of costs, the first part of the targets."""
    return keras.ops.mean((y_true[..., : y_pred.shape[-1]] - y_pred) ** 2, axis=-1)


def trained(name: str, seed: int) -> dict[str, Any]:
    """Trains one model, and returns its row."""
    from qkeras_hybrid import DecisionLayer, decisions

    problem = decisions.GridShortestPath(*GRID)
    x_train, x_test, c_train, c_test = data()
    loss, gradient = methods(problem, seed)[name]()
    keras.utils.set_random_seed(seed)
    # PyTorch's distribution of initial weights and biases: uniform within 1 / sqrt(5).
    initial = keras.initializers.RandomUniform(-(5**-0.5), 5**-0.5)
    dense = keras.layers.Dense(
        problem.n_costs, kernel_initializer=initial, bias_initializer=initial
    )
    predictor = keras.Sequential([keras.Input((5,)), dense])
    model = predictor
    if gradient is not None:
        model = keras.Sequential([predictor, DecisionLayer(problem, gradient=gradient, seed=seed)])
    model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=False)
    regrets = []

    def note(*_: Any) -> None:
        regrets.append(decisions.regret(problem, c_test, predictor.predict(x_test, verbose=0)))

    note()
    y_train = decisions.targets(problem, c_train)
    model.fit(
        x_train.astype("float32"),
        y_train,
        epochs=EPOCHS,
        batch_size=BATCH,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
    )
    return {
        "method": name,
        "seed": seed,
        "regret": regrets[-1],
        "regrets": regrets,
        "notebook": NOTEBOOK.get(name),
    }


def main() -> None:
    """Trains with all methods, and prints or writes the regrets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 0, 1, 2, 3])
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions

    rows = []
    for name in given.methods or methods(None, 0):
        for seed in given.seeds:
            row = trained(name, seed)
            rows.append(row)
            expected = f", notebook {row['notebook']:.2f} %" if row["notebook"] else ""
            print(f"{name:18s} seed {seed:2d}: {100 * row['regret']:5.2f} %{expected}", flush=True)
    if given.output is not None:
        document = {
            "grid": GRID,
            "epochs": EPOCHS,
            "batch": BATCH,
            "learning_rate": RATE,
            "backend": keras.backend.backend(),
            "machine": machine(),
            "versions": versions(),
            "rows": rows,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
