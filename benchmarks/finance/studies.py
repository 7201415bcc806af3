"""Runs the studies of finance, and stores their rows.

    python benchmarks/finance/studies.py                      # all four, some minutes
    python benchmarks/finance/studies.py options portfolio    # only these

For each study, the script writes `NAME.json` beside this file or into `--output`, with the rows,
the arguments, the versions and the machine. The data are a part of the package arch:
`pip install "qkeras-hybrid[finance]"`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from qkeras_hybrid import finance
from qkeras_hybrid.bench.environment import machine, versions

# The European call of qiskit-finance's tutorial.
CALL = {
    "prices": {"spot": 2.0, "volatility": 0.4, "rate": 0.05, "maturity": 40 / 365, "n_qubits": 3},
    "strike": 1.896,
}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "options": {
        "epsilons": [0.05, 0.02, 0.005, 0.002, 0.0005],
        "largest_powers": [1, 3, 5, 7],
        "seeds": list(range(50)),
    },
    "portfolio": {
        "n_assets": 4,
        "risk_aversion": 2.0,
        "solvers": ["exact", "simulated_annealing", "tabu", "qaoa"],
        "seeds": list(range(5)),
    },
    "volatility": {"n_folds": 4, "seeds": [0, 1, 2], "epochs": 30},
    "regret": {"n_assets": 3, "n_folds": 3, "seeds": [0, 1, 2], "epochs": 40},
}


def run(name: str, arguments: dict[str, Any]) -> pd.DataFrame:
    """Returns the table of a study."""
    if name == "options":
        prices = finance.LogNormal(**CALL["prices"])
        return finance.option_study(finance.EuropeanOption(prices, CALL["strike"]), **arguments)
    study = {
        "portfolio": finance.portfolio_study,
        "volatility": finance.volatility_study,
        "regret": finance.regret_study,
    }[name]
    return study(**arguments)


def shown(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Returns the part of a table to print: means over seeds."""
    if name == "options":
        table = table.assign(squared=table.error**2)
        # Settings are numbered in their order: the iterative method's numbers of samples vary.
        table["setting"] = table.groupby(["method", "seed"], dropna=False).cumcount()
        means = table.groupby(["method", "setting"])[["samples", "squared", "covered"]].mean()
        means["rmse"] = means.pop("squared") ** 0.5
        return means
    keys = {"portfolio": ["method"], "volatility": ["model"], "regret": ["model", "loss"]}[name]
    return table.groupby(keys, dropna=False, sort=False).mean(numeric_only=True)


def main() -> None:
    """Runs the studies that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"names of {', '.join(ARGUMENTS)}; by default all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    installed = versions()
    for package in ("arch", "dimod", "dwave-samplers", "scipy", "pandas"):
        installed[package] = importlib.metadata.version(package)
    for name in given.names or ARGUMENTS:
        arguments = ARGUMENTS[name]
        table = run(name, arguments)
        rows = [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            for row in table.to_dict("records")
        ]
        stored = {"arguments": arguments, "versions": installed, "machine": machine()}
        if name == "options":
            stored["option"] = CALL
        path = given.output / f"{name}.json"
        body = ",\n  ".join(json.dumps(row) for row in rows)
        text = json.dumps(stored, indent=1)[:-2] + f',\n "rows": [\n  {body}\n ]\n}}\n'
        path.write_text(text, encoding="utf-8")
        print(f"{path}\n{shown(name, table).to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
