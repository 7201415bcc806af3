"""Trains hybrid models and Dense networks for decisions, and prints the regret of these.

    python benchmarks/decisions/hybrid.py --output benchmarks/decisions/hybrid.jsonl
    python benchmarks/decisions/hybrid.py --report benchmarks/decisions/hybrid.jsonl

The decisions are shortest paths through a 5 x 5 grid. Its costs are polynomials of 5 features, of
degree 1, 2, 4 or 6, with noise of half width 0.5. Three models predict the costs: "hybrid", a
`PQCDense` of 5 qubits with a Dense layer; "dense", a network with as many parameters, the control
`same_parameters` of the benchmark; and "linear", one Dense layer. Each is trained to predict costs
("MSE"), and to decide, with SPO+ and with the perturbed Fenchel-Young loss ("PFYL"). The seed
determines data, initial weights and the order of samples. All models and losses have the same data
for a seed, so differences are computed seed by seed.

All are trained on 500 samples for 30 epochs, with Adam, learning rate 0.03 and batches of 32. After
each epoch, the regret is measured on 200 other samples. The weights of the best epoch are tested on
another 1,000 samples. Nothing else is tuned. Rows that the file already has are not computed again.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

DEGREES, MODELS, LOSSES = (1, 2, 4, 6), ("hybrid", "dense", "linear"), ("MSE", "SPO+", "PFYL")
TRAIN, VALID, TEST = 500, 200, 1000
EPOCHS, BATCH, RATE = 30, 32, 0.03


def model_of(name: str, n_costs: int) -> keras.Model:
    """Returns an untrained model from 5 features to costs."""
    from qkeras_hybrid import PQCDense
    from qkeras_hybrid.bench.controls import same_parameters

    if name == "linear":
        return keras.Sequential([keras.Input((5,)), keras.layers.Dense(n_costs)])
    layers = [PQCDense(5, n_layers=3), keras.layers.Dense(n_costs)]
    hybrid = keras.Sequential([keras.Input((5,)), *layers])
    return hybrid if name == "hybrid" else same_parameters(hybrid)


def loss_of(name: str, problem: Any, seed: int) -> Any:
    """Returns a loss on predicted costs."""
    from qkeras_hybrid import decisions

    if name == "SPO+":
        return decisions.SPOPlus(problem)
    if name == "PFYL":
        return decisions.PerturbedFenchelYoung(problem, seed=seed)
    return lambda y_true, y_pred: keras.ops.mean(
        (y_true[..., : y_pred.shape[-1]] - y_pred) ** 2, axis=-1
    )


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the lowest regret on other samples."""

    def __init__(self, problem: Any, x: np.ndarray, costs: np.ndarray) -> None:
        super().__init__()
        self.problem, self.x, self.costs = problem, x, costs
        self.regret, self.epoch, self.weights = np.inf, -1, []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures the regret."""
        from qkeras_hybrid.decisions import regret

        found = regret(self.problem, self.costs, self.model.predict_on_batch(self.x))
        if found < self.regret:
            self.regret, self.epoch, self.weights = found, epoch, self.model.get_weights()


def row_of(degree: int, seed: int, name: str, loss: str) -> dict[str, Any]:
    """Trains and tests one model."""
    from qkeras_hybrid import decisions
    from qkeras_hybrid.bench.environment import versions

    problem = decisions.GridShortestPath(5, 5)
    x, costs = decisions.shortest_path_data(
        TRAIN + VALID + TEST, degree=degree, noise_width=0.5, seed=seed
    )
    x = x.astype("float32")
    train, valid, test = np.split(np.arange(len(x)), [TRAIN, TRAIN + VALID])
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = model_of(name, problem.n_costs)
    model.compile(keras.optimizers.Adam(RATE), loss_of(loss, problem, seed), jit_compile=False)
    best = BestEpoch(problem, x[valid], costs[valid])
    y_train = decisions.targets(problem, costs[train])
    model.fit(x[train], y_train, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[best])
    model.set_weights(best.weights)
    predicted = model.predict_on_batch(x[test])
    return {
        "degree": degree,
        "seed": seed,
        "model": name,
        "loss": loss,
        "parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "epoch": best.epoch + 1,
        "regret": decisions.regret(problem, costs[test], predicted),
        "mse": float(np.mean((predicted - costs[test]) ** 2)),
        "backend": keras.backend.backend(),
        "versions": versions(),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a file, if there is one."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def interval(values: np.ndarray) -> str:
    """Returns the mean with a 95 % interval of Student's t, in percentage points."""
    import scipy.stats

    values = 100 * np.asarray(values)
    if len(values) < 2:
        return f"{values.mean():+.2f}"
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():+.2f} ± {half:.2f}"


def report(rows: list[dict[str, Any]]) -> None:
    """Prints mean regrets, and differences within seeds."""
    table: dict[tuple[int, str, str], dict[int, float]] = defaultdict(dict)
    for row in rows:
        table[row["degree"], row["model"], row["loss"]][row["seed"]] = row["regret"]

    def differences(degree: int, first: tuple[str, str], second: tuple[str, str]) -> str:
        one, other = table[degree, *first], table[degree, *second]
        seeds = sorted(one.keys() & other.keys())
        return interval(np.array([one[s] - other[s] for s in seeds])) if seeds else "-"

    print("Mean normalised regret, %")
    for degree, name in itertools.product(DEGREES, MODELS):
        cells = [
            f"{loss} {100 * np.mean(list(found.values())):6.2f}"
            for loss in LOSSES
            if (found := table[degree, name, loss])
        ]
        print(f"degree {degree}  {name:7s}  {'   '.join(cells)}")
    print("Hybrid minus dense, percentage points")
    for degree in DEGREES:
        cells = [f"{x} {differences(degree, ('hybrid', x), ('dense', x))}" for x in LOSSES]
        print(f"degree {degree}  {'   '.join(cells)}")
    print("Trained to decide minus MSE, percentage points")
    for degree, name in itertools.product(DEGREES, MODELS):
        cells = [f"{x} {differences(degree, (name, x), (name, 'MSE'))}" for x in LOSSES[1:]]
        print(f"degree {degree}  {name:7s}  {'   '.join(cells)}")


def main() -> None:
    """Computes the rows that a file lacks, or reports the rows that it has."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="a file of rows, one per line")
    parser.add_argument("--report", type=Path, help="only report the rows of this file")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--degrees", type=int, nargs="+", default=DEGREES)
    given = parser.parse_args()
    if given.report is not None:
        report(read(given.report))
        return
    rows = read(given.output) if given.output else []
    done = {(row["degree"], row["seed"], row["model"], row["loss"]) for row in rows}
    for case in itertools.product(range(given.seeds), given.degrees, MODELS, LOSSES):
        seed, degree, name, loss = case
        if (degree, seed, name, loss) in done:
            continue
        row = row_of(degree, seed, name, loss)
        rows.append(row)
        print(degree, seed, name, loss, f"{100 * row['regret']:.2f} %", flush=True)
        if given.output:
            with given.output.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row) + "\n")
    report(rows)


if __name__ == "__main__":
    main()
