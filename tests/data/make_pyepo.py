"""Writes pyepo.json: data, decisions, losses and gradients of PyEPO's, to compare ours with.

Run with PyEPO installed: python make_pyepo.py. The tests read the file and don't need it. The
solver tries all paths of a 3 x 3 grid, so that no other is needed.
"""

import json
import pathlib

import numpy as np
import pyepo
import torch
from pyepo import EPO
from pyepo.model.opt import optModel
from pyepo.model.utils import _get_grid_arcs
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader

SAMPLES, EDGES = 5, 12


class Grid(optModel):
    def __init__(self):
        self.arcs = _get_grid_arcs((3, 3))
        self.modelSense = EPO.MINIMIZE
        super().__init__()

    def _getModel(self):
        return None, list(range(len(self.arcs)))

    @property
    def num_cost(self):
        return len(self.arcs)

    def setObj(self, c):
        self.costs = np.asarray(c, float)

    def paths(self, node=0):
        if node == 8:
            yield []
        for k, (start, end) in enumerate(self.arcs):
            if start == node:
                yield from ([k, *rest] for rest in self.paths(end))

    def solve(self):
        best = min(self.paths(), key=lambda path: self.costs[path].sum())
        decision = np.zeros(len(self.arcs))
        decision[best] = 1
        return decision, self.costs[best].sum()


class Constant(torch.nn.Module):
    def __init__(self, predicted):
        super().__init__()
        self.predicted = predicted

    def forward(self, x):
        return self.predicted


def with_gradient(function, predicted, upstream=None):
    inputs = predicted.clone().requires_grad_()
    values = function(inputs)
    values.backward(torch.ones_like(values) if upstream is None else upstream)
    return {"values": values.tolist(), "gradient": inputs.grad.tolist()}


def main():
    model, rng = Grid(), np.random.RandomState(3)
    x, costs = pyepo.data.shortestpath.genData(6, 4, (3, 3), 3, 0.25, seed=7)
    predicted = torch.tensor(rng.normal(1, 0.7, costs.shape), dtype=torch.float32)
    upstream = torch.tensor(rng.normal(size=costs.shape), dtype=torch.float32)
    dataset = pyepo.data.dataset.optDataset(model, x, costs)
    best, optima = dataset.sols, dataset.objs
    spo = pyepo.func.SPOPlus(model, reduction="none")
    smooth = {"n_samples": SAMPLES, "sigma": 0.5, "seed": 1}
    young = pyepo.func.perturbedFenchelYoung(model, reduction="none", **smooth)
    noise = torch.randn((6, SAMPLES, EDGES), generator=torch.Generator().manual_seed(1))
    many_x, many_costs = pyepo.data.shortestpath.genData(2000, 5, (5, 5), 4, 0.5, seed=42)
    train, test = train_test_split(np.arange(2000), test_size=1000, random_state=42)
    document = {
        "version": pyepo.__version__,
        "edges": model.arcs,
        "x": x.tolist(),
        "costs": costs.astype(float).tolist(),
        "predicted": predicted.tolist(),
        "upstream": upstream.tolist(),
        "decisions": best.tolist(),
        "regret": float(
            pyepo.metric.regret(Constant(predicted), model, DataLoader(dataset, batch_size=6))
        ),
        "spo_plus": with_gradient(lambda p: spo(p, torch.tensor(costs), best, optima), predicted),
        "noise": noise.tolist(),
        "fenchel_young": with_gradient(lambda p: young(p, best), predicted),
        "perturbed": with_gradient(pyepo.func.perturbedOpt(model, **smooth), predicted, upstream),
        "blackbox": with_gradient(pyepo.func.blackboxOpt(model, lambd=2.0), predicted, upstream),
        "negative_identity": with_gradient(pyepo.func.negativeIdentity(model), predicted, upstream),
        "seed_42": {
            "x": many_x[[0, 999, 1999]].tolist(),
            "costs": many_costs[[0, 999, 1999]].astype(float).tolist(),
            "x_sum": float(many_x.sum()),
            "costs_sum": float(many_costs.astype(float).sum()),
            "train": train[:10].tolist(),
            "test": test[:10].tolist(),
        },
    }
    path = pathlib.Path(__file__).with_name("pyepo.json")
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
