"""Models that earlier versions saved load, and predict what they predicted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.version import Version

import qkeras_hybrid  # noqa: F401  (registers the layers)

FOLDERS = sorted((Path(__file__).parent / "data").glob("models_*"))
MODELS = [path for folder in FOLDERS for path in sorted(folder.glob("*.keras"))]


def test_there_are_models_of_earlier_versions() -> None:
    assert len(MODELS) >= 6


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_saved_model_predicts_the_same(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        written_by = json.loads(file.read("metadata.json"))["keras_version"]
    if Version(keras.__version__) < Version(written_by):
        pytest.skip(f"Keras {written_by} wrote it, and an older Keras does not read it")
    model = keras.saving.load_model(path)
    with np.load(path.with_suffix(".npz")) as stored:
        # Two Dense layers and a circuit of some dozen gates, in float32: each rounds by 6e-8, and
        # the outputs are of order one.
        np.testing.assert_allclose(
            model.predict(stored["x"], verbose=0), stored["y"], rtol=0, atol=1e-5
        )
