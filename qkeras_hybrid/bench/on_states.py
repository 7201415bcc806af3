"""Builders of hybrid models for states: the features are the circuit's initial amplitudes."""

from __future__ import annotations

import itertools
from typing import Any

import keras

from qkeras_hybrid import ansatz as ansatze
from qkeras_hybrid._checks import MOST_REPEATS, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.bench.heads import Data, with_head
from qkeras_hybrid.layers import PQC


def circuit_on_states(
    dataset: Data,
    *,
    ansatz: str = "strongly_entangling",
    n_layers: int = 2,
    n_read: int | None = None,
    n_idle: int = 0,
    engine: str = "auto",
) -> keras.Model:
    """Builds a trained circuit on states, such as those of the data set `ising_phases`.

    The features are the amplitudes of the circuit's initial state. An ansatz follows, and Z of the
    first qubits is measured, all in one measurement setting. A Dense head takes the values.

    Args:
        dataset: The data set that the model is built for, with `2**n_qubits` features.
        ansatz: The name of an ansatz. "qcnn" makes a trained convolutional network after Cong, Choi
            and Lukin 2019, on a number of qubits that is a power of two. It begins with rotations
            of each qubit. The convolutions alone commute with the flip of all spins, and Z of the
            last qubit would be 0 for every state that this flip does not change.
        n_layers: The number of layers of the ansatz.
        n_read: How many qubits are measured; by default all that are not idle, and for a "qcnn"
            its last qubit.
        n_idle: How many of the last qubits the circuit does not touch, such as the environment in
            the data set `noisy_outputs`, to which nobody has access.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the number of features is not a power of two, or there are too few qubits.

    Reference:
        I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural networks, Nature Physics
        15, 1273-1278, 2019, arXiv 1810.03787.
    """
    qubits = cirq.LineQubit.range(_qubits(dataset))
    if n_idle:
        positive_int("n_idle", n_idle, len(qubits) - 1)
    ours = qubits[: len(qubits) - n_idle]
    if n_read is None:
        n_read = 1 if ansatz == "qcnn" else len(ours)
    positive_int("n_read", n_read, len(ours))
    template = ansatze.get(ansatz)
    template.check_qubits(len(ours))
    n_weights = template.n_weights(len(ours), positive_int("n_layers", n_layers, MOST_REPEATS))
    circuit = template.circuit(ours, sympy.symbols(f"w0:{n_weights}"), n_layers)
    if ansatz == "qcnn":
        turns = iter(sympy.symbols(f"r0:{3 * len(ours)}"))
        rotations = (cirq.rz, cirq.ry, cirq.rz)
        circuit = cirq.Circuit(g(next(turns))(q) for q in ours for g in rotations) + circuit
    return with_head(
        dataset,
        PQC(
            circuit,
            [cirq.Z(qubit) for qubit in qubits[:n_read]],
            qubits=qubits,
            encoding="amplitude",
            engine=engine,
        ),
    )


