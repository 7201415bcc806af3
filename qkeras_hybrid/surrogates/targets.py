"""Splits a quantum layer into its encoding, its circuit and the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid import _expressions, engines, noise
from qkeras_hybrid._model_copies import DoesNotApplyError
from qkeras_hybrid._overlaps import inversion_test, single_paulis
from qkeras_hybrid._states import best_precision
from qkeras_hybrid.engines.mitigation.base import Mitigation
from qkeras_hybrid.layers import QuantumKernel
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.program import AngleMap, Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, State
from qkeras_hybrid.surrogates.cones import split
from qkeras_hybrid.surrogates.graphs import dense
from qkeras_hybrid.surrogates.parts import Part

Tensor = Any


@dataclass(frozen=True)
class Wanted:
    """One tensor that a layer returns.

    Attributes:
        parts: Parts of the circuit, with the indices of the values that each computes.
        finish: Maps the values, of shape `(batch, width)`, to the result, on `keras.ops`.
        shape: The shape of the result for one sample.
    """

    parts: tuple[tuple[tuple[int, ...], Part], ...]
    finish: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]

    @property
    def width(self) -> int:
        """The number of values that the parts compute."""
        return sum(len(numbers) for numbers, _ in self.parts)


@dataclass(frozen=True)
class Target:
    """What a built quantum layer computes.

    Attributes:
        layer: The layer.
        encode: Maps features `(batch, n_features)` to the inputs of the parts, on `keras.ops`.
        wanted: What the layer returns.
        notes: Notes for the user, such as that shots are left out.
    """

    layer: QuantumLayer
    encode: Callable[[Tensor], Tensor]
    wanted: tuple[Wanted, ...]
    notes: tuple[str, ...]


def target(layer: QuantumLayer) -> Target:
    """Splits a built quantum layer into its parts.

    Raises:
        DoesNotApplyError: If no classical layer returns what it returns.
    """
    if getattr(layer, "_takes_circuits", False):
        raise DoesNotApplyError(
            f"Layer {layer.name!r} takes circuits as its input; no classical layer can do this."
        )
    for name, value in layer.symbol_values().items():
        if not math.isfinite(value):
            raise DoesNotApplyError(f"The weight {name} of layer {layer.name!r} is {value}.")
    return _kernel(layer) if isinstance(layer, QuantumKernel) else _circuit(layer)


def _circuit(layer: QuantumLayer) -> Target:
    wanted = []
    for readout in layer.readouts:
        source = readout.source
        if not isinstance(source, (Expectation, Probabilities)):
            raise DoesNotApplyError(
                f"Layer {layer.name!r} returns {_NAMES.get(source.name, source.name)}. A surrogate "
                "returns expectation values or probabilities: change the layer to one of these."
            )
        job = _exact(layer, source)
        parts = tuple(split(Part(job, *_angles(layer, job.angles))))
        wanted.append(Wanted(parts, readout.finish, readout.shape(job.program)))
    encode = _with_expressions(layer, job.angles, layer.encode)
    return Target(layer, encode, tuple(wanted), _notes(layer))


_NAMES = {"state": "state vectors, which are complex", "circuit": "circuits"}


def _kernel(layer: QuantumKernel) -> Target:
    scale = float(layer.scale)
    if layer.log_scale is not None:
        scale = math.exp(float(ops.convert_to_numpy(layer.log_scale)))

    def encode(features: Tensor) -> Tensor:
        n_qubits = layer.compiled.n_qubits
        return layer.encoding.angles(features * scale if scale != 1.0 else features, n_qubits)

    precision = best_precision()
    given = np.asarray(ops.convert_to_numpy(layer.landmarks), float)
    landmarks = ops.convert_to_tensor(given, precision)
    encoded = np.asarray(ops.convert_to_numpy(encode(landmarks)), float)
    finish: Callable[[Tensor], Tensor]
    if layer.kernel == "projected":
        job = _exact(layer, single_paulis(layer.compiled.n_qubits))
        part = Part(job, *_angles(layer, job.angles))
        own = part.at(encoded)
        gamma = 1 / layer.compiled.n_qubits if layer.gamma is None else layer.gamma
        finish = _gaussians(own, gamma / 2)
        among = np.exp(-gamma / 2 * np.sum((own[:, None] - own[None]) ** 2, axis=2))
        parts = tuple(split(part))
    elif layer.noise is None:
        job = _exact(layer, State())
        part = Part(job, *_angles(layer, job.angles))
        part = replace(part, states=_states(part, encoded))
        finish = _unchanged
        among = np.abs(part.states @ part.states.conj().T) ** 2  # type: ignore[union-attr]
        parts = ((tuple(range(part.width)), part),)
    else:
        # The fidelity is measured by one circuit per landmark, which ends with the landmark's
        # inverse circuit.
        several = _inverted(layer, encoded)
        finish = _unchanged
        among = np.concatenate([part.at(encoded) for part in several], axis=1)
        parts = tuple(((number,), part) for number, part in enumerate(several))
    if layer.output_kind == "nystroem":
        finish = _nystroem(
            finish, among, "float64" if layer.compute_dtype == "float64" else "float32"
        )
    wanted = Wanted(parts, finish, (layer.n_landmarks,))
    extended = _with_expressions(layer, layer.compiled.angles, encode)
    return Target(layer, extended, (wanted,), _notes(layer))


def _inverted(layer: QuantumKernel, encoded: np.ndarray) -> list[Part]:
    compiled = inversion_test(layer.compiled)
    job = noise.applied(compiled.job(best_precision(), noise=layer.noise, gradient=False))
    offsets, slopes = _angles(layer, job.angles)
    n_inputs = len(layer.compiled.inputs)
    first = np.eye(1, 2**job.program.n_qubits)
    return [
        Part(job, offsets + slopes[:, n_inputs:] @ inputs, slopes[:, :n_inputs], matrix=first)
        for inputs in encoded
    ]


def _states(part: Part, inputs: np.ndarray) -> np.ndarray:
    run = engines.prepare(bare := part.job.bare(), engines.choose(bare))
    angles = ops.convert_to_tensor(part.offsets + inputs @ part.slopes.T, part.job.dtype)
    return np.asarray(
        ops.convert_to_numpy(run(angles, ops.zeros((0,), dtype=part.job.dtype))), complex
    )


def _exact(layer: QuantumLayer, readout: Readout) -> Job:
    """Returns the job of a readout without shots, with the noise in its program."""
    compiled = layer.compiled.reading(readout)
    return noise.applied(compiled.job(best_precision(), noise=layer.noise, gradient=False))


def _angles(layer: QuantumLayer, angles: AngleMap) -> tuple[np.ndarray, np.ndarray]:
    """Returns offsets and slopes of the angles, with the layer's weights filled in."""
    affine = angles.affine
    weights = np.array(list(layer.symbol_values().values()), float)
    precision = best_precision()
    _, extended = angles.extend(
        ops.zeros((1, len(angles.inputs)), dtype=precision),
        ops.convert_to_tensor(weights, precision),
    )
    values = np.asarray(ops.convert_to_numpy(extended), float)
    offsets = np.array(
        [row.offset + sum(c * values[j] for j, c in row.weights) for row in affine.rows], float
    )
    slopes = np.zeros((len(affine.rows), len(affine.inputs)))
    for number, row in enumerate(affine.rows):
        for i, factor in row.inputs:
            slopes[number, i] += factor
    return offsets, slopes


