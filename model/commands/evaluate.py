"""`model evaluate`: a network against a movie with its truth, or against the fixed test set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.messages import network_option, quiet_start, refusals, results_option
from model.commands.networks import load

if TYPE_CHECKING:
    from model.benchmark.runs import CellResult
    from model.emitters import LabelledMovie
    from model.localisations import Table
    from model.prediction.streaming import Network


@click.command()
@click.argument("movie", required=False, type=click.Path(path_type=Path))
@click.argument("table", required=False, type=click.Path(path_type=Path))
@network_option
@results_option("evaluation")
@click.option("--pixel-nm", type=click.FloatRange(20, 500), help="Edge of a pixel where the file does not say, nm.")
@click.option("--snr", default=2.0, show_default=True, type=click.FloatRange(0), help="Weaker truths are not required.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def evaluate(movie: Path | None, table: Path | None, reference: str | None, out: Path, **options: Any) -> None:
    """Score a network on MOVIE against the true emitters in TABLE, or on the fixed test set where neither is given.

    Scores by every rule at 250 and 100 nm stand beside the answers of luck. Writes scores.json and figures into --out:
    an overlay of hits (purple), missed (red) and false ones (blue), and for the test set F1 over density.

    \b
    Examples:
      model evaluate movie.tif truth.csv --pixel-nm 100 --model mine.keras
      model evaluate --model models:/wolf@champion
    """
    from model.errors import InputError
    from model.files import make_folder

    as_json = options.pop("as_json")
    with refusals(as_json):
        if (movie is None) != (table is None):
            raise InputError("give both a movie and the table of its true emitters, or neither for the test set")
        make_folder(out)
        if movie is None or table is None:
            told, lines = _on_the_test_set(load(reference), out)
        else:
            told, lines = _on_a_movie(reference, movie, table, out, options)
        (out / "scores.json").write_text(json.dumps(told, indent=1), "utf-8")
    click.echo(json.dumps(told) if as_json else "\n".join(lines))


def _on_a_movie(
    reference: str | None, movie: Path, table: Path, out: Path, options: dict[str, Any]
) -> tuple[dict[str, Any], Sequence[str]]:
    with quiet_start():
        from model.benchmark.methods import probability_map
        from model.benchmark.tables import score_lines
        from model.decoding.peeling import decode
        from model.figures import draw_overlay, typical_frame
        from model.scoring.report import RADII_NM, summary, take
        from model.scoring.verdicts import Criterion, Judged
        from model.tables import read_table

    truth = read_table(table)
    labelled = _labelled(movie, truth, options["pixel_nm"])
    network = load(reference)
    probability = probability_map(network, labelled, str(movie))
    judged = Judged(labelled, decode(probability, network.card.threshold))
    told = summary([take(judged, options["snr"], probability)]) | {"threshold": network.card.threshold}
    told["truths_outside_the_movie"] = len(truth.frame) - labelled.emitters.rows
    criterion = Criterion(snr_threshold=options["snr"])
    draw_overlay(judged, typical_frame(labelled), RADII_NM[0], criterion, out / "overlay.png")
    return told, list(score_lines(told))


def _labelled(path: Path, truth: Table, pixel_nm: float | None) -> LabelledMovie:
    from model.commands.networks import pixel_size
    from model.emitters import LabelledMovie
    from model.experimental import label
    from model.input_check import matching_rows
    from model.movies import open_movie

    with open_movie(path) as movie:
        frames, edge_nm = movie.read(), pixel_size(path, pixel_nm, movie.pixel_nm)
    return LabelledMovie(frames, label(frames, matching_rows(frames, truth, edge_nm), edge_nm), edge_nm)


def _on_the_test_set(network: Network, out: Path) -> tuple[dict[str, Any], Sequence[str]]:
    from model.benchmark.cells import cells
    from model.benchmark.methods import classical_floor, of_network
    from model.benchmark.runs import run
    from model.benchmark.tables import misses, pooled_line, tables

    methods = [of_network(network, "network"), classical_floor()]
    results = run(cells(), methods, lambda cell: click.echo(f"{cell}", err=True))
    _draw(results, out)
    lines = [pooled_line(results, "network"), *tables(results, "network"), ""]
    short = list(misses(results, "network", "wavelet"))
    told = {"cells": [result.told() for result in results], "threshold": network.card.threshold}
    return told, [*lines, *(short or ["every target is reached, and every cell is above the floor"])]


def _draw(results: Sequence[CellResult], out: Path) -> None:
    from model.benchmark.tables import curves
    from model.figures import draw_f1_over_density

    draw_f1_over_density(curves(results), 250.0, out / "f1_over_density.png")
