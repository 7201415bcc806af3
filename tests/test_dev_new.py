"""`dev.py new` writes what passes all checks, or says why not and writes nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

# Names of each kind, which sort before, between and after those that are there; the last are as
# long as they may be. A Python name of two capital letters sorts as a constant does.
NAMES = {
    "encoding": ("ratio", "a10", "a9", "zz_top", "abcdefghijabcdefghij"),
    "ansatz": ("ladder", "q1", "abcdefghi_bbcdefghij"),
    "engine": ("referee", "x", "bbcdefghijabcdefghij"),
    "layer": ("two_turns", "q2", "pqc2", "zbcdefghijabcdefghij"),
    "dataset": ("disc", "zzz", "cbcdefghijabcdefghij"),
}
MADE = [(kind, names[0]) for kind, names in NAMES.items()]
PLACES = {
    "encoding": ("encodings", "ratio", "RatioEncoding"),
    "ansatz": ("ansatz", "ladder", "Ladder"),
    "engine": ("engines", "referee", "RefereeEngine"),
    "layer": ("layers", "two_turns", "TwoTurns"),
}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.stem}_there", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy(root: Path, folder: Path) -> Path:
    """Copies what is in the repository, but for results and what tools keep."""
    left = shutil.ignore_patterns(
        *(".git", ".venv*", ".cache", ".*_cache", ".hypothesis", "__pycache__"),
        *("benchmarks", "build", "data", "dist", "site", "*.egg-info"),
    )
    return Path(shutil.copytree(root, folder / "tree", ignore=left))


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # The package of the tree comes before the one that is installed.
    environment = {**os.environ, "PYTHONPATH": str(tree), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True
    )


def state(tree: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    stats = {str(path): path.stat() for path in files}
    return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in stats.items()}


@pytest.fixture(name="tree", scope="module")
def copy_of_the_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(root, tmp_path_factory.mktemp("untouched"))


@pytest.fixture(name="new", scope="module")
def load_dev_new(root: Path) -> ModuleType:
    return load(root / "dev_new.py")


@pytest.fixture(name="made", scope="module")
def tree_with_new_things(
    root: Path, new: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    tree = copy(root, tmp_path_factory.mktemp("made"))
    for kind, names in NAMES.items():
        for name in names:
            assert new.main([kind, name], tree) == 0
    return tree


# What is written.


def test_the_command_says_what_it_wrote(tree: Path, tmp_path: Path) -> None:
    tree = copy(tree, tmp_path)
    done = run(tree, "dev.py", "new", "dataset", "disc")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "written: qkeras_hybrid/datasets/disc.py"
    assert "changed: qkeras_hybrid/cli/names.json" in lines
    assert lines[-1].endswith("python3 dev.py test tests/test_disc_dataset.py")
    for line in lines[:-1]:
        assert (tree / line.split(": ")[1]).exists()
        assert "disc" in (tree / line.split(": ")[1]).read_text(encoding="utf-8")


def test_ruff_and_the_order_of_imports_are_satisfied(made: Path) -> None:
    for check in (("check",), ("format", "--check")):
        done = run(made, "-m", "ruff", *check, ".")
        assert done.returncode == 0, done.stdout
    imports = load(made / "tests" / "test_imports.py")
    imports.test_imports_go_down_the_list_of_rooms(made)


def test_nothing_of_the_templates_name_is_left(made: Path) -> None:
    for kind, name in MADE:
        for path in made.rglob(f"*{name.replace('_', '?')}*"):
            if path.suffix in (".py", ".md"):
                text = path.read_text(encoding="utf-8").lower()
                assert not any(word in text for word in ("example_name", "example-name"))
        page = f"guides/{name.replace('_', '-')}-{kind}.md"
        assert f": {page}\n" in (made / "mkdocs.yml").read_text(encoding="utf-8")
        assert (made / "docs" / page).exists()


def test_the_new_things_are_found_by_name_and_listed(made: Path) -> None:
    code = f"""
