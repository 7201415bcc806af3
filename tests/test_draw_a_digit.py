"""The page "Draw a digit": its committed models, and drawing in a headless browser."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import devtools

DOCS = Path(__file__).resolve().parent.parent / "docs"
DIGITS = DOCS / "digits"
ABOUT = json.loads((DIGITS / "models.json").read_text(encoding="utf-8"))
MODELS = ("hybrid", "dense")

Point = tuple[float, float]


def arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> list[Point]:
    angles = [math.radians(start + (end - start) * i / 24) for i in range(25)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


# Lines in a box of size 1, that both models read.
STROKES: dict[int, list[list[Point]]] = {
    0: [arc(0.5, 0.5, 0.22, 0.36, -90, 270)],
    1: [[(0.42, 0.25), (0.52, 0.12), (0.52, 0.88)]],
    3: [[*arc(0.47, 0.3, 0.18, 0.18, -140, 90), *arc(0.47, 0.67, 0.21, 0.19, -90, 140)]],
    4: [[(0.5, 0.1), (0.26, 0.6), (0.74, 0.6)], [(0.6, 0.4), (0.6, 0.9)]],
    6: [[(0.62, 0.1), (0.42, 0.3), *arc(0.5, 0.66, 0.19, 0.22, -170, 190)]],
}

STATE = "document.getElementById('draw').dataset.state"


def run(model: str, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """What ONNX Runtime makes of images of shape `(n, 64)`."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(DIGITS / f"{model}.onnx"))
    names = [one.name for one in session.get_outputs()]
    found = session.run(names, {"pixels": pixels.astype("float32")})
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_the_models_score_what_the_page_says(model: str) -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    _, x, _, y = train_test_split(
        data.data / 16, data.target, test_size=0.25, random_state=0, stratify=data.target
    )
    assert len(x) == ABOUT["test_samples"]
    found = run(model, x)
    accuracy = np.mean(found["classes"].argmax(axis=1) == y)
    # Another processor rounds otherwise, which may turn one image.
    assert accuracy == pytest.approx(ABOUT[model]["accuracy"], abs=1.5 / len(x))
    assert accuracy > 0.9
    assert (DIGITS / f"{model}.onnx").stat().st_size < 1_000_000


def test_both_models_have_as_many_parameters() -> None:
    assert ABOUT["hybrid"]["parameters"] == ABOUT["dense"]["parameters"]
    # Without the inputs' rotations, each rotation has a weight.
    weights = sum(name != "cx" and given is None for name, _, given in ABOUT["gates"])
    assert ABOUT["hybrid"]["parameters"] == (64 + 1) * 8 + weights + (8 + 1) * 10


def test_the_gates_are_the_circuits() -> None:
    from qkeras_hybrid import PQCDense

    layer = PQCDense(8, n_qubits=8, n_layers=3)
    layer.build((None, 8))
    operations = list(layer.circuit.all_operations())
    assert len(operations) == len(ABOUT["gates"])
    qubits = list(layer.compiled.qubits)
    for operation, (name, places, _) in zip(operations, ABOUT["gates"], strict=True):
        assert [qubits[place] for place in places] == list(operation.qubits)
        assert (name == "cx") == (len(operation.qubits) == 2)


