"""How fast networks train on this machine's processor, without data to wait for: the best of ten optimiser steps.

    python benchmarks/training.py

The arithmetic of a step is that of `model.footprint.work_gflop`. Half precision pays where the processor multiplies it
(AVX512-BF16 or AMX); elsewhere it is slower.
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from model.build import build_compiled
from model.config import TrainConfig, resolve
from model.footprint import work_gflop

SHARES = (0.97, 0.028, 0.0015, 0.0005)
STEPS = 10
NETWORKS: dict[str, dict[str, Any]] = {
    "the champion's, in float32": {"data.patch_px": 64},
    "the champion's": {"data.patch_px": 64, "training.precision": "mixed_bfloat16"},
    "the champion's, compiled by XLA": {"data.patch_px": 64, "training.xla": "on"},
    "wolf's smallest": {"training.batch_size": 16},
    "wolf's largest": {
        "model.frames": 5,
        "model.depth": 4,
        "model.base_filters": 32,
        "data.patch_px": 32,
        "training.batch_size": 16,
    },
    "quickstart's largest": {"model.base_filters": 8, "model.depth": 1, "data.patch_px": 24},
}


def main() -> None:
    print(f"{'network':<34}{'steps/s':>9}{'GFLOP/step':>12}{'GFLOP/s':>9}")
    for name, values in NETWORKS.items():
        config = resolve({**values, "training.epochs": 1, "training.steps_per_epoch": 1})
        step_s, gflop = _fastest_step_s(config), work_gflop(config)
        print(f"{name:<34}{1 / step_s:>9.2f}{gflop:>12.1f}{gflop / step_s:>9.0f}", flush=True)


def _fastest_step_s(config: TrainConfig) -> float:
    network = build_compiled(config, SHARES, STEPS + 1)
    shape = (config.training.batch_size, config.model.frames, config.data.patch_px, config.data.patch_px)
    rng = np.random.default_rng(0)
    batch = (
        rng.uniform(-1, 1, (*shape, 1)).astype("float32"),
        rng.choice(4, shape, p=SHARES).astype("int32"),
        np.ones(shape, "float32"),
    )
    network.train_on_batch(*batch)
    taken = []
    for _ in range(STEPS):
        began = time.perf_counter()
        network.train_on_batch(*batch)
        taken.append(time.perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    main()
