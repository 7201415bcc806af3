"""A layer that samples the spins of an Ising model whose fields a network predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import annealing
from qkeras_hybrid._checks import MOST_PARAMETERS, finite_number, one_of, positive_int
from qkeras_hybrid._entanglement import PATTERNS, entanglement_pairs
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import conversions
from qkeras_hybrid.annealing.sampling import GRADIENTS, exact_statistics, sampled, statistics
from qkeras_hybrid.engines._host import drawn_seed
from qkeras_hybrid.layers.features import as_tensor, n_features_of

OUTPUTS = ("means", "means_and_correlations")

MOST_EXACT_SPINS = 16
"""The most spins of a layer with `annealer="exact"`, which holds all states of each sample."""


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class IsingLayer(keras.layers.Layer):
    """Maps fields to mean spins of an Ising model with trained couplings, sampled by an annealer.

    The states `s` of spins -1 and +1 have probabilities proportional to `exp(-beta E(s))` with
    `E(s) = sum_i x_i s_i + sum_{ij} J_ij s_i s_j`, where `x` is the layer's input and `J` are its
    weights. The argument `annealer` replaces simulated annealing by a quantum annealer or any
    `dimod.Sampler`.

    Args:
        n_spins: The number of spins, equal to the number of input features; by default this number.
        graph: Which spins are coupled: "full", "linear", "circular", or another pattern of
            entanglement; pairs of indices; or a `networkx.Graph`, whose nodes in order are the
            spins (for D-Wave's machines: `zephyr_graph`, `pegasus_graph`).
        output: "means" of the spins, or "means_and_correlations" for the means and the mean product
            of each coupled pair.
        annealer: The sampler: "simulated_annealing", "exact" (all states, up to 16 spins, no
            noise), the name of another solver, an `Annealer`, or a `dimod.Sampler`. Samplers of
            other packages are not saved with a model.
        reads: The number of states sampled for each input sample; at least 2 for covariances.
        beta: The inverse temperature. Simulated annealing holds it for the second half of its
            sweeps. For a quantum annealer, give its effective inverse temperature.
        gradient: "covariance" (unbiased for Boltzmann samples, but noisy; "score_function" is
            another name for it), "implicit" (the gradient of the mean-field equation), or
            "straight_through".
        use_bias: Whether trained biases are added to the fields.
        seed: Seed of the samples; None for new samples each time.
        kernel_initializer: Initializer of the couplings.
        kernel_regularizer: Regularizer of the couplings.
        kernel_constraint: Constraint of the couplings.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_spins)`.

    Output shape:
        `(batch, ..., n_spins)`, or `(batch, ..., n_spins + n_edges)`.

    Raises:
        ValueError: If an argument is invalid, or, in `build`, if the graph's number of spins is not
            the input's number of features.

    Reference:
        Ackley, Hinton, Sejnowski, Cognitive Science 9, 147 (1985).

    Example:

    >>> layer = IsingLayer(graph="circular", annealer="exact")
    >>> model = keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(2)])
    >>> model.output_shape
    (None, 2)
    >>> free = IsingLayer(annealer="exact", kernel_initializer="zeros")
    >>> x = ops.convert_to_tensor([[0.0, 0.5, 1.0]])
    >>> bool(np.allclose(free(x), -ops.tanh(x), atol=1e-6))
    True
    """

    def __init__(
        self,
        n_spins: int | None = None,
        *,
        graph: Any = "full",
        output: str = "means",
        annealer: Any = "simulated_annealing",
        reads: int = 100,
        beta: float = 1.0,
        gradient: str = "covariance",
        use_bias: bool = False,
        seed: int | None = None,
        kernel_initializer: Any = "small",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_spins = None if n_spins is None else positive_int("n_spins", n_spins)
        self.graph, graph_spins = checked_graph(graph)
        if graph_spins is not None and self.n_spins not in (None, graph_spins):
            raise ArgumentError(
                "n_spins", f"be {graph_spins}, the number of the graph's spins", n_spins
            )
        self.n_spins = self.n_spins or graph_spins
        self.output_kind = one_of("output", output, OUTPUTS)
        self.annealer = annealing.get(annealer)
        self.reads = positive_int("reads", reads)
        if finite_number("beta", beta) <= 0:
            raise ArgumentError("beta", "be positive", beta)
        self.beta = float(beta)
        self.gradient = one_of("gradient", gradient, GRADIENTS)
        if self.reads < 2 and self.gradient in ("covariance", "score_function") and not self.exact:
            raise ArgumentError("reads", "be at least 2 for a gradient from covariances", reads)
        self.use_bias = bool(use_bias)
        self.seed = seed
        self._seed_generator = keras.random.SeedGenerator(seed)
        if kernel_initializer == "small":
            kernel_initializer = keras.initializers.RandomNormal(stddev=0.05, seed=seed)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.edges: np.ndarray | None = None
        self.couplings: Any = None
        self.biases: Any = None
        self.supports_masking = True
        # Outside JAX, XLA can't compile a call of the annealer.
        self.supports_jit = self.exact or keras.backend.backend() == "jax"

    @property
    def exact(self) -> bool:
        """Whether means are computed from all states, without sampling."""
        return isinstance(self.annealer, annealing.ExactSampling)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the couplings."""
        width = n_features_of(self.name, input_shape, 1)
        if self.n_spins not in (None, width):
            raise ArgumentError(
                "n_spins", f"be {width}, the number of the input's features", self.n_spins
            )
        if self.exact and width > MOST_EXACT_SPINS:
            raise ArgumentError(
                "annealer", f"not be 'exact' for more than {MOST_EXACT_SPINS} spins", width
            )
        self.edges = edges_of(self.graph, width)
        self.couplings = self.add_weight(
            name="couplings",
            shape=(len(self.edges),),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.biases = self.add_weight(name="biases", shape=(width,), initializer="zeros")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Samples the spins for the fields of each position of the leading axes.

        Args:
            inputs: Tensor of shape `(batch, ..., n_spins)`, numeric.
        """
        assert self.edges is not None
        built_for = (getattr(self, "_build_shapes_dict", None) or {}).values()
        width = next((shape[-1] for shape in built_for), None)
        features = as_tensor(self.name, inputs, width)
        precision = "float64" if self.compute_dtype == "float64" else "float32"
        n = features.shape[-1]
        fields = ops.reshape(ops.cast(features, precision), (-1, n))
        couplings = ops.cast(ops.convert_to_tensor(self.couplings), precision)
        if self.biases is not None:
            fields = fields + ops.cast(ops.convert_to_tensor(self.biases), precision)
        pairs = self.output_kind == OUTPUTS[1]
        if self.exact:
            values = exact_statistics(self.beta, self.edges, fields, couplings, pairs)
        else:
            annealer, edges = self.annealer.at(self.beta), self.edges
            seed = drawn_seed(self._seed_generator)
            values = statistics(
                lambda h, j: sampled(annealer, edges, h, j, self.reads, seed),
                GRADIENTS[self.gradient](self.beta, edges),
                edges,
                fields,
                couplings,
                pairs,
            )
        shape = (*ops.shape(features)[:-1], n + (len(self.edges) if pairs else 0))
        return ops.cast(ops.reshape(values, shape), self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape, with the correlations if they are in the output."""
        width = n_features_of(self.name, input_shape, 1)
        pairs = self.output_kind == OUTPUTS[1]
        return (*input_shape[:-1], width + (len(edges_of(self.graph, width)) if pairs else 0))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        return {
            **super().get_config(),
            "n_spins": self.n_spins,
            "graph": self.graph if isinstance(self.graph, str) else [*map(list, self.graph)],
            "output": self.output_kind,
            "annealer": keras.saving.serialize_keras_object(self.annealer),
            "reads": self.reads,
            "beta": self.beta,
            "gradient": self.gradient,
            "use_bias": self.use_bias,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


def checked_graph(graph: Any) -> tuple[str | tuple[tuple[int, int], ...], int | None]:
    """Returns a graph as a pattern's name or index pairs, and its number of spins if known.

    Raises:
        ValueError: If it is not a graph, or couples a spin to itself.
    """
    if isinstance(graph, str):
        return one_of("graph", graph, PATTERNS), None
    if conversions.is_graph(graph):
        place = {node: i for i, node in enumerate(graph.nodes)}
        pairs = [(place[a], place[b]) for a, b in conversions.weights_of(graph)]
        spins: int | None = len(place)
    else:
        pairs, spins = [], None
        for pair in graph:
            whole = len(pair) == 2 and all(hasattr(i, "__index__") and int(i) >= 0 for i in pair)
            if not whole:
                raise ArgumentError("graph", "be pairs of whole numbers of at least 0", pair)
            pairs.append((int(pair[0]), int(pair[1])))
    ordered = tuple(dict.fromkeys((min(pair), max(pair)) for pair in pairs))
    loops = [pair for pair in ordered if pair[0] == pair[1]]
    if loops:
        raise ArgumentError("graph", "couple different spins", loops[0])
    return ordered, spins


def edges_of(graph: str | tuple[tuple[int, int], ...], n: int) -> np.ndarray:
    """Returns the edges of a graph on `n` spins, of shape `(n_edges, 2)`, int64.

    Raises:
        ValueError: If the graph names other spins, or has too many edges.
    """
    if isinstance(graph, str):
        if graph in ("full", "sca") and n * (n - 1) // 2 > MOST_PARAMETERS * 10:
            raise ArgumentError("graph", f"have fewer couplings for {n:,} spins", graph)
        ordered = dict.fromkeys((min(p), max(p)) for p in entanglement_pairs(graph, n))
    else:
        outside = [pair for pair in graph if pair[1] >= n]
        if outside:
            raise ArgumentError("graph", f"name only spins from 0 to {n - 1}", outside[0])
        ordered = dict.fromkeys(graph)
    return np.array(list(ordered), "int64").reshape(-1, 2)
