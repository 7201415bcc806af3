"""Circuits for electrons: Hartree-Fock, unitary coupled cluster, paired excitations, templates."""

from __future__ import annotations

import abc
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from qkeras_hybrid import ansatz as templates
from qkeras_hybrid._checks import MOST_REPEATS, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid._registry import Registry
from qkeras_hybrid._value import Value
from qkeras_hybrid.ansatz import Ansatz
from qkeras_hybrid.chemistry.electrons import Electrons
from qkeras_hybrid.encodings.base import whole

Excitation = tuple[int, ...]

MOST_EXPONENTIALS = 20_000
"""The most exponentials of Pauli strings in a circuit. Building a longer one takes minutes, and
running it on the many qubits that it has takes hours."""


def check_exponentials(electrons: Electrons, name: str, n_singles: int, n_doubles: int) -> None:
    """Checks that a circuit is not too long, before any of it is built.

    Args:
        electrons: The electrons.
        name: The name of the ansatz.
        n_singles: The number of excitations of one electron, with two exponentials each.
        n_doubles: The number of excitations of two electrons, with eight exponentials each.

    Raises:
        ValueError: If the circuit would have more than 20,000 exponentials.
    """
    count = 2 * n_singles + 8 * n_doubles
    if count > MOST_EXPONENTIALS:
        raise ArgumentError(
            "ansatz",
            f"have at most {MOST_EXPONENTIALS:,} exponentials of Pauli strings",
            f"{name!r}, which has {count:,} on {electrons.n_spin_orbitals} spin orbitals",
            "Use a smaller `active_space` or a shorter ansatz.",
        )


def pool(electrons: Electrons, name: str) -> list[Excitation]:
    """Returns the singles, then the doubles, without those that tapering rules out.

    Args:
        electrons: The electrons.
        name: The name of the ansatz, for the error message.

    Raises:
        ValueError: If there are too many: see `check_exponentials`.
    """
    full, empty = (
        [sum(j % 2 == spin for j in places) for spin in (0, 1)]
        for places in (electrons.occupied, electrons.virtual)
    )
    pairs = [math.comb(o, 2) * math.comb(v, 2) for o, v in zip(full, empty, strict=True)]
    ones = [o * v for o, v in zip(full, empty, strict=True)]
    check_exponentials(electrons, name, sum(ones), sum(pairs) + math.prod(ones))
    both = singles(electrons) + doubles(electrons)
    return [excitation for excitation in both if electrons.generator(excitation)]


def singles(electrons: Electrons) -> list[Excitation]:
    """Returns `(i, a)` for each move of an electron to an empty spin orbital of the same spin."""
    return [(i, a) for i in electrons.occupied for a in electrons.virtual if (a - i) % 2 == 0]


def doubles(electrons: Electrons) -> list[Excitation]:
    """Returns `(i, j, b, a)` for each move of two electrons that keeps the spin projection."""
    return [
        (i, j, b, a)
        for i, j in itertools.combinations(electrons.occupied, 2)
        for b, a in itertools.combinations(electrons.virtual, 2)
        if i % 2 + j % 2 == a % 2 + b % 2
    ]


def exponential(
    electrons: Electrons, excitation: Excitation, angle: sympy.Symbol
) -> Iterator[cirq.Operation]:
    """Yields operations whose product is exactly `exp(angle (T - T†))` of an excitation.

    Each Pauli string gives one exponential. The product is exact because the strings commute.

    Args:
        electrons: The electrons.
        excitation: As for `Electrons.generator`.
        angle: A symbol, in radians.
    """
    for (x, z), coefficient in sorted(electrons.generator(excitation).items()):
        # exp(i c angle P): the phase of the eigenvalue +1 is pi times the exponent. The rational
        # number is exact, because coefficients are 1/2 and 1/8.
        turns = sympy.Rational(coefficient.imag) / sympy.pi * angle
        yield _phasor(electrons.pauli_string(x, z), turns)


def _phasor(string: cirq.PauliString, turns: sympy.Expr) -> cirq.Operation:
    operation = cirq.PauliStringPhasor(string, exponent_neg=0, exponent_pos=0)
    gate: Any = operation.gate
    # Set directly, because Cirq's constructor asks SymPy if the exponent is constant: 10 ms each.
    gate._exponent_neg, gate._exponent_pos = -turns, turns
    if gate.exponent_neg == -turns and gate.exponent_pos == turns:
        return operation
    return cirq.PauliStringPhasor(string, exponent_neg=-turns, exponent_pos=turns)


def excited(
    electrons: Electrons, excitations: Sequence[Excitation], symbols: Sequence[Any]
) -> cirq.Circuit:
    """Returns a circuit that prepares the Hartree-Fock state and applies excitations, in order."""
    circuit = cirq.Circuit(electrons.hartree_fock())
    circuit.append(
        operation
        for excitation, symbol in zip(excitations, symbols, strict=True)
        for operation in exponential(electrons, excitation, symbol)
    )
    return circuit


