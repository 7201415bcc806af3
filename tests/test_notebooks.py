"""The notebooks' pairs have the same cells, and every notebook runs, the answers in it too."""

from __future__ import annotations

import configparser
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import jupytext
import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
# Those that take half a minute, even with two epochs, on a machine that is busy with tests.
LONG = (
    *("05_better_than_dense", "06_barren_plateaus", "07_images", "08_speed"),
    *("03_reading_probabilistic_output", "09_noisy_device"),
    *("11_optimisation", "12_finance", "13_without_the_circuit"),
    "14_molecules",
    *("15_quantum_data_and_frontiers", "16_many_devices"),
    # Nearly as long, and the guides' code, which runs each time, has the same layers.
    *("01_quantum_layer_between_dense", "02_encoding_data", "10_quantum_kernels"),
)

ANSWER = re.compile(r"<details><summary>Answer</summary>\n\n(.*?)\n\n</details>", re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(name="make", scope="module")
def load_make() -> ModuleType:
    """The module `make.py`."""
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers(notebook: nbformat.NotebookNode) -> list[str]:
    """Returns the folded answers, which stand in the last cell."""
    return ANSWER.findall(notebook.cells[-1].source)


def with_answers(script: Path) -> nbformat.NotebookNode:
    """Returns a notebook, and behind it the code of its answers, a cell for each."""
    notebook = jupytext.read(script)
    for answer in answers(notebook):
        notebook.cells.append(nbformat.v4.new_code_cell("\n".join(CODE.findall(answer))))
    return notebook


@pytest.mark.parametrize("word", ["99", "", "--txt", "2"])
def test_a_word_that_starts_no_name_makes_nothing(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    def ran(script: Path) -> None:
        raise AssertionError(f"{script.name} was run")

    monkeypatch.setattr(make, "executed", ran)
    with pytest.raises(SystemExit, match=f"No notebook's name starts with '{word}'"):
        make.main(["02", word])


def test_every_notebook_is_a_pair_and_listed() -> None:
    names = [path.stem for path in SCRIPTS]
    assert names
    assert names == [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in listed] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_says_what_it_shows_and_what_comes_next(script: Path, make: ModuleType) -> None:
    text = script.read_text(encoding="utf-8")
    notebook = jupytext.read(script)
    first, installs, *_, last = notebook.cells
    assert first.source.startswith("# ")
    assert make.badges(script.stem) in first.source
    assert make.linked(text, script.stem) == text
    shows = re.search(r"^\*\*What it shows:\*\* (.+?)\n\n", first.source, re.DOTALL | re.MULTILINE)
    assert shows is not None and re.findall(r"[.?!](?:\s|$)", shows[1]) == ["."]
    seconds = r"^\*\*Running time:\*\* about (\d+ seconds|a minute|\d+ minutes) on two cores\."
    assert re.search(seconds, first.source, re.MULTILINE)
    assert installs.source == make.install(script.stem)

    assert last.source.startswith("## What to try next\n")
    following, exercises = last.source.split("\n## Exercises\n")
    links = LINK.findall(following)
    assert links
    assert re.findall(r"^\*\*(\d)\.\*\* ", exercises, re.MULTILINE) == ["1", "2"]
    found = answers(notebook)
    assert len(found) == 2 == exercises.count("<details>")
    assert all(CODE.search(answer) for answer in found)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            links += LINK.findall(cell.source)
    inside = [link.partition("#")[0] for link in links if not link.startswith("http")]
    assert [link for link in inside if not (FOLDER / link).exists()] == []


def test_the_first_cell_installs_only_where_the_package_is_missing(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []

    class Shell:
        def run_line_magic(self, name: str, line: str) -> None:
            calls.append((name, line))

    monkeypatch.setattr("IPython.get_ipython", Shell)
    code = compile(make.install("12_finance"), "first cell", "exec")
    exec(code, {})
    assert calls == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(code, {})
    frozen, installed = calls
    assert frozen == ("pip", "freeze --exclude-editable > installed.txt")
    assert installed[0] == "pip"
    # The versions that are there bind pip: it may add packages, not change any.
    assert "-c installed.txt" in installed[1]
    package = f'"qkeras-hybrid[finance] @ git+https://github.com/{make.REPOSITORY}@{make.BRANCH}"'
    assert installed[1].endswith(package)


SMALL = """# %% [markdown]
# # Small
#
# [![Open in Colab][colab-badge]][colab]
#
# [colab]: an old address
# [binder-badge]: an old address
#
# Words.

# %%
# Only where the package is missing: installs it from an old address.

# %%
print(1 + 1)
"""


def test_words_and_links_are_taken_over_without_a_run_and_code_is_not(
    make: ModuleType, tmp_path: Path
) -> None:
    script = tmp_path / "small.py"
    linked = make.linked(SMALL, "small")
    assert make.badges("small") in jupytext.reads(linked, fmt="py").cells[0].source
    assert make.install("small") in linked
    assert "an old address" not in linked
    assert make.linked(linked, "small") == linked

    notebook = jupytext.reads(SMALL, fmt="py")
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", name="stdout", text="2\n")]
    notebook.cells[2].execution_count = 2
    nbformat.write(notebook, script.with_suffix(".ipynb"))
    script.write_text(linked.replace("Words.", "Other words."), encoding="utf-8")
    told = make.retold(script)
    assert "Other words." in told.cells[0].source
    assert told.cells[1].source == make.install("small")
    assert told.cells[2].outputs[0].text == "2\n"
    assert told.cells[2].execution_count == 2

    script.write_text(linked.replace("1 + 1", "1 + 2"), encoding="utf-8")
    with pytest.raises(ValueError, match="run it again"):
        make.retold(script)


def test_the_extras_of_colab_and_binder_are_there(make: ModuleType) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    known = set(setup["options.extras_require"])
    requirements = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
    (line,) = [line for line in requirements.splitlines() if not line.startswith("#")]
    on_binder = set(line.removeprefix(".[").removesuffix("]").split(","))
    assert on_binder <= known
    assert {"jax", "tensorflow", *make.EXTRAS.values()} <= on_binder
    assert set(make.EXTRAS) <= {path.stem for path in SCRIPTS}


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


PICTURE = re.compile(r"<img alt=\"([^\"]*)\"")
DRAWN = re.compile(r"^plt\.(show|tight_layout)\(\)$|^figure$|^plot\.circuit\(", re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_picture_is_there_and_has_an_alt_text(script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    for cell in notebook.cells:
        shown = [output.get("data", {}) for output in cell.get("outputs", [])]
        # Without an alt text: the first line of the cell has none, see `describe` in make.py.
        assert [data for data in shown if "image/png" in data] == [], cell.source
        texts = [text for data in shown for text in PICTURE.findall(data.get("text/html", ""))]
        assert all(texts), cell.source
        if cell.cell_type == "code" and DRAWN.search(cell.source):
            assert texts, f"this cell was run without showing its picture:\n{cell.source}"


def test_a_picture_gets_the_alt_text_of_its_cell(make: ModuleType) -> None:
    pixel = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ\n"
        "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    cell = nbformat.v4.new_code_cell("plt.show()", metadata={"alt": 'A dot, "red" & small.'})
    data = {"image/png": pixel, "text/plain": "<Figure>"}
    cell.outputs = [nbformat.v4.new_output("display_data", data)]
    make.describe(cell)
    (output,) = cell.outputs
    assert set(output.data) == {"text/html", "text/plain"}
    assert output.data["text/plain"] == 'A dot, "red" & small.'
    assert 'alt="A dot, &quot;red&quot; &amp; small." width="1"' in output.data["text/html"]
    assert pixel.replace("\n", "") in output.data["text/html"]

    cell.metadata["alt"] = "Another text."
    make.describe(cell)
    assert output.data["text/html"].startswith('<img alt="Another text." width="1"')
    assert output.data["text/plain"] == "Another text."

    del cell.metadata["alt"]
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": pixel})]
    make.describe(cell)
    assert set(cell.outputs[0].data) == {"image/png"}


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
    notebook = with_answers(script)
    for cell in notebook.cells:
        cell.source = re.sub(r"^SEEDS = range\(\d+\)", "SEEDS = range(2)", cell.source, flags=re.M)
    run(notebook, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_runs_as_it_stands(script: Path, tmp_path: Path) -> None:
    run(with_answers(script), tmp_path)
