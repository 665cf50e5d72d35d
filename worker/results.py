"""The files that a finished run leaves in MLflow: the model, its preprocessing numbers and two pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from model.figures import learning_curve, prediction_overlay
from worker.spec import RunSpec
from worker.training import Trained


def write_results(trained: Trained, spec: RunSpec, folder: Path) -> Iterator[tuple[Path, str]]:
    """Write the files into `folder`; gives each with its place among the run's artifacts."""
    network = folder / "model.keras"
    trained.network.save(network)
    yield network, "model"
    preprocessing = folder / "preprocessing.json"
    preprocessing.write_text(json.dumps(_preprocessing(trained, spec), indent=2))
    yield preprocessing, "model"
    curve = folder / "learning_curve.png"
    learning_curve(trained.progress.history, curve)
    yield curve, "figures"
    overlay = folder / "prediction.png"
    prediction_overlay(trained.evaluation, overlay)
    yield overlay, "figures"


def _preprocessing(trained: Trained, spec: RunSpec) -> dict[str, float | int | str]:
    data = spec.config.data
    return {
        "low_percentile": data.low_percentile,
        "high_percentile": data.high_percentile,
        "clip": data.clip,
        "frames": spec.config.model.frames,
        "pixel_nm": data.pixel_nm,
        "threshold": trained.evaluation.threshold,
    }
