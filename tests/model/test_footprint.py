"""The predicted memory: exact weights, measured peaks, and the right order."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from model import footprint, patches, prediction
from model.config import ModelConfig, resolve
from model.footprint import footprint_mib, layers_of
from model.unet import build_unet

SMALL_MOVIE = {"evaluation.frames": 5, "evaluation.size_px": 32}

MEASURED_MIB = [
    (531, {"model.base_filters": 8, "model.depth": 1, "model.convolutions_per_block": 1, "data.patch_px": 24}),
    (665, {}),
    (1119, {"data.patch_px": 64}),
    (1153, {"model.base_filters": 32, "data.patch_px": 48}),
    (1835, {"model.base_filters": 48, "model.depth": 4}),
    (876, {"model.normalisation": "group", "data.patch_px": 48}),
    (1064, {"model.frames": 5, "data.patch_px": 48, "model.depth": 2}),
    (649, {"model.kernel": 5, "training.batch_size": 16, "model.depth": 2}),
    (992, {"model.convolutions_per_block": 3, "training.batch_size": 32, "optimizer.name": "sgd"}),
    (994, {"model.base_filters": 64, "model.depth": 2, "optimizer.name": "sgd"}),
    (779, {"model.frames": 1, "data.patch_px": 64, "training.batch_size": 16}),
    (1175, {"model.base_filters": 64, "model.depth": 1, "data.patch_px": 64, "training.batch_size": 4}),
    (721, {"evaluation.size_px": 512, "model.base_filters": 8, "model.depth": 2}),
    (1074, {"evaluation.size_px": 512, "evaluation.frames": 8, "model.base_filters": 32, "model.depth": 2}),
]
"""Peak resident MiB (ru_maxrss) of forked children that trained and judged on one CPU core, TensorFlow 2.21."""


@pytest.mark.parametrize(("measured", "values"), MEASURED_MIB)
def test_the_prediction_is_within_a_quarter_of_what_was_measured(measured: int, values: dict[str, Any]) -> None:
    assert footprint_mib(resolve(SMALL_MOVIE | values)) == pytest.approx(measured, rel=0.25)


@pytest.mark.parametrize(
    "values",
    [
        {"depth": 2, "base_filters": 2},
        {"depth": 1, "base_filters": 3, "convolutions_per_block": 3, "frames": 1},
        {"depth": 1, "base_filters": 4, "kernel": 5, "normalisation": "batch", "convolutions_per_block": 1},
        {"depth": 1, "base_filters": 4, "normalisation": "group", "convolutions_per_block": 1},
        {"depth": 1, "base_filters": 4, "normalisation": "layer", "convolutions_per_block": 1},
    ],
)
def test_the_weights_of_the_plan_are_those_of_the_network(values: dict[str, Any]) -> None:
    config = ModelConfig(**values)
    planned = sum(layer.weights for layer in layers_of(config))
    assert planned == build_unet(config, (0.9, 0.08, 0.015, 0.005)).count_params()


@pytest.mark.parametrize(
    ("path", "less", "more"),
    [
        ("model.base_filters", 16, 32),
        ("model.depth", 3, 5),
        ("model.convolutions_per_block", 2, 3),
        ("model.frames", 3, 5),
        ("model.normalisation", "none", "group"),
        ("data.patch_px", 64, 96),
        ("training.batch_size", 8, 16),
        ("evaluation.size_px", 256, 1024),
        ("optimizer.name", "sgd", "adam"),
    ],
)
def test_more_of_anything_needs_more(path: str, less: Any, more: Any) -> None:
    assert footprint_mib(resolve({path: less})) < footprint_mib(resolve({path: more}))


def test_what_the_plan_repeats_from_other_modules_is_still_true() -> None:
    simulated = (patches._BLOCK_PIXELS, patches._MOST_SCENES, patches.SCENE_FRAMES, patches.SCENE_PX)
    assert simulated == (footprint.BLOCK_PIXELS, footprint.SCENES, footprint.SCENE_FRAMES, footprint.SCENE_PX)
    assert footprint.PREDICTION_BATCHES == prediction.TRAINING_BATCHES_AT_ONCE


def test_the_porch_loads_no_heavy_library() -> None:
    program = "import sys, model.footprint; print(sorted({'numpy', 'tensorflow', 'keras', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
