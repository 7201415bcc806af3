"""Comparisons under other engines, shots, noise and mitigation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import pytest

import made_rows
from qkeras_hybrid import ArgumentError, PQCDense, QuantumEmbedding
from qkeras_hybrid.bench import controls, execution, inspection, runner, switching
from qkeras_hybrid.bench.execution import WITH_CIRCUITS, levels, normalized
from qkeras_hybrid.bench.report import content, figures, html, markdown, words
from qkeras_hybrid.bench.results import Results, ResultsError, read_rows
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import aggregate, comparisons, contrasts, sweeps
from qkeras_hybrid.bench.task import Task
from test_bench import TASK

NOISY = {"shots": 100, "noise": "depolarizing:0.01"}


# Tables.


def test_what_is_ideal_is_no_part_of_a_table() -> None:
    assert normalized({}) is None
    assert normalized(execution.IDEAL) is None
    assert normalized({"noise": " none ", "noisy_training": True}) is None
    assert normalized({"engine": "density", "noisy_training": True}) == {"engine": "density"}
    assert normalized({**NOISY, "noisy_training": True}) == {**NOISY, "noisy_training": True}


def test_spaces_make_no_other_table() -> None:
    spaced = {"noise": " bit_flip: 0.1 @ cx + readout_error: 0.02", "mitigation": "readout + zne"}
    assert normalized(spaced) == {
        "noise": "bit_flip:0.1@cx+readout_error:0.02",
        "mitigation": "readout+zne",
    }


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"engine": "nativ"}, "`engine` must be one of 'auto', 'native'.*'nativ'"),
        ({"engine": 3}, "`engine` must be the name of an engine.*3"),
        ({"shots": 0}, "`shots` must be a whole number of at least 1.*0"),
        ({"shots": 1.5}, "`shots`.*1.5"),
        ({"shots": True}, "`shots`.*True"),
        ({"shots": "many"}, "`shots` must be a whole number, or \"exact\".*'many'"),
        ({"noise": "depolarising:0.1"}, "`noise` must name errors among depolarizing"),
        ({"noise": "depolarizing:1.5"}, r"`noise` must have its `p`.*'depolarizing:1.5'"),
        ({"noise": 0.1}, "`noise` must be text.*0.1"),
        ({"mitigation": "zn"}, "`mitigation` must be one of 'none', 'zne'.*'zn'"),
        ({"mitigation": "zne+"}, "`mitigation`.*joined by +"),
        ({"mitigation": "none+zne"}, "`mitigation`"),
        ({"mitigation": None}, "`mitigation`.*None"),
        ({"noisy_training": "yes"}, "`noisy_training` must be true or false.*'yes'"),
        ({"nois": "none"}, "`execution` must only have the keys engine, shots.*'nois'"),
    ],
)
def test_a_wrong_table_is_said_by_its_key(table: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        normalized(table)


def test_each_number_of_a_noise_model_is_a_place_on_an_axis() -> None:
    assert levels("depolarizing:1e-3") == [("depolarizing:p", 0.001)]
    assert levels("thermal_relaxation:50,70,0.02@q0,q1+over_rotation:-0.1") == [
        ("thermal_relaxation:p,70,0.02@q0,q1+over_rotation:-0.1", 50),
        ("thermal_relaxation:50,p,0.02@q0,q1+over_rotation:-0.1", 70),
        ("thermal_relaxation:50,70,p@q0,q1+over_rotation:-0.1", 0.02),
        ("thermal_relaxation:50,70,0.02@q0,q1+over_rotation:p", -0.1),
    ]


def test_contenders_with_circuits_are_those_with_quantum_layers() -> None:
    model = keras.Sequential([keras.Input((2,)), PQCDense(2, n_layers=1), keras.layers.Dense(2)])
    made = {"hybrid": model, **controls.controls_for(model)}
    assert set(made) == {"hybrid", *controls.CONTROLS}
    again = QuantumEmbedding(2, encoding="reuploading")
    made["single_upload"] = controls.single_upload(keras.Sequential([keras.Input((2,)), again]))
    assert {name for name, one in made.items() if inspection.quantum_layers(one)} == WITH_CIRCUITS


# Tasks and rows.


def test_a_task_without_a_table_has_the_id_that_it_had() -> None:
    # That of tests/test_bench.py: stored rows stay good.
    assert dataclasses.replace(TASK, execution=None).id == "acd754703b6009ab"
    assert "execution" not in TASK.definition()
    assert TASK.base is None


@pytest.mark.parametrize(
    "table", [{"shots": 100}, {"noise": "bit_flip:0.1"}, {"engine": "density"}]
)
def test_a_table_makes_another_comparison_on_the_same_base(table: dict[str, Any]) -> None:
    task = dataclasses.replace(TASK, execution=table)
    assert task.id != TASK.id
    assert task.comparison != TASK.comparison
    assert task.base == TASK.comparison


def planned(table: Mapping[str, Any] | None, *contenders: str) -> list[Task]:
    tasks, _ = runner.plan(TASK.data, TASK.model, TASK.training, [0], contenders, execution=table)
    return tasks


def test_contenders_without_circuits_are_the_same_task_under_any_noise() -> None:
    names = ("hybrid", "linear", "no_entanglement", "mlp")
    ideal, noisy = planned(None, *names), planned(NOISY, *names)
    assert [a.id == b.id for a, b in zip(ideal, noisy, strict=True)] == [False, True, False, True]


def test_a_mistake_shows_before_anything_runs() -> None:
    with pytest.raises(ValueError, match=r"'native' can't compute.*Channel"):
        planned({"engine": "native", "noise": "bit_flip:0.1"}, "hybrid")


def test_rows_of_which_nothing_is_said_are_as_they_were(tmp_path: Path) -> None:
    row = made_rows.row("a", error="x")
    assert not {"execution", "base"} & set(row.to_json())
    path = tmp_path / "results.jsonl"
    path.write_bytes(made_rows.line(row) + b"\n")
    assert read_rows(path) == [row]


def test_rows_keep_their_table(tmp_path: Path) -> None:
    row = made_rows.row("a", error="x", execution=NOISY, base="b")
    path = tmp_path / "results.jsonl"
    with Results(path) as results:
        results.append(row)
    assert read_rows(path) == [row]


@pytest.mark.parametrize("table", [{"shots": "100"}, {"noise": 0.1}, {"noisy_training": 1}, [1]])
def test_a_row_with_another_kind_of_table_is_refused(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(made_rows.line(made_rows.row("a", error="x", execution=table)))
    with pytest.raises(ResultsError, match="is wrong: its execution is"):
        read_rows(path)


# Running.


@pytest.fixture(scope="module")
def ideal() -> Row:
    return ran(None)


def ran(table: Mapping[str, Any] | None, contender: str = "hybrid") -> Row:
    (task,) = planned(table, contender)
    row = runner.run_task(task)
    assert row.error is None
    return row


# After every gate, a chance of 3/4 for a random Pauli: <Z> is 0 whatever the circuit does, since
# <Z> goes to (1 - 4p/3) <Z>. A model that sees nothing gives one class of three, a third of iris.
BLIND = {"noise": "depolarizing:0.75"}


def test_training_is_ideal_and_scores_are_noisy(ideal: Row) -> None:
    row = ran(BLIND)
    assert row.loss == ideal.loss
    assert row.n_train == 112
    assert row.train_score in (37 / 112, 38 / 112)
    assert row.engine == "native in training, density in evaluation"
    assert (row.execution, row.base) == (BLIND, ideal.comparison)


def test_training_is_noisy_where_it_is_asked_for(ideal: Row) -> None:
    row = ran({**BLIND, "noisy_training": True})
    assert row.loss != ideal.loss
    assert row.engine == "density"
    assert row.train_score in (37 / 112, 38 / 112)


def test_of_a_table_that_is_for_scores_alone_training_takes_the_engine() -> None:
    table = {**NOISY, "engine": "density", "mitigation": "zne"}
    assert execution.in_training(table) == {"engine": "density"}
    noisy = {**table, "noisy_training": True}
    assert execution.in_training(noisy) == noisy


@pytest.mark.slow
def test_an_engine_alone_computes_training_too(ideal: Row) -> None:
    row = ran({"engine": "statevector"})
    assert row.engine == "statevector"
    # The same numbers but for the rounding of float32, some steps on.
    assert row.loss == pytest.approx(ideal.loss, rel=1e-4)


@pytest.mark.slow
def test_mitigation_takes_readout_errors_away(ideal: Row) -> None:
    # Their inverse is exact without shots, so that each prediction is as without errors; rounding
    # may turn none, since no two classes are as close as that.
    row = ran({"noise": "readout_error:0.2", "mitigation": "readout"})
    assert (row.train_score, row.test_score) == (ideal.train_score, ideal.test_score)


@pytest.mark.slow
def test_shots_follow_from_the_seed_and_count_as_cost_where_they_train() -> None:
    table = {"shots": 3}
    first, again = ran(table), ran(table)
    assert (first.train_score, first.test_score) == (again.train_score, again.test_score)
    evaluations = first.cost["circuit_evaluations_total"]
    assert first.cost["shots_total"] == 1000 * evaluations
    noisy = ran({**table, "noisy_training": True})
    assert noisy.cost["shots_total"] == 3 * evaluations


def test_methods_nest_the_first_innermost() -> None:
    model = keras.Sequential([keras.Input((2,)), PQCDense(2), keras.layers.Dense(2)])
    table = {"noise": "bit_flip:0.1+readout_error:0.1", "mitigation": "readout+zne"}
    assert switching.put(model, table) == "density"
    outer = model.layers[0].engine
    assert (outer.name, outer.engine.name, outer.engine.engine.name) == (
        execution.MITIGATIONS["zne"].name,
        execution.MITIGATIONS["readout"].name,
        "density",
    )


def test_a_model_without_circuits_stays_as_it_is() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    assert switching.put(model, NOISY) is None


# Statistics.


CONTENDERS = ("hybrid", "dense_same_width", "no_entanglement", "mlp")


def swept(*tables: Mapping[str, Any] | None, **more: Any) -> list[Row]:
    """Returns the rows of a suite: those of contenders without circuits only once."""
    rows: list[Row] = []
    for table in tables:
        rows += made_rows.comparison(
            contenders=CONTENDERS, seeds=7, tuned=False, execution=table, **more
        )
    return list({row.task: row for row in rows}.values())


def test_one_row_of_a_classical_contender_serves_every_comparison() -> None:
    rows = swept({"shots": 10}, {"shots": 100})
    assert len(rows) == 7 * (2 + 2 * 2)
    found = list(comparisons(rows).values())
    assert [its[0].execution for its in found] == [{"shots": 10}, {"shots": 100}]
    for its in found:
        assert {row.contender for row in its} == set(CONTENDERS)
        assert all(contrast.difference.n == 7 for contrast in contrasts(its))
    # Where the ideal circuits were run too, theirs is a comparison as it was.
    assert [its[0].execution for its in comparisons(swept({"shots": 10}, None)).values()] == [
        {"shots": 10},
        None,
    ]


def test_scores_along_shots_end_at_exact_ones() -> None:
    (sweep,) = sweeps(swept(None, {"shots": 1000}, {"shots": 100}))
    assert (sweep.axis, sweep.title, sweep.ideal) == ("shots", "pqc_dense on iris", "exact")
    assert [value for value, _ in sweep.series["hybrid"]] == [100, 1000, math.inf]
    flat = [score for _, score in sweep.series["mlp"]]
    assert flat == [flat[0]] * 3
    ((place, said),) = sweep.apart.items()
    assert place > 1000
    assert said == "exact"


def test_scores_along_noise_begin_without_it() -> None:
    tables = [{"noise": f"depolarizing:{p}"} for p in (0.1, 0.01)]
    (sweep,) = sweeps(swept(None, *tables))
    assert sweep.axis == "p of the noise depolarizing:p"
    assert [value for value, _ in sweep.series["hybrid"]] == [0, 0.01, 0.1]
    ((place, said),) = sweep.apart.items()
    assert 0 < place < 0.01
    assert said == "none"


def test_other_noise_and_noisy_training_are_other_sweeps() -> None:
    kinds = [{"noise": f"{kind}:{p}"} for kind in ("bit_flip", "phase_flip") for p in (0.1, 0.2)]
    trained = [{**table, "noisy_training": True} for table in kinds[:2]]
    found = sweeps(swept(None, *kinds, *trained))
    assert [(one.axis, one.title) for one in found] == [
        ("p of the noise bit_flip:p", "pqc_dense on iris (noisy_training False)"),
        ("p of the noise phase_flip:p", "pqc_dense on iris"),
        ("p of the noise bit_flip:p", "pqc_dense on iris (noisy_training True)"),
    ]
    assert all([value for value, _ in one.series["hybrid"]] == [0, 0.1, 0.2] for one in found)


def test_a_sweep_of_shots_under_each_noise_says_under_which() -> None:
    tables = [
        {**noise, "shots": shots} for noise in ({}, {"noise": "bit_flip:0.1"}) for shots in (1, 9)
    ]
    assert [one.title for one in sweeps(swept(*tables))] == [
        "pqc_dense on iris (noise none)",
        "pqc_dense on iris (noise bit_flip:0.1)",
    ]


def test_one_level_of_noise_is_no_sweep() -> None:
    assert sweeps(swept(None, {"noise": "bit_flip:0.1"})) == []


def test_over_data_sets_noise_is_not_pooled_with_none() -> None:
    rows = [
        row
        for name in ("iris", "wine")
        for row in swept(None, {"noise": "bit_flip:0.1"}, data={"name": name})
    ]
    found = [(one.contender, one.execution) for one in aggregate(rows) if one.data_sets == 2]
    assert found == [
        (name, circuits) for circuits in ("", "bit_flip:0.1") for name in CONTENDERS[1:]
    ]


# The report.


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (None, ""),
        ({"engine": "density"}, "The circuits were trained and scored on the engine density."),
        (
            {"shots": 1000, "noise": "depolarizing:0.01"},
            "The circuits were scored with 1,000 shots, under the noise depolarizing:0.01; they "
            "were trained without these.",
        ),
        (
            {"shots": 1, "mitigation": "zne", "noisy_training": True},
            "The circuits were trained and scored with 1 shot, mitigated by zne.",
        ),
    ],
)
def test_a_sentence_says_under_what_scores_were_computed(
    table: Mapping[str, Any] | None, sentence: str
) -> None:
    assert words.execution_sentence(table) == sentence


def test_the_page_has_the_sentence_and_the_lines() -> None:
    noisy = [{"noise": f"depolarizing:{p}"} for p in (0.1, 0.01)]
    built = content.build(swept(None, {"shots": 1000}, {"shots": 100}, *noisy))
    page, text = html.page(built), markdown.page(built)
    for said in (page, text.replace("\\", "")):
        assert "scored with 1,000 shots; they were trained without these." in said
        assert "scored under the noise depolarizing:0.01; they were trained without these." in said
        assert "pqc_dense on iris, 1,000 shots" in said
    assert 'aria-label="Test accuracy along shots, pqc_dense on iris' in page
    assert ">exact</text>" in page
    assert ">none</text>" in page
    assert len(built.comparisons) == 5


def test_the_figures_have_the_ideal_beside_the_number_line() -> None:
    built = content.build(swept(None, {"shots": 1000}, {"shots": 100}))
    (axes,) = figures.along(built.sweeps[0], built).axes
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "1000", "exact"]


def test_the_page_of_rows_without_noise_speaks_of_none() -> None:
    assert "The circuits were" not in html.page(content.build(swept(None)))
