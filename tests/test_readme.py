"""The Python in the documents runs as it stands there."""

from __future__ import annotations

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


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_code_blocks_name_their_language(root: Path, document: str) -> None:
    fences = re.findall(r"^```(.*)$", (root / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), "a block without a language is run by nobody"
