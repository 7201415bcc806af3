"""Problems in files, and `qkeras-hybrid solve`."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qkeras_hybrid import cli
from qkeras_hybrid.annealing import files, solve

LP = """Maximize
 obj: 3 x + 2 y + 4 z + [ 2 x * y ] / 2
Subject To
 c1: 3 x + 2 y + 2 z <= 5
 c2: x + z >= 1
Binary
 x y z
End
"""
MPS = """NAME T
ROWS
 N  COST
 L  LIM1
 G  LIM2
COLUMNS
    MARK      'MARKER'                 'INTORG'
    X  COST  -3  LIM1  3
    X  LIM2  1
    Y  COST  -2  LIM1  2
    Z  COST  -4  LIM1  2
    Z  LIM2  1
    W  COST  -1  LIM1  1
    MARK      'MARKER'                 'INTEND'
RHS
    RHS  COST  -10  LIM1  5  LIM2  1
BOUNDS
 UP BND X 1
 UP BND Y 1
 UP BND Z 1
 UP BND W 3
ENDATA
"""
TEXTS = {
    # By hand: z + y, 4 + 2, and x y together cost too much room; x + z is 7 with room 5.
    "a.lp": (LP, -7),
    # z and w = 3: 4 + 3, and 10 on top of the objective.
    "a.mps": (MPS, 3),
    "path.gph": ("c a path\np edge 3 2\ne 1 2\ne 2 3\n", -2),
    "g_set.txt": ("3 3\n1 2 1\n2 3 1\n1 3 1\n", -2),
    "alone.txt": ("4 3\n1 2 1\n2 3 1\n1 3 1\n", -2),
    "path.txt": ("1 2\n2 3\n3 4\n", -3),
    "names.txt": ("# a triangle\na b\nb c 2.5\nc a\n", -3.5),
    "commas.csv": ("a,b,1\nb,c,1\n", -2),
    "bqp.txt": ("1\n3 4\n1 1 2\n1 2 -1\n2 2 3\n3 3 1\n", -4),
    "two.txt": ("2\n3 4\n1 1 2\n1 2 -1\n2 2 3\n3 3 1\n2 1\n1 2 3\n", -4),
    "one.sparse": ("3 4\n1 1 2\n1 2 -1\n2 2 3\n3 3 1\n", -4),
    "mknap.txt": ("1\n4 2 0\n6 5 4 3\n4 3 2 1\n1 1 1 1\n6 2\n", -10),
    "qap.dat": ("3\n0 5 2 5 0 3 2 3 0\n0 1 4 1 0 2 4 2 0\n", 38),
    "split.dat": ("2 4\n3 4 5 6 9\n1 2 3 4 5\n", 0),
    "a.qs": ("# Vars 2\n# ObjectiveOffset 3\n2 3\n1 1 -1\n2 2 -1\n1 2 2\n", 2),
}


@pytest.mark.parametrize("name", TEXTS)
def test_each_format_is_read(name: str, tmp_path: Path) -> None:
    text, energy = TEXTS[name]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = solve(files.load(path), "exact")
    assert found.feasible
    assert found.energy == pytest.approx(energy)


def test_arrays_and_packed_files_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "q.npz", Q=np.array([[-1.0, 2.0], [0.0, -1.0]]), offset=0.5)
    assert solve(files.load(tmp_path / "q.npz"), "exact").energy == -0.5
    np.savez(tmp_path / "i.npz", h=np.array([1.0, 0.0]), J=np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert solve(files.load(tmp_path / "i.npz"), "exact").energy == -2
    text = TEXTS["path.gph"][0].encode()
    (tmp_path / "a.gph.xz").write_bytes(lzma.compress(text))
    (tmp_path / "a.gph.gz").write_bytes(gzip.compress(text))
    for ending in ("xz", "gz"):
        assert solve(files.load(tmp_path / f"a.gph.{ending}"), "exact").energy == -2


def test_a_kind_says_what_text_holds(tmp_path: Path) -> None:
    path = tmp_path / "edges.txt"
    path.write_text("a b\nb c\nc a\n", encoding="utf-8")
    assert solve(files.load(path, "independent_set"), "exact").energy == -1
    assert solve(files.load(path), "exact").energy == -2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.txt", "a b c d\n", "line 1: an edge is"),
        ("x.txt", "", "it is empty"),
        ("x.txt", "1 2 nan\n2 3 1\n", "finite numbers"),
        ("x.txt", "1 1\n", "an edge joins two nodes"),
        ("x.txt", "1 2 3\n2 1 4\n", "each edge appears only once"),
        ("x.gph", "e 1 x\n", "numbers are expected"),
        ("x.gph", "e 1 2\n", "p edge NODES EDGES"),
        ("x.lp", "rubbish", "be in the LP format"),
        ("x.mps", "rubbish", "be in the MPS format"),
        ("x.gph.gz", "rubbish", "be a valid .gz file"),
        ("x.lp", LP.replace("Binary\n x y z", "Bounds\n x <= 1"), "bits, spins, and integers"),
        ("x.npz", "rubbish", "an .npz of numbers"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(
    name: str, content: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        files.load(path)


def test_an_unknown_kind_and_other_arrays_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", A=np.zeros(2))
    with pytest.raises(ValueError, match="have the array `Q`, or `h` and `J`"):
        files.load(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="`kind` must be one of 'maxcut'"):
        files.load(tmp_path / "a.npz", "tsp")
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="be text, or end in"):
        files.load(tmp_path / "a.bin")


def test_the_command_shows_solvers_beside_the_exact_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.lp"
    path.write_text(LP, encoding="utf-8")
    arguments = ["--reads", "20", "--output", str(tmp_path / "out")]
    for solver in ("exact", "simulated_annealing", "steepest_descent"):
        arguments += ["--solver", solver]
    assert cli.main(["solve", str(path), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "exact (proved)" in printed
    assert "3 variables, 2 constraints" in " ".join(printed.split())
    stored = json.loads((tmp_path / "out" / "solvers.json").read_text(encoding="utf-8"))
    assert stored["least_energy"] == -7
    by_name = {row["solver"]: row for row in stored["results"]}
    assert by_name["simulated_annealing"]["gap"] == 0
    assert by_name["simulated_annealing"]["feasible"]
    assert (tmp_path / "out" / "solvers.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "complaint", "code"),
    [
        (["missing.lp"], "missing.lp can't be read", 2),
        (["bad.txt"], "Argument `FILE` must be readable in its format", 2),
        (["good.txt", "--solver", "magic"], "Argument `--solver` must be one of", 2),
        (["good.txt", "--kind", "magic"], "Argument `--kind` must be one of", 2),
        (["good.txt", "--reads", "0"], "reads", 2),
        (["good.txt", "--time-limit", "-1", "--solver", "exact"], "satisfies all", 1),
        (["no.dat", "--solver", "exact"], "satisfies all constraints", 1),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str],
    complaint: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.txt").write_text("a b c d\n", encoding="utf-8")
    Path("good.txt").write_text("a b\n", encoding="utf-8")
    Path("no.dat").write_text("2 3\n3 5 7 4\n2 2 2 3\n", encoding="utf-8")
    assert cli.main(["solve", *arguments]) == code
    assert complaint in " ".join(capsys.readouterr().err.split())