class MolecularAnsatz(Value, abc.ABC):
    """A rule that builds a circuit for the electrons of any molecule.

    Attributes:
        name: Its name for the argument `ansatz`.
        start: Initial weights are drawn uniformly from `-start` to `start`, in radians; 0 starts
            from the Hartree-Fock state.
    """

    name: ClassVar[str]
    start: ClassVar[float] = 0.0

    @abc.abstractmethod
    def n_weights(self, electrons: Electrons) -> int:
        """Returns the number of weights."""

    @abc.abstractmethod
    def build(self, electrons: Electrons, symbols: Sequence[Any]) -> cirq.Circuit:
        """Returns the circuit with `n_weights` given symbols as its angles, in radians."""

    def initializer(self, seed: int | None) -> Any:
        """Returns the initializer of the weights."""
        if self.start == 0:
            return keras.initializers.Zeros()
        return keras.initializers.RandomUniform(-self.start, self.start, seed=seed)

    def symbols(self, electrons: Electrons) -> tuple[sympy.Symbol, ...]:
        """Returns the weights' symbols, in order."""
        return tuple(sympy.Symbol(f"t{i}") for i in range(self.n_weights(electrons)))

    def circuit(
        self, electrons: Electrons, symbols: Sequence[sympy.Symbol] | None = None
    ) -> cirq.Circuit:
        """Returns the circuit, which starts from `|0...0>`, on all qubits of the electrons.

        Args:
            electrons: The electrons.
            symbols: The symbols of the weights; by default those of the method `symbols`.
        """
        chosen = self.symbols(electrons) if symbols is None else symbols
        return whole(self.build(electrons, chosen), electrons.qubits)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class HartreeFock(MolecularAnsatz):
    """The Hartree-Fock state: the determinant with the lowest orbitals occupied. No weights."""

    name = "hartree_fock"

    def n_weights(self, electrons: Electrons) -> int:
        return 0

    def build(self, electrons: Electrons, symbols: Sequence[Any]) -> cirq.Circuit:
        return cirq.Circuit(electrons.hartree_fock())


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class UCCSD(MolecularAnsatz):
    """Unitary coupled cluster with single and double excitations, in one Trotter step.

    The doubles act on the Hartree-Fock state, then the singles. Each excitation `T` acts exactly as
    `exp(t (T - T†))`, with its weight `t` in radians. The weights are ordered differently: first
    those of the singles, then those of the doubles, as in PennyLane's `UCCSD`. PennyLane's weights
    are twice as large for the same circuit. If qubits are tapered off, excitations that leave the
    symmetry sector are left out.

    Reference:
        Peruzzo et al., Nature Communications 5, 4213 (2014), arXiv 1304.3061; Romero et al.,
        Quantum Science and Technology 4, 014008 (2018), arXiv 1701.02691.

    Example:

    >>> from qkeras_hybrid.chemistry import UCCSD, electrons
    >>> UCCSD().n_weights(electrons("LiH", bond_length=1.45))
    92
    """

    name = "uccsd"

    def excitations(self, electrons: Electrons) -> list[Excitation]:
        """Returns the excitations that have a weight, in the weights' order."""
        return pool(electrons, self.name)

    def n_weights(self, electrons: Electrons) -> int:
        return len(self.excitations(electrons))

    def build(self, electrons: Electrons, symbols: Sequence[Any]) -> cirq.Circuit:
        both = list(zip(self.excitations(electrons), symbols, strict=True))
        ordered = [p for p in both if len(p[0]) == 4] + [p for p in both if len(p[0]) == 2]
        return excited(electrons, [e for e, _ in ordered], [s for _, s in ordered])


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class KUpCCGSD(MolecularAnsatz):
    """`k` layers of generalised single and paired double excitations.

    Doubles move both electrons of an orbital to another orbital; singles move one electron.
    "Generalised" means between any two orbitals, occupied or empty. A layer has the doubles, then
    the singles, each once for a pair of orbitals. PennyLane's `kUpCCGSD` has each in both
    directions, which differ only in the sign of the weight.

    Args:
        k: The number of layers, from 1 to 100.

    Raises:
        ValueError: If `k` is not a whole number from 1 to 100.

    Reference:
        Lee, Huggins, Head-Gordon, Whaley: Generalized unitary coupled cluster wave functions for
        quantum computation, Journal of Chemical Theory and Computation 15, 311 (2019), arXiv
        1810.02327.
    """

    name = "k_upccgsd"
    start = 0.1

    def __init__(self, k: int = 1) -> None:
        self.k = positive_int("k", k, 100)

    def get_config(self) -> dict[str, Any]:
        return {"k": self.k}

    def excitations(self, electrons: Electrons) -> list[Excitation]:
        """Returns the excitations of a layer, in the weights' order."""
        pairs = list(itertools.combinations(range(electrons.integrals.n_orbitals), 2))
        check_exponentials(electrons, self.name, 2 * self.k * len(pairs), self.k * len(pairs))
        found: list[Excitation] = [(2 * p, 2 * p + 1, 2 * q, 2 * q + 1) for p, q in pairs]
        found += [(2 * p + spin, 2 * q + spin) for p, q in pairs for spin in (0, 1)]
        return [excitation for excitation in found if electrons.generator(excitation)]

    def n_weights(self, electrons: Electrons) -> int:
        return self.k * len(self.excitations(electrons))

    def build(self, electrons: Electrons, symbols: Sequence[Any]) -> cirq.Circuit:
        return excited(electrons, self.excitations(electrons) * self.k, symbols)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class WithTemplate(MolecularAnsatz):
    """A template of `qkeras_hybrid.ansatz`, then an `X` on the occupied qubits of Hartree-Fock.

    With weights of zero most templates do nothing, and the circuit prepares the Hartree-Fock state.
    A template is not made for electrons: it does not conserve their number.

    Args:
        template: The template, or its name.
        n_layers: Its number of layers.

    Raises:
        ValueError: If the template is unknown, or `n_layers` is not a whole number of at least 1.

    Reference:
        Kandala et al., Nature 549, 242 (2017), arXiv 1704.05018.
    """

    name = "hardware_efficient"
    # Random, because a training that starts at the Hartree-Fock state tends to stay there.
    start = 1.0

    def __init__(self, template: Any = "hardware_efficient", n_layers: int = 3) -> None:
        self.template = templates.get(template)
        self.n_layers = positive_int("n_layers", n_layers, MOST_REPEATS)

    def get_config(self) -> dict[str, Any]:
        return {"template": self.template, "n_layers": self.n_layers}

    def n_weights(self, electrons: Electrons) -> int:
        return self.template.n_weights(electrons.n_qubits, self.n_layers)

    def build(self, electrons: Electrons, symbols: Sequence[Any]) -> cirq.Circuit:
        circuit = self.template.circuit(electrons.qubits, list(symbols), self.n_layers)
        circuit.append(electrons.hartree_fock())
        return circuit


