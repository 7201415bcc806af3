"""The report: what the page, the summary, the tables and the figures hold, and bad input."""

from __future__ import annotations

import configparser
import html.parser
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import made_rows
from qkeras_hybrid import cli
from qkeras_hybrid.bench import report
from qkeras_hybrid.bench.report import content, latex, markdown, words
from qkeras_hybrid.bench.report import html as pages
from qkeras_hybrid.bench.results import Results
from qkeras_hybrid.bench.row import Row

SOME = ("hybrid", "dense_same_parameters", "frozen_circuit", "rbf_svc")


def some_rows() -> list[Row]:
    """A sweep of three, a regression, another data set, failures, a leak, names that are marks."""
    rows: list[Row] = []
    for difficulty in (2, 4, 8):
        rows += made_rows.comparison(
            data={"name": "hidden_manifold", "difficulty": difficulty},
            contenders=SOME,
            seeds=8,
            fails=[("rbf_svc", 0), ("hybrid", 1)],
        )
    rows += made_rows.comparison(
        model={"name": "models/a<b>&c_d.py:build"}, contenders=SOME, seeds=2, metric="r2"
    )
    rows += made_rows.comparison(data={"name": "wine"}, contenders=SOME, seeds=3)
    return made_rows.changed(
        rows,
        lambda row: row.contender == "frozen_circuit" and row.error is None,
        train_score=lambda row: row.test_score,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results")
    write(path, some_rows())
    assert cli.main(["report", str(path)]) == 0
    return path


def write(folder: Path, rows: list[Row]) -> None:
    with Results(folder / "results.jsonl") as results:
        for row in rows:
            results.append(row)


def write_tables(folder: Path, tables: list[dict[str, Any]]) -> None:
    lines = [json.dumps(table) + "\n" for table in tables]
    (folder / "results.jsonl").write_text("".join(lines))


class Page(html.parser.HTMLParser):
    """Reads a page: its tags that are open and shut, its ids, links, and what it would load."""

    VOID = frozenset({"meta", "br", "input", "link", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags[tag] += 1
        self.ids += filter(None, [named.get("id")])
        if tag == "a":
            self.links.append(named.get("href") or "")
        elif "href" in named or "xlink:href" in named:
            self.loads.append(named.get("href") or named.get("xlink:href") or "")
        self.loads += filter(None, [named.get("src"), named.get("srcset")])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(folder: Path) -> None:
    text = (folder / "report.html").read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert [load for load in page.loads if not load.startswith("#")] == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|<link", text)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert page.tags["details"] == 2 * 5
    assert len(text) < 500_000


def test_the_page_starts_with_the_verdicts_and_shows_everything(folder: Path) -> None:
    text = (folder / "report.html").read_text("utf-8")
    made = content.build(some_rows())
    for comparison in made.comparisons:
        assert text.count(escape(comparison.verdict.sentence)) == 2  # in the list, and on its own
    order = ["Did the quantum part help?", "Over data sets", "All results", "Comparisons"]
    order += ["Failures", "Protocol", "How to read this"]
    places = [text.index(f">{head}</h2>") for head in order]
    assert places == sorted(places)
    assert "difficulty 4" in text
    assert text.count("the simulator ran out of &lt;memory&gt; &amp; patience") >= 3
    assert text.count("the test score equals the train score in every") == 5
    assert "models/a&lt;b&gt;&amp;c_d.py:build" in text
    assert "a<b>" not in text
    assert "python 3.11.4, keras 3.15.1" in text
    assert "8 trials, 3 folds, 40 s on average" in text


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_the_summary_has_every_verdict_and_its_pictures_exist(folder: Path) -> None:
    text = (folder / "report.md").read_text("utf-8")
    for comparison in content.build(some_rows()).comparisons:
        assert markdown.escaped(comparison.verdict.sentence) in text
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(pictures) == 1 + 1 + 5 * 3
    for picture in pictures:
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
        ElementTree.parse((folder / picture).with_suffix(".svg"))
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table


def test_the_tables_are_latex(folder: Path) -> None:
    text = (folder / "tables.tex").read_text("utf-8")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1 + 2 * 5
    for table in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.S):
        lines = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(table[0])}
    assert re.search(r"(?<!\\)[%_#]", "\n".join(text.splitlines()[1:])) is None
    assert text.isascii()
    assert latex.escaped("50 % of a_b & R² ± µ") == (
        r"50 \% of a\_b \& R\textsuperscript{2} $\pm$ \textmu{}"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_takes_the_tables(folder: Path, tmp_path: Path) -> None:
    document = r"\documentclass{article}\usepackage{booktabs,textcomp}\begin{document}"
    (tmp_path / "a.tex").write_text(
        f"{document}\\input{{{folder / 'tables.tex'}}}\\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_same_rows_give_the_same_files(folder: Path, tmp_path: Path) -> None:
    report.render(some_rows(), tmp_path)
    for path in (folder / "report.html", folder / "report.md", folder / "tables.tex"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    figures = sorted((folder / "figures").iterdir())
    assert len(figures) == 2 * 17
    for path in figures[:4]:
        assert (tmp_path / "figures" / path.name).read_bytes() == path.read_bytes()


def test_ten_data_sets_have_a_diagram_of_ranks(tmp_path: Path) -> None:
    rows: list[Row] = []
    for number in range(10):
        rows += made_rows.comparison(data={"name": f"set {number}"}, contenders=SOME, seeds=2)
    made = content.build(rows)
    text = pages.page(made)
    assert "Mean ranks of tuned contenders over 10 data sets" in text
    assert Page(text).open == []
    assert "<metadata" not in text
    assert text.count("<style") == 1


def test_every_count_of_data_sets_is_the_same(tmp_path: Path) -> None:
    rows = [row for row in some_rows() if row.metric != "r2"]
    made = content.build(rows)
    assert made.data_sets == 2  # hidden_manifold, in three variants, and wine
    assert {one.data_sets for one in made.aggregates} == {2}
    assert made.ranks == ()
    text = pages.page(made)
    assert "4 comparisons on 2 data sets" in text
    assert "<td>pqc_dense, tuned</td>" in text
    assert "4 comparisons on 2 data sets" in markdown.page(made)


def test_the_parts_of_the_page_are_in_the_wheel(root: Path) -> None:
    settings = configparser.ConfigParser()
    settings.read(root / "setup.cfg")
    packed = settings["options.package_data"]["qkeras_hybrid.bench.report"].split(",")
    folder = root / "qkeras_hybrid" / "bench" / "report"
    others = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"]
    assert len(others) == 3
    for path in others:
        assert any(path.match(pattern.strip()) for pattern in packed), path


def test_one_seed_and_one_contender_and_no_success_render(tmp_path: Path) -> None:
    failed = [("hybrid", 0), ("mlp", 0)]
    for rows in (
        made_rows.comparison(contenders=["hybrid"], seeds=1),
        made_rows.comparison(contenders=["mlp"], seeds=1),
        made_rows.comparison(contenders=["hybrid", "mlp"], seeds=1, fails=failed),
        made_rows.comparison(contenders=["hybrid", "rbf_svc"], seeds=1, epochs=1),
    ):
        report.render(rows, tmp_path)
        assert Page((tmp_path / "report.html").read_text("utf-8")).open == []
    assert "too few seeds" in (tmp_path / "report.html").read_text("utf-8")


def test_rows_of_compare_lack_what_only_suites_have(tmp_path: Path) -> None:
    rows = made_rows.comparison(contenders=["hybrid", "linear"], seeds=2)
    lacking = []
    for row in rows:
        table = row.to_json()
        for key in ("suite", "curve", "cost", "tuning", "hyperparameters", "timing_comparable"):
            del table[key]
        lacking.append(Row.from_json(table))
    report.render(lacking, tmp_path)
    assert "every run had the machine to itself" in (tmp_path / "report.html").read_text("utf-8")


def test_titles_tell_comparisons_apart() -> None:
    tables = [
        ({"name": "m", "n": 1}, {"name": "d", "k": 1}, {"epochs": 1}, "jax"),
        ({"name": "m", "n": 2}, {"name": "d", "k": 1}, {"epochs": 1}, "jax"),
        ({"name": "o", "n": 1}, {"name": "e", "k": 1}, {"epochs": 1}, "jax"),
        ({"name": "o", "n": 1}, {"name": "e", "k": 1}, {"epochs": 1}, "torch"),
    ]
    found = words.names(
        {
            str(n): [Row("", "", data, model, training, backend, "hybrid", 0)]
            for n, (model, data, training, backend) in enumerate(tables)
        }
    )
    assert list(found.values()) == [
        ("m (n 1)", "d"),
        ("m (n 2)", "d"),
        ("o", "e, epochs 1, jax"),
        ("o", "e, epochs 1, torch"),
    ]


def test_tuned_comparisons_are_called_so_beside_others() -> None:
    rows = made_rows.comparison(contenders=["hybrid"], seeds=1)
    others = made_rows.comparison(contenders=["hybrid"], seeds=1, tuned=False)
    assert [data for _, data in words.names({"a": rows, "b": others}).values()] == [
        "iris, tuned",
        "iris",
    ]
    assert list(words.names({"a": rows}).values()) == [("pqc_dense", "iris")]


# Bad input.


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (None, "holds no results.jsonl", 2),
        ("", "has no rows yet", 1),
        ("my notes\n", "is no results file: its line 1", 1),
        ('{"task": "a"}\n', "row 1 lacks 'comparison', 'data'", 1),
    ],
)
def test_bad_results_end_in_one_line(
    text: str | None, words: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "results.jsonl").write_text(text)
    assert cli.main(["report", str(tmp_path)]) == code
    assert words in one_line(capsys)
    assert not list(tmp_path.glob("report*"))


@pytest.mark.parametrize("damage", [b"\0" * 200, b'{"task": "torn'])
def test_a_report_of_a_damaged_file_says_so_and_leaves_the_file_alone(
    damage: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, made_rows.comparison(contenders=["hybrid"], seeds=2))
    path = tmp_path / "results.jsonl"
    content = path.read_bytes() + damage
    path.write_bytes(content)
    assert cli.main(["report", str(tmp_path)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert f"is damaged after its 2 whole rows ({len(damage)} bytes)" in line
    assert path.read_bytes() == content
    path.write_bytes(damage)
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "has no rows yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"test_score": "high"}, "test_score is 'high'"),
        ({"data": "iris"}, "no table"),
        ({"model": {"n": 1}}, "no table"),
        ({"cost": 3.0}, "cost is no table"),
        ({"curve": {"seconds": [1.0], "train_score": []}}, "curve has [1, 0] values"),
    ],
)
def test_rows_that_are_none_are_named(
    change: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = made_rows.comparison(contenders=["hybrid"], seeds=2)
    tables = [row.to_json() for row in rows]
    tables[1] |= change
    write_tables(tmp_path, tables)
    assert cli.main(["report", str(tmp_path)]) == 1
    line = one_line(capsys)
    assert said in line
    assert "row 2" in line


def test_rows_of_an_older_version_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = made_rows.comparison(contenders=["hybrid"], seeds=1)
    table = rows[0].to_json()
    table["test_accuracy"] = table.pop("test_score")
    write_tables(tmp_path, [table])
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "row 1 lacks 'test_score'" in one_line(capsys)


def test_wrong_usage_and_places_that_can_not_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in one_line(capsys)
    write(tmp_path, made_rows.comparison(contenders=["hybrid"], seeds=1))
    assert cli.main(["report", str(tmp_path), "--margin", "0"]) == 2
    assert "`--margin` must be between 0 and 100" in one_line(capsys)
    (tmp_path / "file").touch()
    assert cli.main(["report", str(tmp_path), "--output", str(tmp_path / "file")]) == 1
    assert "file" in one_line(capsys)


def test_a_report_can_go_elsewhere_with_another_margin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, made_rows.comparison(contenders=["hybrid", "frozen_circuit"]))
    out = tmp_path / "site"
    assert cli.main(["report", str(tmp_path), "--output", str(out), "--margin", "5"]) == 0
    assert "No difference from the frozen circuit within 5 points" in capsys.readouterr().out
    assert (out / "report.html").exists()
    assert not (tmp_path / "report.html").exists()
