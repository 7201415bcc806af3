"""Initial values of circuit weights."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class SmallAngles(keras.initializers.RandomNormal):
    """The default initializer of circuit weights: angles near zero, in radians.

    With angles from the whole circle, a deep circuit is a random one, whose gradient vanishes
    exponentially with the number of qubits (McClean et al. 2018, arXiv 1803.11173). With angles
    from a narrow normal distribution, the circuit starts near the identity, where the gradient
    falls at most polynomially (Zhang et al. 2022, arXiv 2203.09376). The angles are not exactly
    zero, since that is a saddle point of many circuits.

    Args:
        stddev: Standard deviation in radians.
        seed: Seed, as in Keras's initializers.
    """

    def __init__(self, stddev: float = 0.1, seed: Any = None) -> None:
        super().__init__(mean=0.0, stddev=stddev, seed=seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"stddev": self.stddev, "seed": super().get_config()["seed"]}
