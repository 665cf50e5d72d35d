"""The fixed test set: a network beside its decoders' ablations, other networks, and the floor.

    python benchmarks/science/run.py [--model FILE] [--beside NAME=FILE]… [--out FOLDER] [--fit]

Generates the test set from its seeds and compares its SHA-256 with the committed one; then answers and scores it.
Writes results.md, results.json, f1_over_density.png and overlays. Chooses nothing: the networks' thresholds stand in
their files, and the floor's is chosen on validation movies.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import keras
import numpy as np
import scipy

from model.benchmark.cells import DIGEST, SNR_THRESHOLD, Cell, cells, digest, judging_movies
from model.benchmark.methods import Method, classical_floor, of_network, probability_map, with_fit
from model.benchmark.runs import CellResult, run, together
from model.benchmark.tables import curves, misses, pooled_line, tables
from model.commands.networks import load
from model.decoding.peeling import decode
from model.figures import draw_f1_over_density, draw_overlay
from model.prediction.streaming import Network
from model.scoring.verdicts import Criterion, Judged

NAME, FLOOR = "champion", "wavelet"
SHOWN = (Cell(1.0), Cell(4.0), Cell(8.0), Cell(4.0, "filaments"))
"""Cells of which a frame is drawn."""


@click.command()
@click.option("--model", "reference", help="None: the champion that ships.")
@click.option("--beside", multiple=True, metavar="NAME=FILE", help="Another network: an ablation, an earlier stage.")
@click.option("--out", default="benchmarks/science/results", show_default=True, type=click.Path(path_type=Path))
@click.option("--fit", "fits", is_flag=True, help="Fit the champion's candidates too.")
def main(reference: str | None, beside: tuple[str, ...], out: Path, fits: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    found = digest(movie for cell in cells() for movie in judging_movies(cell))
    made_s = time.perf_counter() - began
    network = load(reference)
    methods: list[Method] = [of_network(network, NAME, variants=True)]
    if fits:
        methods.append(with_fit(network, f"{NAME}, fitted"))
    methods += (of_network(load(file), name) for name, _, file in (each.partition("=") for each in beside))
    methods.append(classical_floor())
    results = run(cells(), methods, lambda cell: print(_seconds(began), cell, flush=True))
    scored_s = time.perf_counter() - began - made_s
    lines = [*_head(network, found, made_s, scored_s), *_summary(results), *tables(results, NAME)]
    (out / "results.md").write_text("\n".join(lines) + "\n", "utf-8")
    told = {"digest": found, "network": network.digest, "cells": [result.told() for result in results]}
    (out / "results.json").write_text(json.dumps(told, indent=1), "utf-8")
    draw_f1_over_density(curves(results), 250.0, out / "f1_over_density.png")
    _overlays(network, out)
    print("\n".join(lines))


def _seconds(began: float) -> str:
    return f"{time.perf_counter() - began:7.0f} s"


def _head(network: Network, found: str, made_s: float, scored_s: float) -> Iterator[str]:
    views = network.card.reading.symmetries
    yield "# The fixed test set"
    yield ""
    yield f"SHA-256 {found}: {'as committed' if found == DIGEST else f'NOT the committed one, {DIGEST}'}."
    yield f"Network {network.digest}, τ {network.card.threshold:g}, {views} view{'s' if views > 1 else ''}."
    yield f"Generated in {made_s:.0f} s, answered and scored in {scored_s:.0f} s, on {platform.machine()}, "
    yield f"NumPy {np.__version__}, SciPy {scipy.__version__}, Keras {keras.__version__} ({keras.backend.backend()})."
    yield f"Truths below SNR {SNR_THRESHOLD:g} are neither required nor forbidden, but for the column `uncurated`."
    yield "Simulated by the simulator that made the training data: an upper bound of what real movies allow."


def _summary(results: Sequence[CellResult]) -> Iterator[str]:
    yield ""
    yield "The reference publishes recall 0.92 and precision 0.84 (F1 0.878) on its own simulations, at a density and"
    yield "radius that are unknown: this is no head-to-head comparison."
    yield ""
    for name in results[0].taken:
        yield f"- {pooled_line(results, name)}"
    told = together([result for result in results if result.cell.binds], NAME)
    yield ""
    yield f"Binding cells together: calibration error of p(any) {told['calibration_error']:.4f} over all pixels, "
    yield f"{told['calibration_error_where_likely']:.3f} where p(any) ≥ 0.1; recall in pixels with 1, 2, 3+ emitters "
    yield f"{told['recall_1']:.3f}, {told['recall_2']:.3f}, {told['recall_3']:.3f}; RMSMD {told['rmsmd_nm']:.0f} nm; "
    yield f"the challenge's efficiency {told['challenge_efficiency']:.1f} %; pix8 F1 {told['pix8']['f1']:.3f}."
    yield ""
    short = list(misses(results, NAME, FLOOR))
    yield f"Short of a target, or not above the floor: {len(short)}."
    yield from (f"- {line}" for line in short)


def _overlays(network: Network, out: Path) -> None:
    for cell in SHOWN:
        movie = next(iter(judging_movies(cell)))
        judged = Judged(movie, decode(probability_map(network, movie), network.card.threshold))
        name = f"overlay_{cell.structure}_{cell.density:g}.png"
        draw_overlay(judged, len(movie.frames) // 2, 250.0, Criterion(snr_threshold=SNR_THRESHOLD), out / name)


if __name__ == "__main__":
    main()
