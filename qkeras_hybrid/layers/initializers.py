"""Initial values of circuit weights."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class SmallAngles(keras.initializers.RandomNormal):
    """The default initializer of circuit weights: angles near zero, in radians.

    Angles spread over the whole circle make a deep circuit a random one, whose gradient
    vanishes exponentially with the number of qubits (McClean et al. 2018, arXiv 1803.11173).
    A normal distribution of a small width starts near the identity instead, where the gradient
    falls at most polynomially (Zhang et al. 2022, arXiv 2203.09376). They don't start at zero
    itself, which in many circuits is a saddle point.

    Args:
        stddev: Standard deviation in radians.
        seed: Seed, as in Keras's initializers.
    """

    def __init__(self, stddev: float = 0.1, seed: Any = None) -> None:
        super().__init__(mean=0.0, stddev=stddev, seed=seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"stddev": self.stddev, "seed": super().get_config()["seed"]}