import json
import numpy as np
import qkeras_hybrid as qh
from qkeras_hybrid.cli import listing
assert qh.__file__.startswith({str(made)!r}), qh.__file__
listed = json.loads(listing.NAMES.read_text(encoding="utf-8"))
assert json.dumps(listed) == json.dumps(listing.current())
for folder, name, public in {list(PLACES.values())!r}:
    assert public in getattr(qh, folder).__all__
    if folder != "layers":
        assert type(getattr(qh, folder).get(name)) is getattr(getattr(qh, folder), public)
from qkeras_hybrid.datasets import load
assert load("disc").y.mean() > 0.3
x = np.array([[0.4, -1.1]], "float32")
layer = qh.TwoTurns(1, weight_initializer="zeros", engine="referee")
assert np.allclose(layer(x), np.cos(x), atol=1e-6)
layer = qh.PQCDense(2, encoding="ratio", ansatz="ladder", n_layers=1, weight_initializer="zeros")
assert np.allclose(layer(x), (1 - x**2) / (1 + x**2), atol=1e-6)
print("all")
"""
    done = run(made, "-c", code)
    assert done.stdout.split() == ["all"], done.stderr


@pytest.mark.slow
def test_mypy_is_satisfied(made: Path) -> None:
    done = run(made, "-m", "mypy")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), MADE)
def test_its_own_test_passes(made: Path, kind: str, name: str) -> None:
    done = run(made, "-m", "pytest", "-q", "-x", f"tests/test_{name}_{kind}.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_tests_of_all_of_a_kind_take_the_new_ones(made: Path) -> None:
    files = ["encodings", "ansatz", "datasets", "surrogate", "one_file", "weight_groups"]
    files += ["engines", "docstrings", "cli"]
    words = (
        "ratio or ladder or referee or two_turns or disc or names_are or every_data_set or lists"
    )
    paths = [f"tests/test_{file}.py" for file in files]
    done = run(made, "-m", "pytest", "-q", "-x", *paths, "-k", words)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_site_builds_and_the_code_of_the_pages_runs(made: Path) -> None:
    words = "code or link or language"
    done = run(made, "-m", "pytest", "-q", "-x", "tests/test_docs.py", "-k", words)
    assert done.returncode == 0, done.stdout


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: python3 dev.py new encoding|ansatz|engine|layer|dataset NAME"),
        (["encoding"], "Usage"),
        (["encoding", "a", "b"], "Usage"),
        (["gate", "mine"], "`KIND` must be one of encoding, ansatz, engine, layer"),
        (["", "mine"], "`KIND` must be one of"),
        (["encoding", ""], "`NAME` must be a Python name of lower-case words"),
        (["encoding", "2nd"], "`NAME` must be a Python name"),
        (["encoding", "my-encoding"], "'my_name', but got 'my-encoding'"),
        (["encoding", "MyEncoding"], "`NAME` must be a Python name"),
        (["encoding", "mÿ"], "`NAME` must be a Python name"),
        (["encoding", "a__b"], "`NAME` must be a Python name"),
        (["encoding", "../../etc"], "`NAME` must be a Python name"),
        (["encoding", "a\n"], "`NAME` must be a Python name"),
        (["encoding", "lambda"], "`NAME` must be a Python name"),
        (["encoding", "my_encoding"], "must not end with 'encoding', which is added"),
        (["layer", "x" * 21], "`NAME` must have at most 20 characters, but got 'xxx"),
        (["encoding", "angle"], "qkeras_hybrid/encodings/angle.py exists already"),
        (["encoding", "phase"], "'PhaseEncoding' is the name of another class"),
        (["encoding", "zz"], "'zz' is registered"),
        (["encoding", "base"], "base.py exists already"),
        (["encoding", "get"], "'get' is a name in the package"),
        (["ansatz", "sim7"], "'sim7' is registered"),
        (["ansatz", "mps"], "'mps' is registered"),
        (["ansatz", "exception"], "'Exception' is the name of a Python built-in"),
        (["engine", "auto"], "'auto' has a special meaning"),
        (["engine", "native"], "'NativeEngine' is the name of another class"),
        (["engine", "services"], "'services' is a name in the package"),
        (["engine", "remote"], "'RemoteEngine' is a name in the package"),
        (["layer", "quantum_kernel"], "quantum_kernel.py exists already"),
        (["layer", "program"], "'Program' is a name in the package"),
        (["dataset", "iris"], "'iris' is registered"),
        (["dataset", "load"], "'load' is a name"),
        (["dataset", "print"], "'print' is the name of a Python built-in"),
        (["dataset", "math"], "'math' is a name that the template uses"),
        (["dataset", "name"], "'name' is a name in the package"),  # of a loop in `datasets`
        (["encoding", "aux"], "'aux' is a device of Windows"),
        (["dataset", "files"], "files.py exists already"),
    ],
)
def test_what_can_not_be_made_is_refused_and_nothing_is_written(
    new: ModuleType,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    before = state(tree)
    assert new.main(arguments, tree) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.endswith("Nothing was written.\n")
    assert said.out == ""
    assert state(tree) == before


def test_the_commands_that_the_documents_show_work(new: ModuleType, tree: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (tree / "docs").rglob("write-an-*.md")]
    texts += [(tree / "docs/guides/write-a-layer.md").read_text(encoding="utf-8")]
    texts += [(tree / "CONTRIBUTING.md").read_text(encoding="utf-8")]
    shown = re.findall(r"python3 dev\.py new (\w+) (\w+)", "\n".join(texts))
    assert {kind for kind, _ in shown} == {"encoding", "ansatz", "engine", "layer"}
    for kind, name in shown:
        assert f"tests/test_{name}_{kind}.py" in new.new_texts(kind, name, tree)


def test_all_classes_that_keras_saves_are_known(new: ModuleType, root: Path) -> None:
    found = new.saved_classes(root)
    decorators = [
        path.read_text(encoding="utf-8").count("\n@keras.saving.register_keras_serializable(")
        for path in (root / "qkeras_hybrid").rglob("*.py")
    ]
    assert {"AngleEncoding", "NativeEngine", "PQCDense", "Sim"} <= found
    assert sum(decorators) >= len(found) > 50


def test_what_exists_is_not_made_again(new: ModuleType, made: Path) -> None:
    before = state(made)
    for kind, name in MADE:
        assert new.main([kind, name], made) == 2
    assert state(made) == before


@pytest.mark.parametrize("kind", NAMES)
def test_a_class_of_the_same_name_is_refused_in_another_kind(
    new: ModuleType, made: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Keras finds the classes of saved objects by their names alone."""
    if kind == "layer":
        assert new.main([kind, "ladder"], made) == 2
        assert "'Ladder' is the name of another class" in capsys.readouterr().err
    elif kind == "ansatz":
        assert new.main([kind, "two_turns"], made) == 2
        assert "'TwoTurns' is" in capsys.readouterr().err
    else:
        assert new.new_texts(kind, "other_one", made)


