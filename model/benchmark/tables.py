"""Results of the test set as tables in Markdown: one row for each density, one table for each light and structure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from model.benchmark.cells import DENSITIES
from model.benchmark.runs import CellResult, together
from model.scoring.scores import Scores

TARGETS = {0.2: (0.97, 0.90), 1.0: (0.97, 0.90), 2.0: (0.95, 0.82), 4.0: (0.90, 0.70), 6.0: (0.85, 0.58)}
TARGETS |= {8.0: (0.80, 0.45), 10.0: (0.80, 0.45)}
"""F1 at 250 and 100 nm to be reached in the cells that bind."""
POOLED = DENSITIES[:4]
"""Densities of the pooled line: 0.2 to 4 per um²."""
HEAD = (
    "| density (≥ SNR 2; within 500 nm) | F1@250 | 95 % | P | R | target | F1@100 | target | uncurated | shuffled | "
    "lattice | lenient | RMSE nm | "
)


def tables(results: Sequence[CellResult], name: str) -> Iterator[str]:
    """Lines: for every light, structure and mean ON time the method `name`, its controls, and the other methods."""
    others = [other for other in results[0].taken if other != name]
    for heading, group in itertools.groupby(results, _heading):
        yield from ("", f"### {heading}", "", HEAD + " | ".join(f"{other} @250 / @100" for other in others) + " |")
        yield "|" + "---|" * (13 + len(others))
        for result in group:
            yield _row(result, name, others)


def pooled_line(results: Iterable[CellResult], name: str) -> str:
    """The binding cells of the first densities together, at 250 nm."""
    told = together([result for result in results if result.cell.binds and result.cell.density in POOLED], name)
    scores, low_high = told["matched_250"], told["matched_250"]["f1_interval"]
    return (
        f"{name}, uniform cells of EMCCD bright and sCMOS at {POOLED[0]:g} to {POOLED[-1]:g} per um², 250 nm, pooled "
        f"(micro): recall {scores['recall']:.3f}, precision {scores['precision']:.3f}, F1 {scores['f1']:.3f} "
        f"({low_high[0]:.3f} to {low_high[1]:.3f}), Jaccard {scores['jaccard']:.3f}; macro F1 {scores['macro_f1']:.3f}"
    )


def misses(results: Iterable[CellResult], name: str, floor: str) -> Iterator[str]:
    """What falls short: targets of binding cells, and cells in which the floor is as good."""
    for result in results:
        told = result.told()["methods"]
        for radius_nm, target in zip((250, 100), TARGETS[result.cell.density], strict=True):
            reached = told[name][f"matched_{radius_nm}"]["f1"]
            if result.cell.binds and reached < target:
                yield f"{_label(result)}: F1@{radius_nm} {reached:.3f}, target {target:.2f}"
            if reached <= told[floor][f"matched_{radius_nm}"]["f1"]:
                yield f"{_label(result)}: F1@{radius_nm} {reached:.3f}, not above the floor"


def curves(results: Sequence[CellResult]) -> dict[str, list[tuple[float, float, float, float]]]:
    """Density, F1 at 250 nm and its interval over the binding cells, by method; controls as methods of their own."""
    told: dict[str, list[tuple[float, float, float, float]]] = {}
    names = list(results[0].taken)
    for density in DENSITIES:
        cells = [result for result in results if result.cell.binds and result.cell.density == density]
        for name in names if cells else ():
            scores = together(cells, name)
            rules = {"matched_250": name}
            if name == names[0]:
                rules |= {"shuffled_250": f"{name}, frames shuffled", "lattice_250": "lattice with the true count"}
            for rule, label in rules.items():
                told.setdefault(label, []).append((density, scores[rule]["f1"], *scores[rule]["f1_interval"]))
    return told


def _row(result: CellResult, name: str, others: Sequence[str]) -> str:
    methods = result.told()["methods"]
    told = methods[name]
    near, close = told["matched_250"], told["matched_100"]
    targets = [f"≥ {value:.2f}" if result.cell.binds else "" for value in TARGETS[result.cell.density]]
    values = [
        f"{told['density']:.2f} ({told['density_reliable']:.2f}; {told['density_local']:.2f})",
        f"**{near['f1']:.3f}**",
        "{:.3f} to {:.3f}".format(*near["f1_interval"]),
        f"{near['precision']:.3f}",
        f"{near['recall']:.3f}",
        targets[0],
        f"**{close['f1']:.3f}**",
        targets[1],
        *(f"{_f1(told, rule):.3f}" for rule in ("uncurated_250", "shuffled_250", "lattice_250", "lenient_250")),
        f"{near['rmse_nm']:.0f}",
        *(f"{_f1(methods[other], 'matched_250'):.3f} / {_f1(methods[other], 'matched_100'):.3f}" for other in others),
    ]
    return "| " + " | ".join(values) + " |"


def _f1(told: dict[str, Any], rule: str) -> float:
    return float(told[rule]["f1"])


def _heading(result: CellResult) -> str:
    """What the rows of a table have in common; the unusual cells of each density stand apart."""
    return _label(result) if result.cell.twist else _kind(result)


def _kind(result: CellResult) -> str:
    cell = result.cell
    blinking = f"mean ON time {cell.on_frames:g} frame{'s' if cell.on_frames != 1 else ''}"
    return ", ".join([cell.light, cell.structure, blinking, *([cell.twist] if cell.twist else [])])


def _label(result: CellResult) -> str:
    return f"{_kind(result)}, {result.cell.density:g} per um²"


def score_lines(told: dict[str, Any]) -> Iterator[str]:
    """One movie's summary as lines, for people."""
    names = [field for field in Scores._fields if field not in {"truths", "predictions"}]
    yield f"{'':<16}" + "".join(f"{name:>15}" for name in names)
    for rule, scores in told.items():
        if isinstance(scores, dict):
            yield f"{rule:<16}" + "".join(f"{scores[name]:>15.3f}" for name in names)
    for rule, value in told.items():
        if not isinstance(value, dict):
            yield f"{rule:<32}{value:>10.4g}"
