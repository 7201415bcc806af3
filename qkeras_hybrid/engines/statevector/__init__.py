"""The reference engine: state vectors on `keras.ops` alone, for any Keras backend.

`prepare` makes all decisions once: it fuses gates into few large operations, whose number depends
on a circuit's layers, not on its gates. The backend differentiates and compiles them.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._shots import estimated
from qkeras_hybrid.engines.base import Engine, Run, memory_refusal
from qkeras_hybrid.engines.statevector import checkpoints
from qkeras_hybrid.engines.statevector.angles import AngleBook
from qkeras_hybrid.engines.statevector.gates import Diagonal, Gate, OneQubit, gates
from qkeras_hybrid.engines.statevector.levels import without_last_phases
from qkeras_hybrid.engines.statevector.plan import Plan, plan
from qkeras_hybrid.engines.statevector.products import Pair, full_precision
from qkeras_hybrid.engines.statevector.readout import bases, reader, turned
from qkeras_hybrid.program import Job
from qkeras_hybrid.program.angles import Angle
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples, State


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class StatevectorEngine(Engine):
    """Simulates state vectors with `keras.ops`: every backend, GPU, XLA, export.

    float64 inputs are computed in complex128, all others in complex64.

    Args:
        shots: If given, expectation values are estimated from simulated measurements instead of
            computed exactly, this many on average for each basis that is measured; the gradient
            is then the parameter-shift rule's, from as many shots per evaluation.
        checkpoint: Whether training recomputes most states in the backward pass instead of keeping
            the state of each step. This takes a third longer and far less memory. The default is
            True from 14 qubits on. With it, TensorFlow has no second derivatives; on a CPU, JAX's
            compiler detects the repeated computation and keeps the states after all.

    Raises:
        ValueError: If `shots` is not a whole number of at least 1, or `checkpoint` not a bool.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> compiled = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> run = StatevectorEngine().prepare(compiled.job())
    >>> z = run(ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "statevector"
    readouts = frozenset({Expectation, Probabilities, State, Samples})
    differentiates = frozenset({Expectation, Probabilities, State})
    samples = True
    traceable = True

    def __init__(self, shots: int | None = None, checkpoint: bool | None = None) -> None:
        self.shots = None if shots is None else positive_int("shots", shots)
        if checkpoint is not None and not isinstance(checkpoint, bool):
            raise ArgumentError("checkpoint", "be True, False or None", checkpoint)
        self.checkpoint = checkpoint

    def get_config(self) -> dict[str, Any]:
        return {"shots": self.shots, "checkpoint": self.checkpoint}

    def _checkpoints(self, job: Job) -> bool:
        """Tells whether a job's gradient recomputes most states."""
        if self.checkpoint is None:
            return job.gradient and job.program.n_qubits >= checkpoints.FIRST_QUBITS
        return job.gradient and self.checkpoint

    def refuses(self, job: Job) -> str | None:
        # A step's state, the next, and parts of them. Measured with 22 qubits under TensorFlow:
        # 63 to 77 bytes for each amplitude in float32. For what training needs in addition, see
        # `caution`.
        need = 10 * _bytes_per_amplitude(job)
        return super().refuses(job) or memory_refusal(job.program.n_qubits, need)

    def caution(self, job: Job) -> str | None:
        if not job.gradient:
            return None
        # The backend's reverse mode keeps the operands of each step: two states, the second with
        # its qubits in another order, or a diagonal with its angles.
        n_steps = len(_planned(job, _book(job))[0].steps) + 1
        if self._checkpoints(job) and (job.backend, job.device) != ("jax", "cpu"):
            n_steps = checkpoints.states_kept(n_steps)
        need = 2 * _bytes_per_amplitude(job) * n_steps
        refusal = memory_refusal(job.program.n_qubits, need)
        if refusal is None:
            return None
        return (
            f"training on the statevector engine keeps two state vectors for each of "
            f"{n_steps} steps: {refusal}. Prediction needs only a few "
            'states. Train with engine="native", which keeps three, or with fewer qubits.'
        )

    def prepare(self, job: Job) -> Run:
        if job.shots is not None and isinstance(job.readout, Expectation):
            return estimated(self, job)
        angles, n = job.angles, job.program.n_qubits
        book = _book(job)
        states, unseen = _planned(job, book)
        checkpoint = self._checkpoints(job)
        read = reader(job, states.order, book)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
            angles.check_shapes(inputs, weights)
            dtype = keras.backend.standardize_dtype(inputs.dtype)
            if dtype not in ("float32", "float64"):
                raise ArgumentError("inputs", "be of dtype float32 or float64", dtype)
            with full_precision():
                computed = book(*angles.extend(inputs, weights))
                # The batch dimension is 1 until the first gate that depends on an input: everything
                # before is computed once for the batch.
                re, im = (
                    None if part is None else ops.reshape(part, (2**n, -1))
                    for part in states(computed, checkpoint=checkpoint)
                )
                if unseen is not None:
                    re = re + 0.0 * ops.sum(computed.angles(unseen), axis=0, keepdims=True)
                # Broadcast at the end; for an empty batch the result is empty, never NaN.
                whole = (2**n, ops.shape(inputs)[0])
                state: Pair = (
                    ops.broadcast_to(re, whole),
                    None if im is None else ops.broadcast_to(im, whole),
                )
                return read(state, computed, seed)

        return run


def _book(job: Job) -> AngleBook:
    affine = job.angles.affine
    return AngleBook(len(affine.inputs), len(affine.weights))


def _planned(job: Job, book: AngleBook) -> tuple[Plan, int | None]:
    """Returns the plan of a job, and registers its angles in the book."""
    rows = job.angles.affine.rows
    all_gates = gates(job.program.instructions, rows)
    if isinstance(job.readout, State):
        return plan(all_gates, job.program.n_qubits, book), None
    measured = bases(job.readout)
    if len(measured) == 1:
        all_gates += turned(measured[0])
    elif measured:
        # Each basis needs its own rotation of the final states.
        return plan(all_gates, job.program.n_qubits, book), None
    kept, dropped = without_last_phases(all_gates)
    return plan(kept, job.program.n_qubits, book), _connection(kept, dropped, book)


def _connection(kept: list[Gate], dropped: list[Gate], book: AngleBook) -> int | None:
    """Returns angles that connect a readout to the whole program, if it would not depend on it.

    A zero gradient should be a number, but for a tensor that the result does not depend on,
    TensorFlow's tape returns None and torch raises an error.
    """
    missing = [
        angle
        for angle in _angles_of(dropped)
        if (angle.inputs and not any(a.inputs for a in _angles_of(kept)))
        or (angle.weights and not any(a.weights for a in _angles_of(kept)))
    ]
    return book.add(missing) if missing else None


def _angles_of(some: list[Gate]) -> list[Angle]:
    found = []
    for gate in some:
        if isinstance(gate, OneQubit) and gate.factor.angle is not None:
            found.append(gate.factor.angle)
        elif isinstance(gate, Diagonal):
            found += [term.angle for term in gate.terms]
    return found


def _bytes_per_amplitude(job: Job) -> int:
    return 16 if job.dtype == "float64" else 8


__all__ = ["StatevectorEngine"]
