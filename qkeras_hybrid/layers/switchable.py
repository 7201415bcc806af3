"""The part of a quantum layer that lets it change its engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import keras

from qkeras_hybrid import gradients
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines import Engine, Run
from qkeras_hybrid.layers.inspection import Inspected
from qkeras_hybrid.layers.setup import KEEP, Prepared, Setup
from qkeras_hybrid.noise import NoiseModel
from qkeras_hybrid.program import Compiled, Job
from qkeras_hybrid.readouts import Readout, Samples


class Switchable(Inspected):
    """The part of `QuantumLayer` that has an engine, shots and noise."""

    if TYPE_CHECKING:
        built: bool
        seed: int | None
        supports_jit: bool
        job: Callable[[Compiled], Job]
        # Keras's attribute, typed there.
        _tracker: Any
        get_config: Any
        from_config: Any
        get_build_config: Any
        get_weights: Any
        set_weights: Any
        build_from_config: Any

    _setup: Setup
    _run: Run | None
    _seed_generator: Any

    @property
    def shots(self) -> int | None:
        """The number of shots that the layer was given."""
        return self._setup.shots

    @property
    def noise(self) -> NoiseModel | None:
        """The noise model."""
        return self._setup.noise

    @property
    def engine_given(self) -> Any:
        """The engine as it was given: "auto", a name, or an engine."""
        return self._setup.given

    @property
    def all_shots(self) -> int | None:
        """The number of shots: the layer's or, if it has none, the engine's."""
        return self._setup.all_shots

    def draw_seed(self) -> None:
        """Takes one seed from the shots' generator, so that the next draw differs."""
        if self._seed_generator is not None:
            self._seed_generator.next()

    @property
    def _shots(self) -> int | None:
        """The number of shots: the layer's or, if it has none, the engine's."""
        return self._setup.all_shots

    def with_engine(self, engine: Any, *, shots: Any = KEEP, noise: Any = KEEP) -> Self:
        """Returns a new layer with the same weights and another engine.

        Args:
            engine: "auto", the name of an engine, an engine, or "keep".
            shots: The number of measurements, None for exact values, or "keep".
            noise: A noise model, its spelling, None, or "keep".

        Raises:
            ValueError: If the engine can't do what the layer asks.

        Example:

        >>> exact = PQCDense(2)
        >>> _ = exact(ops.ones((1, 2)))
        >>> noisy = exact.with_engine("statevector", shots=100)
        >>> np.array_equal(exact.get_weights()[0], noisy.get_weights()[0])
        True
        """
        setup = self._changed(engine, shots, noise)
        layer: Self = type(self).from_config(
            {**self.get_config(), **setup.config(), "engine": setup.given}
        )
        build_config = self.get_build_config() if self.built else None
        if build_config is not None:
            layer.build_from_config(build_config)
            layer.set_weights(self.get_weights())
        return layer

    def engine_change(
        self, engine: Any, *, shots: Any = KEEP, noise: Any = KEEP
    ) -> Callable[[], None]:
        """Prepares another engine and returns the function that switches to it, for `set_engine`.

        Args:
            engine: As in `with_engine`, like the other arguments.
            shots: The number of measurements.
            noise: The noise model.

        Raises:
            ValueError: If the engine can't do what the layer asks.
        """
        setup = self._changed(engine, shots, noise)
        setup.check(self.differentiator, self._output)
        if setup.all_shots != self._shots and any(isinstance(r, Samples) for r in self._read_now()):
            raise ArgumentError(
                "shots",
                f"stay unchanged for layer {self.name!r}, because they set the size of its output",
                setup.all_shots,
                "Make another layer.",
            )
        prepared = None if self._compiled is None else self._prepared(setup, self._compiled)
        return lambda: self._take(setup, prepared)

    def _read_now(self) -> tuple[Readout, ...]:
        return () if self._output is None else self._output.readouts

    def _changed(self, engine: Any, shots: Any, noise: Any) -> Setup:
        """Returns the layer's setup, changed where engine, shots or noise are given."""
        keeps_engine = isinstance(engine, str) and engine == KEEP
        keeps_shots = isinstance(shots, str) and shots == KEEP
        keeps_noise = isinstance(noise, str) and noise == KEEP
        return Setup.of(
            self._setup.given if keeps_engine else engine,
            self.shots if keeps_shots else shots,
            self.noise if keeps_noise else noise,
        )

    def asked(self, setup: Setup, compiled: Compiled) -> list[Compiled]:
        """Returns what the layer asks of an engine: circuits with their readouts.

        Args:
            setup: The engine, shots and noise.
            compiled: The layer's circuit.
        """
        return [compiled.reading(readout) for readout in self.readouts]

    def _prepared(self, setup: Setup, compiled: Compiled) -> Prepared:
        jobs = [self.job(one) for one in self.asked(setup, compiled)]
        return Prepared.of(setup, jobs, self.differentiator, self.returns_list)

    def _take(self, setup: Setup, prepared: Prepared | None) -> None:
        """Switches to another setup."""
        self._setup = setup
        self._engine = setup.engine if prepared is None else prepared.engine
        self._run = None if prepared is None else prepared.run
        self.supports_jit = setup.supports_jit if prepared is None else prepared.supports_jit
        if self._seed_generator is None and self._draws(setup, self._engine):
            # Keras accepts no new state in a built layer unless its tracker is unlocked.
            self._tracker.unlock()
            self._seed_generator = keras.random.SeedGenerator(self.seed)
            if self.built:
                self._tracker.lock()

    def _draws(self, setup: Setup, engine: Engine | None) -> bool:
        """Tells whether a setup draws random numbers; the engine may not be chosen yet."""
        return (
            setup.all_shots is not None
            or isinstance(self.differentiator, gradients.SPSA)
            or (engine is not None and engine.repetitions is not None)
        )
