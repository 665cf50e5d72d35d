"""The predicted memory: exact weights, measured peaks, and the right order."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from model import background, footprint, psf, streams
from model.config import ModelConfig, field_paths, resolve
from model.footprint import GPU_WORKSPACE_MIB, footprint_mib, gpu_footprint_mib, memory_signature, work_gflop
from model.plan import layers_of
from model.prediction import windows
from model.unet import build_unet

SMALL_MOVIE = {"evaluation.frames": 5, "evaluation.size_px": 32}

SMALL_PATCHES = {"data.patch_px": 48, "model.depth": 1, "model.base_filters": 4}

MEASURED_MIB: list[tuple[int, dict[str, Any]]] = [
    (559, {"model.base_filters": 8, "model.depth": 1, "model.convolutions_per_block": 1, "data.patch_px": 24}),
    (686, {}),
    (904, {"data.patch_px": 64}),
    (2004, {"model.base_filters": 48, "model.depth": 4, "training.batch_size": 4}),
    (
        1914,
        {
            "model.base_filters": 32,
            "model.depth": 5,
            "training.batch_size": 2,
            "optimizer.name": "sgd",
            "optimizer.momentum": 0.0,
        },
    ),
    (889, {"model.normalisation": "group", "data.patch_px": 48}),
    (888, {"model.normalisation": "batch", "data.patch_px": 48}),
    (921, {"model.normalisation": "layer", "data.patch_px": 48}),
    (787, {"model.frames": 1, "data.patch_px": 64, "training.batch_size": 16}),
    (829, {"model.frames": 5, "data.patch_px": 48, "model.depth": 2}),
    (643, {"model.base_filters": 64, "model.depth": 1, "optimizer.name": "sgd", "training.batch_size": 4}),
    (656, {"model.kernel": 5, "model.depth": 2, "training.batch_size": 4}),
    (
        737,
        {
            "model.convolutions_per_block": 3,
            "training.batch_size": 32,
            "optimizer.name": "sgd",
            "model.base_filters": 8,
        },
    ),
    (
        721,
        {
            "evaluation.size_px": 256,
            "evaluation.frames": 8,
            "model.base_filters": 16,
            "model.depth": 2,
            "training.batch_size": 2,
        },
    ),
    (828, {"evaluation.size_px": 512, "model.base_filters": 8, "model.depth": 2, "training.batch_size": 2}),
    (
        838,
        {
            "evaluation.size_px": 128,
            "evaluation.frames": 200,
            "model.base_filters": 4,
            "model.depth": 1,
            "training.batch_size": 2,
        },
    ),
    (
        765,
        {
            "evaluation.size_px": 256,
            "evaluation.frames": 6,
            "model.base_filters": 32,
            "model.depth": 1,
            "training.batch_size": 2,
        },
    ),
    (
        697,
        {
            "simulation.psf_sigma_max_px": 3.0,
            "simulation.psf_sigma_min_px": 2.9,
            "simulation.density_max_per_um2": 10.0,
            "data.patch_px": 48,
            "model.depth": 1,
            "model.base_filters": 4,
        },
    ),
    (
        692,
        {
            "simulation.psf_sigma_max_px": 2.0,
            "simulation.psf_sigma_min_px": 1.9,
            "simulation.density_max_per_um2": 4.0,
            "data.patch_px": 48,
            "model.depth": 1,
            "model.base_filters": 4,
        },
    ),
    (699, SMALL_PATCHES | {"simulation.blobs_per_um2": 0.2, "simulation.halo_max": 0.2}),
    (727, SMALL_PATCHES | {"simulation.blobs_per_um2": 0.2, "simulation.psf_sigma_max_px": 1.6}),
    (
        702,
        SMALL_PATCHES
        | {"simulation.z_range_nm": 750.0, "simulation.psf": "astigmatic", "simulation.density_max_per_um2": 10.0},
    ),
    (719, {"data.patch_px": 128, "training.batch_size": 1, "model.depth": 2, "model.base_filters": 8}),
    (
        712,
        {
            "data.patch_px": 32,
            "training.batch_size": 128,
            "model.depth": 1,
            "model.base_filters": 4,
            "model.convolutions_per_block": 1,
        },
    ),
]
"""Peak resident MiB of forked children that trained, judged and wrote their results on one CPU core with
`worker.memory`'s allocator, TensorFlow 2.21; the larger of two runs with other seeds and learning rates."""