@pytest.fixture(name="site", scope="module")
def build_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as mkdocs makes it, without the references and notebooks, which take minutes."""
    folder = tmp_path_factory.mktemp("site")
    lines = [
        f"INHERIT: {DOCS.parent / 'mkdocs.yml'}",
        f"docs_dir: {DOCS}",
        f"hooks: [{DOCS / 'hooks.py'}]",
        "plugins: []",
        "strict: false",
        "nav: [draw-a-digit.md]",
    ]
    (folder / "mkdocs.yml").write_text("\n".join(lines))
    command = [
        "-m",
        "mkdocs",
        "build",
        "-f",
        str(folder / "mkdocs.yml"),
        "-d",
        str(folder / "site"),
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    if not (folder / "site" / "digits" / "ort").exists():
        pytest.skip("npm is not there, or can't download ONNX Runtime Web")
    return folder / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devtools.Page]:
    pytest.importorskip("websocket", reason="websocket-client is not installed")
    with devtools.page(tmp_path_factory.mktemp("profile")) as page:
        yield page


def draw(page: devtools.Page, digit: int, finger: bool) -> None:
    page.run("document.getElementById('draw-clear').click()")
    page.wait(f"{STATE} === 'ready'")
    canvas = "document.getElementById('draw-canvas')"
    page.run(f"{canvas}.scrollIntoView({{block: 'center'}})")
    box = page.run(f"JSON.stringify({canvas}.getBoundingClientRect())")
    at: dict[str, float] = json.loads(box)
    for stroke in STROKES[digit]:
        points = [(at["x"] + x * at["width"], at["y"] + y * at["height"]) for x, y in stroke]
        page.drag(points, finger=finger)
    page.wait(f"{STATE} === 'read'")


def answer(model: str) -> str:
    return f"document.querySelector('#draw-{model} output').value"


def shown(page: devtools.Page, selector: str) -> Any:
    return page.run(f"[...document.querySelectorAll('{selector}')].map(e => +e.dataset.value)")


@pytest.mark.slow
@devtools.NEEDS_CHROMIUM
@pytest.mark.parametrize("phone", [False, True], ids=["mouse", "finger"])
def test_both_models_read_what_is_drawn(site: Path, browser: devtools.Page, phone: bool) -> None:
    browser.screen(390 if phone else 1280, 844, phone=phone)
    with devtools.served(site) as address:
        browser.go(f"{address}draw-a-digit.html")
        browser.wait(f"{STATE} === 'ready'")
        for digit in STROKES:
            draw(browser, digit, phone)
            answers = browser.run(
                "[...document.querySelectorAll('#draw output')].map(e => e.value)"
            )
            assert answers == [str(digit)] * 2
            # The browser's runtime computes what the one here computes.
            pixels = np.array([json.loads(browser.run("draw.dataset.pixels"))])
            for model in MODELS:
                wanted = run(model, pixels)
                bars = shown(browser, f"#draw-{model} .draw-bar")
                np.testing.assert_allclose(bars, wanted["classes"][0], atol=1e-5)
                if model == "hybrid":
                    values = shown(browser, ".draw-values .draw-bar")
                    np.testing.assert_allclose(values, wanted["values"][0], atol=1e-5)
                    angles = np.abs(wanted["angles"][0]) * 0.7
                    gates = browser.run(
                        "[...document.querySelectorAll('.draw-angle')].map(e => +e.attributes"
                        ".opacity.value)"
                    )
                    np.testing.assert_allclose(gates, angles, atol=1e-3)  # three digits
        width = browser.run("document.documentElement.scrollWidth")
        assert width <= browser.run("innerWidth")
        elsewhere = [u for u in browser.requested() if not u.startswith((address, "data:"))]
        assert elsewhere == []
        assert browser.complaints() == []


@pytest.mark.slow
@devtools.NEEDS_CHROMIUM
def test_examples_are_read_and_cleared(site: Path, browser: devtools.Page) -> None:
    browser.screen(1280, 900)
    with devtools.served(site) as address:
        browser.go(f"{address}draw-a-digit.html")
        browser.wait(f"{STATE} === 'ready'")
        browser.run("document.getElementById('draw-example').click()")
        browser.wait(f"{STATE} === 'read'")
        pixels = json.loads(browser.run("draw.dataset.pixels"))
        np.testing.assert_allclose(pixels, np.array(ABOUT["examples"][0]) / 16, atol=1e-7)
        assert browser.run(answer("hybrid")) == "0"
        browser.run("document.getElementById('draw-clear').click()")
        browser.wait(f"{STATE} === 'ready'")
        assert not browser.run(answer("hybrid")).isdigit()
        assert max(json.loads(browser.run("draw.dataset.pixels"))) == 0


@pytest.mark.slow
@devtools.NEEDS_CHROMIUM
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_ink_and_gates_stand_out_in_both_themes(
    site: Path, browser: devtools.Page, dark: bool
) -> None:
    browser.screen(1280, 900, dark=dark)
    with devtools.served(site) as address:
        browser.go(f"{address}draw-a-digit.html")
        browser.wait(f"{STATE} === 'ready'")
        assert browser.run("document.body.dataset.mdColorScheme") == (
            "slate" if dark else "default"
        )
        draw(browser, 3, False)
        ink = browser.run(
            "(() => { const c = document.getElementById('draw-canvas'), k = c.width;"
            "const d = c.getContext('2d').getImageData(0, 0, k, k).data;"
            "let light = 0, n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200)"
            "{ light += d[i] / 255; n++; } return n > 1000 ? light / n : -1; })()"
        )
        assert ink > 0.6 if dark else 0 <= ink < 0.4


@pytest.mark.slow
@devtools.NEEDS_CHROMIUM
def test_from_disk_the_page_says_that_it_must_be_served(site: Path, browser: devtools.Page) -> None:
    browser.go((site / "draw-a-digit.html").as_uri())
    browser.wait(f"{STATE} === 'failed'")
    assert "Serve the site" in browser.run("document.getElementById('draw-status').textContent")
