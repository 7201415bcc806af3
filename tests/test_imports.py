"""Imports go down the list of rooms, never up; and importing the package stays quick."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sources import PACKAGE, imports_of, package_modules

GUIDE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


def names_in(cell: str) -> tuple[str, ...]:
    """Returns what a cell of a table names: modules and packages, as they are imported."""
    named = re.findall(r"`([\w./]+)`", cell)
    return tuple(name.removesuffix(".py").rstrip("/").replace("/", ".") for name in named)


def table(heading: str) -> list[list[str]]:
    """Returns the rows of the first table under a heading of CONTRIBUTING.md, cell by cell."""
    lines = GUIDE.split(f"\n{heading}\n", 1)[1].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[first + 2 :])
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# A module imports only what stands above it there.
ROOMS = tuple(name for row in table("## Rooms") for name in names_in(row[0]))

# Families whose modules build on each other in an order. In all others, modules are siblings,
# which know their `base` alone.
ORDERED_FAMILIES = {
    names_in(family)[0]: names_in(modules) for family, modules in table("### Families in order")
}

# Modules that are imported themselves when their library is used first.
BRIDGES = "engines.native.bridges."

# Where a library may be imported at all: anywhere, or in these rooms and modules. None of these
# at the top of a module: they load when they are used first.
ANYWHERE = ("",)
LAZY_LIBRARIES = {
    "cirq": ANYWHERE,
    "sympy": ANYWHERE,
    # Gradients are taken by each Keras backend's own means.
    # The step that `perf` times is the backend's, and TensorBoard's format is TensorFlow's.
    # Whole epochs are compiled where the backend is TensorFlow.
    "tensorflow": (
        *("_lazy", "_gradients_of", "engines", "_epochs", "bench.tracking", "perf.steps"),
        # It has global seeds of its own.
        "_seeds",
        # The converters are TensorFlow's.
        *("exporting.litert", "exporting.saved_model"),
    ),
    "tensorflow_quantum": ("engines.tfq",),
    "ai_edge_litert": ("exporting.litert",),
    "onnx": ("exporting.onnx",),
    "onnxruntime": ("exporting.onnx",),
    "openvino": ("exporting.openvino",),
    # The portable engine asks torch whether it rounds matrix products.
    "torch": (
        *("_device", "_gradients_of", "_seeds"),
        *("engines._host", "engines.native.bridges", "engines.statevector"),
        *("exporting.torch", "perf.steps"),
    ),
}


def place(module: str) -> tuple[int, ...]:
    """Returns where a module of the package stands: its room, then its place in the family."""
    room, *rest = module.split(".")[1:] or ["__init__"]
    if room not in ROOMS:
        raise AssertionError(f"{module} is in no room; give it a line in CONTRIBUTING.md")
    return (ROOMS.index(room), *_places_in_family(room, rest))


def _places_in_family(family: str, rest: list[str]) -> tuple[int, ...]:
    order = ORDERED_FAMILIES.get(family)
    if not rest:
        return (len(order or "") + 2,)  # the family's `__init__`, which may import all of it
    first, *deeper = rest
    number = order.index(first) if order is not None else int(first != "base")
    return (number, *_places_in_family(f"{family}.{first}", deeper))


def violations(sources: dict[str, str]) -> list[str]:
    """Returns a sentence for each import that the order of the rooms does not allow."""
    found = []
    for module, source in sources.items():
        for imported, at_load in imports_of(source, frozenset(sources)):
            library = imported.split(".")[0]
            if library == PACKAGE:
                if imported != module and not place(imported) < place(module):
                    found.append(f"{module} imports {imported}, which is not above it")
                continue
            if library not in LAZY_LIBRARIES:
                continue
            allowed = LAZY_LIBRARIES[library]
            if not any(f"{module}.".startswith(f"{PACKAGE}.{room}") for room in allowed):
                found.append(f"{module} imports {imported}; only {' and '.join(allowed)} may")
            elif at_load and not module.startswith(f"{PACKAGE}.{BRIDGES}"):
                found.append(f"{module} imports {imported} at its top; use lazy_module")
    return found


def test_imports_go_down_the_list_of_rooms(root: Path) -> None:
    sources = package_modules(root)
    assert len(sources) > 15
    found = violations(sources)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("program", "from qkeras_hybrid import layers", "imports qkeras_hybrid.layers"),
        ("program", "from qkeras_hybrid.layers.pqc import PQC", "qkeras_hybrid.layers.pqc"),
        ("program", "def f():\n    import qkeras_hybrid.layers.pqc", "not above it"),
        ("layers.base", "from qkeras_hybrid.layers.pqc import PQC", "not above it"),
        ("encodings.other", "from qkeras_hybrid.encodings.iqp import IQPEncoding", "not above it"),
        ("layers.pqc", "import qkeras_hybrid.layers", "not above it"),
        ("datasets.real", "from qkeras_hybrid.datasets import generators", "not above it"),
        ("layers.pqc", "import qkeras_hybrid", "not above it"),
        ("bench.task", "import qkeras_hybrid.bench.report", "not above it"),
        ("layers.pqc", "import cirq", "use lazy_module"),
        ("layers.pqc", "from sympy import Symbol", "use lazy_module"),
        ("layers.pqc", "import importlib\nm = importlib.import_module('cirq')", "lazy_module"),
        ("layers.pqc", "if True:\n    import cirq.contrib.svg", "use lazy_module"),
        ("layers.pqc", "tf = lazy_module('tensorflow')", "only _lazy and"),
        (
            "engines.base",
            "def f():\n    import tensorflow_quantum",
            "only engines.tfq may",
        ),
        ("engines.tfq", "import tensorflow as tf", "use lazy_module"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str, complaint: str) -> None:
    sources = {
        f"{PACKAGE}.{name}": ""
        for name in ("layers", "layers.base", "layers.pqc", "datasets.generators")
    }
    sources[f"{PACKAGE}.{module}"] = source
    found = violations(sources)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("layers.pqc", "from qkeras_hybrid.layers.base import QuantumLayer"),
        ("layers.pqc", "from qkeras_hybrid import program"),
        ("layers", "from qkeras_hybrid.layers.pqc import PQC"),
        ("datasets.real", "from qkeras_hybrid.datasets.base import Dataset"),
        ("bench.report", "import qkeras_hybrid.bench.task"),
        ("program", "if TYPE_CHECKING:\n    import cirq\nelse:\n    cirq = lazy_module('cirq')"),
        ("program", "if TYPE_CHECKING:\n    from qkeras_hybrid.layers import PQC"),
        ("program", "def f():\n    from cirq.contrib.svg import circuit_to_svg"),
        ("engines.tfq", "tfq = lazy_module('tensorflow_quantum')"),
        ("engines.native.library", "def f():\n    import tensorflow"),
        ("engines.native", "from qkeras_hybrid.engines.native.library import run"),
    ],
)
def test_a_right_import_is_allowed(module: str, source: str) -> None:
    sources = dict.fromkeys(
        (
            f"{PACKAGE}.{name}"
            for name in ("program", "layers.base", "layers.pqc", "engines.native.library")
        ),
        "",
    )
    sources[f"{PACKAGE}.{module}"] = source
    assert violations(sources) == []


@pytest.fixture(name="imported", scope="module")
def import_under(run_python: Callable[..., str]) -> Callable[[str], list[str]]:
    """Gives what a process prints that imports the package under a backend."""
    # One process for all that is asked, because each loads the backend.
    code = """
        import sys
        import qkeras_hybrid
        print(*{name.split(".")[0] for name in sys.modules})
        studies = ("qkeras_hybrid.finance", "qkeras_hybrid.chemistry")
        print(any(name.startswith(studies) for name in sys.modules))
        qkeras_hybrid.finance.LogNormal(1.0, 0.1)
        qkeras_hybrid.chemistry.molecule("H2", bond_length=0.7)
        print(bool({"arch", "cirq", "openfermion"} & set(sys.modules)))
        import keras
        from sklearn.base import BaseEstimator
        print(issubclass(keras.wrappers.SKLearnClassifier, BaseEstimator))
        print(keras.visualization.plot_image_gallery.__name__)
        from keras.wrappers import SKLearnRegressor
        from qkeras_hybrid import _keras
        print(_keras._Postponing in sys.meta_path)
    """
    return functools.cache(lambda backend: run_python(code, backend=backend).splitlines())


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_importing_the_package_loads_no_slow_library(
    imported: Callable[[str], list[str]], backend: str
) -> None:
    loaded = set(imported(backend)[0].split())
    assert {PACKAGE, "keras", backend} <= loaded
    slow = {"cirq", "sympy", "mlxtend", "tensorflow_quantum", "tensorflow", "torch"} - {backend}
    # Keras would import these, for what few use of it.
    slow |= {"matplotlib", "sklearn"}
    assert loaded & slow == set()


def test_importing_the_package_does_not_import_its_studies(
    imported: Callable[[str], list[str]],
) -> None:
    assert imported("tensorflow")[1:3] == ["False", "False"]


def test_what_of_keras_is_postponed_is_there_when_it_is_used(
    imported: Callable[[str], list[str]],
) -> None:
    assert imported("tensorflow")[3:] == ["True", "plot_image_gallery", "False"]