ANCHORS = [
    ("encoding", "mkdocs.yml", "- Write an encoding: ", "one line must start with"),
    (
        "encoding",
        "qkeras_hybrid/encodings/__init__.py",
        "for encoding in (",
        "is not Python, at line",
    ),
    ("ansatz", "qkeras_hybrid/ansatz/__init__.py", "_TEMPLATES: ", "one line must start with"),
    ("encoding", "docs/guides/choose-an-encoding.md", "|", "it has no table"),
    ("ansatz", "qkeras_hybrid/cli/names.json", '"sim1"', "no 'sim1'"),
    ("engine", "qkeras_hybrid/cli/names.json", "{", "names.json is not JSON: "),
    ("engine", "CONTRIBUTING.md", "| `engines/` | `base`", "one line must start with"),
    ("layer", "qkeras_hybrid/layers/__init__.py", "__all__ = [", "one line must start with"),
    ("dataset", "CHANGELOG.md", "## Unreleased", "one line must start with '## Unreleased'"),
]


@pytest.mark.parametrize(("kind", "file", "anchor", "words"), ANCHORS)
def test_if_one_file_has_no_place_for_its_line_nothing_is_written(
    new: ModuleType,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    file: str,
    anchor: str,
    words: str,
) -> None:
    path = tree / file
    text = path.read_text(encoding="utf-8")
    other = '"sim01"' if anchor.startswith('"') else "+" if anchor == "|" else "other" + anchor
    path.write_text(text.replace(anchor, other), encoding="utf-8")
    try:
        before = state(tree)
        assert new.main([kind, "mine"], tree) == 2
        said = capsys.readouterr().err
        assert file in said
        assert words in said
        assert state(tree) == before
    finally:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("last", [0, 1, 4, 8])
