"""Readouts of a circuit's final state: values with a shape, a dtype and measurement bases.

| readout | shape for one sample | from shots | gradient |
|---|---|---|---|
| `Expectation(observables)` | `(n_observables,)` | yes | yes |
| `Probabilities()` | `(2**n_qubits,)` | yes, as frequencies | yes |
| `State()` | `(2**n_qubits,)`, complex | no | yes |
| `Samples()` | `(shots, n_qubits)`, integers | only | no |
| `Circuits()` | `()`, strings of TensorFlow Quantum | no | no |

An engine declares which of these it computes. Any other readout has one of them as its `source`,
from which `finish` computes it with `keras.ops`. So every engine supports it, and it can be
trained.

The first qubit is the first in a row of bits, and the most significant bit of a basis state.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import _commuting
from qkeras_hybrid._checks import one_of
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid._value import Value
from qkeras_hybrid.observables import Observable, PauliTerm

if TYPE_CHECKING:
    from qkeras_hybrid.program import Program


@dataclass(frozen=True)
class Setting:
    """A basis in which all qubits are measured: a Pauli for each of `qubits`, Z for the others.

    Attributes:
        paulis: One of "X", "Y", "Z" for each of `qubits`.
        qubits: Indices of qubits, ascending.
    """

    paulis: str = ""
    qubits: tuple[int, ...] = ()

    def reads(self, term: PauliTerm) -> bool:
        """Returns whether a Pauli string's value is the parity of bits measured in this basis."""
        own = dict(zip(self.qubits, self.paulis, strict=True))
        return all(own.get(q, "Z") == p for q, p in zip(term.qubits, term.paulis, strict=True))

    def parity(self, term: PauliTerm) -> tuple[float, tuple[int, ...]]:
        """Returns a sign and qubits: a string's value is the sign times the parity of their bits.

        Args:
            term: A string that this setting reads. Its coefficient is ignored.
        """
        return 1.0, term.qubits

    def rotations(self, qubits: Sequence[cirq.Qid]) -> list[cirq.Operation]:
        """Returns the gates that rotate this basis to the computational basis, before measuring."""
        turns = {"X": cirq.ry(-np.pi / 2), "Y": cirq.rx(np.pi / 2)}
        return [
            turns[pauli].on(qubits[q])
            for pauli, q in zip(self.paulis, self.qubits, strict=True)
            if pauli != "Z"
        ]


@dataclass(frozen=True)
class CliffordSetting(Setting):
    """A measurement after a Clifford circuit, which makes commuting Pauli strings diagonal.

    Attributes:
        gates: The circuit: names "h", "s_dagger" and "cx" with the qubits' indices.
        strings: For each Pauli string that this setting measures: its Paulis and qubits, its sign
            after the circuit, and the qubits whose parity it becomes.
    """

    gates: tuple[_commuting.Gate, ...] = ()
    strings: tuple[tuple[str, tuple[int, ...], int, tuple[int, ...]], ...] = ()

    def reads(self, term: PauliTerm) -> bool:
        """Returns whether the circuit diagonalises a Pauli string."""
        return any((term.paulis, term.qubits) == string[:2] for string in self.strings)

    def parity(self, term: PauliTerm) -> tuple[float, tuple[int, ...]]:
        """Returns the sign and the qubits of a string after the circuit."""
        return next(
            (float(sign), on)
            for paulis, qubits, sign, on in self.strings
            if (term.paulis, term.qubits) == (paulis, qubits)
        )

    def rotations(self, qubits: Sequence[cirq.Qid]) -> list[cirq.Operation]:
        """Returns the circuit."""
        known: dict[str, cirq.Gate] = {"h": cirq.H, "s_dagger": cirq.S**-1, "cx": cirq.CX}
        return [known[name].on(*(qubits[q] for q in on)) for name, on in self.gates]


