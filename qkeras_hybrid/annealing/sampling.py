"""Samples of Ising models within a graph, their readouts, and the gradients of these.

For states with probabilities proportional to `exp(-beta E)`, with
`E = sum_i h_i s_i + sum_{ij} J_ij s_i s_j`, the derivatives of the mean of any function `f` of the
spins by biases and couplings are covariances,

    d<f>/dh_j = -beta Cov(f, s_j),    d<f>/dJ_jk = -beta Cov(f, s_j s_k).

The score function with the mean as its baseline gives the same (Wainwright, Jordan, Foundations and
Trends in Machine Learning 1, 1, 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid.annealing.annealers import Annealer
from qkeras_hybrid.annealing.batch import Batch
from qkeras_hybrid.annealing.exact import states_of
from qkeras_hybrid.engines._host import array_call

# From the tensors of fields and couplings, the spins and the upstream gradients of means and
# correlations (matrices), to the gradients of fields and couplings.
Backward = Callable[..., tuple[Any, Any]]


def sampled(
    annealer: Annealer, edges: np.ndarray, fields: Any, couplings: Any, reads: int, seed: Any
) -> Any:
    """Samples states by an annealer, within a graph of any Keras backend. They have no gradient.

    Args:
        annealer: The annealer.
        edges: The two spins of each coupling, of shape `(n_edges, 2)`.
        fields: `h`, of shape `(batch, n_spins)`.
        couplings: `J`, of shape `(n_edges,)`.
        reads: The number of states for each sample.
        seed: What `drawn_seed` returned. It must be drawn outside a custom-gradient function,
            inside which JAX allows no change of state.

    Returns:
        A tensor of spins of shape `(batch, reads, n_spins)`, of the fields' dtype; NaN where a
        sample's fields are not finite.
    """
    n_spins, dtype = fields.shape[-1], keras.backend.standardize_dtype(fields.dtype)

    def sample(fields: np.ndarray, couplings: np.ndarray, seed: np.ndarray) -> np.ndarray:
        finite = np.isfinite(fields).all(-1) & np.isfinite(couplings).all()
        found = np.full((len(fields), reads, n_spins), np.nan, dtype)
        if finite.any():
            batch = Batch(edges, fields[finite].astype("float64"), couplings.astype("float64"))
            number = int(seed) if seed >= 0 else None
            found[finite] = annealer.sample(batch, reads, number)
        return found

    tensors = (fields, couplings, seed)
    return array_call(sample, tensors, (reads, n_spins), dtype)


def means_of(spins: Any) -> Any:
    """Returns the mean of each spin over the reads: `(batch, reads, n)` to `(batch, n)`."""
    return ops.mean(spins, axis=1)


def correlations_of(spins: Any) -> Any:
    """Returns the mean of each product of two spins over the reads, of shape `(batch, n, n)`."""
    return ops.einsum("bri,brj->bij", spins, spins) / spins.shape[1]


def at_edges(matrices: Any, edges: np.ndarray) -> Any:
    """Returns the entries of matrices of shape `(batch, n, n)` at edges: `(batch, n_edges)`."""
    n = matrices.shape[-1]
    places = ops.convert_to_tensor(edges[:, 0] * n + edges[:, 1], "int32")
    return ops.take(ops.reshape(matrices, (-1, n * n)), places, axis=1)


def to_matrices(values: Any, edges: np.ndarray, n: int) -> Any:
    """Returns values of edges as symmetric matrices, of shape `(batch, n, n)` or `(n, n)`."""
    spread = np.zeros((len(edges), n * n), "float32")
    rows = np.arange(len(edges))
    spread[rows, edges[:, 0] * n + edges[:, 1]] = 1
    spread[rows, edges[:, 1] * n + edges[:, 0]] = 1
    # By einsum, not matmul, which Keras rounds to float32 under PyTorch.
    spread = ops.cast(ops.convert_to_tensor(spread), values.dtype)
    flat = ops.einsum("...e,em->...m", values, spread)
    return ops.reshape(flat, (*values.shape[:-1], n, n) if len(values.shape) == 1 else (-1, n, n))


def by_covariances(beta: float, edges: np.ndarray) -> Backward:
    """Gradients from the covariances of sampled states, unbiased for Boltzmann samples."""

    def backward(
        fields: Any, couplings: Any, spins: Any, of_means: Any, of_pairs: Any
    ) -> tuple[Any, Any]:
        reads = spins.shape[1]
        # The product with the upstream gradient in each state, minus its mean.
        value = ops.einsum("bri,bi->br", spins, of_means)
        if of_pairs is not None:
            # Each pair is twice in a symmetric matrix.
            half = ops.einsum("bri,bij->brj", spins, of_pairs) / 2
            value = value + ops.sum(half * spins, axis=-1)
        value = value - ops.mean(value, axis=1, keepdims=True)
        factor = -beta / max(1, reads - 1)
        to_fields = factor * ops.einsum("br,bri->bi", value, spins)
        products = ops.einsum("bri,brj->ij", value[..., None] * spins, spins)
        return to_fields, factor * at_edges(products[None], edges)[0]

    return backward


def straight_through(beta: float, edges: np.ndarray) -> Backward:
    """Gradients as if each spin were `-beta` times the field on it.

    Correlations count as products of means, as for `implicit`.
    """

    def backward(
        fields: Any, couplings: Any, spins: Any, of_means: Any, of_pairs: Any
    ) -> tuple[Any, Any]:
        means = means_of(spins)
        of_means = _with_pairs(of_means, of_pairs, means)
        to_fields = -beta * of_means
        return to_fields, _to_couplings(beta, edges, to_fields, means, of_pairs)

    return backward


def implicit(beta: float, edges: np.ndarray) -> Backward:
    """Gradients of the mean-field equation `m_i = tanh(-beta (h_i + sum_j J_ij m_j))`.

    Its derivative at the sampled means, `dm = -D (dh + dJ m + J dm)` with
    `D_ii = beta (1 - m_i^2)`, is solved for `dm` by the implicit function theorem: it has no noise
    from covariances, but the error of mean-field theory. It takes `n^3` steps per sample.
    """

    def backward(
        fields: Any, couplings: Any, spins: Any, of_means: Any, of_pairs: Any
    ) -> tuple[Any, Any]:
        n = spins.shape[-1]
        means = means_of(spins)
        of_means = _with_pairs(of_means, of_pairs, means)
        slope = beta * (1 - means**2)
        matrix = to_matrices(couplings, edges, n)
        # (1 + D J)^T v = u, and the gradient of the fields is -D v.
        system = ops.eye(n, dtype=matrix.dtype) + matrix[None] * slope[:, None, :]
        solved = ops.linalg.solve(system, of_means[..., None])[..., 0]
        to_fields = -slope * solved
        return to_fields, _to_couplings(beta, edges, to_fields, means, of_pairs)

    return backward


def _to_couplings(beta: float, edges: np.ndarray, to_fields: Any, means: Any, of_pairs: Any) -> Any:
    """Returns the gradient of couplings, each of which is a field on both of its spins.

    To first order in the couplings, a coupling also shifts the mean of its own product of spins by
    `-beta (1 - m_i^2) (1 - m_j^2)`. The product of the means does not include this shift.
    """
    products = ops.einsum("bi,bj->ij", to_fields, means)
    total = products + ops.transpose(products)
    if of_pairs is not None:
        free = 1 - means**2
        total = total - beta * ops.einsum("bij,bi,bj->ij", of_pairs, free, free)
    return at_edges(total[None], edges)[0]


def _with_pairs(of_means: Any, of_pairs: Any, means: Any) -> Any:
    """Adds the gradient of correlations, taken as products of means, to that of means."""
    if of_pairs is None:
        return of_means
    return of_means + ops.einsum("bij,bj->bi", of_pairs, means)


GRADIENTS: dict[str, Callable[[float, np.ndarray], Backward]] = {
    "covariance": by_covariances,
    "score_function": by_covariances,
    "straight_through": straight_through,
    "implicit": implicit,
}


def statistics(
    spins_of: Callable[[Any, Any], Any],
    backward: Backward,
    edges: np.ndarray,
    fields: Any,
    couplings: Any,
    pairs: bool,
) -> Any:
    """Returns means of spins, and on request of products at edges, with a gradient.

    Args:
        spins_of: Samples states of fields and couplings, `(batch, reads, n)`.
        backward: Computes gradients.
        edges: The edges.
        fields: `h`, of shape `(batch, n)`.
        couplings: `J`, of shape `(n_edges,)`.
        pairs: Whether to return the means of products too.

    Returns:
        Tensor of shape `(batch, n)`, or `(batch, n + n_edges)` with `pairs`.
    """
    n = fields.shape[-1]

    def with_gradient(fields: Any, couplings: Any) -> Any:
        spins = ops.stop_gradient(spins_of(fields, couplings))
        found = means_of(spins)
        if pairs:
            found = ops.concatenate([found, at_edges(correlations_of(spins), edges)], axis=-1)

        def slope(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
            # Backends pass different arguments, but the upstream gradient always comes last.
            given = ops.cast(args[-1] if upstream is None else upstream, spins.dtype)
            of_pairs = to_matrices(given[:, n:], edges, n) if pairs else None
            return backward(fields, couplings, spins, given[:, :n], of_pairs)

        return found, slope

    return ops.custom_gradient(with_gradient)(fields, couplings)


def exact_statistics(
    beta: float, edges: np.ndarray, fields: Any, couplings: Any, pairs: bool
) -> Any:
    """Returns the exact means over all `2**n` states, which the backend differentiates."""
    n = fields.shape[-1]
    states = 2.0 * states_of(np.arange(2**n), n) - 1.0
    products = states[:, edges[:, 0]] * states[:, edges[:, 1]]
    spins = ops.convert_to_tensor(states, fields.dtype)
    joint = ops.convert_to_tensor(products, fields.dtype)
    energies = ops.einsum("bi,si->bs", fields, spins) + ops.einsum("se,e->s", joint, couplings)
    probabilities = ops.softmax(-beta * energies, axis=-1)
    found = ops.einsum("bs,si->bi", probabilities, spins)
    if not pairs:
        return found
    return ops.concatenate([found, ops.einsum("bs,se->be", probabilities, joint)], axis=-1)