@pytest.mark.parametrize(("measured", "values"), MEASURED_MIB)
def test_the_prediction_is_within_a_tenth_of_what_was_measured(measured: int, values: dict[str, Any]) -> None:
    assert footprint_mib(resolve(SMALL_MOVIE | values)) == pytest.approx(measured, rel=0.1)


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
        ("optimizer.ema", 0.0, 0.9),
    ],
)
def test_more_of_anything_needs_more(path: str, less: Any, more: Any) -> None:
    assert footprint_mib(resolve({path: less})) < footprint_mib(resolve({path: more}))
    assert gpu_footprint_mib(resolve({path: less})) < gpu_footprint_mib(resolve({path: more}))


@pytest.mark.parametrize(
    ("path", "more"),
    [("simulation.density_max_per_um2", 20.0), ("simulation.psf_sigma_max_px", 4.0), ("evaluation.frames", 2000)],
)
def test_what_is_simulated_needs_the_hosts_memory_only(path: str, more: Any) -> None:
    assert footprint_mib(resolve({})) < footprint_mib(resolve({path: more}))
    assert gpu_footprint_mib(resolve({})) == gpu_footprint_mib(resolve({path: more}))


def test_a_gpu_holds_no_less_than_weights_and_activations_and_no_more_workspace_than_allowed() -> None:
    wide = {"model.base_filters": 64, "data.patch_px": 128, "training.batch_size": 16}
    layers = list(layers_of(resolve(wide).model))
    pixels = 16 * 3 * 128**2
    kept_mib = 4 * pixels * sum(layer.kept / 4**layer.level for layer in layers) / 2**20
    assert kept_mib < gpu_footprint_mib(resolve(wide)) < 1.6 * kept_mib + GPU_WORKSPACE_MIB


COUNTED = {
    "data.patch_px": 64,
    "data.pixel_nm": 160.0,
    "data.processes": 2,
    "evaluation.density_per_um2": 2.0,
    "evaluation.frames": 60,
    "evaluation.size_px": 128,
    "model.base_filters": 8,
    "model.convolutions_per_block": 1,
    "model.depth": 2,
    "model.frames": 1,
    "model.kernel": 5,
    "model.normalisation": "group",
    "optimizer.ema": 0.9,
    "optimizer.name": "sgd",
    "simulation.blobs_per_um2": 0.1,
    "simulation.density_max_per_um2": 8.0,
    "simulation.halo_max": 0.2,
    "simulation.psf_sigma_max_px": 2.0,
    "simulation.psf_sigma_min_px": 0.9,
    "simulation.z_range_nm": 300.0,
    "training.batch_size": 4,
    "training.precision": "mixed_bfloat16",
    "training.xla": "on",
}
"""Another value of every field that a simulated run's memory depends on."""

UNCOUNTED = {
    "data.bin_gap_frames": 30,
    "data.bin_offsets": "permuted",
    "data.binning": "bin5",
    "data.clip": "scale-only",
    "data.high_percentile": 95.0,
    "data.low_percentile": 1.0,
    "data.low_snr": "soft",
    "data.mix": 0.1,
    "data.movie": "movie.tif",
    "data.snr_threshold": 3.0,
    "data.supply": "cached",
    "data.table": "table.csv",
    "data.validation_fraction": 0.3,
    "evaluation.radius_nm": 50.0,
    "evaluation.symmetries": 8,
    "loss.class_weight_exponent": 0.5,
    "loss.fn_weight": 0.7,
    "loss.focal_exponent": 2.0,
    "loss.pooling_px": 1,
    "loss.preset": "reference",
    "loss.tversky_exponent": 1.0,
    "loss.tversky_from": 0.5,
    "loss.tversky_share": 0.6,
    "model.dropout": 0.3,
    "optimizer.gradient_norm": 5.0,
    "optimizer.learning_rate": 0.1,
    "optimizer.momentum": 0.5,
    "optimizer.weight_decay": 0.1,
    "schedule.final_factor": 0.5,
    "schedule.gamma": 0.5,
    "schedule.hold": 0.2,
    "schedule.start_factor": 0.5,
    "schedule.step_size": 7,
    "schedule.warmup": 0.2,
    "simulation.background_max": 200.0,
    "simulation.background_min": 10.0,
    "simulation.background_perlin": 0.2,
    "simulation.baseline": 200.0,
    "simulation.camera": "scmos",
    "simulation.counts_per_electron": 3.0,
    "simulation.camera_factor": 2.0,
    "simulation.density_min_per_um2": 0.1,
    "simulation.mean_on_frames": 4.0,
    "simulation.on_factor": 2.0,
    "simulation.photons": 900.0,
    "simulation.photons_distribution": "lognormal",
    "simulation.photons_factor": 2.0,
    "simulation.photons_spread": 0.1,
    "simulation.photophysics": "blinking",
    "simulation.pixel_maps": True,
    "simulation.structure": "uniform",
    "simulation.tbleach_frames": 9.0,
    "simulation.tdark_frames": 9.0,
    "simulation.ton_frames": 9.0,
    "training.early_stopping_patience": 3,
    "training.epochs": 2,
    "training.init_from": "parent.keras",
    "training.seed": 5,
    "training.steps_per_epoch": 7,
}
"""Another value of every field that it does not depend on."""


