"""Writes notebooks with their outputs from the texts beside them.

python notebooks/make.py          # all
python notebooks/make.py 02 05    # those whose names start so
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbclient
import nbformat

FOLDER = Path(__file__).resolve().parent
SECONDS = 300


def main(prefixes: list[str]) -> None:
    """Runs the notebooks whose names start with one of the prefixes, or all."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for script in sorted(FOLDER.glob("[0-9]*.py")):
        if not prefixes or script.name.startswith(tuple(prefixes)):
            print(script.stem, flush=True)
            nbformat.write(executed(script), script.with_suffix(".ipynb"))


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


def _is_start_up(output: nbformat.NotebookNode) -> bool:
    """Whether this is what TensorFlow says of the machine when it is imported."""
    return output.get("name") == "stderr" and "absl::InitializeLog" in output.text


if __name__ == "__main__":
    main(sys.argv[1:])
