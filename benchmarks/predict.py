"""`model predict` on a large movie: peak memory, and time beside the network's own.

    python benchmarks/predict.py [--model FILE] [--gib 2] [--minutes 10]

Writes a movie of 512 × 512 px into a temporary folder, predicts it in a process of its own, and reads that process's
peak resident memory from the kernel. The network's own throughput is measured in the same process, in turn with the
prediction, so that both see the same load: how long its calls take, of the time from the first block to the last. After
`--minutes` the prediction is interrupted; the rate holds for what was done. Without --model a small untrained network
is used, which is harder: the less the network has to do, the more the rest weighs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import tifffile

EDGE_PX = 512


class TimeIsUpError(Exception):
    """Enough was measured."""


@click.command()
@click.option("--model", "reference", type=click.Path(exists=True, path_type=Path))
@click.option("--gib", default=2.0)
@click.option("--minutes", default=10.0)
@click.option("--inner", type=click.Path(path_type=Path), hidden=True)
def main(reference: Path | None, gib: float, minutes: float, inner: Path | None) -> None:
    if inner is not None:
        _predict(inner, reference or _small_network(inner), minutes)
        return
    with tempfile.TemporaryDirectory() as folder:
        _write_movie(Path(folder) / "movie.tif", round(gib * 2**30 / (2 * EDGE_PX**2)))
        given = ["--model", str(reference)] if reference else []
        words = [sys.executable, __file__, "--inner", folder, "--minutes", str(minutes), *given]
        subprocess.run(words, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})


def _write_movie(path: Path, frames: int) -> None:
    from model.config import TrainConfig
    from model.scene import typical_scene
    from model.simulator import simulate_movie

    scene = typical_scene(TrainConfig().simulation, 100.0, 1.0)
    block = simulate_movie(scene, frames=32, size_px=EDGE_PX, rng=np.random.default_rng(0)).frames
    images = (block[number % len(block)] for number in range(frames))
    shape = (frames, EDGE_PX, EDGE_PX)
    tifffile.imwrite(path, images, shape=shape, dtype=block.dtype, bigtiff=True, photometric="minisblack")
    print(f"movie: {path.stat().st_size / 2**30:.2f} GiB, {frames} frames of {EDGE_PX} × {EDGE_PX} px")


def _small_network(folder: Path) -> Path:
    from model.card import Card, write_card
    from model.config import ModelConfig
    from model.prediction.windows import Reading
    from model.unet import build_unet

    path = folder / "small.keras"
    build_unet(ModelConfig(depth=2, base_filters=8), [0.97, 0.02, 0.008, 0.002]).save(path)
    write_card(path, Card(Reading(3, "hard"), 20.0, 99.0, 0.5, 100.0, 0.3))
    return path


def _predict(folder: Path, network_file: Path, minutes: float) -> None:
    from model.commands.networks import load
    from model.movies import open_movie
    from model.prediction.outputs import Paths
    from model.prediction.photons import Scale
    from model.prediction.streaming import Task, predict_file

    network = load(str(network_file))
    timed = _Timed(network.model)
    out = folder / "out"
    out.mkdir()
    marks: list[tuple[float, float, int]] = []

    def progress(done: int, frames: int) -> None:
        marks.append((time.perf_counter(), timed.seconds, done))
        if time.perf_counter() - marks[0][0] > 60 * minutes:
            raise TimeIsUpError

    with open_movie(folder / "movie.tif") as movie:
        try:
            predict_file(network._replace(model=timed), Task(movie, Paths.of(out, "movie"), 100.0, Scale()), progress)
            print("the whole movie was predicted")
        except TimeIsUpError:
            print(f"interrupted after {minutes:g} minutes")
    (began, own_before, before), (ended, own_after, after) = marks[1], marks[-1]
    whole_s, own_s, frames = ended - began, own_after - own_before, after - before
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{frames} frames in {whole_s:.1f} s, {frames / whole_s:.2f} per s; the network's calls {own_s:.1f} s,")
    print(f"so the rest adds {whole_s / own_s - 1:.1%} to the network's own time (bar: 10 %)")
    print(f"peak resident memory {peak_mib:.0f} MiB (bar: 1,500 MB = 1,430 MiB)")


class _Timed:
    """A network that knows how long it was at work."""

    def __init__(self, model: Any) -> None:
        self._model, self.seconds = model, 0.0
        self.output_shape, self.layers = model.output_shape, model.layers

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        answer: np.ndarray = self._model.predict_on_batch(x)
        self.seconds += time.perf_counter() - began
        return answer


if __name__ == "__main__":
    main()
