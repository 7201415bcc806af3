"""What a layer returns: one readout of its circuit, or several in a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from qkeras_hybrid import engines, gradients
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._registry import Registry
from qkeras_hybrid.engines import Engine, Run
from qkeras_hybrid.gradients import Adjoint, Differentiator
from qkeras_hybrid.layers.saved import serialized
from qkeras_hybrid.program import Job, Program
from qkeras_hybrid.readouts import Circuits, Expectation, Probabilities, Readout, Samples, State

Shape = tuple[int | None, ...]

READOUTS: Registry[Readout] = Registry(
    "output",
    Readout,
    {kind.name: kind for kind in (Expectation, Probabilities, State, Samples, Circuits)},
)


@dataclass(frozen=True)
class Output:
    """What a layer returns.

    Attributes:
        given: The argument `output` of the layer: names and readouts.
        readouts: What is read, in order.
        several: Whether the layer returns a list of tensors.
    """

    given: tuple[str | Readout, ...]
    readouts: tuple[Readout, ...]
    several: bool

    @classmethod
    def of(cls, output: Any, expectation: Expectation | None) -> Output:
        """Reads the argument `output` of a layer.

        Args:
            output: The name of a readout, its Keras-serialized form or itself, or a list or tuple
                of these.
            expectation: The readout for "expectation"; None if the layer was given no observables.

        Raises:
            ValueError: If a name is unknown, the list is empty, or observables are missing.
        """
        several = isinstance(output, (list, tuple))
        items = tuple(output) if several else (output,)
        if not items:
            raise ArgumentError("output", "name at least one readout", output)
        found = tuple(READOUTS.get(item) for item in items)
        readouts = []
        for readout in found:
            if isinstance(readout, Expectation) and not readout.observables:
                if expectation is None:
                    raise ArgumentError(
                        "observables",
                        'be given for the output "expectation"',
                        None,
                        'Give them, e.g. observables="Z", or choose another output, e.g. '
                        'output="probabilities".',
                    )
                readout = replace(expectation, grouping=readout.grouping)
            readouts.append(readout)
        given = tuple(
            item if isinstance(item, str) else readout
            for item, readout in zip(items, found, strict=True)
        )
        return cls(given, tuple(readouts), several)

    def config(self) -> Any:
        """Returns the original argument in a form that JSON holds."""
        items = [item if isinstance(item, str) else serialized(item) for item in self.given]
        return items if self.several else items[0]

    def check(self, shots: int | None, differentiator: Differentiator | None) -> None:
        """Makes sure that shots and differentiator apply to the readouts.

        Raises:
            ValueError: If one is given that would be ignored, or shots are missing.
        """
        for readout in self.readouts:
            if shots is not None and not readout.source.estimable:
                raise ArgumentError(
                    "shots",
                    f"be None for the output {readout.name!r}, which no measurement estimates",
                    shots,
                    "Leave them out, also in the engine.",
                )
            if shots is None and not readout.source.exact:
                raise ArgumentError(
                    "shots",
                    f"be given for the output {readout.name!r}",
                    shots,
                    "They are the number of measurements, e.g. shots=100.",
                )
        if differentiator is None or isinstance(differentiator, Adjoint):
            return
        trained = [readout for readout in self.readouts if readout.source.differentiable]
        wrong = [readout for readout in trained if not readout.source.linear]
        if wrong or not trained:
            readout = wrong[0] if wrong else self.readouts[0]
            why = "is not linear in the density matrix" if wrong else "has no gradient"
            raise ArgumentError(
                "differentiator",
                f"be None for the output {readout.name!r}, which {why}",
                differentiator,
                "Leave it out: the engine's own gradient is used, if it has one.",
            )

    def shape(self, leading: Shape, program: Program, shots: int | None) -> Any:
        """Returns the shape of what a layer returns, or the list of shapes.

        Args:
            leading: The axes before those of one sample's readout.
            program: A program with the circuit's qubits.
            shots: The number of shots.
        """
        shapes = [(*leading, *readout.shape(program, shots)) for readout in self.readouts]
        return shapes if self.several else shapes[0]

    def spec(self, shapes: Any, precision: str, dtype: str) -> Any:
        """Returns the symbolic tensors of what a layer returns: shapes with their dtypes.

        Args:
            shapes: What `shape` returned.
            precision: The dtype of the computation, "float32" or "float64".
            dtype: The dtype that a layer returns real values in.
        """
        tensors = []
        for readout, shape in zip(self.readouts, shapes if self.several else [shapes], strict=True):
            tensor = keras.KerasTensor(shape, dtype=readout.dtype(precision))
            # The readout itself converts its dtype. Only shape and dtype are kept of Keras's
            # symbolic result.
            tensors.append(keras.KerasTensor(shape, dtype=readout.cast(tensor, dtype).dtype))
        return tensors if self.several else tensors[0]


def choose(jobs: Sequence[Job], engine: Engine | None) -> Engine:
    """Returns the engine for all of a layer's jobs.

    It prefers an engine that differentiates them all to one that only computes them.

    Args:
        jobs: The jobs, one for each readout.
        engine: An engine, or None for the first registered one that can.

    Raises:
        ValueError: If the given engine, or every engine, refuses them. The message has the reasons.
    """
    try:
        return engines.choose(jobs, engine)
    except ValueError as error:
        try:
            return engines.choose([replace(job, gradient=False) for job in jobs], engine)
        except ValueError:
            raise error from None


def prepare(job: Job, engine: Engine, differentiator: Differentiator | None) -> Run:
    """Returns the run of one of a layer's jobs, with a gradient if there is one.

    Args:
        job: The job.
        engine: What `choose` returned for it.
        differentiator: As in `engines.prepare`; for readouts with a gradient.

    Raises:
        ValueError: If the differentiator does not suit the job.
    """
    source = job.readout.source
    if not source.differentiable:
        return engines.prepare(job, engine)
    if engines.refusal(job, engine) is None:
        return engines.prepare(job, engine, differentiator)
    # The engine computes this, but has no gradient of it.
    if source.linear and not job.circuits:
        return engines.prepare(job, engine, differentiator or gradients.ParameterShift())
    run = engines.prepare(replace(job, gradient=False), engine)
    return _refusing_gradients(
        run,
        f"The {engine.name} engine does not differentiate the {job.readout.name}"
        + (" of circuits as inputs." if job.circuits else ". Use another engine."),
        job.circuits,
    )


def together(runs: Sequence[Run]) -> Run:
    """Returns a run that computes the results of all runs, as a list."""
    return lambda inputs, weights, seed=None: [run(inputs, weights, seed) for run in runs]


def _refusing_gradients(run: Run, message: str, circuits: bool) -> Run:
    """Returns a run without a gradient, which raises NotImplementedError if differentiated."""

    def refusing(inputs: Any, weights: Any, seed: Any = None) -> Any:
        strings, values = inputs if circuits else (None, inputs)
        if isinstance(seed, keras.random.SeedGenerator):
            # JAX could not update it inside the custom-gradient function.
            seed = gradients.Seeds(seed.next()).next()

        def forward(values: Any, weights: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(*_: Any, **__: Any) -> Any:
                raise NotImplementedError(message)

            return run((strings, values) if circuits else values, weights, seed), backward

        return ops.custom_gradient(forward)(values, weights)

    return refusing