def _with_expressions(
    layer: QuantumLayer, angles: AngleMap, encode: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Returns the encoding, followed by the expressions with inputs, with weights filled in."""
    values = dict(zip(angles.weights, layer.symbol_values().values(), strict=True))
    varying = set(angles.inputs)
    expressions = [
        row.expression.subs(values)
        for row in angles.rows
        if row.expression is not None and row.expression.free_symbols & varying
    ]
    if not expressions:
        return encode

    def extended(features: Tensor) -> Tensor:
        inputs = encode(features)
        columns = dict(
            zip(angles.inputs, ops.split(inputs, len(angles.inputs), axis=1), strict=True)
        )
        more = _expressions.evaluate(expressions, columns)
        return ops.concatenate([inputs, *more], axis=1)

    return extended


def _notes(layer: QuantumLayer) -> tuple[str, ...]:
    notes, engine = [], layer.engine
    shots = layer.all_shots or (None if engine is None else engine.repetitions)
    if shots is not None:
        notes.append(
            f"Layer {layer.name!r} measures {shots} shots; the surrogate returns the exact mean, "
            "the limit of infinitely many shots."
        )
    if layer.noise is not None:
        notes.append(f"Layer {layer.name!r} has noise; the surrogate returns its exact mean.")
    if isinstance(engine, Mitigation):
        notes.append(
            f"The engine of layer {layer.name!r} mitigates errors; the surrogate returns the "
            "mean without mitigation."
        )
    return tuple(notes)


def _unchanged(values: Tensor) -> Tensor:
    return values


def _gaussians(vectors: np.ndarray, gamma: float) -> Callable[[Tensor], Tensor]:
    """Returns `exp(-gamma |a - b|^2)` with each of some vectors `b`, on symbolic tensors."""

    def finish(values: Tensor) -> Tensor:
        # `|a - b|^2` from a product: it has an error of 1e-7 where `a` is close to `b`.
        norms = np.sum(vectors**2, axis=1)
        products = dense(values, -2 * vectors.T, norms, trainable=False)
        squares = ops.sum(ops.square(values), axis=1, keepdims=True)
        return ops.exp(-gamma * ops.relu(products + squares))

    return finish


def _nystroem(
    first: Callable[[Tensor], Tensor], among: np.ndarray, precision: str
) -> Callable[[Tensor], Tensor]:
    """Returns the features `C^-1 K(L, x)`, with `K(L, L) = C C^T`, on symbolic tensors."""
    count = len(among)
    # The layer itself also shifts a matrix that rounding made indefinite.
    floor = count * float(np.finfo(precision).eps) * 10
    symmetric = (among + among.T) / 2
    shift = floor + 2 * max(0.0, -float(np.linalg.eigvalsh(symmetric)[0]))
    root = np.linalg.cholesky(symmetric + shift * np.eye(count))

    def finish(values: Tensor) -> Tensor:
        return dense(first(values), np.linalg.inv(root).T, trainable=False)

    return finish
