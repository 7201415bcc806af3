"""Suite files: what they come to, and what is said of a mistake, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qkeras_hybrid.bench import runner, suite
from qkeras_hybrid.bench.statistics import pairs_needed
from qkeras_hybrid.bench.suite import SuiteError
from qkeras_hybrid.datasets import quantum

GOOD = """
description = "Two tasks."
seeds = 3

[training]
epochs = 2
batch_size = 16
learning_rate = 0.01

[[task]]
data = {name = "two_curves", n_samples = 40}
model = {name = "pqc_dense", n_qubits = 2}
training = {epochs = 5}

[task.sweep]
"data.n_features" = [2, 4]
"model.n_layers" = [1, 2, 3]

[[task]]
data = {name = "iris"}
model = {name = "embedding_head", n_qubits = 2}
contenders = ["hybrid", "linear"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def read(path: Path, text: str) -> suite.Suite:
    path.write_text(text)
    return suite.read(str(path))


def test_a_sweep_makes_every_combination(path: Path) -> None:
    found = read(path, GOOD)
    assert (found.name, found.description, found.seeds) == ("mine", "Two tasks.", (0, 1, 2))
    swept = found.comparisons[:-1]
    assert [(c.data["n_features"], c.model["n_layers"]) for c in swept] == [
        (d, n) for d in (2, 4) for n in (1, 2, 3)
    ]
    for one in swept:
        assert one.data["n_samples"] == 40
        assert one.training == {"epochs": 5, "batch_size": 16, "learning_rate": 0.01}
        assert one.contenders is None
        assert one.tuning is None
    last = found.comparisons[-1]
    assert last.training["epochs"] == 2
    assert last.contenders == ("hybrid", "linear")


def test_whole_tables_are_swept_before_their_keys(path: Path) -> None:
    text = GOOD.replace(
        '"model.n_layers" = [1, 2, 3]',
        'model = [{name = "pqc_dense", n_qubits = 3}, {name = "reuploading", n_qubits = 2}]',
    )
    models = [c.model for c in read(path, text).comparisons[:-1]]
    assert models[:2] == [
        {"name": "pqc_dense", "n_qubits": 3},
        {"name": "reuploading", "n_qubits": 2},
    ]
    assert len(models) == 4


def test_tuning_is_the_suites_unless_a_task_has_its_own_or_none(path: Path) -> None:
    table = "[tuning]\ntrials = 4\nseconds = 10\nfolds = 2\n"
    text = GOOD.replace("[training]", table + "[training]")
    assert all(c.tuning["trials"] == 4 for c in read(path, text).comparisons if c.tuning)
    last = read(path, text + "tuning = false\n").comparisons[-1]
    assert last.tuning is None
    own = text + "tuning = {trials = 9, seconds = 1.5, folds = 3}\n"
    last = read(path, own).comparisons[-1]
    assert last.tuning is not None
    assert last.tuning["trials"] == 9


NOISY = """
noise = ["none", "depolarizing:0.01"]
[training]
epochs = 2
batch_size = 16
learning_rate = 0.01
[[task]]
data = {name = "iris"}
model = {name = "pqc_dense", n_qubits = 2}
shots = ["exact", 100]
[[task]]
data = {name = "wine"}
model = {name = "pqc_dense", n_qubits = 2}
noise = "bit_flip:0.1"
engine = ["density", "trajectories"]
mitigation = "zne"
noisy_training = true
"""


def test_lists_of_what_computes_circuits_are_axes_and_single_values_settings(path: Path) -> None:
    tables = [one.execution for one in read(path, NOISY).comparisons]
    trained = {"noise": "bit_flip:0.1", "mitigation": "zne", "noisy_training": True}
    assert tables == [
        None,
        {"noise": "depolarizing:0.01"},
        {"shots": 100},
        {"shots": 100, "noise": "depolarizing:0.01"},
        {"engine": "density", **trained},
        {"engine": "trajectories", **trained},
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('"depolarizing:0.01"', '"depolarizing:2"', 2, "invalid `noise`.*`p`.*:2'"),
        ('["exact", 100]', "[100, 0]", 10, "invalid `shots`.*at least 1.*0"),
        ('["exact", 100]', "[100, 100]", 7, "same comparison twice"),
        ('["exact", 100]', "[]", 10, "invalid `shots`.*list of values"),
        ('"trajectories"]', '"trajectory"]', 15, "invalid `engine`.*'trajectory'"),
        ('"zne"', '["zn"]', 16, "invalid `mitigation`.*'zne'.*'zn'"),
        ("= true", "= [true, false]", 17, "invalid `noisy_training`.*true or false"),
        ("noisy_training", "noisy_trainig", 17, "unknown key 'noisy_trainig'"),
    ],
)
def test_a_mistake_in_what_computes_circuits_is_said_with_its_line(
    old: str, new: str, line: int, words: str, path: Path
) -> None:
    assert NOISY.count(old) == 1
    with pytest.raises(SuiteError, match=rf"mine.toml, line {line}, .*{words}"):
        read(path, NOISY.replace(old, new))


