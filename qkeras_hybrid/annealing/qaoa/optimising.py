"""Optimises the angles for a model, and samples the resulting state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._gradients_of import differentiated
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.annealing.models import Quadratic
from qkeras_hybrid.annealing.qaoa import runs
from qkeras_hybrid.annealing.qaoa.circuit import Circuit, check_memory, diagonal
from qkeras_hybrid.annealing.qaoa.native import Native
from qkeras_hybrid.annealing.qaoa.portable import Portable
from qkeras_hybrid.annealing.qaoa.starts import start_angles

if TYPE_CHECKING:
    import scipy.optimize
else:
    scipy = lazy_module("scipy")

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def plain_circuit(model: Quadratic, n_layers: int) -> Circuit:
    """Returns the circuit with the X mixer on the uniform state.

    Raises:
        ValueError: If the model has no variables or too many for memory.
    """
    if model.n_variables < 1:
        raise ArgumentError("model", "have at least one variable", model)
    check_memory("model", model.n_variables)
    pairs = np.zeros((0, 2), "int64")
    return Circuit(model.n_variables, n_layers, diagonal(model), pairs)


def optimised_angles(
    model: Quadratic,
    n_layers: int,
    *,
    angles: str | Sequence[str] = ("ramp", "sk", "fixed"),
    engine: str = "auto",
) -> tuple[np.ndarray, np.ndarray, float]:
    """Minimises the mean energy over the angles, from each of several starts.

    Args:
        model: The model.
        n_layers: The number of layers.
        angles: Names of starts (see `start_angles`); those that don't exist for this number of
            layers are left out.
        engine: "auto", "native" or "portable".

    Returns:
        The best angles gamma and beta, each of shape `(n_layers,)`, and their mean energy.

    Raises:
        ValueError: If none of the starts exists for this number of layers, or the model is too
            large for memory.

    Example:

    >>> from qkeras_hybrid.annealing import Ising
    >>> triangle = Ising({}, {(0, 1): 1.0, (1, 2): 1.0, (0, 2): 1.0})
    >>> gammas, betas, energy = optimised_angles(triangle, 2)
    >>> round(energy, 3)
    -1.0
    """
    circuit = plain_circuit(model, positive_int("n_layers", n_layers))
    starts = _starts([angles] if isinstance(angles, str) else list(angles), n_layers, model)
    offset = model.to_ising().offset
    objective = _objective(circuit, runs.chosen(engine, False))
    best: Any = None
    for gammas, betas in starts:
        found = scipy.optimize.minimize(
            objective,
            np.concatenate([gammas, betas]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-8},
        )
        if best is None or found.fun < best.fun:
            best = found
    return best.x[:n_layers], best.x[n_layers:], float(best.fun) + offset


def qaoa_samples(
    model: Quadratic,
    n_layers: int = 4,
    reads: int = 100,
    seed: int | None = None,
    *,
    angles: str | Sequence[str] = ("ramp", "sk", "fixed"),
    engine: str = "auto",
) -> np.ndarray:
    """Optimises the angles of a circuit for a model and samples the state that it makes.

    Args:
        model: An `Ising` or `Qubo` of at least one variable.
        n_layers: The number of layers, "p".
        reads: The number of samples.
        seed: The seed of the samples.
        angles: Names of the starts (see `start_angles`); those that don't exist for this number of
            layers are left out.
        engine: "auto", "native" or "portable".

    Returns:
        Spins -1 and +1, of shape `(reads, n_variables)`, int8, in the order of `model.variables`.

    Raises:
        ValueError: If the model is too large for memory, or an argument is invalid.

    Example:

    >>> from qkeras_hybrid.annealing import Ising
    >>> spins = qaoa_samples(Ising({"a": 0.5}, {("a", "b"): -1.0}), reads=20, seed=0)
    >>> spins.shape
    (20, 2)
    """
    positive_int("reads", reads)
    gammas, betas, _ = optimised_angles(model, n_layers, angles=angles, engine=engine)
    circuit = plain_circuit(model, n_layers)
    row = np.concatenate([gammas, betas])[None]
    if runs.chosen(engine, False) == "native":
        probabilities = Native(circuit, 0, "float64").probabilities(row)[0]
    else:
        portable = Portable(circuit, 0, "float32")
        value, _ = differentiated(portable.probabilities)(row.astype("float32"))
        probabilities = value[0].astype("float64")
    rng = np.random.default_rng(seed)
    index = rng.choice(len(probabilities), reads, p=probabilities / probabilities.sum())
    shifts = np.arange(model.n_variables)[::-1]
    return (1 - 2 * ((index[:, None] >> shifts) & 1)).astype("int8")


def _starts(
    names: list[str], n_layers: int, model: Quadratic
) -> list[tuple[np.ndarray, np.ndarray]]:
    starts, reason = [], None
    for name in names:
        try:
            starts.append(start_angles(name, n_layers, model))
        except ArgumentError as error:
            if error.argument == "angles" and name != "stored":
                raise
            reason = error
    if not starts:
        raise reason or ArgumentError("angles", "name a start", names)
    return starts


def _objective(circuit: Circuit, engine: str) -> Objective:
    n = circuit.n_qubits
    if engine == "native":
        native = Native(circuit, 0, "float64")
        upstream = np.zeros((1, n + 1))
        upstream[0, n] = 1

        def by_core(x: np.ndarray) -> tuple[float, np.ndarray]:
            row = x[None]
            return float(native.values(row)[0, n]), native.values_gradient(row, upstream)[0]

        return by_core
    portable = Portable(circuit, 0, "float32")
    call = differentiated(lambda row: portable.values(row)[:, n])

    def by_backend(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, (gradient,) = call(x[None].astype("float32"))
        return float(value[0]), gradient[0].astype("float64")

    return by_backend