def test_every_field_is_known_to_matter_to_memory_or_not() -> None:
    assert {*COUNTED, *UNCOUNTED, "data.source", "simulation.psf"} == set(field_paths())


@pytest.mark.parametrize("path", COUNTED)
def test_a_field_that_changes_memory_changes_the_signature(path: str) -> None:
    assert memory_signature(resolve({path: COUNTED[path]})) != memory_signature(resolve({}))


def test_all_other_fields_leave_the_signature_as_it_is() -> None:
    signature = memory_signature(resolve({**UNCOUNTED, "optimizer.name": "adamw"}))
    assert signature == memory_signature(resolve({}))
    assert len(signature) == 12
    assert int(signature, 16)


def test_optimisers_with_equally_many_slots_share_a_signature() -> None:
    def signature(**values: Any) -> str:
        return memory_signature(resolve({f"optimizer.{name}": value for name, value in values.items()}))

    assert signature(name="adam") == signature(name="adamw")
    assert signature(name="sgd", momentum=0.5) == signature(name="sgd")
    assert signature(name="sgd", momentum=0.0) != signature(name="sgd")


def test_another_movie_is_another_signature() -> None:
    def signature(movie: str) -> str:
        return memory_signature(
            resolve({"data.source": "experimental", "data.movie": movie, "data.table": "table.csv"})
        )

    assert signature("a.tif") != signature("b.tif")


def test_work_is_three_times_the_forward_arithmetic_of_all_steps() -> None:
    values = {"model.depth": 1, "model.base_filters": 4, "training.steps_per_epoch": 10, "training.epochs": 3}
    config = resolve(values)
    network = build_unet(config.model, (0.9, 0.08, 0.015, 0.005))
    halved = ("bridge", "down0_halve", "up0_double")
    multiplied = sum(
        math.prod(layer.kernel.shape) * (16 if layer.name.startswith(halved) else 32) ** 2
        for layer in network.layers
        if hasattr(layer, "kernel")
    )
    assert work_gflop(config) == pytest.approx(3 * 2 * multiplied * 8 * 3 * 30 / 1e9, rel=0.03)


@pytest.mark.parametrize("path", ["training.epochs", "training.steps_per_epoch", "training.batch_size"])
def test_work_grows_with_what_is_trained(path: str) -> None:
    assert work_gflop(resolve({path: 40})) == pytest.approx(2 * work_gflop(resolve({path: 20})))


def test_what_the_plan_repeats_from_other_modules_is_still_true() -> None:
    simulated = (streams._BLOCK_PIXELS, streams._MOST_SCENES, streams.SCENE_FRAMES, streams.SCENE_PX)
    assert simulated == (footprint.BLOCK_PIXELS, footprint.SCENES, footprint.SCENE_FRAMES, footprint.SCENE_PX)
    assert background.BLOB_WIDENING[1] == footprint.BLOB_WIDENING
    assert footprint.PREDICTION_BATCHES == windows.TRAINING_BATCHES_AT_ONCE
    assert (footprint.SHARES_AT_ONCE, footprint.REACH_SIGMA) == (psf._SHARES_AT_ONCE, psf.REACH_SIGMA)


def test_the_porch_loads_no_heavy_library() -> None:
    program = "import sys, model.footprint; print(sorted({'numpy', 'tensorflow', 'keras', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
