"""The Python in the documents runs as it stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_readme_runs_from_top_to_bottom(
    root: Path, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    blocks = CODE.findall((root / "README.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    # One process, as a reader would type it; what it saves goes to a folder of its own.
    code = "\n".join([f"import os\nos.chdir({str(tmp_path)!r})", *blocks])
    run_python(code)
    assert (tmp_path / "digits.keras").exists()


def test_the_readme_shows_the_example_that_the_package_mirrors(root: Path) -> None:
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    for part in (
        'Sequential([ Dense(64, activation="relu"),',
        "PQC(cirq.Circuit(cirq.rx(0.5)(cirq.GridQubit(0, 0))), cirq.Z(cirq.GridQubit(0, 0))),",
        "Dense(10), ])",
    ):
        assert part in readme


def cells(text: str, head: str) -> list[list[str]]:
    """Returns the rows of the Markdown table whose first line starts with `head`."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def close(shown: str, value: float) -> bool:
    """Whether a number in the text is the value, to its two or three digits."""
    return float(shown.split()[0]) == pytest.approx(value, rel=0.05)


def test_the_speed_in_the_readme_is_the_stored_one(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    stored = json.loads((root / "benchmarks/speed/engines.json").read_text(encoding="utf-8"))
    rows = cells(readme, "| qubits, batch | `native` | TFQ |")
    assert len(rows) == len(stored["steps"]) == 8
    for (size, native, tfq, ratio), step in zip(rows, stored["steps"], strict=True):
        its = {name: step["engines"][name]["median_s"] for name in ("native", "tfq")}
        assert size == f"{step['n_qubits']}, {step['batch']}"
        assert close(native, 1e3 * its["native"])
        assert close(tfq, 1e3 * its["tfq"])
        assert close(ratio, its["tfq"] / its["native"])
    epochs = {name: epoch["median_s"] for name, epoch in stored["epochs"].items()}
    said = re.search(r"takes\s+([\d.]+) times as long as with a `Dense", readme)
    assert said is not None
    assert close(said[1], epochs["native"] / epochs["dense"])

    stored = json.loads((root / "benchmarks/speed/peers.json").read_text(encoding="utf-8"))
    rows = cells(readme, "| qubits, batch | TensorCircuit-NG / `native` |")
    for row, step in zip(rows, stored["steps"], strict=True):
        native = step["engines"]["native"]
        peers = [step["peers"][name] for name in ("tensorcircuit", "pennylane-jax")]
        assert close(row[1], peers[0]["median_s"] / native["median_s"])
        assert close(row[2], peers[1]["median_s"] / native["median_s"])
        assert close(row[3], 1e3 * native["first_s"])
        assert close(row[4], peers[0]["first_s"])
        assert close(row[5], peers[1]["first_s"])


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_code_blocks_name_their_language(root: Path, document: str) -> None:
    fences = re.findall(r"^```(.*)$", (root / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), "a block without a language is run by nobody"