class Readout(Value, abc.ABC):
    """A quantity that is computed from a circuit's final state, or estimated from measurements.

    Attributes:
        name: Its name for the argument `output` of a layer.
        linear: Whether it is linear in the density matrix. Then shift rules differentiate it, and
            it can be averaged over noise.
        differentiable: Whether it has a gradient.
        exact: Whether it can be computed without shots.
        estimable: Whether it can be estimated from shots.
        activation: The activation with which a classical layer, in place of the circuit, returns
            values in the same range; None if there is none.
    """

    name: ClassVar[str]
    linear: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    estimable: ClassVar[bool] = True
    activation: ClassVar[str | None] = None

    @abc.abstractmethod
    def shape(self, program: Program, shots: int | None = None) -> tuple[int, ...]:
        """Returns the shape of one sample's result."""

    def dtype(self, precision: str) -> str:
        """Returns the result's dtype for the precision "float32" or "float64"."""
        return precision

    def cast(self, values: Any, dtype: str) -> Any:
        """Casts real values to the dtype that a layer returns."""
        return ops.cast(values, dtype)

    def settings(self, program: Program) -> tuple[Setting, ...]:
        """Returns the bases in which a device measures for this readout."""
        return (Setting(),)

    @property
    def source(self) -> Readout:
        """The readout from which this one is computed."""
        return self

    def finish(self, values: Any) -> Any:
        """Computes this readout from its `source`, with `keras.ops`.

        Args:
            values: Tensor of shape `(batch, *shape of the source)`.
        """
        return values

    def of_density(self, program: Program, density: np.ndarray) -> np.ndarray:
        """Computes this readout from density matrices.

        Args:
            program: The program.
            density: Array of shape `(batch, 2**n_qubits, 2**n_qubits)`.
        """
        raise NotImplementedError(f"{type(self).__name__} can't be computed from a density matrix.")

    def of_state(self, program: Program, states: np.ndarray) -> np.ndarray:
        """Computes this readout from state vectors, an array of shape `(batch, 2**n_qubits)`."""
        raise NotImplementedError(f"{type(self).__name__} can't be computed from a state vector.")

    def of_samples(self, program: Program, samples: Sequence[np.ndarray]) -> np.ndarray:
        """Estimates this readout from measured bits.

        Args:
            program: The program.
            samples: For each of `settings` an array of shape `(batch, shots, n_qubits)`.
        """
        raise NotImplementedError(f"{type(self).__name__} can't be estimated from measured bits.")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True, repr=False)
