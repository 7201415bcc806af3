"""The notebooks' pairs have the same cells, and every notebook runs."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
# Those that take half a minute, even with two epochs, on a machine that is busy with tests.
LONG = (
    *("05_better_than_dense", "06_barren_plateaus", "07_images", "08_speed"),
    *("03_reading_probabilistic_output", "09_noisy_device"),
    *("11_optimisation", "12_finance", "13_without_the_circuit"),
    "14_molecules",
    # Nearly as long, and the guides' code, which runs each time, has the same layers.
    *("01_quantum_layer_between_dense", "02_encoding_data", "10_quantum_kernels"),
)


def test_every_notebook_is_a_pair_and_listed() -> None:
    names = [path.stem for path in SCRIPTS]
    assert names
    assert names == [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in listed] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_pair_agrees_and_has_outputs(script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    expected = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == expected
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    assert all(output.output_type != "error" for output in outputs)
    # Warnings are for whoever writes a notebook, not for its readers.
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        # What it saves goes to a folder of its own.
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else [])
        for path in SCRIPTS
    ],
)
def test_every_cell_of_the_notebook_runs(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Training as long as a reader's would take most of the time of all tests, and says nothing
    # about the cells: what they claim of its end is in their outputs.
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "2")
    notebook = jupytext.read(script)
    for cell in notebook.cells:
        cell.source = re.sub(r"^SEEDS = range\(\d+\)", "SEEDS = range(2)", cell.source, flags=re.M)
    run(notebook, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_runs_as_it_stands(script: Path, tmp_path: Path) -> None:
    run(jupytext.read(script), tmp_path)
