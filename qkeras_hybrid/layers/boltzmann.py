"""Boltzmann machines as layers: they map visible bits to hidden bits, and add their own loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import annealing
from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.annealers import random_seed
from qkeras_hybrid.annealing.boltzmann import Machine, Structure, check_exact
from qkeras_hybrid.annealing.exact import states_of
from qkeras_hybrid.annealing.sampling import sampled
from qkeras_hybrid.engines._host import drawn_seed
from qkeras_hybrid.layers.features import as_tensor, n_features_of
from qkeras_hybrid.layers.ising import checked_graph, edges_of

METHODS = ("auto", "exact", "annealing", "contrastive_divergence", "persistent")
OUTPUTS = ("hidden", "free_energy")

# "auto" sums over all states if that is cheaper than sampling.
_MOST_AUTO_SPINS = 14


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class BoltzmannMachine(keras.layers.Layer):
    """A Boltzmann machine: maps bits to the means of its hidden bits, trained by its own loss.

    The probability of bits is `exp(-beta E) / Z`, where `E` is an Ising energy of their spins
    `2 x - 1` and of hidden spins, with trained biases and couplings. In training the layer adds the
    loss `loss_weight * (-mean log p(x))`, or a number with the same gradient; a model that is only
    this layer is trained by `model.compile("adam")` and `model.fit(x)`. Outside training, nothing
    is sampled. The loss is then the likelihood itself if the method is exact or that is a sum over
    at most `2**14` states. Else `-mean sum_i log p(x_i | other bits)` takes the place of
    `-mean log p(x)`: the pseudo-likelihood, which compares machines on the same data.

    Args:
        n_hidden: The number of hidden bits.
        graph: Which bits are coupled: "bipartite" (each visible with each hidden: a restricted
            machine), "full", another pattern of entanglement, pairs of indices, or a
            `networkx.Graph`. The visible bits come first. For a quantum annealer, give its graph.
        method: How the loss is computed: "exact" (a sum over all states); "annealing" (states of
            the annealer are compared with the data); for restricted machines
            "contrastive_divergence" (Gibbs steps from the data) or "persistent" (Gibbs steps that
            continue chains of earlier updates); or "auto", which is "exact" for a sum over at most
            `2**14` states, otherwise "annealing".
        annealer: The sampler: the name of a solver, an `Annealer`, or a `dimod.Sampler`.
        reads: The number of states that the annealer samples, or the number of chains.
        steps: The number of Gibbs steps of each update.
        beta: The inverse temperature; for a quantum annealer, its effective inverse temperature.
        output: "hidden", or "free_energy" for `F(x)`; by default "hidden" if there are hidden bits.
        loss_weight: The factor of the loss; 0 for none.
        seed: Seed of the samples; None for new samples each time.
        kernel_initializer: Initializer of the couplings.
        kernel_regularizer: Regularizer of the couplings.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, n_visible)`: bits, or probabilities of bits from 0 to 1.

    Output shape:
        `(batch, n_hidden)`, or `(batch, 1)` for free energies.

    Raises:
        ValueError: If an argument is invalid; in `build`, if the graph has the wrong number of
            bits, or the method does not suit the graph.

    Reference:
        Ackley, Hinton, Sejnowski, Cognitive Science 9, 147 (1985); Hinton, Neural Computation 14,
        1771 (2002); Tieleman, ICML 2008; Besag, The Statistician 24, 179 (1975).

    Example:

    >>> x = np.array([[0, 0], [1, 1]], "float32")
    >>> machine = BoltzmannMachine(2, seed=1)
    >>> model = keras.Sequential([keras.Input((2,)), machine])
    >>> model.compile(keras.optimizers.Adam(0.1))
    >>> history = model.fit(x, epochs=150, verbose=0)
    >>> bool(abs(np.exp(machine.log_likelihood(x)) - 0.5).max() < 0.05)
    True
    """

    def __init__(
        self,
        n_hidden: int = 0,
        *,
        graph: Any = None,
        method: str = "auto",
        annealer: Any = "simulated_annealing",
        reads: int = 100,
        steps: int = 1,
        beta: float = 1.0,
        output: str | None = None,
        loss_weight: float = 1.0,
        seed: int | None = None,
        kernel_initializer: Any = "small",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(n_hidden, bool) or not hasattr(n_hidden, "__index__") or n_hidden < 0:
            raise ArgumentError("n_hidden", "be a whole number of at least 0", n_hidden)
        self.n_hidden = int(n_hidden)
        graph = ("bipartite" if n_hidden else "full") if graph is None else graph
        if isinstance(graph, str) and graph == "bipartite":
            if not n_hidden:
                raise ArgumentError("n_hidden", "be at least 1 for a bipartite graph", n_hidden)
            self.graph: Any = graph
            self._graph_spins = None
        else:
            self.graph, self._graph_spins = checked_graph(graph)
        self.method = one_of("method", method, METHODS)
        self.annealer = annealing.get(annealer)
        self.reads, self.steps = positive_int("reads", reads), positive_int("steps", steps)
        if finite_number("beta", beta) <= 0:
            raise ArgumentError("beta", "be positive", beta)
        self.beta = float(beta)
        kind = output if output is not None else OUTPUTS[0] if n_hidden else OUTPUTS[1]
        self.output_kind = one_of("output", kind, OUTPUTS)
        if self.output_kind == "hidden" and not n_hidden:
            raise ArgumentError("output", "be 'free_energy' without hidden bits", output)
        if finite_number("loss_weight", loss_weight) < 0:
            raise ArgumentError("loss_weight", "not be negative", loss_weight)
        self.loss_weight = float(loss_weight)
        self.seed = seed
        self._seed_generator = keras.random.SeedGenerator(seed)
        if kernel_initializer == "small":
            kernel_initializer = keras.initializers.RandomNormal(stddev=0.05, seed=seed)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.structure: Structure | None = None
        self.biases: Any = None
        self.couplings: Any = None
        self.chains: Any = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes biases and couplings, and the chains if the method uses any."""
        n_visible = n_features_of(self.name, input_shape, 1)
        n = n_visible + self.n_hidden
        if self._graph_spins not in (None, n):
            raise ArgumentError(
                "graph", f"have {n} nodes, one for each visible and hidden bit", self.graph
            )
        self.structure = Structure(n_visible, self.n_hidden, self._edges(n_visible), self.beta)
        if self.method == "auto":
            small = self.structure.exact_spins <= _MOST_AUTO_SPINS
            self._method = "exact" if small else "annealing"
        else:
            self._method = self.method
        self._check_method(self.structure)
        self.biases = self.add_weight(name="biases", shape=(n,), initializer="zeros")
        self.couplings = self.add_weight(
            name="couplings",
            shape=(len(self.structure.edges),),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        if self._method == "persistent":
            start = keras.initializers.RandomNormal(seed=self.seed)
            self.chains = self.add_weight(
                name="chains", shape=(self.reads, n_visible), initializer=start, trainable=False
            )
            self.chains.assign(ops.where(self.chains > 0, 1.0, -1.0))
        self.supports_jit = self._method != "annealing" or keras.backend.backend() == "jax"
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes the outputs, and in training adds the loss.

        Args:
            inputs: Tensor of shape `(batch, n_visible)`, from 0 to 1.
            training: Whether the loss is added.
        """
        assert self.structure is not None
        features = as_tensor(self.name, inputs, self.structure.n_visible)
        if len(features.shape) != 2:
            raise ValueError(
                f"Layer {self.name!r} must have an input of shape (batch, n_visible), but got "
                f"shape {tuple(features.shape)}. Put it into keras.layers.TimeDistributed, "
                "where the losses of all steps add up."
            )
        visible = 2 * ops.cast(features, self._precision) - 1
        machine = self.machine()
        if self.loss_weight and (training or self.sums_cheaply):
            loss = self.negative_log_likelihood(visible, exact=None if training else True)
            self.add_loss(self.loss_weight * loss)
        elif self.loss_weight:
            # Outside training, nothing is sampled, since samples may cost money.
            self.add_loss(-self.loss_weight * ops.mean(machine.pseudo_log_likelihood(visible)))
        if self.output_kind == "free_energy":
            values = machine.free_energy(visible)[:, None]
        else:
            values = (1 + machine.hidden_means(visible)) / 2
        return ops.cast(values, self.compute_dtype)

    @property
    def exact(self) -> bool:
        """Whether the loss is the likelihood itself, a sum over all states."""
        return self._method == "exact"

    @property
    def sums_cheaply(self) -> bool:
        """Whether the likelihood is a sum that the method computes, or one over few states."""
        assert self.structure is not None
        return self.exact or self.structure.exact_spins <= _MOST_AUTO_SPINS

    def machine(self) -> Machine:
        """Returns the machine with the current weights, as tensors."""
        assert self.structure is not None
        biases = ops.cast(ops.convert_to_tensor(self.biases), self._precision)
        couplings = ops.cast(ops.convert_to_tensor(self.couplings), self._precision)
        return Machine.of(self.structure, biases, couplings)

    def negative_log_likelihood(self, visible: Any, *, exact: bool | None = None) -> Any:
        """Returns `-mean log p` of spins; for sampled methods, a number with the same gradient.

        Args:
            visible: Spins from -1 to 1, of shape `(batch, n_visible)`.
            exact: Whether to sum over all states; by default, if the method does.
        """
        machine = self.machine()
        positive = ops.mean(machine.free_energy(visible))
        if self.exact if exact is None else exact:
            return self.beta * positive + machine.log_partition()
        negative = ops.mean(machine.free_energy(self._negative_phase(machine, visible)))
        return self.beta * (positive - negative)

    def log_likelihood(self, x: Any) -> np.ndarray:
        """Returns the exact `log p` of each row of bits, in nats.

        Args:
            x: Bits 0 and 1, of shape `(batch, n_visible)`.

        Raises:
            ValueError: If the values are not bits, or there are too many states to sum over.
        """
        bits = np.asarray(x)
        if not self.built:
            self.build(bits.shape)
        assert self.structure is not None
        if bits.ndim != 2 or bits.shape[1] != self.structure.n_visible:
            raise ArgumentError("x", f"be of shape (n, {self.structure.n_visible})", bits.shape)
        if not np.isin(bits, (0, 1)).all():
            raise ArgumentError("x", "be bits 0 and 1", bits[~np.isin(bits, (0, 1))][0])
        check_exact("x", self.structure.exact_spins, bits.shape)
        machine = self.machine()
        spins = ops.convert_to_tensor(2.0 * bits - 1, self._precision)
        values = -self.beta * machine.free_energy(spins) - machine.log_partition()
        found: np.ndarray = ops.convert_to_numpy(values)
        return found

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """Draws visible bits: exactly if the method is "exact", otherwise by the annealer.

        Args:
            n: The number of rows.
            seed: Seed of the draw.

        Returns:
            Bits of shape `(n, n_visible)`, int8.
        """
        positive_int("n", n)
        assert self.structure is not None, "the layer is not built"
        structure = self.structure
        if self._method == "exact" and structure.n_visible <= _MOST_AUTO_SPINS:
            states = states_of(np.arange(2**structure.n_visible), structure.n_visible)
            weights = np.exp(self.log_likelihood(states).astype("float64"))
            rng = np.random.default_rng(seed)
            rows: np.ndarray = states[rng.choice(len(states), n, p=weights / weights.sum())]
            return rows
        batch = annealing.Batch(
            structure.edges,
            ops.convert_to_numpy(self.biases)[None].astype("float64"),
            ops.convert_to_numpy(self.couplings).astype("float64"),
        )
        spins = self.annealer.at(self.beta).sample(batch, n, random_seed(seed))
        bits: np.ndarray = (spins[0, :, : structure.n_visible] + 1) // 2
        return bits

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns `(batch, n_hidden)`, or `(batch, 1)` for free energies."""
        n_features_of(self.name, input_shape, 1)
        return (*input_shape[:-1], self.n_hidden if self.output_kind == "hidden" else 1)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        return {
            **super().get_config(),
            "n_hidden": self.n_hidden,
            "graph": self.graph if isinstance(self.graph, str) else [*map(list, self.graph)],
            "method": self.method,
            "annealer": keras.saving.serialize_keras_object(self.annealer),
            "reads": self.reads,
            "steps": self.steps,
            "beta": self.beta,
            "output": self.output_kind,
            "loss_weight": self.loss_weight,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    # Implementation.

    @property
    def _precision(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def _edges(self, n_visible: int) -> np.ndarray:
        if self.graph != "bipartite":
            return edges_of(self.graph, n_visible + self.n_hidden)
        visible, hidden = np.divmod(np.arange(n_visible * self.n_hidden), self.n_hidden)
        pairs: np.ndarray = np.stack([visible, n_visible + hidden], 1)
        return pairs.astype("int64")

    def _check_method(self, structure: Structure) -> None:
        gibbs = self._method in ("contrastive_divergence", "persistent")
        if gibbs and not structure.restricted:
            raise ArgumentError(
                "method", "be 'exact' or 'annealing' if the graph is not bipartite", self.method
            )
        if self._method == "exact":
            check_exact("method", structure.exact_spins, self.method)
        check_exact("n_hidden", structure.marginal_spins, self.n_hidden)

    def _negative_phase(self, machine: Machine, visible: Any) -> Any:
        """Returns visible spins sampled from the machine, which are not differentiated."""
        assert self.structure is not None
        if self._method == "annealing":
            fields = ops.stop_gradient(machine.biases)[None]
            couplings = ops.stop_gradient(
                ops.cast(ops.convert_to_tensor(self.couplings), self._precision)
            )
            annealer, edges = self.annealer.at(self.beta), self.structure.edges
            seed = drawn_seed(self._seed_generator)
            spins = sampled(annealer, edges, fields, couplings, self.reads, seed)
            return ops.stop_gradient(spins[0, :, : self.structure.n_visible])
        chains = visible if self.chains is None else ops.cast(self.chains, self._precision)
        for _ in range(self.steps):
            chains = machine.gibbs_step(chains, self._seed_generator)
        if self.chains is not None:
            self.chains.assign(ops.cast(chains, self.chains.dtype))
        return ops.stop_gradient(chains)
