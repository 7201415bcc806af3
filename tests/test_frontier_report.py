"""How frontiers are told: sentences, tables, the page, pictures and the terminal."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import made_rows
from qkeras_hybrid import cli
from qkeras_hybrid.bench import report
from qkeras_hybrid.bench.report import content, figures, frontiers, fronts, latex, markdown
from qkeras_hybrid.bench.report import html as pages
from qkeras_hybrid.bench.results import Results
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import Frontier
from qkeras_hybrid.bench.statistics import frontiers as found_in

UP = [(20, 0.5), (40, 0.7), (80, 0.8), (160, 0.9)]
EARLY = [(20, 0.5), (40, 0.9), (80, 0.9), (160, 0.9)]
LOW = [(20, 0.5), (40, 0.5), (80, 0.5), (160, 0.5)]
FAR = [(2_000, 0.5), (9_000, 0.9)]


def one(planted: made_rows.Planted, **more: object) -> Frontier:
    (found,) = found_in(made_rows.frontier(planted, **more))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("planted", "seeds", "said"),
    [
        (
            {"hybrid": EARLY, "dense_same_parameters": UP},
            10,
            "The hybrid needs fewer parameters than any classical network of its sizes: 40 against "
            "160 of the matched Dense, to reach 85.5 %, which is 95 % of the best accuracy.",
        ),
        (
            {"hybrid": EARLY, "dense_same_parameters": LOW},
            10,
            "The hybrid needs fewer parameters than any classical network of its sizes: 40 to "
            "reach 85.5 %, which is 95 % of the best accuracy. No classical network reaches it.",
        ),
        (
            {"hybrid": UP, "linear": EARLY, "dense_same_parameters": UP},
            10,
            "The hybrid needs more parameters than a linear layer in its place: 160 against 40, to "
            "reach 85.5 %, which is 95 % of the best accuracy.",
        ),
        (
            {"hybrid": LOW, "dense_same_parameters": UP},
            10,
            "No size of the hybrid that was run reaches 85.5 %, which is 95 % of the best "
            "accuracy; the matched Dense does with 160.",
        ),
        (
            {"hybrid": UP, "dense_same_parameters": UP},
            10,
            "The hybrid needs as many parameters as the matched Dense: 160 against 160, to reach "
            "85.5 %, which is 95 % of the best accuracy.",
        ),
        (
            {"hybrid": [(20, 0.9), (40, 0.9)], "dense_same_parameters": [(20, 0.9), (40, 0.9)]},
            10,
            "The hybrid needs as many parameters as the matched Dense: 20 against 20, to reach "
            "85.5 %, which is 95 % of the best accuracy. The smallest sizes of the hybrid and the "
            "matched Dense already reach it: run smaller ones to decide.",
        ),
        (
            {"hybrid": UP, "dense_same_parameters": UP},
            5,
            "Too few seeds to tell (5, at least 6 are needed): 160 against 160, to reach "
            "85.5 %, which is 95 % of the best accuracy.",
        ),
        (
            {"hybrid": LOW, "dense_same_parameters": LOW, "frozen_circuit": UP},
            10,
            "Neither the hybrid nor a classical network reaches 85.5 %, which is 95 % of the "
            "best accuracy.",
        ),
        (
            {"hybrid": UP, "dense_same_parameters": FAR},
            10,
            "The sizes overlap too little to compare: the hybrid has 20 to 160 parameters, the "
            "matched Dense 2,000 to 9,000.",
        ),
        (
            {"hybrid": UP, "frozen_circuit": UP},
            10,
            "The hybrid was run without a classical network to compare with.",
        ),
        (
            {"linear": UP, "dense_same_parameters": UP},
            10,
            "There are no rows of the hybrid to compare with.",
        ),
    ],
)
def test_the_sentence_is_what_was_planted(
    planted: made_rows.Planted, seeds: int, said: str
) -> None:
    assert frontiers.sentence(one(planted, seeds=seeds)) == said


def test_what_noise_leaves_open_is_said_with_intervals() -> None:
    said = frontiers.sentence(one({"hybrid": UP, "linear": UP}, spread=0.1))
    assert said.startswith("It can't be told whether the hybrid needs fewer or more parameters th")
    cost, ends = r"(\d+|never)", r"\[\d+, (\d+|never)\]"
    assert re.search(f": {cost} {ends} against {cost} {ends}, to reach", said)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (
            {
                "hybrid": [(20, 0.97), (40, 0.97)],
                "dense_same_parameters": [(30, 0.97), (60, 0.97)],
            },
            "It can't be told whether the hybrid needs fewer or more parameters than the matched "
            "Dense: 20 [20, 20] against 30 [30, 30], to reach 92.2 %, which is 95 % of the "
            "best accuracy. The smallest sizes of the hybrid and the matched Dense already "
            "reach it: run smaller ones to decide.",
        ),
        (
            {"hybrid": [(25, 0.97), (60, 0.97)], "linear_model": [(15, 0.97), (15, 0.97)]},
            "It can't be told whether the hybrid needs fewer or more parameters than the linear "
            "model: 25 [25, 25] against 15 [15, 15], to reach 92.2 %, which is 95 % of the "
            "best accuracy. The smallest size of the hybrid already reaches it: run "
            "smaller ones to decide.",
        ),
    ],
)
def test_what_smaller_sizes_leave_open_is_said(planted: made_rows.Planted, said: str) -> None:
    assert frontiers.sentence(one(planted)) == said


def test_of_scores_that_should_be_small_the_best_is_divided() -> None:
    planted = {"hybrid": [(20, 0.25), (40, 0.19)], "linear_model": [(30, 0.5), (60, 0.5)]}
    said = frontiers.sentence(one(planted, metric="regret"))
    assert said.endswith(
        "40 to reach 20.0 %, which is the best regret divided by 0.95. No classical network "
        "reaches it."
    )


def test_too_few_seeds_are_those_of_the_contender_that_has_the_fewest() -> None:
    fails = [("hybrid", seed) for seed in range(4, 10)]
    said = frontiers.sentence(one({"hybrid": EARLY, "dense_same_parameters": UP}, fails=fails))
    assert said.startswith("Too few seeds to tell (4, at least 6 are needed): 40 against 160,")


def test_a_best_score_not_over_0_has_no_shares() -> None:
    planted = {"hybrid": [(10, -0.5), (20, -0.2)], "linear": [(10, -0.3), (20, -0.4)]}
    said = frontiers.sentence(one(planted, metric="r2"))
    assert said == (
        "No contender has a R² over 0, so there is no share of the best score to reach."
    )


def test_of_several_frontiers_the_counts_are_said() -> None:
    fewer = one({"hybrid": EARLY, "linear": UP})
    more = one({"hybrid": UP, "linear": EARLY})
    few = one({"hybrid": UP, "linear": EARLY}, seeds=3)
    assert frontiers.overall([("a", fewer)]) == ""
    assert frontiers.overall([("a on b", fewer), ("c", more), ("d", few)]) == (
        "Of 3 frontiers, the hybrid needs fewer parameters than any classical network on 1 (a on "
        "b), as many as the classical network that needs the fewest on 0, and more on 1; on 1 it "
        "can't be told."
    )


def test_the_table_has_what_each_needs() -> None:
    heads, lines = frontiers.table(one({"hybrid": EARLY, "linear": LOW, "mlp": FAR}))
    assert heads[3:] == [
        "Parameters for 90 %",
        "Parameters for 95 %",
        "Parameters for 99 %",
        "Hybrid needs",
    ]
    assert lines == [
        ["Hybrid", "90.0 % [90.0, 90.0]", "20 to 160", *["40 [40, 40]"] * 3, ""],
        ["Linear", "50.0 % [50.0, 50.0]", "20 to 160", *["never [never, never]"] * 3, "fewer"],
    ]


def test_notes_say_what_is_left_out() -> None:
    frontier = one({"hybrid": UP, "linear": UP, "mlp": FAR}, fails=[("linear", 0)], spread=0.01)
    said = " ".join(frontiers.notes(frontier))
    assert "Not compared by trainable parameters" in said
    assert "the MLP 2,000 to 9,000." in said
    assert "4 runs failed and are left out of all means." in said
    assert "Seconds of training are not compared" not in said


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    planted = {
        "hybrid": UP,
        "dense_same_parameters": EARLY,
        "frozen_circuit": LOW,
        "fourier_features": UP,
        "mlp": FAR,
    }
    made = made_rows.frontier(planted, spread=0.03, n_train=(40, 80))
    made = made_rows.changed(made, timing_comparable=lambda row: row.contender != "mlp")
    plain = made_rows.comparison(data={"name": "wine"}, contenders=["hybrid", "linear"])
    return [*made, *plain]


@pytest.fixture(scope="module")
def folder(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frontier")
    with Results(path / "results.jsonl") as results:
        for row in rows:
            results.append(row)
    report.render(rows, path)
    return path


def test_rows_of_a_frontier_are_read_as_they_were_written(folder: Path, rows: list[Row]) -> None:
    with Results(folder / "results.jsonl") as results:
        assert results.rows == rows


def test_the_page_has_a_frontier_with_a_plot_for_each_cost_and_texts(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    assert "Where does the circuit do more with fewer parameters?" in page
    part = page[page.index('id="frontiers"') : page.index('id="verdicts"')]
    drawn = re.findall(r'<svg viewBox="0.*?</svg>', part, re.DOTALL)
    # By parameters and by samples; of circuits one has evaluations alone.
    assert len(drawn) >= 2
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        label = root.get("aria-label") or ""
        assert label.startswith("Best test accuracy against ")
        assert "Hybrid " in label
        assert root.findall(".//*[@class='area']")
    # The sizes have no plots of their own, and no verdict in the list.
    assert part.count('class="sentence"') == 1
    verdicts = page[page.index('class="verdicts"') : page.index('id="results"')]
    assert verdicts.count("<li") == 1


def test_pictures_are_one_for_each_frontier_and_none_for_its_sizes(folder: Path) -> None:
    names = sorted(path.name for path in (folder / "figures").iterdir())
    assert [name for name in names if name.startswith("frontier-")] == [
        "frontier-01-pqc_dense-on-iris.png",
        "frontier-01-pqc_dense-on-iris.svg",
    ]
    rest = {name for name in names if not name.startswith("frontier-")}
    assert rest
    assert all("wine" in name for name in rest)
    assert (folder / "figures" / names[0]).read_bytes()[:4] == b"\x89PNG"
    ElementTree.fromstring((folder / "figures" / names[1]).read_text("utf-8"))


def test_the_summary_says_the_sentence_and_what_the_picture_shows(folder: Path) -> None:
    text = (folder / "report.md").read_text("utf-8")
    assert text.index("## Frontiers") < text.index("## Verdicts")
    picture = re.search(r"!\[(.*?)\]\(figures/frontier-01-.*?\.png\)", text)
    assert picture is not None
    assert "Hybrid" in picture[1]
    assert "parameters" in picture[1]
    assert "on wine" in text
    # Not a section for each size.
    assert text.count("\n## ") == text.count("\n## Frontiers") + 5


def test_the_tables_for_papers_have_the_frontier(folder: Path) -> None:
    text = (folder / "tables.tex").read_text("utf-8")
    assert r"\label{tab:frontier-01}" in text
    assert r"Parameters for 95 \%" in text


def test_the_command_says_the_frontier_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", str(folder), "--output", str(folder / "again")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("pqc_dense on iris: The hybrid needs")
    assert " on wine: " in lines[1]
    assert len(lines) == 3


def test_a_frontier_that_can_not_be_compared_is_said_and_not_drawn() -> None:
    made = content.build(made_rows.frontier({"hybrid": UP, "dense_same_parameters": FAR}))
    ((title, frontier),) = made.frontiers
    assert fronts.frontier(title, frontier, "parameters", made.contenders) == ""
    page = pages.page(made)
    part = page[page.index('id="frontiers"') : page.index('id="results"')]
    assert "overlap too little to compare" in part
    assert "overlap too little to compare" in markdown.page(made)
    assert "overlap too little to compare" in latex.tables(made)


def test_no_two_contenders_look_alike_without_colour() -> None:
    looks = [
        (fronts.dash(place), figures._MARKERS[place], fronts.drawn(place)) for place in range(7)
    ]
    assert len(set(looks)) == 7
    assert fronts.dash(0) == ""
    assert all(fronts.dash(place) for place in range(1, 12))


def test_a_front_is_drawn_as_steps() -> None:
    assert fronts.steps((10, 30), (0.5, 0.8), 50) == [
        (10, 0.5),
        (30, 0.5),
        (30, 0.8),
        (50, 0.8),
    ]


def test_titles_tell_frontiers_apart() -> None:
    planted = {"hybrid": UP, "linear": UP}
    rows = made_rows.frontier(planted)
    rows += made_rows.frontier(planted, tuned=False)
    assert frontiers.titles(found_in(rows)) == [
        "pqc_dense on iris, tuned",
        "pqc_dense on iris",
    ]
