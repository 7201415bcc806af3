"""Quantum layers whose circuits use each input once."""

from __future__ import annotations

import keras

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.bench.altered import AlteredCircuit, operations_of
from qkeras_hybrid.encodings.base import whole
from qkeras_hybrid.program import Compiled, compile_circuit


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class SingleUpload(AlteredCircuit):
    """A quantum layer whose circuit uses each input in one gate only, the first that has it.

    In every later gate the input is replaced by 0; the rest of the gate stays. A circuit is a
    Fourier series of its inputs, and an input that enters through one gate has one frequency. So
    this removes the benefit of data re-uploading, and keeps depth, qubits and entanglement. Weights
    that only multiplied replaced inputs are removed.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: The arguments that all quantum layers have, by default those of `layer`.

    Input shape:
        That of `layer`: `(batch, ..., n_features)`.

    Output shape:
        That of `layer`.

    Reference:
        M. Schuld, R. Sweke and J. J. Meyer, Effect of data encoding on the expressive power of
        variational quantum machine learning models, Phys. Rev. A 103, 032430, 2021, arXiv
        2008.08605.

    Example: the scale `e3` of the second upload is gone.

    >>> encoding = encodings.ReuploadingEncoding(n_layers=2)
    >>> layer = SingleUpload(QuantumEmbedding(1, encoding=encoding))
    >>> layer.build((None, 1))
    >>> list(layer.symbol_values())
    ['e0', 'e1', 'e2', 'e4', 'e5']
    """

    def altered(self, compiled: Compiled) -> Compiled:
        """Returns the circuit in which each input has one gate."""
        return single_upload(compiled)


def single_upload(compiled: Compiled) -> Compiled:
    """Returns a circuit in which each input has one gate: see `SingleUpload`."""
    inputs = {symbol.name for symbol in compiled.inputs}
    seen: set[str] = set()
    operations = []
    for operation in operations_of(compiled.circuit.unfreeze()):
        names = inputs & cirq.parameter_names(operation)
        again = names & seen
        operations.append(
            cirq.resolve_parameters(operation, dict.fromkeys(again, 0)) if again else operation
        )
        seen |= names
    names = set().union(*map(cirq.parameter_names, operations))
    once = compile_circuit(
        whole(operations, compiled.qubits),
        inputs=compiled.inputs,
        weights=[symbol for symbol in compiled.weights if symbol.name in names],
        qubits=compiled.qubits,
    )
    return once.reading(compiled.readout)


def reuploads(compiled: Compiled) -> bool:
    """Returns whether an input enters a circuit through more than one gate."""
    inputs = {symbol.name for symbol in compiled.inputs}
    seen: set[str] = set()
    for operation in operations_of(compiled.circuit.unfreeze()):
        names = inputs & cirq.parameter_names(operation)
        if names & seen:
            return True
        seen |= names
    return False
