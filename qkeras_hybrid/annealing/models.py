"""Quadratic models of spins and of bits, as values.

An `Ising` model gives each assignment of spins `s_i` in {-1, +1} the energy

    E(s) = offset + sum_i h_i s_i + sum_{i<j} J_ij s_i s_j,

and a `Qubo` each assignment of bits `x_i` in {0, 1} the energy

    E(x) = offset + sum_i Q_ii x_i + sum_{i<j} (Q_ij + Q_ji) x_i x_j = offset + x^T Q x.

They are the same up to `s = 2 x - 1`, as in dimod: a bit of 1 is the spin +1. (On a qubit, the
spin is the eigenvalue of `Z`; so a qubit that is measured as 0 has the spin +1, and stands for a
bit of 1.)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid._value import Value
from qkeras_hybrid.annealing import conversions, reading
from qkeras_hybrid.annealing.reading import name_of

Variable = Hashable


class Quadratic(Value):
    """The base of `Ising` and `Qubo`: linear and quadratic biases of named variables.

    Attributes:
        variables: The names of the variables, in order.
        biases: The linear biases, of shape `(n_variables,)`, float64.
        edges: The indices of the coupled variables, of shape `(n_edges, 2)`, int64, the smaller
            index first, each pair once.
        couplings: The bias of each edge, of shape `(n_edges,)`, float64.
        offset: The constant part of the energy.
    """

    states: ClassVar[tuple[int, int]]
    variables: tuple[Variable, ...]
    biases: np.ndarray
    edges: np.ndarray
    couplings: np.ndarray
    offset: float

    def _take(
        self,
        linear: Mapping[Variable, float],
        quadratic: Mapping[tuple[Variable, Variable], float],
        offset: Any,
        variables: Sequence[Variable],
        names: tuple[str, str],
    ) -> None:
        """Checks and stores the constructor's arguments.

        Args:
            linear: Bias by variable.
            quadratic: Bias by pair of different variables.
            offset: The constant.
            variables: All variables, in order.
            names: The names of the arguments for linear and quadratic biases, for error messages.
        """
        place = {variable: i for i, variable in enumerate(variables)}
        biases = np.zeros(len(variables))
        for variable, bias in linear.items():
            biases[place[variable]] = reading.number_of(names[0], bias, variable)
        pairs: dict[tuple[int, int], float] = {}
        for (a, b), bias in quadratic.items():
            i, j = sorted((place[a], place[b]))
            if (i, j) in pairs:
                raise ArgumentError(
                    names[1], "name each pair once", (a, b), "Add up the two biases."
                )
            pairs[i, j] = reading.number_of(names[1], bias, (a, b))
        ordered = sorted(pairs)
        couplings = np.array([pairs[pair] for pair in ordered])
        constant = reading.number_of("offset", offset, "the offset")
        with np.errstate(over="ignore"):
            total = abs(biases).sum() + abs(couplings).sum() + abs(constant)
        if not np.isfinite(4 * total):
            raise ArgumentError(names[1], "be small enough for finite energies", total)
        edges = np.array(ordered, "int64").reshape(-1, 2)
        self._set(tuple(variables), biases, edges, couplings, constant)

    def _set(
        self,
        variables: tuple[Variable, ...],
        biases: np.ndarray,
        edges: np.ndarray,
        couplings: np.ndarray,
        offset: float,
    ) -> None:
        for array in (biases, edges, couplings):
            array.flags.writeable = False  # a value does not change
        self.variables, self.biases, self.edges = variables, biases, edges
        self.couplings, self.offset = couplings, offset

    @property
    def n_variables(self) -> int:
        """The number of variables."""
        return len(self.variables)

    @property
    def linear(self) -> dict[Variable, float]:
        """The linear biases by variable."""
        return dict(zip(self.variables, self.biases.tolist(), strict=True))

    @property
    def quadratic(self) -> dict[tuple[Variable, Variable], float]:
        """The quadratic biases by pair of variables."""
        named = [(self.variables[i], self.variables[j]) for i, j in self.edges.tolist()]
        return dict(zip(named, self.couplings.tolist(), strict=True))

    def energy(self, values: Any) -> Any:
        """Returns the energy of one assignment or of several.

        Args:
            values: A mapping from each variable to its value; or an array of shape
                `(..., n_variables)` in the order of `variables`.

        Returns:
            A float for one assignment, else an array of shape `(...)`.

        Raises:
            ValueError: If a variable is missing, or a value is not allowed.
        """
        states = self.checked(values)
        energies = self.energies(states)
        return float(energies) if energies.ndim == 0 else energies

    def energies(self, states: np.ndarray) -> np.ndarray:
        """Returns energies of arrays of shape `(..., n_variables)`, unchecked."""
        states = np.asarray(states, "float64")
        i, j = self.edges.T
        pairs = (states[..., i] * states[..., j]) @ self.couplings
        found: np.ndarray = states @ self.biases + pairs + self.offset
        return found

    def checked(self, values: Any) -> np.ndarray:
        """Returns assignments as an array in the order of `variables`."""
        if isinstance(values, Mapping):
            missing = [v for v in self.variables if v not in values]
            if missing:
                raise ArgumentError("values", f"have the variable {missing[0]!r}", values)
            values = [values[v] for v in self.variables]
        states = np.asarray(values)
        if states.ndim < 1 or states.shape[-1] != self.n_variables:
            raise ArgumentError(
                "values", f"have {self.n_variables} values as its last axis", states.shape
            )
        wrong = ~np.isin(states, self.states)
        if wrong.any():
            low, high = self.states
            raise ArgumentError("values", f"each be {low} or {high}", states[wrong].ravel()[0])
        return states.astype("float64")

    def matrix(self) -> np.ndarray:
        """Returns the couplings as a symmetric matrix `M`, with `M[i, j] = M[j, i] = J_ij`.

        The diagonal is zero; a `Qubo`'s linear biases are in `biases`.
        """
        matrix = np.zeros((self.n_variables, self.n_variables))
        i, j = self.edges.T
        matrix[i, j] = matrix[j, i] = self.couplings
        return matrix

    def to_networkx(self) -> Any:
        """Returns a `networkx.Graph` with biases as `bias` of nodes and edges."""
        return conversions.graph_of(self.linear, self.quadratic)

    def to_dimod(self) -> Any:
        """Returns a `dimod.BinaryQuadraticModel` of the same variables and energies."""
        vartype = "SPIN" if self.states == (-1, 1) else "BINARY"
        return conversions.bqm_of(self.linear, self.quadratic, self.offset, vartype)

    def to_ising(self) -> Ising:
        """Returns the same energies as a model of spins; a bit of 1 becomes a spin of +1."""
        raise NotImplementedError

    def to_qubo(self) -> Qubo:
        """Returns the same energies as a model of bits; a spin of +1 becomes a bit of 1."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Quadratic)
            and type(other) is type(self)
            and other.variables == self.variables
            and other.offset == self.offset
            and np.array_equal(other.biases, self.biases)
            and np.array_equal(other.edges, self.edges)
            and np.array_equal(other.couplings, self.couplings)
        )

    def __hash__(self) -> int:
        arrays = (self.biases.tobytes(), self.edges.tobytes(), self.couplings.tobytes())
        return hash((type(self), self.variables, self.offset, arrays))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.n_variables} variables, {len(self.edges)} couplings, "
            f"offset={self.offset:g})"
        )


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Ising(Quadratic):
    """A quadratic model of spins -1 and +1.

    Args:
        h: Biases: a mapping from variables, an array of shape `(n,)`, or a dimod model, which
            defines everything.
        J: Couplings: a mapping from pairs of variables, a symmetric array of shape `(n, n)` with
            zeros on its diagonal (each pair counts once: `J[0, 1]` is the coupling of 0 and 1),
            or a `networkx.Graph`, whose edges count 1 or their `weight`.
        offset: The constant part of the energy.
        variables: The variables in order; by default those of `h`, then those of `J`, in their
            order.

    Raises:
        ValueError: If a number is not finite, a matrix is not symmetric, a variable is coupled to
            itself, or a pair appears twice.

    Example:

    >>> from qkeras_hybrid.annealing import Ising
    >>> pair = Ising({"a": 0.5}, {("a", "b"): -1.0})
    >>> pair.energy({"a": -1, "b": -1})
    -1.5
    >>> pair.to_qubo().energy({"a": 0, "b": 0})
    -1.5
    """

    states = (-1, 1)

    def __init__(
        self,
        h: Any,
        J: Any = None,
        offset: float = 0.0,
        variables: Sequence[Variable] | None = None,
    ) -> None:
        if conversions.is_bqm(h):
            if J is not None:
                raise ArgumentError("J", "be None if `h` is a dimod model", J)
            linear, quadratic, more = conversions.of_bqm(h, "SPIN")
            self._take(linear, quadratic, more + offset, variables or tuple(linear), ("h", "J"))
            return
        quadratic = reading.couplings_of("J", J)
        linear = reading.linear_of("h", h)
        if variables is None and isinstance(J, (np.ndarray, list, tuple)):
            # All rows count, including those without a coupling.
            linear = {v: 0.0 for v in range(len(J))} | linear
        elif variables is None and conversions.is_graph(J):
            linear = linear | {v: 0.0 for v in J.nodes if v not in linear}
        given = reading.variables_of(variables, linear, quadratic)
        self._take(linear, quadratic, offset, given, ("h", "J"))

    @property
    def h(self) -> dict[Variable, float]:
        """The biases by variable."""
        return self.linear

    @property
    def J(self) -> dict[tuple[Variable, Variable], float]:
        """The couplings by pair of variables."""
        return self.quadratic

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return _config(self, "h", "J")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes a model from what `get_config` returned."""
        return cls(*_arguments(config, "h", "J"))

    def to_ising(self) -> Ising:
        """Returns this model."""
        return self

    def to_qubo(self) -> Qubo:
        """Returns the same energies of bits, `s = 2 x - 1`."""
        i, j = self.edges.T
        biases = 2 * self.biases
        np.subtract.at(biases, i, 2 * self.couplings)
        np.subtract.at(biases, j, 2 * self.couplings)
        offset = self.offset + float(self.couplings.sum() - self.biases.sum())
        model = Qubo.__new__(Qubo)
        model._set(self.variables, biases, self.edges.copy(), 4 * self.couplings, offset)
        return model

    def to_pauli_sum(self, qubits: Sequence[cirq.Qid] | None = None) -> cirq.PauliSum:
        """Returns the energy as a sum of Paulis, `Z_i` for `s_i`.

        Args:
            qubits: A qubit for each variable; by default `cirq.LineQubit`s in order.
        """
        return conversions.pauli_sum(self.biases, self.edges, self.couplings, self.offset, qubits)

    @classmethod
    def from_pauli_sum(cls, observable: Any) -> Ising:
        """Makes a model from a Cirq Pauli sum or string of `Z` alone; its qubits are the variables.

        Raises:
            ValueError: If it has `X` or `Y`, or a product of more than two Paulis.
        """
        linear, quadratic, offset = conversions.of_pauli_sum(observable)
        return cls(linear, quadratic, offset)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Qubo(Quadratic):
    """A quadratic model of bits 0 and 1 ("quadratic unconstrained binary optimisation").

    Args:
        Q: Biases: a mapping from pairs of variables, where `(a, a)` is the linear bias of `a`; a
            symmetric or triangular array of shape `(n, n)` (the energy is `x^T Q x`, so that a
            symmetric matrix counts each pair twice); or a dimod model.
        offset: The constant part of the energy.
        variables: The variables in order; by default in the order of `Q`.

    Raises:
        ValueError: If a number is not finite, a matrix is neither symmetric nor triangular, or a
            pair appears twice.

    Example:

    >>> from qkeras_hybrid.annealing import Qubo
    >>> either = Qubo({("a", "a"): -1, ("b", "b"): -1, ("a", "b"): 2})
    >>> [either.energy({"a": a, "b": b}) for a in (0, 1) for b in (0, 1)]
    [0.0, -1.0, -1.0, 0.0]
    """

    states = (0, 1)

    def __init__(
        self,
        Q: Any,
        offset: float = 0.0,
        variables: Sequence[Variable] | None = None,
    ) -> None:
        if conversions.is_bqm(Q):
            linear, quadratic, more = conversions.of_bqm(Q, "BINARY")
            self._take(linear, quadratic, more + offset, variables or tuple(linear), ("Q", "Q"))
            return
        if not isinstance(Q, Mapping):
            Q = reading.triangle_of(Q)
        both = {reading.pair_of("Q", pair): bias for pair, bias in Q.items()}
        linear = {a: bias for (a, b), bias in both.items() if a == b}
        quadratic = {pair: bias for pair, bias in both.items() if pair[0] != pair[1]}
        order = variables
        if order is None:
            order = tuple(dict.fromkeys(v for pair in both for v in pair))
        self._take(
            linear, quadratic, offset, reading.variables_of(order, linear, quadratic), ("Q", "Q")
        )

    @property
    def Q(self) -> dict[tuple[Variable, Variable], float]:
        """All biases by pair of variables; `(a, a)` is the linear bias of `a`."""
        return {(v, v): bias for v, bias in self.linear.items()} | self.quadratic

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        config = _config(self, "h", "J")
        diagonal = [[v, v, bias] for v, bias in config.pop("h")]
        return {"Q": diagonal + config.pop("J"), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes a model from what `get_config` returned."""
        biases = {(name_of(a), name_of(b)): bias for a, b, bias in config["Q"]}
        return cls(biases, config["offset"], [name_of(v) for v in config["variables"]])

    def to_qubo(self) -> Qubo:
        """Returns this model."""
        return self

    def to_ising(self) -> Ising:
        """Returns the same energies of spins, `x = (1 + s) / 2`."""
        i, j = self.edges.T
        quarter = self.couplings / 4
        biases = self.biases / 2
        np.add.at(biases, i, quarter)
        np.add.at(biases, j, quarter)
        offset = self.offset + float(self.biases.sum() / 2 + quarter.sum())
        model = Ising.__new__(Ising)
        model._set(self.variables, biases, self.edges.copy(), quarter, offset)
        return model


def _config(model: Quadratic, linear: str, quadratic: str) -> dict[str, Any]:
    return {
        linear: [[v, bias] for v, bias in model.linear.items()],
        quadratic: [[a, b, bias] for (a, b), bias in model.quadratic.items()],
        "offset": model.offset,
        "variables": list(model.variables),
    }


def _arguments(config: dict[str, Any], linear: str, quadratic: str) -> tuple[Any, ...]:
    return (
        {name_of(v): bias for v, bias in config[linear]},
        {(name_of(a), name_of(b)): bias for a, b, bias in config[quadratic]},
        config["offset"],
        [name_of(v) for v in config["variables"]],
    )
