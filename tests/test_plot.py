"""Pictures show the numbers that theory says, have words beside them, and need no display."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cirq
import hypothesis
import keras
import numpy as np
import pytest
import scipy.stats
import sympy
from hypothesis import strategies
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, compile_circuit, kernels, plot
from qkeras_hybrid.plot.cells import cells_of
from qkeras_hybrid.plot.counts import intervals
from qkeras_hybrid.plot.landscapes import filter_normalised
from qkeras_hybrid.plot.pictures import PALETTE
from qkeras_hybrid.plot.spheres import PROJECTION, SPACING, TOWARDS
from qkeras_hybrid.plot.states import bloch_vectors

# States and probabilities may be computed in float32 (JAX has no other by default).
CLOSE: dict[str, Any] = {"atol": 2e-6}

Q = cirq.LineQubit.range(4)
A = sympy.Symbol("a")
X = sympy.Symbol("x0")


def built(n_features: int = 2, **arguments: Any) -> PQCDense:
    """Returns a layer with weights that entangle."""
    given = {"n_layers": 2, "weight_initializer": qh.SmallAngles(1.0, seed=3), **arguments}
    layer = PQCDense(given.pop("units", 2), **given)
    layer.build((None, n_features))
    return layer


def ghz(n_qubits: int) -> Any:
    """Returns a compiled circuit that ends in (|0...0> + |1...1>)/sqrt(2)."""
    chain = [cirq.CX(Q[k], Q[k + 1]) for k in range(n_qubits - 1)]
    return compile_circuit(cirq.Circuit(cirq.H(Q[0]), *chain), "Z")


def axes_of(picture: Any) -> Any:
    return picture.axes[0]


def texts(picture: Any) -> list[str]:
    return [text.get_text() for text in axes_of(picture).texts]


def lines(picture: Any) -> list[np.ndarray]:
    return [np.asarray(line.get_xydata()) for line in axes_of(picture).get_lines()]


def classifier(weights: list[float], bias: float, units: int = 1) -> keras.Model:
    """Returns a model with one Dense layer and its weights."""
    activation = "sigmoid" if units == 1 else "softmax"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, activation)])
    model.layers[0].set_weights(
        [np.array(weights, "float32").reshape(2, units), np.full(units, bias, "float32")]
    )
    return model


# What all pictures share.

SAMPLES = np.array([[0.1, 0.7], [0.4, -0.2], [1.3, 0.5], [-0.6, 0.9]])
LABELS = np.array([0, 1, 0, 1])


def trained() -> keras.Model:
    model = classifier([1.0, -1.0], 0.1)
    model.compile(loss="mse")
    return model


def untrained() -> keras.Model:
    model = classifier([0.0, 0.0], 0.0)
    model.compile(loss="mse")
    return model


DRAWN: dict[str, Callable[[Any], Any]] = {
    "circuit": lambda ax: plot.circuit(built(), ax=ax),
    "bloch": lambda ax: plot.bloch(built(), SAMPLES, LABELS, ax=ax),
    "decision_boundary": lambda ax: plot.decision_boundary(trained(), SAMPLES, LABELS, ax=ax),
    "training": lambda ax: plot.training([[3.0, 2.0], [2.0, 1.5]], ax=ax),
    "loss_landscape": lambda ax: plot.loss_landscape(
        trained(), SAMPLES, LABELS[:, None], points=3, ax=ax
    ),
    "probabilities": lambda ax: plot.probabilities(built(), SAMPLES[0], shots=50, ax=ax),
    "spectrum": lambda ax: plot.spectrum(built(), along=[0], ax=ax),
    "gram": lambda ax: plot.gram(kernels.FidelityKernel("angle"), SAMPLES, LABELS, ax=ax),
    "entanglement": lambda ax: plot.entanglement(built(), SAMPLES, ax=ax),
}


def test_every_picture_is_tested_here() -> None:
    assert {*DRAWN, "Picture", "alt_text"} == set(plot.__all__)


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_has_words_and_is_not_cut(name: str, tmp_path: Any) -> None:
    picture = DRAWN[name](None)
    assert isinstance(picture, Figure)
    assert len(picture.alt_text) > 20
    assert picture.alt_text.endswith(".")
    shown = picture._repr_html_()
    assert re.match(r'<img alt="[^"]{20,}" width="\d+" ', shown)
    picture.savefig(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        ink = np.asarray(image.convert("RGBA"))[..., 3]
    assert 0 < np.mean(ink > 0) < 1  # something is drawn, on a transparent ground
    # Nothing is cut off: all text lies within the page.
    width, height = picture.canvas.get_width_height()
    for axes in picture.axes:
        legend = axes.get_legend()
        for part in [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label, legend]:
            if part is None or not part.get_visible() or not getattr(part, "_text", "legend"):
                continue
            box = part.get_window_extent()
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= width + 1
            assert box.y1 <= height + 1


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_drawn_into_given_axes(name: str) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    found = DRAWN[name](right)
    assert found is right
    assert isinstance(found, Axes)
    assert plot.alt_text(right) == plot.alt_text(figure)
    with pytest.raises(ValueError, match="Argument `picture` must hold something"):
        plot.alt_text(left)
    with pytest.raises(ValueError, match="Argument `ax` must be Matplotlib axes"):
        DRAWN[name]("axes")


def test_a_notebook_shows_the_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    shown: list[Any] = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append((data, raw)))
    picture: Any = plot.training([2.0, 1.0])
    picture._ipython_display_()
    ((data, raw),) = shown
    assert raw
    assert set(data) == {"text/html", "text/plain"}
    assert data["text/plain"] == picture.alt_text


def test_titles_tell_several_pictures_apart() -> None:
    picture = plot.Picture()
    for axes, title in zip(picture.subplots(1, 2), ("to\n2$\\pi$", ""), strict=True):
        plot.training([2.0, 1.0], ax=axes).set_title(title)
    one = "The loss in 2 epochs. At the end: 1 (1 run)."
    assert picture.alt_text == f"to 2pi: {one} {one}"


def test_alt_text_escapes_and_refuses_what_it_does_not_know() -> None:
    picture: Any = plot.training({'<b>"a"</b>': [1.0, 0.5]})
    assert "<b>" in picture.alt_text
    assert "<b>" not in picture._repr_html_().split(" width=")[0]
    assert '<img alt=""' in plot.Picture().html()
    with pytest.raises(ValueError, match="Argument `picture` must be a Matplotlib figure"):
        plot.alt_text(3)


def test_colours_are_told_apart_on_light_and_dark_pages() -> None:
    assert len(set(PALETTE)) == 6
    assert "#000000" not in PALETTE

    def luminance(colour: str) -> float:  # of WCAG 2
        parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for background in ("#ffffff", "#1e2129"):
        light, dark = sorted([luminance(plot.pictures.GREY), luminance(background)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 3  # what WCAG asks of graphics


def test_plot_loads_when_it_is_used_and_needs_no_display(
    run_python: Callable[..., str], tmp_path: Any
) -> None:
    found = run_python(
        """
        import os, sys
        os.environ.pop("DISPLAY", None)
        import qkeras_hybrid
        print("matplotlib" in sys.modules, "qkeras_hybrid.plot" in sys.modules)
        layer = qkeras_hybrid.PQCDense(1)
        layer.build((None, 1))
        qkeras_hybrid.plot.circuit(layer).savefig(sys.argv[1])
        import matplotlib.pyplot as plt
        print(plt.get_fignums())
        """,
        tmp_path / "circuit.svg",
    )
    assert found.split() == ["False", "False", "[]"]
    assert "<svg" in (tmp_path / "circuit.svg").read_text(encoding="utf-8")


def test_the_guide_shows_the_pictures_that_its_code_writes(root: Path) -> None:
    folder = root / "docs" / "guides"
    page = (folder / "plot.md").read_text(encoding="utf-8")
    images = re.findall(r"!\[([^\]]+)\]\(plots/([^)]+)\)", page)
    assert len(images) == len(DRAWN)
    assert all(len(words) > 20 for words, _ in images)
    written = re.findall(r'savefig\("([^"]+)"', page)
    assert sorted(name for _, name in images) == sorted(written)
    assert sorted(path.name for path in (folder / "plots").glob("*.png")) == sorted(written)
    assert {name for name in DRAWN if f"plot.{name}(" in page} == set(DRAWN)


# Circuits.


def test_a_circuit_shows_each_gate_with_its_kind_and_what_is_read() -> None:
    picture = plot.circuit(built(3, units=3, n_layers=1))
    # Three rotations by features, 3 x 3 trained ones, 3 CNOTs (without text), 3 readouts, 3 names.
    shown = texts(picture)
    assert sorted(shown[:3]) == ["q0", "q1", "q2"]
    assert [text for text in shown if text.startswith("Rx(x")] == ["Rx(x₀)", "Rx(x₁)", "Rx(x₂)"]
    assert sum("(w" in text for text in shown) == 9
    assert shown.count("⟨Z⟩") == 3
    boxes = {
        text.get_text(): to_hex(text.get_bbox_patch().get_facecolor())
        for text in axes_of(picture).texts
        if text.get_bbox_patch() is not None
    }
    assert boxes["Rx(x₀)"] == PALETTE[1]
    assert boxes["Rz(w₀)"] == PALETTE[0]
    assert boxes["⟨Z⟩"] == PALETTE[2]
    assert picture.alt_text == (
        "A circuit of 3 qubits: 3 gates that encode the features, 9 gates that are trained, "
        "3 gates that entangle; it returns expectation values."
    )


@pytest.mark.parametrize(
    ("operation", "labels", "kind"),
    [
        (cirq.CX(Q[0], Q[2]), ("@", "+"), "entangling"),
        (cirq.CZ(Q[0], Q[2]), ("@", "@"), "entangling"),
        (cirq.CCX(*Q[:3]), ("@", "@", "+"), "entangling"),
        (cirq.X(Q[0]).controlled_by(Q[1], control_values=[0]), ("o", "+"), "entangling"),
        (cirq.SWAP(*Q[:2]), ("swap", "swap"), "entangling"),
        (cirq.H(Q[0]), ("H",), "fixed"),
        (cirq.X(Q[0]), ("X",), "fixed"),
        (cirq.rx(X)(Q[0]), ("Rx(x₀)",), "encoding"),
        (cirq.ry(sympy.Symbol("w12"))(Q[0]), ("Ry(w₁₂)",), "trained"),
        (cirq.ry(sympy.Symbol("w1") * X)(Q[0]), ("Ry(w₁·x₀)",), "encoding"),
        (cirq.MatrixGate(np.eye(4))(*Q[:2]), ("MatrixGate",) * 2, "entangling"),
    ],
)
def test_a_gate_has_its_symbol(
    operation: cirq.Operation, labels: tuple[str, ...], kind: str
) -> None:
    names = cirq.parameter_names(operation) & {"x0"}
    compiled = compile_circuit(cirq.Circuit(operation), "Z", inputs=sorted(names))
    cell = cells_of(compiled, ())[0]
    assert (cell.labels, cell.kind) == (labels, kind)


def test_gates_whose_lines_would_cross_stand_in_columns_of_their_own() -> None:
    moment = cirq.Moment(cirq.CX(Q[0], Q[2]), cirq.CX(Q[1], Q[3]))
    crossing = cells_of(compile_circuit(cirq.Circuit(moment), "Z"), ())
    assert [cell.column for cell in crossing] == [0, 1]
    moment = cirq.Moment(cirq.CX(Q[0], Q[1]), cirq.CX(Q[2], Q[3]))
    apart = cells_of(compile_circuit(cirq.Circuit(moment), "Z"), ())
    assert [cell.column for cell in apart] == [0, 0]


@pytest.mark.parametrize(
    ("observables", "read"),
    [
        ("Z", [(0, (0,), ("⟨Z⟩",)), (0, (1,), ("⟨Z⟩",))]),
        (["Z0", "X0"], [(0, (0,), ("⟨Z⟩",)), (1, (0,), ("⟨X⟩",))]),
        (["Z0*X1"], [(0, (0, 1), ("Z", "X"))]),
        (["Z0 + X1"], [(0, (0, 1), ("sum", "sum"))]),
        (
            ["Z0", "X0", "Y0", "Z0*Z1", "X0*X1"],
            [(k, (0,), (f"⟨{p}⟩",)) for k, p in enumerate("ZXY")] + [(3, (0, 1), ("2 more",) * 2)],
        ),
    ],
)
def test_what_is_read_stands_at_the_end(observables: Any, read: list[Any]) -> None:
    compiled = compile_circuit(cirq.Circuit(), observables, qubits=Q[:2])
    cells = cells_of(compiled, (compiled.readout,))
    assert [(cell.column, cell.rows, cell.labels) for cell in cells] == read


def test_a_long_circuit_goes_on_below() -> None:
    short, long = (built(2, n_layers=n) for n in (1, 8))
    width, height = plot.circuit(long).get_size_inches()
    assert width < 13
    assert height > 2 * plot.circuit(short).get_size_inches()[1]
    assert texts(plot.circuit(long)).count("q0") > 1


def test_a_circuit_of_thousands_of_gates_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 400 gates .* got 'one with 2,002'"):
        plot.circuit(built(2, n_layers=250))


# States.


@hypothesis.given(t=strategies.floats(-6.0, 6.0), p=strategies.floats(-6.0, 6.0))
@hypothesis.settings(max_examples=20)
def test_bloch_vectors_of_rotations(t: float, p: float) -> None:
    # RZ(p) RY(t)|0> points to (sin t cos p, sin t sin p, cos t); Nielsen and Chuang, section 1.2.
    state = np.array([[math.cos(t / 2), np.exp(1j * p) * math.sin(t / 2)]])
    expected = [math.sin(t) * math.cos(p), math.sin(t) * math.sin(p), math.cos(t)]
    np.testing.assert_allclose(bloch_vectors(state)[0, 0], expected, atol=1e-12)


@hypothesis.given(seed=strategies.integers(0, 2**31))
@hypothesis.settings(max_examples=10)
def test_bloch_vectors_are_those_of_cirq(seed: int) -> None:
    state = cirq.testing.random_superposition(8, random_state=seed)
    found = bloch_vectors(state[None])[0]
    for qubit in range(3):
        expected = cirq.bloch_vector_from_state_vector(state.astype("complex64"), qubit)
        np.testing.assert_allclose(found[qubit], expected, atol=1e-6)  # Cirq's are float32


def test_bloch_spheres_show_the_vectors_where_they_are() -> None:
    circuit = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.X(Q[1]))
    layer = PQC(circuit, "Z0", inputs=[X])
    layer.build((None, 1))
    t = np.array([0.3, 1.0, 2.0])
    picture = plot.bloch(layer, t[:, None])
    first, second = (np.asarray(each.get_offsets()) for each in axes_of(picture).collections)
    vectors = np.stack([np.sin(t), np.zeros(3), np.cos(t)], axis=1)
    np.testing.assert_allclose(first, vectors @ PROJECTION.T, **CLOSE)
    down = PROJECTION @ [0, 0, -1] + [SPACING[0], 0.0]
    np.testing.assert_allclose(second, np.tile(down, (3, 1)), **CLOSE)
    assert picture.alt_text == (
        "2 Bloch spheres with 3 samples. Mean length of the vectors: qubit 0 1.00, qubit 1 1.00."
    )


def test_the_sphere_is_seen_straight() -> None:
    # Right, up and towards the viewer are a right-handed orthonormal frame.
    frame = np.vstack([PROJECTION, TOWARDS])
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)


def test_an_entangled_qubit_lies_in_the_centre() -> None:
    picture = plot.bloch(ghz(2))
    for number, points in enumerate(axes_of(picture).collections):
        centre = [[number * SPACING[0], 0.0]]
        np.testing.assert_allclose(points.get_offsets(), centre, **CLOSE)
    assert "qubit 0 0.00, qubit 1 0.00" in picture.alt_text


def test_labels_have_colours_and_markers_of_their_own() -> None:
    picture = plot.bloch(built(), SAMPLES, ["b", "a", "b", "a"])
    groups = axes_of(picture).collections[:2]
    assert [to_hex(group.get_facecolor()[0]) for group in groups] == list(PALETTE[:2])
    assert [text.get_text() for text in axes_of(picture).get_legend().get_texts()] == ["a", "b"]
    paths = [group.get_paths()[0].vertices for group in groups]
    assert paths[0].shape != paths[1].shape


def test_numbers_have_shades_from_dark_to_bright() -> None:
    x = np.linspace(0, 1, 9)[:, None] * [1.0, 0.5]
    points = axes_of(plot.bloch(built(), x, np.linspace(-3.0, 5.0, 9))).collections[0]
    bright = points.get_facecolor()[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(bright) > 0)
    assert axes_of(plot.bloch(built(), x, np.linspace(0, 1, 9))).get_legend() is None


# Entanglement.


@pytest.mark.parametrize("n_qubits", [2, 3, 4])
def test_a_ghz_state_has_a_measure_of_one(n_qubits: int) -> None:
    picture = plot.entanglement(ghz(n_qubits))
    # After k of the n-1 CNOTs k+1 qubits are maximally mixed and the others are pure:
    # 2 (1 - ((k+1)/2 + n-k-1)/n) = (k+1)/n.
    expected = np.arange(2, n_qubits + 1) / n_qubits
    np.testing.assert_allclose(lines(picture)[0][:, 1], expected, **CLOSE)
    haar = (2**n_qubits - 2) / (2**n_qubits + 1)
    np.testing.assert_allclose(lines(picture)[1][:, 1], haar)


@pytest.mark.parametrize(
    "ansatz", ["strongly_entangling", "two_local", "tree_tensor", "mps", "random_layers", "sim6"]
)
def test_each_layer_of_an_ansatz_is_a_stage(ansatz: str) -> None:
    # The state after two of three layers is that of a layer with two layers and the same weights.
    long = built(ansatz=ansatz, n_layers=3, n_qubits=4, encoding="zz")
    picture = plot.entanglement(long, SAMPLES[:1])
    found = lines(picture)[0][:, 1]
    labels = [text.get_text() for text in axes_of(picture).get_xticklabels()]
    assert labels == ["encoding", "1", "2", "3"]
    for n_layers in (1, 2, 3):
        short = built(ansatz=ansatz, n_layers=n_layers, n_qubits=4, encoding="zz")
        weights = long.get_weights()[0]
        count = len(short.compiled.weights)
        inputs = np.asarray(keras.ops.convert_to_numpy(short.encode(SAMPLES[:1].astype("f4"))))[0]
        values = {s.name: v for s, v in zip(short.compiled.inputs, inputs, strict=True)}
        values |= {s.name: v for s, v in zip(short.symbols, weights[:count], strict=True)}
        state = short.circuit.final_state_vector(
            param_resolver=cirq.ParamResolver({k: float(v) for k, v in values.items()}),
            qubit_order=short.compiled.qubits,
            dtype=np.complex128,
        )
        expected = qh.diagnostics.meyer_wallach(state[None])
        # JAX computes in float32, in about a hundred gates.
        np.testing.assert_allclose(found[n_layers], expected, atol=1e-4)


def test_an_ansatz_without_layers_has_its_moments_as_stages() -> None:
    layer = built(ansatz="qcnn", n_layers=3, n_qubits=4)
    assert "after moment" in plot.entanglement(layer, SAMPLES).alt_text
    with pytest.raises(ValueError, match="Argument `after` must be 'moment'"):
        plot.entanglement(layer, SAMPLES, after="layer")


def test_a_layer_without_ansatz_has_its_moments_as_stages() -> None:
    layer = QuantumEmbedding(2)
    layer.build((None, 2))
    with pytest.raises(ValueError, match="Argument `after` must be 'moment'"):
        plot.entanglement(layer, SAMPLES, after="layer")
    idle = compile_circuit(cirq.Circuit(cirq.H(Q[0]), cirq.H(Q[1])), "Z")
    np.testing.assert_allclose(lines(plot.entanglement(idle))[0][:, 1], 0.0, **CLOSE)


# Probabilities.


def test_bars_are_the_exact_probabilities() -> None:
    # cos^2 and sin^2 of half the angles.
    circuit = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.X(Q[1]))
    compiled = compile_circuit(circuit, "Z", inputs=[X])
    picture = plot.probabilities(compiled, [0.8])
    heights = [bar.get_height() for bar in axes_of(picture).patches]
    one = math.sin(0.4) ** 2
    np.testing.assert_allclose(heights, [0, 1 - one, 0, one], **CLOSE)
    labels = [text.get_text() for text in axes_of(picture).get_xticklabels()]
    assert labels == ["00", "01", "10", "11"]
    assert picture.alt_text.endswith(f"The most probable is 01 with {1 - one:.3f}.")


@pytest.mark.parametrize("interval", ["wilson", "exact"])
def test_bars_of_shots_have_binomial_intervals(interval: str) -> None:
    n, level = 400, 0.9
    compiled = compile_circuit(cirq.Circuit(cirq.ry(1.1)(Q[0])), "Z")
    picture = plot.probabilities(compiled, shots=n, level=level, interval=interval, seed=5)
    shares = np.array([bar.get_height() for bar in axes_of(picture).patches])
    counts = shares * n
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    assert shares.sum() == pytest.approx(1.0)
    truth = np.array([math.cos(0.55) ** 2, math.sin(0.55) ** 2])
    assert np.all(np.abs(shares - truth) < 5 * math.sqrt(truth[0] * truth[1] / n))
    bars = axes_of(picture).collections[0].get_segments()
    if interval == "wilson":
        # Wilson 1927: the roots of (p - share)^2 = z^2 p (1 - p) / n.
        z = scipy.stats.norm.ppf((1 + level) / 2)
        middle = (shares + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(shares * (1 - shares) / n + z**2 / (4 * n**2))
        expected = np.stack([middle - half, middle + half], axis=1)
    else:
        # Clopper and Pearson 1934, by quantiles of the beta distribution.
        tail = (1 - level) / 2
        low = scipy.stats.beta.ppf(tail, counts, n - counts + 1)
        high = scipy.stats.beta.ppf(1 - tail, counts + 1, n - counts)
        expected = np.stack([low, high], axis=1)
    np.testing.assert_allclose([bar[:, 1] for bar in bars], expected, atol=1e-9)
    exact = axes_of(picture).collections[1].get_segments()
    np.testing.assert_allclose([line[0, 1] for line in exact], truth, **CLOSE)


def test_an_interval_of_no_hits_starts_at_zero() -> None:
    low, high = intervals(np.array([0.0, 1.0]), 10, 0.95, "exact")
    assert low[0] == 0.0
    assert high[1] == 1.0
    # One tail only: the other end is where ten misses have a probability of 2.5 %.
    assert high[0] == pytest.approx(1 - 0.025**0.1)


def test_the_noise_of_a_layer_is_in_its_probabilities() -> None:
    layer = PQC(cirq.Circuit(cirq.X(Q[0])), "Z", inputs=[], noise="bit_flip:0.25")
    layer.build((None, 0))
    heights = [bar.get_height() for bar in axes_of(plot.probabilities(layer, [])).patches]
    np.testing.assert_allclose(heights, [0.25, 0.75], **CLOSE)


def test_of_many_outcomes_the_most_probable_are_shown() -> None:
    angles = [0.3, 0.5, 0.7, 0.9]
    compiled = compile_circuit(cirq.Circuit(cirq.ry(a)(q) for a, q in zip(angles, Q, strict=True)))
    picture = plot.probabilities(compiled, most=3)
    labels = [text.get_text() for text in axes_of(picture).get_xticklabels()]
    assert labels == ["0000", "0001", "0010"]
    assert axes_of(picture).get_title() == "The 3 most probable of 16 outcomes"


# Models.


def test_the_boundary_lies_where_the_model_says() -> None:
    model = classifier([1.0, 2.0], -0.5)
    x = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    y = (x @ [1.0, 2.0] > 0.5).astype(int)
    picture = plot.decision_boundary(model, x, y)
    axes = axes_of(picture)
    (contour,) = (c for c in axes.collections if type(c).__name__ == "QuadContourSet")
    (path,) = contour.get_paths()
    # Linear interpolation of a sigmoid on a grid of 60 points: far below the distance of two.
    np.testing.assert_allclose(path.vertices @ [1.0, 2.0], 0.5, atol=2e-3)
    assert picture.alt_text.endswith(
        "2 classes, over feature 0 and feature 1, with 30 samples, of which 100 % lie in the "
        "region of their label."
    )
    colours = np.asarray(axes.images[0].get_array())
    assert to_hex(colours[-1, -1, :3]) == PALETTE[1]  # above the line
    assert to_hex(colours[0, 0, :3]) == PALETTE[0]


def test_several_classes_and_one_hot_labels() -> None:
    model = classifier([1.0, 0.0, -1.0, 0.0, 0.0, 0.0], 0.0, units=3)
    x = np.array([[2.0, 0.0], [-2.0, 0.5]])
    one_hot = np.eye(3)[[0, 2]]
    picture = plot.decision_boundary(model, x, one_hot)
    colours = np.asarray(axes_of(picture).images[0].get_array())
    assert to_hex(colours[0, 0, :3]) == PALETTE[2]
    assert to_hex(colours[0, -1, :3]) == PALETTE[0]
    groups = [c for c in axes_of(picture).collections if type(c).__name__ == "PathCollection"]
    assert [to_hex(group.get_facecolor()[0]) for group in groups] == [PALETTE[0], PALETTE[2]]


def test_a_threshold_of_zero_for_labels_of_plus_and_minus_one() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.layers[0].set_weights([np.array([[1.0], [0.0]]), np.zeros(1)])
    x = np.array([[-1.0, 0.0], [1.0, 0.0]])
    picture = plot.decision_boundary(model, x, [-1, 1], threshold=0.0)
    assert "100 %" in picture.alt_text


def test_training_curves_have_the_interval_of_student() -> None:
    runs = np.array([[3.0, 2.0, 1.0], [5.0, 2.5, 1.5], [4.0, 4.5, 0.5]])
    picture = plot.training([{"loss": list(run)} for run in runs], level=0.9)
    mean = runs.mean(axis=0)
    low, high = scipy.stats.t.interval(0.9, 2, mean, scipy.stats.sem(runs, axis=0))
    thick = lines(picture)[-1]
    np.testing.assert_allclose(thick, np.stack([[1, 2, 3], mean], axis=1))
    (band,) = axes_of(picture).collections
    vertices = band.get_paths()[0].vertices
    for epoch in (1, 2, 3):
        there = vertices[vertices[:, 0] == epoch, 1]
        assert there.min() == pytest.approx(low[epoch - 1])
        assert there.max() == pytest.approx(high[epoch - 1])
    assert f"90 % interval {low[-1]:.4g} to {high[-1]:.4g}, 3 runs" in picture.alt_text


def test_what_fit_returns_is_drawn_with_its_validation() -> None:
    model = trained()
    history = model.fit(
        SAMPLES, LABELS[:, None], validation_data=(SAMPLES, LABELS[:, None]), epochs=3, verbose=0
    )
    for given in (history, history.history):
        picture = plot.training(given)
        first, second = lines(picture)
        np.testing.assert_allclose(first[:, 1], history.history["loss"])
        np.testing.assert_allclose(second[:, 1], history.history["val_loss"])
        legend = axes_of(picture).get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]


def test_runs_that_stopped_early_end_the_mean() -> None:
    picture = plot.training({"a": [[3.0, 2.0, 1.0], [3.0, 2.0]], "b": [1.0, 1.0, 1.0, 1.0]})
    longest = [line for line in lines(picture) if len(line) == 2]
    assert len(longest) == 2  # the short run and the mean
    assert "in 4 epochs" in picture.alt_text


def test_the_landscape_of_a_linear_model_is_a_parabola() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(loss="mse")
    start = np.array([[0.5], [-1.0]], "float32")
    model.set_weights([start])
    x, y = SAMPLES.astype("float32"), LABELS[:, None].astype("float32")
    one, two = np.array([[1.0], [0.0]]), np.array([[0.5], [2.0]])
    picture = plot.loss_landscape(model, x, y, directions=([one], [two]), span=0.5, points=5)
    mesh = axes_of(picture).collections[0]
    found = np.asarray(mesh.get_array()).reshape(5, 5)
    for i, b in enumerate(np.linspace(-0.5, 0.5, 5)):
        for j, a in enumerate(np.linspace(-0.5, 0.5, 5)):
            residual = x @ (start + a * one + b * two) - y
            assert found[i, j] == pytest.approx(float(np.mean(residual**2)), rel=1e-5)
    np.testing.assert_array_equal(model.get_weights()[0], start)
    assert f"largest {found.max():.4g}" in picture.alt_text


def test_the_landscape_of_a_circuit_goes_through_its_loss() -> None:
    model = keras.Sequential([keras.Input((2,)), built(units=1, n_qubits=2)])
    model.compile(loss="mse", metrics=["mae"])
    expected = model.evaluate(SAMPLES, LABELS[:, None], verbose=0, return_dict=True)["loss"]
    before = [w.copy() for w in model.get_weights()]
    picture = plot.loss_landscape(model, SAMPLES, LABELS[:, None], points=3)
    found = np.asarray(axes_of(picture).collections[0].get_array()).reshape(3, 3)
    assert found[1, 1] == pytest.approx(expected, rel=1e-5)
    assert np.ptp(found) > 1e-3
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_directions_have_the_norms_of_the_filters() -> None:
    rng = np.random.default_rng(1)
    kernel, bias, filters = rng.normal(size=(5, 3)), rng.normal(size=4), np.ones((3, 3, 2, 4))
    found = filter_normalised([kernel, bias, filters, np.zeros(2)], np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=0), np.linalg.norm(kernel, axis=0))
    assert np.linalg.norm(found[1]) == pytest.approx(np.linalg.norm(bias))
    norms = np.sqrt(np.sum(found[2] ** 2, axis=(0, 1, 2)))
    np.testing.assert_allclose(norms, math.sqrt(18))
    np.testing.assert_array_equal(found[3], 0.0)
    drawn = np.random.default_rng(0).normal(size=(5, 3))
    cosines = np.sum(drawn * found[0], axis=0)
    np.testing.assert_allclose(
        cosines, np.linalg.norm(drawn, axis=0) * np.linalg.norm(found[0], axis=0)
    )


def test_a_model_whose_weights_are_tried_keeps_them_when_an_evaluation_fails() -> None:
    model = trained()
    before = [w.copy() for w in model.get_weights()]
    with pytest.raises(Exception):  # noqa: B017 (each backend has its own)
        plot.loss_landscape(model, SAMPLES[:, :1], LABELS[:, None], points=3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# Spectra and kernels.


def test_the_spectrum_of_a_cosine() -> None:
    # <Z> after RX(2x) is cos(2x): one wave of frequency 2.
    compiled = compile_circuit(cirq.Circuit(cirq.rx(2 * X)(Q[0])), "Z", inputs=[X])
    picture = plot.spectrum(compiled)
    points = lines(picture)[0]
    heights = dict(points.round(6).tolist())
    assert heights[2.0] == pytest.approx(1.0, abs=1e-5)
    assert sum(heights.values()) == pytest.approx(1.0, abs=1e-5)
    assert "(2) 1;" in picture.alt_text
    whole = qh.diagnostics.fourier_spectrum(compiled, weights=[]).plot()
    np.testing.assert_allclose(whole.axes[0].get_lines()[0].get_xydata(), points)


def test_a_gram_matrix_stands_in_the_order_of_the_labels() -> None:
    # |<a|b>|^2 of RX(x)|0>: cos^2 of half the difference.
    x, y = np.array([[0.1], [1.4], [0.5]]), np.array([1, 0, 1])
    picture = plot.gram(kernels.FidelityKernel("angle"), x, y)
    ordered = x[[1, 0, 2], 0]
    expected = np.cos((ordered[:, None] - ordered[None]) / 2) ** 2
    np.testing.assert_allclose(axes_of(picture).images[0].get_array(), expected, atol=1e-6)
    same, other = expected[1, 2], expected[0, 1:].mean()
    assert f"{same:.3g} between samples of one label, {other:.3g} between" in picture.alt_text
    bare = plot.gram(lambda x: x @ x.T, x)
    np.testing.assert_allclose(axes_of(bare).images[0].get_array(), x @ x.T)


# What is refused.

NAN = np.array([[np.nan, 0.0]])
RAGGED = [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.circuit("layer"), "`layer` must be a built quantum layer"),
        (lambda: plot.circuit(PQCDense(1)), "`layer` must be built, but got"),
        (lambda: plot.bloch(PQCDense(1), SAMPLES), "`layer` must be built"),
        (lambda: plot.probabilities(built(), RAGGED), "`x` must be one sample"),
        (lambda: plot.bloch(built(), SAMPLES, RAGGED), "`y` must have one label for each of the 4"),
        (
            lambda: plot.bloch(built(), SAMPLES, np.full((4, 2), np.nan)),
            "`y` must hold labels: finite",
        ),
        (lambda: plot.gram(kernels.FidelityKernel("angle"), RAGGED), "`x` must have shape"),
        (lambda: plot.gram(lambda x: RAGGED, SAMPLES), "`kernel` must return a finite square"),
        (lambda: plot.gram(lambda x: "a", SAMPLES), "`kernel` must return a finite square"),
        (lambda: plot.gram(lambda x: 1j * (x @ x.T), SAMPLES), "`kernel` must return finite real"),
        (
            lambda: plot.decision_boundary(
                keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), SAMPLES, LABELS
            ),
            "`model` must take samples of shape (batch, 2), but got (None, 3)",
        ),
        (lambda: plot.loss_landscape(built(), SAMPLES, LABELS), "`model` must"),
        (lambda: plot.loss_landscape(trained(), SAMPLES[:0], LABELS[:0]), "`x` must hold an array"),
        (lambda: plot.loss_landscape(trained(), SAMPLES, LABELS[:2]), "`y` must have targets of 4"),
        (lambda: plot.loss_landscape(trained(), RAGGED, LABELS), "`x` must hold an array"),
        (lambda: plot.loss_landscape(untrained(), SAMPLES, LABELS), "`model` must have a weight"),
        (lambda: plot.training([1.0, 0.0], log=True), "`log` must be False for values of 0"),
        (
            lambda: plot.training({"loss": [2.0], "val_loss": [-1.0]}, log=True),
            "`log` must be False for values of 0 or below, but got '-1'",
        ),
        (lambda: plot.spectrum(ghz(2)), "`layer` must have inputs"),
        (
            lambda: plot.spectrum(
                compile_circuit(cirq.Circuit(cirq.rx(A**2)(Q[0])), "Z", inputs=[A])
            ),
            "`layer` must have angles that are affine in a",
        ),
        (lambda: plot.bloch(built()), "`x` must hold samples"),
        (lambda: plot.bloch(built(), NAN), "`x` must hold finite numbers"),
        (lambda: plot.bloch(built(), [["a", "b"]]), "`x` must hold finite numbers"),
        (lambda: plot.bloch(built(), np.zeros((0, 2))), "`x` must hold finite numbers"),
        (lambda: plot.bloch(built(), [[1j, 0.0]]), "`x` must hold finite numbers"),
        (lambda: plot.bloch(built(), SAMPLES, weights=[1j] * 12), "`weights` must hold 12"),
        (lambda: plot.bloch(built(), [0.1, 0.2]), "`x` must hold finite numbers"),
        (lambda: plot.bloch(built(), np.zeros((1, 3))), "`x` must have 2 columns"),
        (lambda: plot.bloch(built(), np.zeros((2**23, 2))), "amplitudes in total"),
        (lambda: plot.bloch(built(), SAMPLES, [0, 1]), "`y` must have one label for each of the 4"),
        (lambda: plot.bloch(built(), SAMPLES, [0, 1, np.nan, 0]), "`y` must hold labels"),
        (lambda: plot.bloch(built(), np.zeros((9, 2)), range(9)), "at most 6 different"),
        (lambda: plot.bloch(built(), SAMPLES, weights=[0.0]), "`weights` must hold 12"),
        (lambda: plot.bloch(built(n_qubits=17), SAMPLES), "`layer` must be at most 16"),
        (
            lambda: plot.bloch(compile_circuit(cirq.Circuit(cirq.depolarize(0.1)(Q[0])), "Z")),
            "have a state vector",
        ),
        (lambda: plot.entanglement(built(), SAMPLES, after="gate"), "`after` must be one of"),
        (lambda: plot.entanglement(ghz(2), SAMPLES), "`x` must have 0 columns"),
        (lambda: plot.probabilities(built(), SAMPLES), "`x` must be one sample"),
        (lambda: plot.probabilities(built(), SAMPLES[0], shots=0), "`shots` must be"),
        (lambda: plot.probabilities(built(), SAMPLES[0], shots=2.5), "`shots` must be"),
        (lambda: plot.probabilities(built(), SAMPLES[0], shots=10**9), "`shots` must be at most"),
        (lambda: plot.probabilities(built(), SAMPLES[0], level=1.0), "`level` must be between"),
        (lambda: plot.probabilities(built(), SAMPLES[0], interval="t"), "`interval` must be one"),
        (lambda: plot.probabilities(built(), SAMPLES[0], most=0), "`most` must be"),
        (lambda: plot.decision_boundary(trained(), NAN, [1]), "`x` must hold finite numbers"),
        (lambda: plot.decision_boundary(trained(), [[1.0]], [1]), "`x` must have shape"),
        (lambda: plot.decision_boundary(trained(), SAMPLES, [0, 1, 2, 3]), "labels of 2 classes"),
        (
            lambda: plot.decision_boundary(trained(), SAMPLES, LABELS, points=10**6),
            "`points` must be at most 500",
        ),
        (
            lambda: plot.decision_boundary(trained(), SAMPLES, LABELS, threshold=math.inf),
            "`threshold` must be a finite",
        ),
        (lambda: plot.decision_boundary(trained(), SAMPLES, LABELS, names=["a"]), "`names` must"),
        (
            lambda: plot.decision_boundary(classifier([np.nan, 0.0], 0.0), SAMPLES, LABELS),
            "`model` must return finite",
        ),
        (lambda: plot.training([]), "`histories` must hold at least one run"),
        (lambda: plot.training({}), "`histories` must hold 1 to 6 models"),
        (lambda: plot.training(3), "`histories` must hold what `fit` returned"),
        (lambda: plot.training("loss"), "`histories` must hold what `fit` returned"),
        (lambda: plot.training([1.0, np.nan]), "a finite number for each epoch"),
        (lambda: plot.training([["a"]]), "a number for each epoch"),
        (lambda: plot.training({"loss": [1.0]}, metric="acc"), "`metric` must be one of 'loss'"),
        (lambda: plot.training([1.0], level=0), "`level` must be between"),
        (lambda: plot.loss_landscape("model", SAMPLES, LABELS), "`model` must be a built Keras"),
        (
            lambda: plot.loss_landscape(classifier([1.0, 1.0], 0.0), SAMPLES, LABELS),
            "`model` must have a loss",
        ),
        (lambda: plot.loss_landscape(trained(), SAMPLES, LABELS, span=0), "`span` must be above"),
        (lambda: plot.loss_landscape(trained(), SAMPLES, LABELS, points=999), "at most 101"),
        (
            lambda: plot.loss_landscape(trained(), SAMPLES, LABELS, directions=[[1.0], [1.0]]),
            "`directions` must have the shapes",
        ),
        (
            lambda: plot.loss_landscape(trained(), SAMPLES, LABELS, directions=[[1.0]]),
            "`directions` must be two lists",
        ),
        (lambda: plot.circuit(None), "`layer` must be"),
        (lambda: plot.bloch(None), "`layer` must be"),
        (lambda: plot.bloch(built(), None), "`x` must hold samples"),
        (lambda: plot.entanglement(None), "`layer` must be"),
        (lambda: plot.entanglement(built(), None), "`x` must hold samples"),
        (lambda: plot.probabilities(None), "`layer` must be"),
        (lambda: plot.probabilities(built(), None), "`x` must hold samples"),
        (lambda: plot.probabilities(built(), SAMPLES[0], interval=None), "`interval` must be"),
        (lambda: plot.probabilities(built(), SAMPLES[0], level=None), "`level` must be"),
        (lambda: plot.probabilities(built(), SAMPLES[0], most=None), "`most` must be"),
        (lambda: plot.probabilities(built(), SAMPLES[0], seed=-1), "`seed` must be"),
        (lambda: plot.probabilities(built(), SAMPLES[0], seed=None), "`seed` must be"),
        (lambda: plot.spectrum(None), "`layer` must be"),
        (lambda: plot.gram(None, SAMPLES), "`kernel` must be"),
        (lambda: plot.gram(lambda x: x @ x.T, None), "`x` must have shape"),
        (lambda: plot.decision_boundary(None, SAMPLES, LABELS), "`model` must be a Keras model"),
        (lambda: plot.decision_boundary(trained(), None, LABELS), "`x` must have shape"),
        (lambda: plot.decision_boundary(trained(), SAMPLES, None), "`y` must have one label"),
        (
            lambda: plot.decision_boundary(trained(), SAMPLES, LABELS, names=None),
            "`names` must name two features",
        ),
        (
            lambda: plot.decision_boundary(trained(), SAMPLES, LABELS, points=None),
            "`points` must be",
        ),
        (lambda: plot.training(None), "`histories` must hold"),
        (lambda: plot.training([None]), "`histories` must hold"),
        (lambda: plot.training({"a": None}), "`histories` must hold"),
        (lambda: plot.training([1.0], metric=None), "`metric` must be the name of a metric"),
        (lambda: plot.training({"loss": [1.0]}, metric=None), "`metric` must be the name"),
        (lambda: plot.loss_landscape(None, SAMPLES, LABELS), "`model` must be a built Keras"),
        (lambda: plot.loss_landscape(trained(), None, LABELS), "`x` must hold"),
        (lambda: plot.loss_landscape(trained(), SAMPLES, None), "`y` must hold"),
        (lambda: plot.loss_landscape(trained(), SAMPLES, LABELS, seed=-1), "`seed` must be"),
        (lambda: plot.alt_text(None), "`picture` must be a Matplotlib figure"),
        (lambda: plot.spectrum("layer"), "`layer` must be a built quantum layer"),
        (lambda: plot.spectrum(built(), along=[5]), "`along` must name"),
        (lambda: plot.gram("angle", SAMPLES), "`kernel` must be a kernel"),
        (lambda: plot.gram(kernels.FidelityKernel("angle"), [0.1, 0.2]), "`x` must have shape"),
        (lambda: plot.gram(kernels.FidelityKernel("angle"), np.zeros((0, 2))), "`x` must have"),
        (lambda: plot.gram(lambda x: x, np.zeros((3, 2))), "`kernel` must return a finite"),
        (lambda: plot.gram(lambda x: x @ x.T, np.zeros((10**4, 2))), "1 to 2,000 samples"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
