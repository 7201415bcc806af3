"""Writes notebooks with their outputs from the texts beside them.

python notebooks/make.py                # all
python notebooks/make.py 02 05          # those whose names start so
python notebooks/make.py --text 02      # the words and the links alone: runs nothing
"""

from __future__ import annotations

import html
import os
import re
import struct
import sys
import tempfile
import time
from base64 import b64decode
from pathlib import Path

import jupytext
import nbclient
import nbformat

FOLDER = Path(__file__).resolve().parent
SECONDS = 300

REPOSITORY = "your_account/qkeras-hybrid"
"""Where the project lies on GitHub. Badges lead there, and Colab installs from there.

No account can have this name, so nobody else's code is installed before the real one stands here.
"""

BRANCH = "main"

EXTRAS = {"12_finance": "finance", "13_without_the_circuit": "export", "14_molecules": "chemistry"}
"""The extras of setup.cfg that a notebook needs besides a Keras backend."""

BADGES = """
[![Open in Colab][colab-badge]][colab] [![Open in Binder][binder-badge]][binder]

[colab]: https://colab.research.google.com/github/{repository}/blob/{branch}/notebooks/{name}.ipynb
[colab-badge]: https://colab.research.google.com/assets/colab-badge.svg
[binder]: https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/notebooks/{name}.ipynb
[binder-badge]: https://mybinder.org/badge_logo.svg
"""

INSTALL = """
# Only where the package is missing, as on Colab: installs it, and changes no version of the rest.
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("qkeras_hybrid") is None:
    PACKAGE = '"qkeras-hybrid{extra} @ git+https://github.com/{repository}@{branch}"'
    get_ipython().run_line_magic("pip", "freeze --exclude-editable > installed.txt")
    get_ipython().run_line_magic("pip", f"install --quiet -c installed.txt {{PACKAGE}}")
"""


def main(words: list[str]) -> None:
    """Makes the notebooks whose names start with one of the words, or all."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.pop("MPLBACKEND", None)  # any but Jupyter's own would leave the pictures out
    prefixes = tuple(word for word in words if word != "--text")
    scripts = sorted(FOLDER.glob("[0-9]*.py"))
    for word in prefixes:
        if not word or not any(script.name.startswith(word) for script in scripts):
            sys.exit(f"No notebook's name starts with {word!r}. Nothing was made.")
    for script in scripts:
        if not prefixes or script.name.startswith(prefixes):
            script.write_text(linked(script.read_text("utf-8"), script.stem), "utf-8")
            start = time.perf_counter()
            notebook = retold(script) if "--text" in words else executed(script)
            for place, cell in enumerate(notebook.cells):
                cell.id = f"cell-{place}"  # not at random, so that a new run changes fewer lines
                describe(cell)
            nbformat.write(notebook, script.with_suffix(".ipynb"))
            print(f"{script.stem}: {time.perf_counter() - start:.0f} seconds", flush=True)


def badges(name: str) -> str:
    """Returns the badges of a notebook, in Markdown."""
    return BADGES.format(repository=REPOSITORY, branch=BRANCH, name=name).strip()


def install(name: str) -> str:
    """Returns the code of a notebook's first cell."""
    extra = f"[{EXTRAS[name]}]" if name in EXTRAS else ""
    return INSTALL.format(repository=REPOSITORY, branch=BRANCH, extra=extra).strip()


def linked(text: str, name: str) -> str:
    """Returns a notebook's text with its badges, and its first cell, as they are now."""
    shown = "".join(f"# {line}".rstrip() + "\n" for line in badges(name).splitlines())
    for old, new in (
        (r"^# \[!\[Open in Colab.*?^# \[binder-badge\].*?\n", shown),
        (r"^# Only where the package is missing.*?\n(?=\n# %%)", install(name) + "\n"),
    ):
        text = re.sub(old, lambda _, new=new: new, text, count=1, flags=re.MULTILINE | re.DOTALL)
    return text


def executed(script: Path) -> nbformat.NotebookNode:
    """Returns the notebook of a text, run from top to bottom in a folder of its own."""
    notebook = jupytext.read(script)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(
            notebook, timeout=SECONDS, kernel_name="python3", resources=resources
        ).execute()
    for cell in notebook.cells:
        # When each cell ran: another difference each time, and nothing to a reader.
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_start_up(output)]
    return notebook


def retold(script: Path) -> nbformat.NotebookNode:
    """Returns the notebook as it was last run, with the words of its text.

    Raises:
        ValueError: If the text's code is not what was run, but for the cell that installs.
    """
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    cells = jupytext.read(script).cells
    code = [
        [cell.source for cell in of if cell.cell_type == "code"][1:]
        for of in (cells, notebook.cells)
    ]
    if code[0] != code[1]:
        raise ValueError(f"the code of {script.name} has changed since it was run: run it again")
    outputs = iter([cell for cell in notebook.cells if cell.cell_type == "code"])
    for cell in cells:
        if cell.cell_type == "code":
            ran = next(outputs)
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    notebook.cells = cells
    return notebook


def describe(cell: nbformat.NotebookNode) -> None:
    """Gives the picture below a cell the alt text of the cell's first line: `# %% alt="..."`.

    Jupyter's own picture has no place for one, so it becomes an image in HTML. Pictures that
    `qkeras_hybrid.plot` drew have a text already.
    """
    words = cell.metadata.get("alt")
    for output in cell.get("outputs", []) if words else []:
        data = output.get("data", {})
        if image := data.pop("image/png", ""):
            image = image.replace("\n", "")
            (width,) = struct.unpack(">I", b64decode(image)[16:20])  # where a PNG file has it
            style = f'width="{width}" style="max-width: 100%"'
            data["text/html"] = f'<img alt="" {style} src="data:image/png;base64,{image}">'
        if data.get("text/html", "").startswith("<img alt="):
            start, _, rest = data["text/html"].partition('"')
            rest = rest.partition('"')[2]
            data.update({"text/html": f'{start}"{html.escape(words)}"{rest}', "text/plain": words})


def _is_start_up(output: nbformat.NotebookNode) -> bool:
    """Whether this is what TensorFlow says of the machine when it is imported."""
    return output.get("name") == "stderr" and "absl::InitializeLog" in output.text


if __name__ == "__main__":
    main(sys.argv[1:])
