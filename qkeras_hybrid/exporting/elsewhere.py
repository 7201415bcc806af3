"""Writes a model under another Keras backend, in a separate process.

Keras can write a format only under some of its backends, and a process has one backend. So a model
without quantum layers is saved, loaded by the other process, and written there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.exporting import writing
from qkeras_hybrid.exporting.base import Format
from qkeras_hybrid.exporting.formats import FORMATS

_CODE = "import sys; from qkeras_hybrid.exporting import elsewhere; elsewhere.serve(sys.argv[1])"


def write(
    kind: Format,
    model: keras.Model,
    path: Path,
    calibration: list[np.ndarray] | None,
    backend: str,
) -> None:
    """Writes a model in a format, under another Keras backend.

    Args:
        kind: The format.
        model: A model without quantum layers.
        path: The path of the file.
        calibration: None, or samples for int8.
        backend: The Keras backend.

    Raises:
        ValueError: If the format can't express the model, or the other process can't load it.
        RuntimeError: If the other process fails otherwise.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "model.keras")
        arrays = {f"{i}": array for i, array in enumerate(calibration or ())}
        np.savez(folder / "calibration.npz", **arrays)
        asked = {"format": kind.name, "path": str(path.resolve()), "int8": calibration is not None}
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", _CODE, name],
            env=_environment(backend),
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise RuntimeError(
                f"The process that writes {kind.title} under {backend} failed: {lines[-1]}"
            ) from None
    if answer:
        raise ArgumentError(*answer)


def serve(name: str) -> None:
    """Does what `write` asks for, in the other process.

    Args:
        name: A folder with `model.keras`, `calibration.npz` and `asked.json`. `answer.json` is
            written there: an empty list, or the parts of an `ArgumentError`.
    """
    folder = Path(name)
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    kind = FORMATS.get(asked["format"])
    answer: list[str] = []
    try:
        model = _loaded(folder / "model.keras")
        calibration = None
        if asked["int8"]:
            with np.load(folder / "calibration.npz") as stored:
                calibration = [stored[f"{i}"] for i in range(len(stored.files))]
        writing.write(kind, model, Path(asked["path"]), calibration)
    except ArgumentError as error:
        answer = [error.argument, error.requirement, str(error.got), error.fix]
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _loaded(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # such as a class of the user's, which this process does not know
        # Keras's message starts with what it was about to do, and ends with why it failed.
        reason = " ".join(str(error).rpartition("Exception encountered:")[2].split())[:200]
        raise ArgumentError(
            "model",
            f"load in a process with the Keras backend {keras.backend.backend()}, which writes "
            "this format",
            reason,
            f"Or export it from a process with KERAS_BACKEND={keras.backend.backend()}.",
        ) from error


def _environment(backend: str) -> dict[str, str]:
    # The package may be a source tree that only this process has on its path.
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": path,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # This process keeps the accelerator: TensorFlow would take all of its memory.
        "CUDA_VISIBLE_DEVICES": "",
    }
