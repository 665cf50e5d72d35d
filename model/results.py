"""The files that a finished run leaves in MLflow: the model, its preprocessing numbers and two pictures."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras

from model.card import write_card
from model.checkpoint import EpochRecord
from model.config import TrainConfig
from model.figures import draw_learning_curve, draw_overlay, typical_frame
from model.scoring.verdicts import Criterion
from model.training import Trained

_CURVES = ("loss", "val_loss", "learning_rate")


def write_results(trained: Trained, config: TrainConfig, folder: Path) -> Iterator[tuple[Path, str]]:
    """Write the files into `folder`; gives each with its place among the run's artifacts."""
    network = folder / "model.keras"
    _save(trained.network, network)
    write_card(network, trained.evaluation.card)
    yield network, "model"
    preprocessing = folder / "preprocessing.json"
    preprocessing.write_text(json.dumps(_preprocessing(config, trained.evaluation.card.threshold), indent=2))
    yield preprocessing, "model"
    curve = folder / "learning_curve.png"
    draw_learning_curve(_curves(trained.progress.history), curve)
    yield curve, "figures"
    overlay = folder / "prediction.png"
    _draw_prediction(trained, config, overlay)
    yield overlay, "figures"


def _save(network: keras.Model, path: Path) -> None:
    """Write Keras' archive from a folder, as `model.checkpoint` explains."""
    folder = path.with_suffix(".parts")
    network.save(folder, zipped=False)
    with zipfile.ZipFile(path, "w") as archive:
        for part in filter(Path.is_file, sorted(folder.rglob("*"))):
            archive.write(part, part.relative_to(folder))
    shutil.rmtree(folder)


def _draw_prediction(trained: Trained, config: TrainConfig, path: Path) -> None:
    judged = trained.evaluation.test or trained.evaluation.validation
    criterion = Criterion("knn_matched", config.data.snr_threshold)
    draw_overlay(judged, typical_frame(judged.movie), config.evaluation.radius_nm, criterion, path)


def _curves(history: tuple[EpochRecord, ...]) -> dict[str, list[float]]:
    return {name: [record.metrics[name] for record in history if name in record.metrics] for name in _CURVES}


def _preprocessing(config: TrainConfig, threshold: float) -> dict[str, float | int | str]:
    return {
        "low_percentile": config.data.low_percentile,
        "high_percentile": config.data.high_percentile,
        "clip": config.data.clip,
        "frames": config.model.frames,
        "pixel_nm": config.data.pixel_nm,
        "threshold": threshold,
    }
