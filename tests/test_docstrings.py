"""The examples in docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import cirq
import keras
import numpy as np
import pytest
import sympy

import qkeras_hybrid
from sources import package_modules

# What a reader has imported: examples need not say so each time, as in Keras's documentation.
NAMES = {
    **{"cirq": cirq, "keras": keras, "np": np, "ops": keras.ops, "sympy": sympy},
    **{"qh": qkeras_hybrid},
    **{name: getattr(qkeras_hybrid, name) for name in qkeras_hybrid.__all__},
}
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
WITH_EXAMPLES = [
    name
    for name, source in package_modules(Path(__file__).resolve().parent.parent).items()
    if source.count(">>> ") > 0
]


# Modules whose examples run an engine that may not be here.
ENGINES = {f"qkeras_hybrid.engines.{name}": name for name in ("native", "tfq")}


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = qkeras_hybrid.engines.status()
    if name in ENGINES and status[ENGINES[name]] != "available":
        pytest.skip(status[ENGINES[name]])
    monkeypatch.chdir(tmp_path)  # an example that saves a model leaves nothing behind
    module = importlib.import_module(name)
    failed, ran = doctest.testmod(module, globs={**NAMES, **vars(module)}, optionflags=OPTIONS)
    assert ran > 0
    assert failed == 0, "the examples that fail are in the captured output"
