"""The quantum approximate optimization algorithm as an annealer, for `solve` and for layers."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid.annealing.annealers import Annealer
from qkeras_hybrid.annealing.batch import Batch
from qkeras_hybrid.annealing.qaoa.optimising import qaoa_samples
from qkeras_hybrid.annealing.qaoa.runs import ENGINES
from qkeras_hybrid.annealing.qaoa.starts import NAMES


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class QAOASampling(Annealer):
    """Optimises the angles of a QAOA circuit for each model, simulates it and measures it.

    Args:
        n_layers: The number of layers, "p".
        angles: Names of the starts of the optimisation (see `start_angles`).
        engine: "auto", "native" or "portable".

    Raises:
        ValueError: If an argument is invalid, or, in `sample`, if a model is too large for memory.

    Example:

    >>> from qkeras_hybrid.annealing import QAOASampling, maxcut, solve
    >>> solve(maxcut({(0, 1): 1.0, (1, 2): 1.0}), QAOASampling(2), seed=0).energy
    -2.0
    """

    name = "qaoa"

    n_layers: int = 4
    angles: tuple[str, ...] = ("ramp", "sk", "fixed")
    engine: str = "auto"

    def __post_init__(self) -> None:
        positive_int("n_layers", self.n_layers)
        names = [self.angles] if isinstance(self.angles, str) else list(self.angles)
        object.__setattr__(self, "angles", tuple(one_of("angles", each, NAMES) for each in names))
        one_of("engine", self.engine, ENGINES)

    def sample(self, batch: Batch, reads: int, seed: int | None = None) -> np.ndarray:
        seeds = np.random.SeedSequence(seed).spawn(len(batch))
        rows = [
            qaoa_samples(
                batch.model(number),
                self.n_layers,
                reads,
                int(each.generate_state(1)[0]),
                angles=self.angles,
                engine=self.engine,
            )
            for number, each in enumerate(seeds)
        ]
        return np.stack(rows) if rows else np.zeros((0, reads, batch.n_spins), "int8")