def test_a_list_of_seeds_is_taken_as_it_is(path: Path) -> None:
    assert read(path, GOOD.replace("seeds = 3", "seeds = [7, 3]")).seeds == (7, 3)
    assert read(path, GOOD.replace("seeds = 3", "")).seeds == tuple(range(10))


@pytest.mark.parametrize("name", suite.names())
def test_every_suite_that_comes_along_can_be_planned(name: str) -> None:
    found = suite.read(name)
    assert found.description
    planned = set()
    for one in found.comparisons:
        data = dict(one.data)
        if data["name"] in quantum.LOADERS:
            # Of fewer states, and once for all that is reported of them: as good, and quicker.
            data["n_samples"] = 60
            if (data["name"], str(one.model)) in planned:
                continue
            planned.add((data["name"], str(one.model)))
        tasks, _ = runner.plan(
            data, one.model, one.training, found.seeds[:1], one.contenders, tuning=one.tuning
        )
        assert tasks[0].contender == "hybrid"
        # As many seeds as can tell the hybrid from each of the others.
        assert len(found.seeds) >= pairs_needed(len(tasks) - 1)


def test_the_suites_in_benchmarks_are_those_of_the_package(root: Path) -> None:
    files = sorted((root / "benchmarks").glob("*.toml"))
    assert [file.stem for file in files] == list(suite.names())
    for file in files:
        assert suite.read(str(file)).comparisons == suite.read(file.stem).comparisons


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("seeds = 3", "sedes = 3", 3, "unknown key 'sedes'; known are description, seeds"),
        ("seeds = 3", "seeds = 0", 3, "`seeds`.*0"),
        ("seeds = 3", "seeds = [1, 1]", 3, "different"),
        ("seeds = 3", "seeds = true", 3, "seeds"),
        ("epochs = 2", "epoch = 2", 6, "unknown key 'epoch' in `training`"),
        ("[training]", "[[training]]", 5, "needs a table `training`"),
        ('"two_curves"', '"two_curvs"', 11, "'two_curves'.*'two_curvs'"),
        ('"pqc_dense"', '"pqc_dens"', 12, "'pqc_dense'.*'pqc_dens'"),
        ('"linear"]', '"linaer"]', 22, "'linear'.*'linaer'"),
        ("training = {epochs = 5}", "trainig = {epochs = 5}", 13, "unknown key 'trainig'"),
        ("training = {epochs = 5}", "training = 5", 13, "needs a table `training`.*5"),
        ('"data.n_features" = [2, 4]', '"data.n_features" = []', 16, "list of values"),
        ('"data.n_features" = [2, 4]', '"data.n_features" = 2', 16, "list of values"),
        ('"data.n_features" = [2, 4]', '"noise.level" = [2]', 16, "'data', 'model', 'training'"),
        ('"data.n_features" = [2, 4]', '"data" = [2]', 15, "list of tables"),
        ('"data.n_features" = [2, 4]', '"training.epoch" = [2]', 16, "'epochs'.*'epoch'"),
        ('"data.n_features" = [2, 4]', '"data.n_features" = [2, 2]', 10, "same comparison twice"),
        ('data = {name = "iris"}', 'data = {nam = "iris"}', 20, "needs `data` with a name"),
        ('data = {name = "iris"}', "", 19, "needs a table `data`"),
        ("seeds = 3", "tuning = {trials = 3}", 3, "needs `seconds` in `tuning`"),
        ("seeds = 3", "tuning = {trials = 0, seconds = 1, folds = 2}", 3, "trials.*at least 1"),
        ("seeds = 3", "tuning = {trials = 1, seconds = 1, folds = 1}", 3, "folds.*at least 2"),
        (
            "seeds = 3",
            'tuning = {trials = 1, seconds = 1, folds = 2, search_space = {rate = {type = "int",'
            " low = 1, high = 2}}}",
            3,
            "'learning_rate'.*'rate'",
        ),
        (
            "seeds = 3",
            "tuning = {trials = 1, seconds = 1, folds = 2, search_space = {learning_rate = "
            '{type = "float", low = 2.0, high = 1.0}}}',
            3,
            "low.*at most high",
        ),
    ],
)
def test_a_mistake_is_said_with_file_line_and_what_is_known(
    old: str, new: str, line: int, words: str, path: Path
) -> None:
    assert old in GOOD
    with pytest.raises(SuiteError, match=rf"mine.toml, line {line}, .*{words}"):
        read(path, GOOD.replace(old, new, 1))


