"""Draws a layer's circuit: as text, as SVG, and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.layers.resources import Resources
from qkeras_hybrid.program import Compiled

MOST_DRAWN = 400
"""The most operations of a circuit that a notebook draws by itself."""


def drawing(compiled: Compiled, format: str) -> str:
    """Returns a drawing of a circuit; a qubit that no gate touches is drawn with an identity.

    Args:
        compiled: The circuit.
        format: "text", or "svg" for an SVG document.

    Raises:
        ValueError: If the format is neither.
    """
    one_of("format", format, ("text", "svg"))
    circuit = compiled.circuit.unfreeze()
    untouched = [qubit for qubit in compiled.qubits if qubit not in circuit.all_qubits()]
    circuit = cirq.Circuit(cirq.I.on_each(*untouched), circuit)
    if format == "text":
        return circuit.to_text_diagram(qubit_order=compiled.qubits)
    from cirq.contrib.svg import circuit_to_svg

    return circuit_to_svg(circuit)


def page(
    title: str, compiled: Compiled, counted: Resources, engine: str, weights: Iterable[float]
) -> str:
    """Returns the HTML that a notebook shows for a layer: its circuit, its weights and its cost.

    Args:
        title: HTML that names the layer.
        compiled: The circuit.
        counted: The circuit's resources.
        engine: The engine's name.
        weights: The weights' values, in radians.
    """
    summary = (
        f"{counted.qubits} qubits, depth {counted.depth}, {counted.one_qubit_gates} one-qubit and "
        f"{counted.two_qubit_gates} two-qubit gates, engine {html.escape(engine)}"
    )
    n_operations = counted.one_qubit_gates + counted.two_qubit_gates + counted.larger_gates
    picture = (
        f'<div style="overflow-x: auto; background: white">{drawing(compiled, "svg")}</div>'
        if n_operations <= MOST_DRAWN
        else f"<p>{n_operations} operations, too many to draw: see <code>draw()</code>.</p>"
    )
    cells = "".join(
        f"<tr><td>{html.escape(symbol.name)}</td><td>{value:.4f}</td></tr>"
        for symbol, value in zip(compiled.weights, weights, strict=True)
    )
    table = (
        f"<details><summary>{len(compiled.weights)} weights, in radians</summary>"
        f"<table>{cells}</table></details>"
    )
    return f"<p>{title}: {summary}</p>{picture}{table if cells else ''}"
