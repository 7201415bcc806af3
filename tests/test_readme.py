"""The Python in the documents runs as it stands there."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from qkeras_hybrid.bench.report import content
from qkeras_hybrid.bench.results import read_rows

SPEED = "docs/guides/how-fast.md"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_readme_runs_from_top_to_bottom_and_its_example_prints_what_it_says(
    root: Path, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    first, *others = CODE.findall(readme)
    assert len(others) >= 2
    # One process, as a reader would type it; what it saves goes to a folder of its own.
    start = f"import os\nos.chdir({str(tmp_path)!r})"
    printed = run_python("\n".join([start, first, "print('end of the example')", *others]))
    assert (tmp_path / "digits.keras").exists()
    said = re.search(r"^```text\ntest accuracy ([\d.]+)\n```", readme, re.MULTILINE)
    assert said is not None
    (accuracy,) = re.findall(r"test accuracy ([\d.]+)", printed.partition("end of the example")[0])
    # Seeded; but sums are rounded otherwise on other processors, and training goes on from there.
    assert float(accuracy) == pytest.approx(float(said[1]), abs=0.05)


def test_the_readme_shows_the_example_that_the_package_mirrors(root: Path) -> None:
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    for part in (
        'Sequential([ Dense(64, activation="relu"),',
        "PQC(cirq.Circuit(cirq.rx(0.5)(cirq.GridQubit(0, 0))), cirq.Z(cirq.GridQubit(0, 0))),",
        "Dense(10), ])",
    ):
        assert part in readme


def drawn(picture: Path) -> list[str]:
    """Returns the text in an SVG picture, in order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text(encoding="utf-8"))


def test_the_pictures_are_those_of_the_stored_rows(root: Path, tmp_path: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    runpy.run_path(str(root / "benchmarks/pictures.py"))["main"](tmp_path)
    tables = (root / SPEED).read_text(encoding="utf-8")
    for name in ("model", "speed", "comparison"):
        assert f"pictures/{name}.svg)" in (tables if name == "speed" else readme)
        assert drawn(tmp_path / f"{name}.svg")
        assert drawn(tmp_path / f"{name}.svg") == drawn(root / f"benchmarks/pictures/{name}.svg")


def test_what_is_said_of_the_study_is_in_its_rows(root: Path) -> None:
    rows = read_rows(root / "benchmarks/paper/results.jsonl")
    found = [c for c in content.build(rows).comparisons if c.metric == "accuracy"]
    matched = [c.contrasts["dense_same_parameters"].outcome for c in found]
    better, worse = matched.count("better"), matched.count("worse")
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    assert f"{better} of {len(found)} hybrids is more accurate" in readme
    assert f"and {worse} are less" in readme
    page = " ".join((root / "docs/what-was-found.md").read_text(encoding="utf-8").split())
    assert f"On {len(found)} comparisons" in page
    assert f"{better} hybrid is more accurate" in page
    assert f"and {worse} are less" in page
    assert f"For the other {len(found) - better - worse} " in page
    perceptron = [c.contrasts["mlp"].outcome for c in found if "mlp" in c.contrasts]
    assert f"In {len(perceptron)} of the {len(found)} comparisons (not the same 12)" in page
    assert "better" not in perceptron
    assert f"in {perceptron.count('worse')} it is clearly less accurate" in page
    numbers = [c for c in content.build(rows).comparisons if c.metric == "r2"]
    assert "In two further comparisons the models predict a number" in page
    outcomes = [
        (c.contrasts["mlp"].outcome, c.contrasts["dense_same_parameters"].outcome) for c in numbers
    ]
    assert outcomes == [("better", "worse")] * 2


def test_the_exactness_in_the_readme_is_the_stored_one(root: Path) -> None:
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    path = root / "benchmarks/exactness/exactness.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    single, double = (
        next(r for r in stored["rows"] if (r["engine"], r["dtype"]) == ("native", dtype))
        for dtype in ("float32", "float64")
    )
    said = re.search(
        r"on (\d+) random circuits .*? at most ([\d.e-]+) in float32 and ([\d.e-]+) in float64, "
        r"the derivatives by at most ([\d.e-]+) and ([\d.e-]+) ",
        readme,
    )
    assert said is not None
    assert int(said[1]) == stored["circuits"]
    wanted = [row[f"worst_{what}"] for what in ("values", "gradients") for row in (single, double)]
    for shown, value in zip(said.groups()[1:], wanted, strict=True):
        assert close(shown, value)