UNDER_TUNING = """
description = "The width of model.n_layers is searched."
[training]
epochs = 2
batch_size = 16
learning_rate = 0.01

[[task]]
data = {name = "iris"}
model = {name = "pqc_dense", n_qubits = 2}
training = {learning_rate = 0.02}
sweep = {"model.n_layers" = [1, 2], "model.encoding" = ["angle"]}

[task.tuning]
trials = 3
seconds = 10
folds = 2

[task.tuning.search_space]
learning_rate = {type = "float", low = 0.001, high = 0.1}
"model.n_qubits" = {type = "int", low = 1, high = 4}
"model.n_layers" = {type = "int", low = 1, high = 4}
"model.encoding" = {type = "categorical", choices = ["angle", "amplitude"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("trials = 3", "trials = 0", 15, "trials"),
        ("folds = 2", "folds = 1", 17, "folds"),
        ("low = 0.001", 'low = "a"', 20, "search_space.learning_rate.low"),
        (
            '"model.n_qubits" = {type = "int", low = 1, high = 4}',
            '"model.n_qubits" = 3',
            21,
            "table",
        ),
        (
            '{type = "int", low = 1, high = 4}\n"model.e',
            '3\n"model.e',
            22,
            "search_space.model.n_lay",
        ),
        (
            '"int", low = 1, high = 4}\n"model.e',
            '"int", low = 5, high = 4}\n"model.e',
            22,
            "search_space.model.n_layers.low",
        ),
        (
            '"int", low = 1, high = 4}\n"model.e',
            '"integer", low = 1, high = 4}\n"model.e',
            22,
            "search_space.model.n_layers.type",
        ),
        ('choices = ["angle", "amplitude"]', "choices = []", 23, "model.encoding.choices"),
        ("learning_rate = {type", "learning_rat = {type", 20, "learning_rat"),
    ],
)
def test_a_mistake_under_tuning_is_said_with_its_own_line(
    old: str, new: str, line: int, words: str, path: Path
) -> None:
    assert UNDER_TUNING.count(old) == 1
    with pytest.raises(SuiteError, match=rf"mine.toml, line {line}, .*{words}"):
        read(path, UNDER_TUNING.replace(old, new))


def test_a_file_that_is_no_suite_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"is not TOML.*line 1"):
        read(path, "seeds = = 3")
    with pytest.raises(SuiteError, match=r"no \[\[task\]\]"):
        read(path, "seeds = 3")
    with pytest.raises(SuiteError, match="No such file"):
        suite.read(str(tmp_path / "other.toml"))
    with pytest.raises(SuiteError, match=r"'quick', or a TOML file.*'pepper'"):
        suite.read("pepper")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match="UTF-8"):
        suite.read(str(path))


FRONTIER = """
seeds = 2
[training]
epochs = 50
batch_size = 16
learning_rate = 0.01
patience = 5
[[task]]
model = {name = "pqc_dense", encoding = "angle"}
contenders = ["hybrid", "dense_same_parameters", "rbf_svc", "linear_model"]
[task.sweep]
data = [{name = "iris"}, {name = "wine"}]
[task.frontier]
"model.n_qubits" = [2, 3, 4]
"model.n_layers" = [1, 1, 2]
"""


def test_a_frontier_is_a_comparison_for_each_size_that_its_lists_step_through(path: Path) -> None:
    found = read(path, FRONTIER).comparisons
    sizes = [(2, 1), (3, 1), (4, 2)]
    assert [(c.model["n_qubits"], c.model["n_layers"]) for c in found] == sizes * 2
    assert [c.data["name"] for c in found] == ["iris"] * 3 + ["wine"] * 3
    for one in found:
        assert one.model["encoding"] == "angle"
        assert one.size == {key: one.model[key] for key in ("n_qubits", "n_layers")}
        assert one.training["patience"] == 5
    # What has no size of the hybrid's runs once.
    assert ["rbf_svc" in c.contenders for c in found if c.contenders] == [True, False, False] * 2
    assert ["linear_model" in c.contenders for c in found if c.contenders][:3] == [
        True,
        False,
        False,
    ]


def test_a_frontier_of_whole_tables_is_that_of_their_arguments(path: Path) -> None:
    lists = FRONTIER[FRONTIER.index('"model.n_qubits"') :]
    tables = 'model = [{name = "qcnn", n_layers = 1}, {name = "qcnn", n_layers = 2}]\n'
    text = FRONTIER.replace(lists, tables).replace(', encoding = "angle"', "")
    found = read(path, text).comparisons
    assert [c.model for c in found[:2]] == [{"name": "qcnn", "n_layers": n} for n in (1, 2)]
    assert [c.size for c in found[:2]] == [{"n_layers": 1}, {"n_layers": 2}]


def test_the_size_is_no_part_of_what_defines_a_task(path: Path) -> None:
    swept = FRONTIER.replace("[task.frontier]", "").replace("patience = 5\n", "")
    swept = swept.replace('"model.n_qubits" = [2, 3, 4]', '"model.n_qubits" = [2]')
    swept = swept.replace('"model.n_layers" = [1, 1, 2]', '"model.n_layers" = [1]')
    plain = read(path, swept).comparisons[0]
    first = read(path, FRONTIER.replace("patience = 5\n", "")).comparisons[0]
    assert plain.size is None

    def ids(one: suite.Comparison) -> list[str]:
        tasks, _ = runner.plan(
            one.data, one.model, one.training, [0, 1], one.contenders, size=one.size
        )
        return [task.id for task in tasks]

    assert ids(plain) == ids(first)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[2, 3, 4]", "[2, 3]", "lists of equal lengths"),
        ("[2, 3, 4]", "4", "a list of at least 2 sizes"),
        ("[2, 3, 4]", "[2]", "a list of at least 2 sizes"),
        ("[2, 3, 4]", "[2, 2, 4]", "each size only once"),
        ('"model.n_qubits"', '"data.n_features"', "`model` and its arguments only"),
        ('"model.n_qubits"', '"model"', "a list of tables"),
        (
            FRONTIER[FRONTIER.index('"model.n_q') :],
            'model = [{name = "qcnn"}, {name = "iqp"}]',
            "models of one name",
        ),
        ('"model.n_qubits" = [2, 3, 4]\n"model.n_layers" = [1, 1, 2]', "", "a table of lists"),
        ("[task.sweep]", '[task.sweep]\n"model.n_layers" = [1, 2]', "leave out what the task sw"),
        (
            "[task.sweep]",
            "[task.tuning]\ntrials = 2\nseconds = 5\nfolds = 2\n[task.tuning.search_space]\n"
            '"model.n_layers" = {type = "int", low = 1, high = 2}\n[task.sweep]',
            "leave out what the task tunes",
        ),
    ],
)
def test_a_frontier_that_can_not_be_is_said_with_its_line(
    path: Path, old: str, new: str, said: str
) -> None:
    text = FRONTIER.replace(old, new)
    with pytest.raises(SuiteError, match=said) as caught:
        read(path, text)
    line = 1 + text.splitlines().index("[task.frontier]")
    assert f"line {line}," in str(caught.value)


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "true", '"ten"', "inf", "nan"])
def test_a_patience_is_a_whole_number_over_0(path: Path, value: str) -> None:
    one = read(path, FRONTIER.replace("patience = 5", f"patience = {value}")).comparisons[0]
    with pytest.raises(ValueError, match="`patience` must be a whole number over 0"):
        runner.plan(one.data, one.model, one.training, [0], one.contenders)
