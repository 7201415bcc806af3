"""A layer that computes a circuit given by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from qkeras_hybrid import _circuit_check, _circuit_json, encodings
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.layers.circuit_inputs import CircuitInputs
from qkeras_hybrid.layers.features import check_encoding, fresh_symbols
from qkeras_hybrid.layers.saved import observables_config, observables_from_config
from qkeras_hybrid.layers.weights import WeightGroup, groups_of
from qkeras_hybrid.program import Compiled, compile_circuit, symbol_names, with_visible_symbols
from qkeras_hybrid.readouts import Expectation


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PQC(CircuitInputs):
    """A parameterized quantum circuit as a layer: features in, expectation values out.

    It can also return probabilities, the state or samples, or several of these: see `output`.

    `y_k = <0| U(x, w)† O_k U(x, w) |0>`, with `U` the circuit, `x` the features, `w` the layer's
    weights and `O_k` the observables. The circuit's symbols are parameters: those named in
    `inputs` take the features in that order; all others are weights, in the order in which the
    circuit first names them. If `inputs` is not given, an encoding of the features is put in front
    of the circuit.

    Args:
        circuit: A `cirq.Circuit` of any operations that have a unitary. Where Cirq 1.5 computes a
            gate wrongly (`PauliStringPhasor` with identities, `ThreeQubitDiagonalGate`), the layer
            computes what the gate's documentation says: see
            `qkeras_hybrid.program.compile_circuit`.
        observables: What to read for the output "expectation": see `qkeras_hybrid.observables`.
        output: What to return, a name or a `Readout`: "expectation" values of the observables;
            "probabilities" of the basis states, or with `shots` their frequencies; the "state"
            vector, complex; "samples", the bits of `shots` measurements; "circuit", strings for
            TensorFlow Quantum. Or a list of these, for a list of tensors.
        inputs: Symbols, or their names, that take the features.
        symbols: All weight symbols in the order that their weights are to have; by default, the
            order of their first appearance in the circuit.
        qubits: The qubits in order; they may include qubits that the circuit does not touch. By
            default the circuit's own, sorted.
        encoding: How features enter if `inputs` is not given: a name or an `Encoding`.
        weight_groups: A mapping from names to `WeightGroup`s. Each group is a Keras variable of
            its name, with its own initializer, regularizer and constraint, and can be frozen. The
            weights in no group stay in the variable `circuit_weights`, to which the layer's
            `weight_initializer`, `weight_regularizer` and `weight_constraint` apply.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `noise`, `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint`, and Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`, with `n_features` equal to the number of `inputs` if these
        are given; `(batch, ..., 0)` if `inputs=[]` says that there are none. The input may also be
        circuits, as for `tfq.layers.PQC`: a string tensor of shape `(batch,)` made by
        `tfq.convert_to_tensor`, or `[circuits, values]` with values of shape `(batch, n_inputs)`,
        as for `tfq.layers.ControlledPQC`. These circuits run before the layer's own, in place of an
        encoding, and need the `tfq` engine; with `shots`, TFQ's sampling ops, which take no seed,
        estimate expectation values and their gradient.

    Output shape:
        `(batch, ..., n_observables)` for expectation values, `(batch, ..., 2**n_qubits)` for
        probabilities and states, `(batch, ..., shots, n_qubits)` for samples; a list of these if
        `output` is a list. The first qubit is the most significant bit of a basis state.

    Raises:
        ValueError: If the circuit can't be compiled, its observables can't be read or are missing,
            `shots` or a differentiator does not suit `output`, or a weight group does not fit the
            circuit; in `build`, if the features don't fit, or no engine can compute the circuit.

    Example:

    >>> qubit = cirq.GridQubit(0, 0)
    >>> circuit = cirq.Circuit(cirq.ry(sympy.Symbol("w"))(qubit))
    >>> model = keras.Sequential([
    ...     keras.Input((16,)),
    ...     keras.layers.Dense(4, activation="relu"),
    ...     PQC(circuit, cirq.Z(qubit)),
    ...     keras.layers.Dense(10),
    ... ])
    >>> model.output_shape
    (None, 10)

    Several readouts at once, with a gradient through expectation values and probabilities:

    >>> layer = PQC(circuit, "Z", output=["expectation", "probabilities"], inputs=["w"])
    >>> z, p = layer(ops.array([[0.0], [np.pi / 2]]))
    >>> np.round(ops.convert_to_numpy(p), 4).tolist()
    [[1.0, 0.0], [0.5, 0.5]]

    Samples of 100 measurements:

    >>> bits = PQC(circuit, output="samples", inputs=["w"], shots=100)(ops.ones((3, 1)))
    >>> bits.shape == (3, 100, 1)
    True

    A circuit without inputs, a group of weights that does not train, and values by symbol:

    >>> circuit = cirq.Circuit(cirq.ry(sympy.Symbol("a"))(qubit), cirq.rz(sympy.Symbol("b"))(qubit))
    >>> frozen = WeightGroup(["b"], initializer="ones", trainable=False)
    >>> layer = PQC(circuit, "Z", inputs=[], weight_groups={"phases": frozen})
    >>> layer.symbols, layer.resources().weights
    ((a, b), 2)
    >>> layer(ops.zeros((5, 0))).shape == (5, 1)
    True
    >>> layer.assign_symbol_values({"a": 0.5})
    >>> layer.symbol_values()
    {'a': 0.5, 'b': 1.0}
    >>> [variable.name for variable in layer.trainable_weights]
    ['circuit_weights']

    Shots with TensorFlow Quantum's circuits as inputs, where that is installed
    (`tfq.convert_to_tensor` makes `circuits`)::

        layer = PQC(circuit, "Z", engine="tfq", shots=1000)
        layer(circuits)
    """

    def __init__(
        self,
        circuit: cirq.AbstractCircuit | str,
        observables: Any = None,
        *,
        output: Any = "expectation",
        inputs: Iterable[sympy.Symbol | str] | None = None,
        symbols: Iterable[sympy.Symbol | str] | None = None,
        qubits: Iterable[cirq.Qid] | str | None = None,
        encoding: str | dict[str, Any] | Encoding = "angle",
        weight_groups: Mapping[str, WeightGroup | dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoding = encodings.get(encoding)
        self._observables = observables_from_config(observables)
        given = _read("circuit", circuit)
        if isinstance(given, cirq.AbstractCircuit):
            # This check comes first: naming a circuit's parameters makes Cirq resolve those of
            # sub-circuits, and decomposing a gate evaluates its formulas.
            _circuit_check.check_circuit(given)
            given = with_visible_symbols(given)
        self._inputs, weights = _parameters(given, inputs, symbols)
        self._qubits = None if qubits is None else _as_qubits(_read("qubits", qubits))
        # Compiled here once, so that a mistake shows at once.
        self._own = compile_circuit(
            given,
            () if self._observables is None else self._observables,
            inputs=self._inputs or (),
            weights=weights,
            qubits=self._qubits,
        )
        readout = self._own.readout if self._observables is not None else None
        assert readout is None or isinstance(readout, Expectation)
        self._reads(output, readout)
        self._own = self._own.reading(self.readouts[0])
        self._fewest_features = 0 if self._inputs == () else 1
        self.weight_groups = groups_of(weight_groups, self._own.weights)

    def compile(self, n_features: int) -> Compiled:
        """Compiles the circuit, with the encoding in front if it names no inputs."""
        own = self._own
        if self._takes_circuits and n_features != self._n_values():
            raise ValueError(
                f"Layer {self.name!r} must have inputs [circuits, values] with a value for each of "
                f"{list(own.inputs)}, but got {n_features or 'no'} values."
                if own.inputs
                else f"Layer {self.name!r} has no `inputs` for the {n_features} values that come "
                "with its circuits: give it `inputs`, or call it on circuits alone."
            )
        if self._takes_circuits:
            return own
        if self._inputs is not None:
            if len(self._inputs) != n_features:
                raise ArgumentError(
                    "inputs",
                    f"name a symbol for each of the {n_features} features",
                    own.inputs,
                    f"Give the layer {len(self._inputs)} features, e.g. from a Dense layer.",
                )
            return own
        check_encoding(self.encoding, n_features, own.n_qubits)
        circuit = own.circuit.unfreeze()
        n_inputs = self.encoding.n_inputs(n_features, own.n_qubits)
        n_weights = self.encoding.n_weights(n_features, own.n_qubits)
        inputs = fresh_symbols("x", n_inputs, circuit)
        weights = fresh_symbols("e", n_weights, circuit)
        return compile_circuit(
            self.encoding.circuit(own.qubits, inputs, weights) + circuit,
            inputs=inputs,
            weights=[*weights, *own.weights],
            qubits=own.qubits,
        ).reading(own.readout)

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs."""
        if self._inputs is not None:
            return features
        return self.encoding.angles(features, self._own.n_qubits)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        """Returns the input's shape with the readout's shape in place of its last axis."""
        self._check_shape(input_shape)
        first: Any = input_shape[0]
        if self._takes_circuits:
            leading: Sequence[int | None] = [first[0] if isinstance(first, Sequence) else first]
        else:
            leading = input_shape[:-1]
        return self._output_shape(tuple(leading), self._own.program)

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The symbols of the circuit's weights, in the order of the weights.

        Raises:
            ValueError: If the layer is not built, and has an encoding with weights of its own.
        """
        trains = self._inputs is None and self.encoding.n_weights(1, self._own.n_qubits)
        return super().symbols if self.built or trains else self._own.weights

    def _without_building(self) -> Compiled:
        built = self._compiled is not None
        return self._own if self._inputs is not None and not built else super()._without_building()

    def _n_values(self) -> int:
        return len(self._own.inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor; circuits as Cirq's JSON."""
        return {
            **super().get_config(),
            "circuit": self._circuit_json(),
            "observables": observables_config(self._observables),
            "output": self._output_config(),
            "inputs": None if self._inputs is None else list(self._inputs),
            # All are named, so that a saved model keeps the order of its weights even if reading
            # the circuit with a later version of Cirq changes it.
            "symbols": [symbol.name for symbol in self._own.weights],
            "qubits": None if self._qubits is None else _circuit_json.write(list(self._qubits)),
            "encoding": keras.saving.serialize_keras_object(self.encoding),
            "weight_groups": {
                name: keras.saving.serialize_keras_object(group)
                for name, group in self.weight_groups.items()
            },
        }

    def _circuit_json(self) -> str:
        try:
            return _circuit_json.write(self._own.circuit.unfreeze())
        except (TypeError, ValueError) as error:
            foreign = [op for op in self._own.circuit.all_operations() if not _has_json(op)]
            gate = type(foreign[0].gate or foreign[0]).__name__ if foreign else "an operation"
            raise ValueError(
                f"Layer {self.name!r} can't be saved: its circuit holds {gate}, which Cirq can't "
                "write as JSON. Make the circuit of Cirq's own gates: give the layer "
                "cirq.Circuit(cirq.decompose(circuit)), or a cirq.MatrixGate in its place."
            ) from error


def _parameters(
    circuit: Any,
    inputs: Iterable[sympy.Symbol | str] | None,
    symbols: Iterable[sympy.Symbol | str] | None,
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Returns the names of inputs and weights, and makes sure that the circuit has them.

    An unknown name is a typo: without the check, the intended symbol would silently become a
    weight, or the feature would silently be lost.
    """
    input_names = None if inputs is None else symbol_names("inputs", inputs)
    weight_names = None if symbols is None else symbol_names("symbols", symbols)
    if not isinstance(circuit, cirq.AbstractCircuit):
        return input_names, weight_names  # refused by the compiler
    held = cirq.parameter_names(circuit)
    for argument, names in (("inputs", input_names), ("symbols", weight_names)):
        for name in names or ():
            if name not in held:
                raise ArgumentError(
                    argument,
                    "name symbols that the circuit has",
                    name,
                    f"Its symbols are {', '.join(sorted(held)) or 'none'}.",
                )
    left = sorted(held - set(input_names or ()) - set(weight_names or ()))
    if weight_names is not None and left:
        raise ArgumentError(
            "symbols", f"name every symbol that is not an input, including {left[0]}", weight_names
        )
    return input_names, weight_names


def _as_qubits(qubits: Any) -> tuple[cirq.Qid, ...]:
    found = tuple(qubits) if isinstance(qubits, Iterable) else ()
    if not found or not all(isinstance(qubit, cirq.Qid) for qubit in found):
        raise ArgumentError(
            "qubits", "hold Cirq's qubits", qubits, "For example cirq.LineQubit.range(3)."
        )
    return found


def _has_json(operation: cirq.Operation) -> bool:
    try:
        _circuit_json.write(operation)
    except (TypeError, ValueError):
        return False
    return True


def _read(argument: str, given: Any) -> Any:
    """Reads the Cirq JSON that `get_config` wrote; other values stay unchanged."""
    if not isinstance(given, str):
        return given
    try:
        return _circuit_json.read(given)
    except ValueError as error:
        kind = "a cirq.Circuit" if argument == "circuit" else "Cirq's qubits"
        requirement = f"be {kind}, or the JSON of it"
        raise ArgumentError(argument, requirement, given, f"({error})") from error
