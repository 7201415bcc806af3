"""The entanglement of a layer's states after each layer of its ansatz."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.ansatz import Ansatz
from qkeras_hybrid.diagnostics import meyer_wallach
from qkeras_hybrid.plot.pictures import GREY, PALETTE, canvas, counted, finished
from qkeras_hybrid.plot.states import states_of, values_of
from qkeras_hybrid.program import Compiled, compile_circuit
from qkeras_hybrid.program.unrolling import flat

MOST_STAGES = 200
"""The most stages of a circuit after which the states are computed."""


def entanglement(
    layer: Any,
    x: Any = None,
    *,
    after: str | None = None,
    weights: Any = None,
    ax: Any = None,
) -> Any:
    """Draws how much the qubits are entangled after each stage of a circuit.

    The picture shows the Meyer-Wallach measure of the ideal circuit's states: 0 for a product of
    single-qubit states, 1 if each qubit on its own is maximally mixed. Thin lines are samples, the
    thick line is their mean. The dashed line is the mean of random (Haar) states,
    `(N - 2)/(N + 1)` with `N = 2**n_qubits`.

    Args:
        layer: A built quantum layer, or what `compile_circuit` returned.
        x: Samples: the features of a layer, `(batch, n_features)`, or the inputs of a compiled
            circuit, `(batch, n_inputs)`. Not needed for a circuit without inputs.
        after: "layer" for a stage after the encoding and after each layer of the ansatz, for a
            `PQCDense`. "moment" for a stage after each moment with gates on several qubits. By
            default "layer" if the ansatz is a sequence of layers, otherwise "moment".
        weights: The circuit's weights, `(n_weights,)`, in radians; by default those of the layer.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If an argument is invalid, or the circuit has more than 200 stages or no state
            vector.

    Reference:
        Meyer, Wallach: Global entanglement in multiparticle systems, J. Math. Phys. 43, 4273
        (2002), in Brennen's form, arXiv quant-ph/0305094.

    Example:

    >>> layer = PQCDense(3, n_layers=3, weight_initializer=SmallAngles(1.0, seed=0))
    >>> layer.build((None, 3))
    >>> qh.plot.entanglement(layer, np.ones((4, 3))).savefig("entanglement.png")
    """
    compiled, inputs, values = values_of(layer, x, weights)
    if after is not None:
        one_of("after", after, ("layer", "moment"))
    layers = None if after == "moment" else _layers(layer, compiled)
    if after == "layer" and layers is None:
        raise ArgumentError("after", "be 'moment' if no ansatz is a sequence of layers", after)
    stages = layers or _moments(compiled)
    after = "layer" if layers else "moment"
    if len(stages) > MOST_STAGES:
        raise ArgumentError("layer", f"have at most {MOST_STAGES} stages", f"{len(stages):,}")
    measures = np.stack(
        [
            meyer_wallach(states_of(_part(compiled, operations), inputs, values))
            for _, operations in stages
        ]
    )
    mean = measures.mean(axis=1)
    names = [name for name, _ in stages]
    places = np.arange(len(names))
    size = math.ldexp(1.0, compiled.n_qubits)
    with canvas(ax) as axes:
        if 1 < len(inputs) <= 50:
            axes.plot(places, measures, color=GREY, linewidth=0.7, alpha=0.6)
        axes.plot(places, mean, "o-", color=PALETTE[0], linewidth=1.8, label="mean of the samples")
        axes.axhline(
            (size - 2) / (size + 1), color=PALETTE[1], linestyle="--", label="random states"
        )
        step = -(-len(names) // 14)
        axes.set_xticks(places[::step], names[::step])
        axes.set(
            xlabel=f"after {after}", ylabel="Meyer-Wallach measure", ylim=(-0.03, 1.03), xlim=None
        )
        axes.legend(frameon=False)
    text = (
        f"The entanglement of {counted(len(inputs), 'state')} of "
        f"{counted(compiled.n_qubits, 'qubit')} by the Meyer-Wallach measure: "
        f"{abs(mean[0]):.3f} after {_named(names[0], after)}, "
        f"{abs(mean[-1]):.3f} after {_named(names[-1], after)}."
    )
    return finished(axes, text, ax)


def _named(name: str, after: str) -> str:
    return f"{after} {name}" if name.isdigit() else f"the {name}"


def _layers(layer: Any, compiled: Compiled) -> list[tuple[str, list[cirq.Operation]]] | None:
    """Returns the name of each layer of an ansatz, and the operations up to its end.

    Returns None if there is no ansatz, or it is no sequence of layers: a "qcnn" with fewer layers
    is not the beginning of one with more.
    """
    template, qubits = getattr(layer, "ansatz", None), compiled.qubits
    if not isinstance(template, Ansatz):
        return None
    n_weights = template.n_weights(len(qubits), layer.n_layers)
    weights = compiled.weights[len(compiled.weights) - n_weights :]
    # In the template's order: a circuit moves gates of later layers between those of earlier ones.
    ansatz = template.operations(qubits, weights, layer.n_layers)
    whole = list(compiled.circuit.all_operations())
    packed = template.circuit(qubits, weights, layer.n_layers)
    encoding = whole[: len(whole) - len(list(packed.all_operations()))]
    stages = [("encoding", encoding)]
    for count in range(1, layer.n_layers):
        need = template.n_weights(len(qubits), count)
        shorter = template.operations(qubits, weights[:need], count)
        # A template may end with rotations after its last layer, which the common part lacks.
        pairs = enumerate(zip(shorter, ansatz, strict=False))
        common = next((k for k, (one, other) in pairs if one != other), len(shorter))
        if any(len(operation.qubits) > 1 for operation in shorter[common:]):
            return None
        stages.append((str(count), [*encoding, *ansatz[:common]]))
    return [*stages, (str(layer.n_layers), whole)]


def _moments(compiled: Compiled) -> list[tuple[str, list[cirq.Operation]]]:
    """Returns the number of each moment with a multi-qubit gate, and the operations to its end."""
    circuit = cirq.Circuit(flat(compiled.circuit))
    stages = []
    before: list[cirq.Operation] = []
    for number, moment in enumerate(circuit, start=1):
        before = [*before, *moment.operations]
        if any(len(operation.qubits) > 1 for operation in moment.operations):
            stages.append((str(number), before))
    return stages or [(str(len(circuit)), before)]


def _part(compiled: Compiled, operations: list[cirq.Operation]) -> Compiled:
    return compile_circuit(
        cirq.Circuit(operations, strategy=cirq.InsertStrategy.NEW_THEN_INLINE),
        inputs=compiled.inputs,
        weights=compiled.weights,
        qubits=compiled.qubits,
    )