def two_copy_test(dataset: Data, *, engine: str = "auto") -> keras.Model:
    """Builds the swap test on two copies of a state, for the data set `entangled_pairs`.

    Its circuit has no weights. It measures each qubit of the first half of one copy together with
    the same qubit of the other copy, in the Bell basis: a CNOT, then a Hadamard gate. The product
    of `(1 + Z + Z' - Z Z') / 2` over these pairs is then the swap of the two halves. Its
    expectation value is the purity of one half. A Dense head turns it into classes.

    Args:
        dataset: The data set that the model is built for: amplitudes of two copies, one after the
            other, each of an even number of qubits.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the features are not states of a multiple of four qubits.

    Reference:
        J. C. Garcia-Escartin and P. Chamorro-Posada, Swap test and Hong-Ou-Mandel effect are
        equivalent, Physical Review A 87, 052330, 2013, arXiv 1303.6814.
    """
    n_qubits = _qubits(dataset)
    if n_qubits % 4:
        raise ArgumentError(
            "dataset",
            "hold two copies of states with an even number of qubits",
            f"{n_qubits} qubits",
            'Take "entangled_pairs" with copies=2.',
        )
    qubits = cirq.LineQubit.range(n_qubits)
    pairs = [(qubits[i], qubits[i + n_qubits // 2]) for i in range(n_qubits // 4)]
    circuit = cirq.Circuit([(cirq.CNOT(*pair), cirq.H(pair[0])) for pair in pairs])
    swap = cirq.PauliSum() + 1
    for first, second in pairs:
        one, other = 1.0 * cirq.Z(first), 1.0 * cirq.Z(second)
        swap *= 0.5 * (1 + one + other - one * other)
    return with_head(
        dataset, PQC(circuit, swap, qubits=qubits, encoding="amplitude", engine=engine)
    )


def cluster_qcnn(dataset: Data, *, engine: str = "auto") -> keras.Model:
    """Builds the exact convolutional network for a cluster chain, after Cong et al. 2019.

    Its circuit has no weights: see `exact_qcnn`. A Dense head turns its value, near 1 in the
    topological phase and 0 outside, into classes.

    Args:
        dataset: The data set that the model is built for: `2**n_qubits` features, amplitudes of
            chains of at least 9 sites.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the number of features is not a power of two, or there are fewer than 9
            qubits.

    Reference:
        I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural networks, Nature Physics
        15, 1273-1278, 2019, arXiv 1810.03787.
    """
    circuit, observable = exact_qcnn(_qubits(dataset))
    return with_head(dataset, PQC(circuit, observable, encoding="amplitude", engine=engine))


def exact_qcnn(n_qubits: int) -> tuple[Any, Any]:
    """Returns the exact convolutional network for a cluster chain, as a circuit and an observable.

    It has the same parts as the paper's network. A convolution of controlled-Z gates between
    neighbours turns the stabilisers `K_i = Z_i-1 X_i Z_i+1` of a cluster state into `X_i`. Phase
    flips that two qubits control in the X basis correct an X error on the qubit between them.
    Pooling measures two of three qubits in the X basis, and flips the phase of the third if a
    neighbour shows -1. The last step measures `Z X Z` on three of the remaining neighbours. These
    steps map a cluster state to a cluster state of a third of the sites, and correct any single X
    error.

    All steps after the first gates map X eigenvalues to X eigenvalues. So they are computed here
    from measurements of X on all qubits, as Herrmann et al. did on a device, and the value is the
    expectation value of an observable. Every third site is kept, among them the middle of the
    chain. For a kept site `k` the observable is

        X_k-2 X_k X_k+2 c(X_k-4, X_k-2) c(X_k+2, X_k+4),    c(a, b) = (1 + a + b - a b) / 2,

    and the value is the mean over all `k` for which `k - 2` and `k + 2` are inner sites. `c`
    is -1 if both of its arguments are -1, which indicates an X error on the kept site between them.
    A factor `c` is left out if its outer site is an end of the chain or beyond it, because there is
    no stabiliser for it. The product of the three X is a string order parameter; with fewer than 11
    sites it is the whole observable.

    Args:
        n_qubits: The number of sites of the chain, at least 9.

    Returns:
        The circuit, which has only controlled-Z gates, and the observable, a sum of products of X.

    Raises:
        ValueError: If there are fewer than 9 qubits.

    References:
        - I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural networks, Nature Physics
          15, 1273-1278, 2019, arXiv 1810.03787, figure 2.
        - J. Herrmann et al., Realizing quantum convolutional neural networks on a superconducting
          quantum processor to recognize quantum phases, Nature Communications 13, 4144, 2022.

    Example:

    >>> from qkeras_hybrid.bench.on_states import exact_qcnn
    >>> circuit, observable = exact_qcnn(9)
    >>> len(list(circuit.all_operations())), len(observable)
    (8, 1)
    >>> len(exact_qcnn(11)[1])
    16
    """
    if positive_int("n_qubits", n_qubits) < 9:
        raise ArgumentError(
            "n_qubits", "be at least 9", n_qubits, "The network keeps three sites out of nine."
        )
    qubits = cirq.LineQubit.range(n_qubits)
    circuit = cirq.Circuit(cirq.CZ(*pair) for pair in itertools.pairwise(qubits))
    middles = [k for k in range(n_qubits // 2 % 3, n_qubits, 3) if 3 <= k <= n_qubits - 4]

    def side(outer: int, inner: int) -> Any:
        value = 1.0 * cirq.X(qubits[inner])
        if not 0 < outer < n_qubits - 1:
            return value
        # The product of the inner site and `c`; the square of the inner site's X is 1.
        end = 1.0 * cirq.X(qubits[outer])
        return 0.5 * (1 + value - end + end * value)

    values = [1.0 * cirq.X(qubits[k]) * side(k - 4, k - 2) * side(k + 4, k + 2) for k in middles]
    return circuit, sum(values, cirq.PauliSum()) / len(values)


def _qubits(dataset: Data) -> int:
    """Returns the number of qubits of states whose amplitudes are the data set's features."""
    size = dataset.n_features
    if size < 2 or size & (size - 1):
        raise ArgumentError(
            "dataset",
            "have 2**n_qubits features, the amplitudes of states",
            f"{size} features",
            'Take a data set such as "ising_phases", with view="states".',
        )
    return size.bit_length() - 1
