"""The latent layer of a discrete variational autoencoder, with a Boltzmann machine as its prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.layers.boltzmann import BoltzmannMachine
from qkeras_hybrid.layers.features import as_tensor, n_features_of


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class DiscreteLatent(keras.layers.Layer):
    """Latent bits between an encoder and a decoder, whose prior is a Boltzmann machine.

    The inputs are logits of independent bits, `q(z | x)`. In training, bits are drawn by the binary
    concrete relaxation: hard in the forward pass, relaxed at a temperature in the backward pass.
    The layer adds the loss `kl_weight * KL(q || p)`, where `p` is the prior. Outside training, it
    adds this loss only if the prior's likelihood is exact or a sum over at most `2**14` states. So
    `Sequential([..., Dense(n), DiscreteLatent(prior), ..., Dense(m, "sigmoid")])` with
    `loss="binary_crossentropy"` is a discrete variational autoencoder. New data are
    `decoder(prior.sample(n))`.

    Args:
        prior: The `BoltzmannMachine` whose visible bits are the latent bits.
        temperature: Temperature of the relaxation; small values give steep, noisy gradients.
        kl_weight: The factor of the loss.
        seed: Seed of the bits; None for new bits each time.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, n_latent)`: logits.

    Output shape:
        `(batch, n_latent)`. In training, random bits. Outside training, 1 where the probability is
        above 1/2, and 0 elsewhere.

    Raises:
        ValueError: If `prior` is not a `BoltzmannMachine`, or a number is not positive.

    Reference:
        Rolfe, Discrete Variational Autoencoders, ICLR 2017, arXiv 1609.02200; Maddison, Mnih, Teh,
        ICLR 2017, arXiv 1611.00712.

    Example:

    >>> latent = DiscreteLatent(BoltzmannMachine(seed=0), seed=0)
    >>> decoder = keras.layers.Dense(8, "sigmoid")
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), latent, decoder])
    >>> model.compile("adam", "binary_crossentropy")
    >>> x = np.eye(8, dtype="float32")
    >>> history = model.fit(x, x, epochs=1, verbose=0)
    >>> latent.prior.sample(5, seed=0).shape
    (5, 4)
    """

    def __init__(
        self,
        prior: Any,
        *,
        temperature: float = 0.5,
        kl_weight: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(prior, dict):
            prior = keras.saving.deserialize_keras_object(prior)
        if not isinstance(prior, BoltzmannMachine):
            raise ArgumentError("prior", "be a BoltzmannMachine", prior)
        self.prior = prior
        for name, value in (("temperature", temperature), ("kl_weight", kl_weight)):
            if finite_number(name, value) < 0 or (name == "temperature" and not value):
                raise ArgumentError(name, "be positive", value)
        self.temperature, self.kl_weight = float(temperature), float(kl_weight)
        self.seed = seed
        self._seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Builds the prior."""
        n_features_of(self.name, input_shape, 1)
        if not self.prior.built:
            self.prior.build(tuple(input_shape))
        self.supports_jit = self.prior.supports_jit
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Draws bits, and adds the divergence from the prior in training.

        Args:
            inputs: Logits of shape `(batch, n_latent)`.
            training: Whether bits are drawn.
        """
        assert self.prior.structure is not None
        logits = as_tensor(self.name, inputs, self.prior.structure.n_visible)
        logits = ops.cast(logits, "float64" if self.compute_dtype == "float64" else "float32")
        if not training:
            hard = ops.where(logits > 0, ops.ones_like(logits), ops.zeros_like(logits))
            hard = hard + 0 * logits  # NaN stays NaN
            if self.kl_weight and self.prior.sums_cheaply:
                self.add_loss(self.kl_weight * self._divergence(logits, hard, exact=True))
            return ops.cast(hard, self.compute_dtype)
        uniform = keras.random.uniform(
            ops.shape(logits), 1e-6, 1 - 1e-6, dtype=logits.dtype, seed=self._seed_generator
        )
        noisy = logits + ops.log(uniform) - ops.log(1 - uniform)
        soft = ops.sigmoid(noisy / self.temperature)
        bits = soft + ops.stop_gradient(ops.cast(noisy > 0, soft.dtype) - soft)
        if self.kl_weight:
            self.add_loss(self.kl_weight * self._divergence(logits, bits))
        return ops.cast(bits, self.compute_dtype)

    def _divergence(self, logits: Any, bits: Any, exact: bool | None = None) -> Any:
        """Returns `KL(q || p)`: minus the entropy of `q`, minus the mean of `log p`."""
        p = ops.sigmoid(logits)
        entropy = ops.mean(ops.sum(ops.softplus(logits) - p * logits, axis=-1))
        return self.prior.negative_log_likelihood(2 * bits - 1, exact=exact) - entropy

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        n_features_of(self.name, input_shape, 1)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "temperature": self.temperature,
            "kl_weight": self.kl_weight,
            "seed": self.seed,
        }
