"""The test set answered and scored, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from model.benchmark.cells import SNR_THRESHOLD, Cell, judging_movies
from model.benchmark.methods import Answer, Method
from model.scoring.report import Taken, summary, take, take_headline
from model.scoring.verdicts import Judged


class CellResult(NamedTuple):
    """What methods reached in a cell."""

    cell: Cell
    taken: dict[str, list[Taken]]
    """By method, one for each movie."""

    def told(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"cell": self.cell._asdict(), "methods": {name: summary(taken) for name, taken in self.taken.items()}}


def run(cells: Iterable[Cell], methods: Sequence[Method], progress: Callable[[Cell], None]) -> list[CellResult]:
    """Answer and score the movies of some cells by every method."""
    results = []
    for cell in cells:
        taken: dict[str, list[Taken]] = {}
        for movie in judging_movies(cell):
            for method in methods:
                for name, answer in method(cell, movie).items():
                    taken.setdefault(name, []).append(_scored(Judged(movie, answer.found), answer))
        results.append(CellResult(cell, taken))
        progress(cell)
    return results


def _scored(judged: Judged, answer: Answer) -> Taken:
    """By every rule where there is a map to judge too."""
    if answer.probability is None:
        return take_headline(judged, SNR_THRESHOLD)
    return take(judged, SNR_THRESHOLD, answer.probability)


def together(results: Iterable[CellResult], name: str) -> dict[str, Any]:
    """The movies of some cells as one (micro and macro), by one method."""
    return summary([taken for result in results for taken in result.taken[name]])
