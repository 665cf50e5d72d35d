"""How well the memory of a run is known, before and after the first run of its signature, on a CPU.

    python benchmarks/footprints.py

Trains each network twice, with another seed and learning rate, as a worker would: in forked children of one parent that
has imported the training stack; with validation, checkpoints, judgement and results. Prints what was predicted, what
the first run taught and what the second one then took. None of these networks took part in fitting the predictions.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
TINY_MOVIE = {"evaluation.frames": 5, "evaluation.size_px": 32}
CASES: dict[str, dict[str, Any]] = {
    "smallest": {"model.depth": 1, "model.base_filters": 2, "model.convolutions_per_block": 1, "data.patch_px": 16},
    "small movie": {"model.depth": 2, "model.base_filters": 8} | TINY_MOVIE,
    "5 frames": {"model.frames": 5, "model.depth": 2, "model.base_filters": 8} | TINY_MOVIE,
    "1 frame, batch of 32": {"model.frames": 1, "model.depth": 2, "training.batch_size": 32} | TINY_MOVIE,
    "patches of 48 px": {"data.patch_px": 48, "model.depth": 2, "training.batch_size": 4} | TINY_MOVIE,
    "24 filters": {"model.base_filters": 24, "model.depth": 2, "training.batch_size": 4} | TINY_MOVIE,
    "deep, many weights": {"model.base_filters": 24, "model.depth": 4, "training.batch_size": 1} | TINY_MOVIE,
    "batch norm., SGD": {"model.normalisation": "batch", "model.depth": 1, "optimizer.name": "sgd"} | TINY_MOVIE,
    "wide spots": {"simulation.psf_sigma_max_px": 2.5, "model.depth": 1, "model.base_filters": 4} | TINY_MOVIE,
    "large test movie": {"evaluation.size_px": 160, "evaluation.frames": 60, "model.depth": 1, "model.base_filters": 8},
}
LENGTH = {"training.epochs": 2, "training.steps_per_epoch": 4}
RUNS = ({"training.seed": 1, "optimizer.learning_rate": 1e-3}, {"training.seed": 2, "optimizer.learning_rate": 3e-4})


def main() -> None:
    if not set(QUIET) <= set(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **QUIET, **ONE_CORE})
    _warm()
    print(f"{'MiB':<22} {'predicted':>9} {'learned':>8} {'measured':>9} {'error before':>13} {'after':>7}")
    errors = [_row(name, values) for name, values in CASES.items()]
    before, after = (max(column, key=abs) for column in zip(*errors, strict=True))
    print(f"{'worst of ' + str(len(CASES)):<50} {before:>13.1%} {after:>7.1%}")


def _warm() -> None:
    from worker.memory import steady_allocator

    steady_allocator()
    import worker.job  # noqa: F401  the training stack

    gc.collect()
    gc.freeze()


def _row(name: str, values: dict[str, Any]) -> tuple[float, float]:
    from model.config import resolve
    from model.footprint import footprint_mib

    configs = [resolve(LENGTH | values | run) for run in RUNS]
    predicted = footprint_mib(configs[0])
    learned, measured = (_peak_of_a_child(config) for config in configs)
    before, after = predicted / measured - 1, learned / measured - 1
    print(f"{name:<22} {predicted:>9} {learned:>8} {measured:>9} {before:>13.1%} {after:>7.1%}", flush=True)
    return before, after


def _peak_of_a_child(config: Any) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(_train(config)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        peak = answer.read()
    os.waitpid(child, 0)
    return int(peak)


def _train(config: Any) -> int:
    from model.checkpoint import Checkpoints
    from model.results import write_results
    from model.training import Listener, train
    from worker.memory import peak_mib

    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(lambda _: None, lambda *_: None, lambda _: None)
        trained = train(config, Checkpoints(Path(folder), "run", "token"), lambda: None, listener)
        list(write_results(trained, config, Path(folder)))
    return peak_mib()


if __name__ == "__main__":
    main()