_EXCITATIONS = "be excitations, each of two or four different spin orbitals"
_EXAMPLE = "Example: [(0, 2), (0, 1, 2, 3)]."


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True, repr=False)
class Excitations(MolecularAnsatz):
    """Given excitations that act on the Hartree-Fock state in order, each with its own weight.

    `ground_state(..., ansatz="adapt")` returns an ansatz of this class.

    Args:
        chosen: For each excitation its spin orbitals `(i, a)` or `(i, j, b, a)`, as for
            `Electrons.generator`.

    Raises:
        ValueError: If an excitation is not two or four different whole numbers of at least 0.
    """

    chosen: tuple[Excitation, ...] = ()

    name: ClassVar[str] = "excitations"

    def __post_init__(self) -> None:
        # From JSON they come as lists.
        given: Any = self.chosen
        try:
            chosen = tuple(tuple(map(operator.index, each)) for each in given)
        except TypeError as error:
            raise ArgumentError("chosen", _EXCITATIONS, given, _EXAMPLE) from error
        for each in chosen:
            if len(each) not in (2, 4) or len(set(each)) < len(each) or min(each) < 0:
                raise ArgumentError("chosen", _EXCITATIONS, each, _EXAMPLE)
        object.__setattr__(self, "chosen", chosen)

    __eq__ = Value.__eq__
    __hash__ = Value.__hash__

    def n_weights(self, electrons: Electrons) -> int:
        return len(self.chosen)

    def build(self, electrons: Electrons, symbols: Sequence[Any]) -> cirq.Circuit:
        highest = max(itertools.chain((0,), *self.chosen))
        if highest >= electrons.n_spin_orbitals:
            raise ArgumentError(
                "chosen",
                f"name the spin orbitals 0 to {electrons.n_spin_orbitals - 1} of the electrons",
                highest,
                "Spin orbital 2 p is orbital p with spin up, 2 p + 1 with spin down.",
            )
        two = sum(len(each) == 4 for each in self.chosen)
        check_exponentials(electrons, self.name, len(self.chosen) - two, two)
        return excited(electrons, self.chosen, symbols)


ANSATZE: Registry[MolecularAnsatz] = Registry(
    "ansatz",
    MolecularAnsatz,
    {kind.name: kind for kind in (HartreeFock, UCCSD, KUpCCGSD, WithTemplate)},
)


def ansatz_of(given: Any) -> MolecularAnsatz:
    """Returns an ansatz, given as an object, by its name, or as a template of `ansatz`.

    Raises:
        ValueError: If it is none of these.
    """
    return WithTemplate(given) if isinstance(given, Ansatz) else ANSATZE.get(given)
