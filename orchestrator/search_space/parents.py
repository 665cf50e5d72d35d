"""Parents: networks whose weights a training begins with, and what stands for them in a run's identity."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from model.config import RUNS
from orchestrator.errors import InputError


def located(source: str, folder: Path) -> str:
    """A parent's file as an absolute path, relative to the search space's folder; an MLflow run as it is."""
    return source if source.startswith(RUNS) else str(folder / source)


def identity_of(source: str) -> str:
    """What tells a parent from others: SHA-256 of a file, so that a moved one retrains nothing; an MLflow run's id.

    Raises:
        InputError: there is no such file, or it is no archive of Keras.
    """
    if source.startswith(RUNS):
        return source
    file = Path(source)
    if not file.is_file() or not zipfile.is_zipfile(file):
        found = "is no archive of Keras" if file.is_file() else "does not exist"
        raise InputError(
            f"training.init_from: {file} {found}; give the model.keras of a finished training, or {RUNS}ID for the "
            "model of an MLflow run"
        )
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
