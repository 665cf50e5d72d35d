"""How long training waits for its data, on a CPU: by how the data comes.

    python benchmarks/data_wait.py [--steps N] [--cores N]

Trains a network of the default size and one of the champion's for some steps, as a run of a sweep would: on one core,
the simulation included. "wait" is the share of the time that passes between asking for a batch and having it, after the
first one; "supply" is how many frames a second come when nothing else is done. The cached supply is read twice: as the
first run of a sweep finds it, and as all others do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
BROAD = {
    "simulation.background_perlin": 0.2,
    "simulation.blobs_per_um2": 0.05,
    "simulation.halo_max": 0.2,
    "simulation.photophysics": "blinking",
    "simulation.density_max_per_um2": 10.0,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "default, 32 px": {},
    "default, 32 px, full physics": BROAD,
    "64 px, full physics": {"data.patch_px": 64} | BROAD,
}
SUPPLIES: dict[str, dict[str, Any]] = {
    "fresh, in a thread": {},
    "fresh, 1 process": {"data.processes": 1},
    "cached, first run": {"data.supply": "cached"},
    "cached, other runs": {"data.supply": "cached"},
}


class Measured(NamedTuple):
    wait: float
    step_s: float
    supply: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--cores", type=int, default=1)
    arguments = parser.parse_args()
    if not set(QUIET) <= set(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **QUIET, **ONE_THREAD})
    os.sched_setaffinity(0, range(arguments.cores))
    print(f"{'network':<30}{'supply':<22}{'wait':>8}{'step, ms':>10}{'supply, frames/s':>18}")
    for network, values in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HDSMLM_CACHE"] = folder
            for supply, changes in SUPPLIES.items():
                found = measure(values | changes, arguments.steps)
                print(f"{network:<30}{supply:<22}{found.wait:>8.1%}{found.step_s * 1e3:>10.1f}{found.supply:>18,.0f}")
                sys.stdout.flush()


def measure(values: dict[str, Any], steps: int) -> Measured:
    from model.build import build_compiled
    from model.config import resolve
    from model.dataset import build_datasets

    config = resolve(values)
    datasets = build_datasets(config)
    network = build_compiled(config, datasets.class_shares.tolist(), steps)
    batches = iter(datasets.train(0))
    network.train_on_batch(*next(batches))
    waited, took = _trained(network, batches, steps)
    frames = steps * config.training.batch_size * config.model.frames
    return Measured(waited / took, took / steps, frames / _drained(build_datasets(config).train(0), steps))


def _trained(network: Any, batches: Iterator[Any], steps: int) -> tuple[float, float]:
    """Seconds waited and seconds in all."""
    waited, began = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        network.train_on_batch(*batch)
    return waited, time.perf_counter() - began


def _drained(dataset: Any, steps: int) -> float:
    batches = iter(dataset)
    next(batches)
    began = time.perf_counter()
    for _ in range(steps):
        next(batches)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