class Expectation(Readout):
    """Expectation values of observables.

    Args:
        observables: Sums of Pauli strings, from `qkeras_hybrid.observables.parse`. If it is empty,
            in the argument `output` of a layer, the layer's observables are used.
        grouping: Which strings are measured together. "qubit_wise": strings that agree on each
            qubit on which both act, after single-qubit rotations. "commuting": strings that
            commute, after a Clifford circuit with two-qubit gates.

    Raises:
        ValueError: If `grouping` is neither "qubit_wise" nor "commuting".
    """

    observables: tuple[Observable, ...] = ()
    grouping: str = "qubit_wise"

    def __post_init__(self) -> None:
        one_of("grouping", self.grouping, ("qubit_wise", "commuting"))

    name: ClassVar[str] = "expectation"
    linear: ClassVar[bool] = True
    activation: ClassVar[str | None] = "tanh"

    def get_config(self) -> dict[str, Any]:
        """Returns the observables as lists of `[coefficient, paulis, qubits]`."""
        config: dict[str, Any] = {
            "observables": [
                [[term.coefficient, term.paulis, list(term.qubits)] for term in observable.terms]
                for observable in self.observables
            ]
        }
        # The default is left out, so earlier versions can read the config.
        return config if self.grouping == "qubit_wise" else {**config, "grouping": self.grouping}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Expectation:
        """Creates a readout from the result of `get_config`."""
        return cls(
            tuple(
                Observable(tuple(PauliTerm(c, paulis, tuple(on)) for c, paulis, on in terms))
                for terms in config["observables"]
            ),
            config.get("grouping", "qubit_wise"),
        )

    def shape(self, program: Program, shots: int | None = None) -> tuple[int, ...]:
        """Returns `(n_observables,)`."""
        return (len(self.observables),)

    def settings(self, program: Program) -> tuple[Setting, ...]:
        """Returns settings that measure all Pauli terms, grouped by `grouping`."""
        if self.grouping == "commuting":
            return self._commuting_settings()
        groups: list[dict[int, str]] = []
        for observable in self.observables:
            for term in observable.terms:
                basis = dict(zip(term.qubits, term.paulis, strict=True))
                for group in groups:
                    if all(group.get(qubit, pauli) == pauli for qubit, pauli in basis.items()):
                        group.update(basis)
                        break
                else:
                    groups.append(basis)
        return tuple(
            Setting("".join(group[q] for q in sorted(group)), tuple(sorted(group)))
            for group in groups
        ) or (Setting(),)

    def _commuting_settings(self) -> tuple[Setting, ...]:
        strings = {
            (term.paulis, term.qubits): dict(zip(term.qubits, term.paulis, strict=True))
            for observable in self.observables
            for term in observable.terms
            if term.qubits
        }
        settings: list[Setting] = []
        for group in _commuting.groups(list(strings.values())):
            basis: dict[int, str] = {}
            for string in group:
                basis |= string
            ordered = tuple(sorted(basis))
            if all(basis[q] == letter for string in group for q, letter in string.items()):
                # Single-qubit rotations are enough.
                settings.append(Setting("".join(basis[q] for q in ordered), ordered))
                continue
            diagonal = _commuting.diagonalised(group)
            read = tuple(
                ("".join(string.values()), tuple(string), sign, on)
                for string, sign, on in zip(group, diagonal.signs, diagonal.qubits, strict=True)
            )
            settings.append(CliffordSetting("", (), diagonal.gates, read))
        return tuple(settings) or (Setting(),)

    def of_state(self, program: Program, states: np.ndarray) -> np.ndarray:
        """Returns expectation values of shape `(batch, n_observables)`."""

        def value(term: PauliTerm) -> np.ndarray:
            flipped, factor = _pauli(term, program.n_qubits)
            found: np.ndarray = np.sum(states[:, flipped].conj() * factor * states, axis=1).real
            return found

        return self._summed(value, len(states))

    def of_density(self, program: Program, density: np.ndarray) -> np.ndarray:
        """Returns expectation values of shape `(batch, n_observables)`."""

        def value(term: PauliTerm) -> np.ndarray:
            flipped, factor = _pauli(term, program.n_qubits)
            here = np.arange(len(flipped))
            found: np.ndarray = np.sum(density[:, here, flipped] * factor, axis=1).real
            return found

        return self._summed(value, len(density))

    def of_samples(self, program: Program, samples: Sequence[np.ndarray]) -> np.ndarray:
        """Returns means of parities, of shape `(batch, n_observables)`."""
        settings = self.settings(program)

        def value(term: PauliTerm) -> np.ndarray:
            first = next(k for k, setting in enumerate(settings) if setting.reads(term))
            sign, qubits = settings[first].parity(term)
            bits = samples[first][:, :, list(qubits)]
            found: np.ndarray = sign * (1.0 - 2.0 * np.mean(bits.sum(axis=2) % 2, axis=1))
            return found

        return self._summed(value, len(samples[0]))

    def _summed(self, value: Any, batch: int) -> np.ndarray:
        """Computes the observables from the values of their Pauli strings."""
        known: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}
        result = np.zeros((batch, len(self.observables)))
        for k, observable in enumerate(self.observables):
            for term in observable.terms:
                key = (term.paulis, term.qubits)
                if term.qubits and key not in known:
                    known[key] = value(term)
                result[:, k] += term.coefficient * (known[key] if term.qubits else 1.0)
        return result


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Probabilities(Readout):
    """The probabilities of the basis states, or with shots their frequencies."""

    name = "probabilities"
    linear = True
    activation = "softmax"

    def shape(self, program: Program, shots: int | None = None) -> tuple[int, ...]:
        """Returns `(2**n_qubits,)`."""
        return (2**program.n_qubits,)

    def of_state(self, program: Program, states: np.ndarray) -> np.ndarray:
        """Returns probabilities of shape `(batch, 2**n_qubits)`."""
        found: np.ndarray = np.abs(states) ** 2
        return found

    def of_density(self, program: Program, density: np.ndarray) -> np.ndarray:
        """Returns probabilities of shape `(batch, 2**n_qubits)`."""
        found: np.ndarray = np.einsum("bii->bi", density).real
        return found

    def of_samples(self, program: Program, samples: Sequence[np.ndarray]) -> np.ndarray:
        """Returns frequencies of shape `(batch, 2**n_qubits)`."""
        size = 2**program.n_qubits
        index = samples[0] @ (1 << np.arange(program.n_qubits)[::-1])
        return np.array([np.bincount(row, minlength=size) / max(1, len(row)) for row in index])


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class State(Readout):
    """The state vector: complex64, or complex128 in double precision."""

    name = "state"
    estimable = False

    def shape(self, program: Program, shots: int | None = None) -> tuple[int, ...]:
        """Returns `(2**n_qubits,)`."""
        return (2**program.n_qubits,)

    def dtype(self, precision: str) -> str:
        """Returns the complex dtype."""
        return "complex128" if precision == "float64" else "complex64"

    def cast(self, values: Any, dtype: str) -> Any:
        """Returns the states unchanged, because a layer's dtype is never complex."""
        return values

    def of_state(self, program: Program, states: np.ndarray) -> np.ndarray:
        """Returns the state vectors."""
        return states


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Samples(Readout):
    """The bits of all qubits, measured `shots` times."""

    name = "samples"
    differentiable = False
    exact = False

    def shape(self, program: Program, shots: int | None = None) -> tuple[int, ...]:
        """Returns `(shots, n_qubits)`."""
        return (shots or 0, program.n_qubits)

    def dtype(self, precision: str) -> str:
        """Returns "int32"."""
        return "int32"

    def cast(self, values: Any, dtype: str) -> Any:
        """Returns the integers unchanged."""
        return values

    def of_samples(self, program: Program, samples: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the bits, of shape `(batch, shots, n_qubits)`."""
        return samples[0].astype("int32")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Circuits(Readout):
    """Each sample's circuit without symbols, as a string for TensorFlow Quantum's ops."""

    name = "circuit"
    differentiable = False
    estimable = False

    def shape(self, program: Program, shots: int | None = None) -> tuple[int, ...]:
        """Returns `()`."""
        return ()

    def dtype(self, precision: str) -> str:
        """Returns "string"."""
        return "string"

    def cast(self, values: Any, dtype: str) -> Any:
        """Returns the strings unchanged."""
        return values


def _pauli(term: PauliTerm, n_qubits: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each basis state its image under a Pauli string, and the factor.

    `P|j> = factor[j] |flipped[j]>`, with `Y|0> = i|1>`, `Y|1> = -i|0>` and `Z|1> = -|1>`.
    """
    index = np.arange(2**n_qubits)
    flipped, factor = index.copy(), np.ones(2**n_qubits, complex)
    for pauli, qubit in zip(term.paulis, term.qubits, strict=True):
        bit = index >> (n_qubits - 1 - qubit) & 1
        if pauli != "Z":
            flipped ^= 1 << (n_qubits - 1 - qubit)
        if pauli != "X":
            factor *= (1 - 2 * bit) * (1j if pauli == "Y" else 1)
    return flipped, factor