def test_if_a_file_can_not_be_written_all_are_as_they_were(
    new: ModuleType,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    last: int,
) -> None:
    texts = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    written = []

    def write_text(path: Path, text: str, encoding: str, newline: str) -> None:
        path.write_bytes(text[: len(text) // 2].encode())  # as a full disk leaves it
        if len(written) == last:
            raise OSError("No space left on device.")
        written.append(path)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert new.main(["layer", "mine"], tree) == 2
    assert "No space left" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == texts


@pytest.mark.parametrize("text", ['__all__ = ["a"]\nb = 1\n', "__all__ = [\n", "other = []\n"])
def test_a_list_of_another_form_is_refused(new: ModuleType, text: str) -> None:
    with pytest.raises(new.RefusedError, match=r"no line closes|one line must start"):
        new.with_export(text, "name")


def test_imports_are_sorted_as_ruff_sorts_them(new: ModuleType, tmp_path: Path) -> None:
    start = "from qkeras_hybrid.layers import PQC, PQCDense, set_engine, ZTest\n"
    text = new.with_import(start, "qkeras_hybrid.layers", "Pqc2")
    text = new.with_import(text, "qkeras_hybrid.layers", "Zbc")
    assert text == "from qkeras_hybrid.layers import PQC, Pqc2, PQCDense, Zbc, ZTest, set_engine\n"
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    done = run(tmp_path, "-m", "ruff", "check", "--isolated", "--select=I", "module.py")
    assert done.returncode == 0, done.stdout


def test_a_table_may_end_a_file(new: ModuleType) -> None:
    assert new.with_row("| a |\n| - |\n| 1 |", "| 2 |") == "| a |\n| - |\n| 1 |\n| 2 |"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_line_ends_stay_and_new_files_have_the_same(
    new: ModuleType, tmp_path: Path, ends: str
) -> None:
    old = tmp_path / "old.md"
    old.write_text("a\n", encoding="utf-8", newline=ends)
    new.write_all({old: "a\nb\n", tmp_path / "new.md": "c\n"})
    assert old.read_bytes() == f"a{ends}b{ends}".encode()
    assert (tmp_path / "new.md").read_bytes() == f"c{ends}".encode()


def test_a_changelog_without_additions_gets_the_heading(new: ModuleType) -> None:
    text = "# Changelog\n\n## Unreleased\n\n### Fixed\n\n- One.\n\n## 1.0\n\n### Added\n\n- Old.\n"
    found = new.with_change(text, "- New.")
    assert found.startswith("# Changelog\n\n## Unreleased\n\n### Added\n\n- New.\n\n### Fixed")
    assert found.count("- New.") == 1


# dev.py.


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_the_jobs(root: Path, capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert load(root / "dev.py").main([word]) == 0
    said = capsys.readouterr()
    assert "python3 dev.py new encoding|ansatz|engine|layer|dataset NAME" in said.out
    assert "python3 dev.py compare" in said.out
    assert said.err == ""


def test_dev_imports_nothing_but_the_standard_library(root: Path) -> None:
    code = (
        "import runpy, sys; sys.argv = ['dev.py', 'new']; runpy.run_path('dev.py', {}, '__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append('.'); {code}"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: python3 dev.py new encoding")
