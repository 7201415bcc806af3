"""What a quantum layer can show: its engine, circuit, cost, and its weights by symbol."""

from __future__ import annotations

import html
from collections.abc import Mapping

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.engines import Engine
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.layers.drawing import drawing, page
from qkeras_hybrid.layers.outputs import Output
from qkeras_hybrid.layers.resources import Resources, resources
from qkeras_hybrid.layers.weights import CircuitWeights
from qkeras_hybrid.program import Compiled, Program, symbol_names
from qkeras_hybrid.readouts import Expectation, Readout


class Inspected:
    """The part of `QuantumLayer` that describes the layer."""

    name: str
    differentiator: Differentiator | None
    # None for the compiled circuit's own readout.
    _output: Output | None = None
    _engine: Engine | None
    _compiled: Compiled | None
    _circuit_weights: CircuitWeights | None

    def compile(self, n_features: int) -> Compiled:
        """Compiles the layer's circuit for inputs with `n_features` features."""
        raise NotImplementedError

    @property
    def engine(self) -> Engine | None:
        """The engine that was given, or that "auto" chose in `build` (None before that)."""
        return self._engine

    @property
    def readout(self) -> type[Readout]:
        """The readout that the layer returns; the first, if there are several."""
        return Expectation if self._output is None else type(self._output.readouts[0])

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """The readouts of the layer's circuit, in order."""
        return (self.compiled.readout,) if self._output is None else self._output.readouts

    @property
    def returns_list(self) -> bool:
        """Whether the layer returns a list of tensors, one for each of `readouts`."""
        return self._output is not None and self._output.several

    @property
    def values_shape(self) -> tuple[int, ...]:
        """The shape of the built layer's output for one sample, without shots."""
        return self.compiled.readout.shape(self.program)

    @property
    def classical_activation(self) -> str | None:
        """The activation that gives a classical layer's outputs the same range as this layer's.

        It is None for outputs that no classical layer has: states, circuits, several tensors.
        """
        return None if self.returns_list else self.readout.activation

    @property
    def compiled(self) -> Compiled:
        """The compiled circuit: its program, the map to its angles, and its (first) readout.

        Raises:
            ValueError: If the layer is not built yet.
        """
        if self._compiled is None:
            raise ValueError(self._not_built())
        return self._compiled

    @property
    def program(self) -> Program:
        """The program of the compiled circuit."""
        return self.compiled.program

    @property
    def circuit(self) -> cirq.Circuit:
        """The circuit that runs, encoding included."""
        return self.compiled.circuit.unfreeze()

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The symbols of the circuit's weights, in the order of the weights."""
        return self.compiled.weights

    def draw(self, format: str = "text") -> str:
        """Returns a drawing of the circuit; a qubit that no gate touches is drawn with an identity.

        Args:
            format: "text", or "svg" for an SVG document.

        Raises:
            ValueError: If the format is neither, or the layer is not built.
        """
        return drawing(self.compiled, format)

    def _repr_html_(self) -> str:
        """Shows the layer in a notebook: its circuit, its weights and its cost on hardware."""
        title = f"<b>{html.escape(type(self).__name__)}</b> {html.escape(self.name)}"
        if self._compiled is None or self._engine is None:
            return f"<p>{title}, not built yet</p>"
        weights = self.symbol_values().values()
        return page(title, self._compiled, self.resources(), self._engine.name, weights)

    def resources(self, n_features: int | None = None) -> Resources:
        """Returns the resources that the circuit would need on quantum hardware.

        Args:
            n_features: The number of features; only for a layer that is not built yet and whose
                circuit depends on it.

        Raises:
            ValueError: If the number of features is needed but not given.

        Example:

        >>> PQCDense(2, n_layers=1).resources(n_features=3).qubits
        2
        """
        compiled = self._without_building() if n_features is None else self.compile(n_features)
        read = () if self._output is None else self._output.readouts
        return resources(compiled, self.differentiator, read)

    def _without_building(self) -> Compiled:
        """Returns the compiled circuit, even of an unbuilt layer if no features determine it."""
        if self._compiled is None:
            raise ValueError(
                f"Layer {self.name!r} is not built yet, and its circuit depends on the number of "
                "features: give it, e.g. layer.resources(n_features=4), or build the layer first."
            )
        return self._compiled

    def symbol_values(self) -> dict[str, float]:
        """Returns the values of the weights by the names of their symbols.

        Returns:
            A number in radians for each symbol, in the order of `symbols`.

        Raises:
            ValueError: If the layer is not built.

        Example:

        >>> layer = PQCDense(1, n_qubits=1, n_layers=1, weight_initializer="zeros")
        >>> layer.build((None, 1))
        >>> layer.assign_symbol_values({"w1": 0.5})
        >>> layer.symbol_values()
        {'w0': 0.0, 'w1': 0.5, 'w2': 0.0}
        """
        return self._built_weights().values()

    def assign_symbol_values(self, values: Mapping[sympy.Symbol | str, float]) -> None:
        """Sets the values of some or all weights.

        Args:
            values: Numbers in radians, by symbol or its name.

        Raises:
            ValueError: If a symbol is not one of the weights or appears twice, a value is not a
                number, or the layer is not built.
        """
        weights = self._built_weights()
        if not isinstance(values, Mapping):
            raise ArgumentError("values", "hold a number for each symbol", values)
        names = symbol_names("values", values)
        weights.assign(dict(zip(names, values.values(), strict=True)))

    def _built_weights(self) -> CircuitWeights:
        if self._circuit_weights is None:
            raise ValueError(self._not_built())
        return self._circuit_weights

    def _not_built(self) -> str:
        return (
            f"Layer {self.name!r} is not built yet: call it on data, or build it with the "
            "shape of its input, e.g. layer.build((None, 4))."
        )