def cells(text: str, head: str) -> list[list[str]]:
    """Returns the rows of the Markdown table whose first line starts with `head`."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def close(shown: str, value: float) -> bool:
    """Whether a number in the text is the value, to its two or three digits."""
    return float(shown.split()[0]) == pytest.approx(value, rel=0.05)


def test_the_speed_in_the_documents_is_the_stored_one(root: Path) -> None:
    page = (root / SPEED).read_text(encoding="utf-8")
    stored = json.loads((root / "benchmarks/speed/engines.json").read_text(encoding="utf-8"))
    rows = cells(page, "| qubits, batch | `native` | TFQ |")
    assert len(rows) == len(stored["steps"]) == 8
    for (size, native, tfq, ratio), step in zip(rows, stored["steps"], strict=True):
        its = {name: step["engines"][name]["median_s"] for name in ("native", "tfq")}
        assert size == f"{step['n_qubits']}, {step['batch']}"
        assert close(native, 1e3 * its["native"])
        assert close(tfq, 1e3 * its["tfq"])
        assert close(ratio, its["tfq"] / its["native"])
    ratios = [
        step["engines"]["tfq"]["median_s"] / step["engines"]["native"]["median_s"]
        for step in stored["steps"]
    ]
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    said = re.search(r"TensorFlow Quantum takes (\d+) to (\d+) times as long", readme)
    assert said is not None
    assert close(said[1], min(ratios))
    assert close(said[2], max(ratios))
    epochs = {name: epoch["median_s"] for name, epoch in stored["epochs"].items()}
    said = re.search(r"takes\s+([\d.]+) times as long as with a `Dense", page)
    assert said is not None
    assert close(said[1], epochs["native"] / epochs["dense"])

    stored = json.loads((root / "benchmarks/speed/peers.json").read_text(encoding="utf-8"))
    rows = cells(page, "| qubits, batch | TensorCircuit-NG / `native` |")
    for row, step in zip(rows, stored["steps"], strict=True):
        native = step["engines"]["native"]
        peers = [step["peers"][name] for name in ("tensorcircuit", "pennylane-jax")]
        assert close(row[1], peers[0]["median_s"] / native["median_s"])
        assert close(row[2], peers[1]["median_s"] / native["median_s"])
        assert close(row[3], 1e3 * native["first_s"])
        assert close(row[4], peers[0]["first_s"])
        assert close(row[5], peers[1]["first_s"])


def test_the_speed_under_each_backend_is_the_stored_one(root: Path) -> None:
    page = (root / SPEED).read_text(encoding="utf-8")
    stored = json.loads((root / "benchmarks/speed/backends.json").read_text(encoding="utf-8"))
    assert stored["machine"]["instruction_set"] == "avx2"
    rows = cells(page, "| qubits, batch | `native`, TensorFlow |")
    for row, step in zip(rows, stored["steps"], strict=True):
        its = {name: engine["median_s"] for name, engine in step["engines"].items()}
        best = min(peer["median_s"] for peer in step["peers"].values())
        assert row[0] == f"{step['n_qubits']}, {step['batch']}"
        for cell, name in zip(row[1:4], ("native", "native@jax", "native@torch"), strict=True):
            assert close(cell, 1e3 * its[name])
        assert close(row[4], best / its["native@jax"])
        if its["statevector@jax"] is None:
            assert row[5] == "-"
        else:
            assert close(row[5], best / its["statevector@jax"])
    path = root / "benchmarks/speed/backends_avx512.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    said = re.search(
        r"takes (\d+) times as long as `native` under JAX at 8 qubits, (\d+)\s+times at 12, and "
        r"(\d+) times at 16",
        page,
    )
    assert said is not None
    for number, step in zip(said.groups(), stored["steps"], strict=True):
        best = min(peer["median_s"] for peer in step["peers"].values())
        assert close(number, best / step["engines"]["native@jax"]["median_s"])
    stored = json.loads((root / "benchmarks/speed/epochs.json").read_text(encoding="utf-8"))
    epochs = {name: epoch["median_s"] for name, epoch in stored["epochs"].items()}
    said = re.search(
        r"takes ([\d.]+) times as long as that of its Dense twin\s+under\s+TensorFlow, ([\d.]+) "
        r"times under JAX and ([\d.]+) times under PyTorch",
        page,
    )
    assert said is not None
    for number, backend in zip(said.groups(), ("", "@jax", "@torch"), strict=True):
        assert close(number, epochs[f"native{backend}"] / epochs[f"dense{backend}"])


def test_the_speed_with_noise_is_the_stored_one(root: Path) -> None:
    page = (root / SPEED).read_text(encoding="utf-8")
    stored = json.loads((root / "benchmarks/noise/steps.json").read_text(encoding="utf-8"))
    assert stored["machine"]["instruction_set"] == "avx2"
    assert stored["config"] == [8, 3, 32, 0.01]
    rows = cells(page, "| | forward | training step | step / `density` |")
    own = stored["rows"]["density"]["step"]["median_s"]
    for (_, forward, step, ratio), row in zip(rows, stored["rows"].values(), strict=True):
        assert close(forward.replace(",", ""), 1e3 * row["forward"]["median_s"])
        # Means of 100 runs with a spread of at most one, over 256 values.
        assert row["largest_difference"] < 0.5
        if "step" not in row:
            assert (step, ratio) == ("-", "-")
            continue
        assert close(step.replace(",", ""), 1e3 * row["step"]["median_s"])
        assert close(ratio, row["step"]["median_s"] / own)


@pytest.mark.parametrize(
    "document", ["README.md", "README.de.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_code_blocks_name_their_language(root: Path, document: str) -> None:
    fences = re.findall(r"^```(.*)$", (root / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), "a block without a language is run by nobody"


HEADING = re.compile(r"^(#+) ", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)|\]\[([^\]]+)\]|^(\[[^\]]+\]: .*)$", re.MULTILINE)


def test_the_german_readme_has_the_same_parts(root: Path) -> None:
    english, german = (
        (root / name).read_text(encoding="utf-8") for name in ("README.md", "README.de.md")
    )
    assert FENCE.findall(german) == FENCE.findall(english)
    english, german = FENCE.sub("", english), FENCE.sub("", german)
    assert HEADING.findall(german) == HEADING.findall(english)
    switched = {"README.md": "README.de.md"}
    found = [switched.get(target, target) for (target, *_) in LINK.findall(german) if target]
    assert found == [target for (target, *_) in LINK.findall(english) if target]
    assert [more for _, *more in LINK.findall(german)] == [
        more for _, *more in LINK.findall(english)
    ]
    # Tables row by row, and the figures of each part, however its sentences are turned.
    assert [line.count("|") for line in german.splitlines() if line.startswith("|")] == [
        line.count("|") for line in english.splitlines() if line.startswith("|")
    ]
    for there, here in zip(HEADING.split(english), HEADING.split(german), strict=True):
        assert sorted(re.findall(r"\d+(?:\.\d+)?", here)) == sorted(
            re.findall(r"\d+(?:\.\d+)?", there)
        )
        names = [
            sorted(" ".join(name.split()) for name in re.findall(r"`[^`]+`", text))
            for text in (here, there)
        ]
        assert names[0] == names[1]


def test_the_speed_of_kernels_and_optimizers_is_the_stored_one(root: Path) -> None:
    text = (root / SPEED).read_text(encoding="utf-8")
    stored = json.loads((root / "benchmarks/kernels/speed.json").read_text(encoding="utf-8"))
    assert stored["machine"]["instruction_set"] == "avx2"
    small = [row for row in stored["rows"] if row["n_samples"] == 1000]
    base = next(row["seconds"] for row in small if row["dtype"] == "float64")
    seconds = {
        {"qkeras_hybrid": f"`FidelityKernel`, {row['dtype']}", "squlearn": "sQUlearn"}.get(
            row["library"], row["library"]
        ): row["seconds"]
        for row in small
    }
    seconds["Qiskit Machine Learning"] = seconds.pop("qiskit")
    seconds["PennyLane"] = seconds.pop("pennylane")
    rows = cells(text, "| library | seconds |")
    assert {row[0] for row in rows} == set(seconds)
    for library, shown, ratio in rows:
        assert close(shown.replace(",", ""), seconds[library])
        assert close(ratio.replace(",", ""), seconds[library] / base)
    (large,) = (r for r in stored["rows"] if r["n_samples"] == 10_000 and r["dtype"] == "float64")
    assert f"{large['seconds']:.1f} s" in text
    assert f"{large['numpy_product_seconds']:.1f} s" in text
    stored = json.loads((root / "benchmarks/optimizers/steps.json").read_text(encoding="utf-8"))
    ratios = {row["optimizer"]: row["over_sgd"] for row in stored["rows"]}
    said = re.search(
        r"([\d.]+) times as long as one of SGD.*?`QNSPSA` ([\d.]+)",
        text,
        re.DOTALL,
    )
    assert said is not None
    assert close(said[1], ratios["QNG, full"])
    assert close(said[2], ratios["QNSPSA"])


def test_the_speed_of_annealing_is_the_stored_one(root: Path) -> None:
    page = " ".join((root / SPEED).read_text(encoding="utf-8").split())
    stored = json.loads((root / "benchmarks/annealing/steps.json").read_text(encoding="utf-8"))
    assert stored["machine"]["instruction_set"] == "avx2"
    by_what = {row["what"]: row for row in stored["rows"] if row["sweeps"] == 1000}
    updates, step = by_what["spin updates"], by_what["training step of the layer"]
    said = re.search(r"updates ([\d.]+) billion spins a second, (\d+) times", page)
    assert said is not None
    assert close(said[1], updates["native_per_second"] / 1e9)
    assert close(said[2], updates["ratio"])
    said = re.search(r"1,000 sweeps\) takes ([\d.]+) s, .*?sweeps ([\d.]+) s", page)
    assert said is not None
    assert close(said[1], step["seconds"])
    assert close(said[2], step["peer_seconds"])
    stored = json.loads((root / "benchmarks/qaoa/steps.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in stored["rows"]}
    said = re.search(
        r"8 layers takes ([\d.]+) ms, and TensorCircuit-NG under JAX takes (\d+) times", page
    )
    assert said is not None
    assert close(said[1], 1e3 * rows["layer"]["seconds"])
    assert close(said[2], rows["tensorcircuit, diagonal"]["over_layer"])


def test_what_is_said_of_exported_files_is_stored(root: Path) -> None:
    page = " ".join((root / SPEED).read_text(encoding="utf-8").split())
    folder = root / "benchmarks/surrogates"
    stored = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    said = re.search(r"differ from those of the model by at most ([\d.e-]+)\.", page)
    assert said is not None
    worst = [f["worst_to_native"] for f in stored["files"] if f["numbers"] == "float32"]
    assert close(said[1], max(worst))
    one, many = ({**row["seconds"], "batch": row["batch"]} for row in stored["timings"])
    assert (one["batch"], many["batch"]) == (1, 256)
    said = re.search(
        r"`model.predict` takes ([\d,]+) and ([\d,]+) times .*? it takes (\d+) and (\d+) times .*?"
        r"takes (\d+) and (\d+) times as long as the files for one sample, "
        r"and (\d+) and (\d+) times for the batch.*?"
        r"needs ([\d.]+) µs .*?ONNX ([\d.]+) µs",
        page,
    )
    assert said is not None
    wanted = [
        seconds[name] / seconds[runtime]
        for name in ("native, predict", "tfq, predict_on_batch")
        for seconds in (one, many)
        for runtime in ("onnx", "litert")
    ]
    wanted += [1e6 * many[name] / 256 for name in ("native, predict_on_batch", "onnx")]
    for shown, value in zip(said.groups(), wanted, strict=True):
        assert close(shown.replace(",", ""), value)
    trains = json.loads((folder / "trains.json").read_text(encoding="utf-8"))["rows"]
    said = re.search(
        r"become tensor trains of ([\d.]+) and ([\d.]+) MB, with worst differences of "
        r"([\d.e-]+) and ([\d.e-]+\d)",
        page,
    )
    assert said is not None
    wanted = [row["bytes_of_parameters"] / 1e6 for row in trains] + [row["worst"] for row in trains]
    for shown, value in zip(said.groups(), wanted, strict=True):
        assert close(shown, value)


def test_the_speed_of_molecules_is_the_stored_one(root: Path) -> None:
    page = " ".join((root / SPEED).read_text(encoding="utf-8").split())
    path = root / "benchmarks/chemistry/uccsd.json"
    rows = {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    said = re.search(
        r"631 terms, .*? take ([\d.]+) ms in float64 .*? takes (\d+) times .*? and (\d+) times",
        page,
    )
    assert said is not None
    assert close(said[1], 1e3 * rows["layer, float64"]["seconds"])
    assert close(said[2], rows["pennylane, uccsd"]["over_float64"])
    assert close(said[3], rows["pennylane, givens"]["over_float64"])


def test_the_regrets_that_are_said_are_the_stored_ones(root: Path) -> None:
    text = " ".join((root / "benchmarks/README.md").read_text(encoding="utf-8").split())
    path = root / "benchmarks/decisions/shortest_path.json"
    stored = json.loads(path.read_text(encoding="utf-8"))["rows"]
    regrets = {row["method"]: 100 * row["regret"] for row in stored if row["seed"] == 42}
    said = re.search(
        r"SPO\+ ends at a regret of ([\d.]+) % .*?Fenchel-Young loss at ([\d.]+) % .*?"
        r"least squares at ([\d.]+) %",
        text,
    )
    assert said is not None
    for number, method in zip(said.groups(), ("SPO+", "PFYL", "MSE"), strict=True):
        assert close(number, regrets[method])
