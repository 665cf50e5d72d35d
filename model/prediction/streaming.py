"""A movie file of any size through a network, block by block: in bounded memory, and on from where it stopped.

While the network looks at one block, a thread decodes the one before, writes it and notes in the journal that it is
done. The whole stack is read once before, for its intensities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from model.card import Card
from model.curation import reflected
from model.decoding.peeling import decode
from model.domain import Sums, add_up, traits
from model.movies import Movie
from model.normalisation import Intensities, measure, normalise
from model.prediction.journal import Journal, movie_identity, read_journal
from model.prediction.outputs import MapFile, Paths, TableFiles
from model.prediction.photons import Scale, with_photons
from model.prediction.tiles import predict_tiled

BLOCK_PIXELS = 1 << 20
"""Pixels of a block of frames; one frame at least."""

Progress = Callable[[int, int], None]
"""Is told of frames done and frames in all."""


class Network(NamedTuple):
    """A network that predicts."""

    model: keras.Model
    card: Card
    digest: str
    """Of its file."""


class Task(NamedTuple):
    """What is asked of it."""

    movie: Movie
    paths: Paths
    pixel_nm: float
    scale: Scale


class _Block(NamedTuple):
    first: int
    counts: NDArray[np.float32]  # (T, Y, X)
    seen: NDArray[np.float32]  # (T + 2 margin, Y, X)
    probability: NDArray[np.float32]  # (T, Y, X, 4)


def predict_file(network: Network, task: Task, progress: Progress) -> Journal:
    """Predict a movie, or the rest of it; the journal of the finished prediction.

    Raises:
        InputError: the movie cannot be read, or is constant or saturated.
    """
    journal = _journal(network, task)
    progress(journal.frames_done, journal.frames)
    if not journal.is_complete:
        with ExitStack() as stack:
            finish = _Finish(network, task, journal, stack)
            waiting: Future[None] | None = None
            for block in _blocks(network, task.movie, journal):
                if waiting is not None:
                    waiting.result()
                    progress(journal.frames_done, journal.frames)
                waiting = finish.pool.submit(finish.block, block)
            if waiting is not None:
                waiting.result()
        _conclude(network, journal)
        journal.save(task.paths.journal)
        progress(journal.frames_done, journal.frames)
    return journal


def _journal(network: Network, task: Task) -> Journal:
    identity = {
        "movie": movie_identity(task.movie),
        "network": network.digest,
        "threshold": network.card.threshold,
        "views": network.card.reading.symmetries,
        "pixel_nm": task.pixel_nm,
        **task.scale._asdict(),
    }
    kept = read_journal(task.paths.journal, identity)
    if kept is not None and _outputs_exist(task.paths):
        return kept
    card, movie = network.card, task.movie
    intensities = measure(movie, card.low_percentile, card.high_percentile, str(movie.path))
    return Journal(identity, movie.shape[0], *intensities)


def _outputs_exist(paths: Paths) -> bool:
    return all(path.is_file() for path in (paths.map, paths.thunderstorm, paths.picasso))


def _blocks(network: Network, movie: Movie, journal: Journal) -> Iterator[_Block]:
    reading, (frames, height, width) = network.card.reading, movie.shape
    stride = reading.frames - 2 * reading.margin
    step = max(BLOCK_PIXELS // (height * width) // stride, 1) * stride
    intensities = Intensities(journal.low, journal.high)
    for first in range(journal.frames_done, frames, step):
        stop = min(first + step, frames)
        counts = _with_margin(movie, first, stop, reading.margin)
        seen = normalise(counts, intensities, reading.clip)
        inner = slice(reading.margin, len(counts) - reading.margin)
        yield _Block(first, counts[inner], seen, predict_tiled(network.model, seen, reading))


def _with_margin(movie: Movie, first: int, stop: int, margin: int) -> NDArray[Any]:
    """Frames `first` − margin to `stop` + margin (exclusive), reflected at the ends of the movie."""
    length = movie.shape[0]
    low, high = max(first - margin, 0), min(stop + margin, length)
    index = reflected(np.arange(first - margin, stop + margin), length)
    return movie.read(low, high)[index - low]


class _Finish:
    """What becomes of a block when the network has answered; one thread, so blocks are finished in order."""

    def __init__(self, network: Network, task: Task, journal: Journal, stack: ExitStack) -> None:
        self._network, self._task, self._journal = network, task, journal
        paths, shape, pixel_nm = task.paths, task.movie.shape, task.pixel_nm
        if not journal.frames_done:
            paths.map.unlink(missing_ok=True)
        self._map = stack.enter_context(MapFile(paths.map, shape, pixel_nm))
        tables = TableFiles(paths, shape, pixel_nm, journal.localisations, journal.csv_bytes)
        self._tables = stack.enter_context(tables)
        self.pool = stack.enter_context(ThreadPoolExecutor(1))

    def block(self, block: _Block) -> None:
        """Write a block and note that it is done."""
        card, journal = self._network.card, self._journal
        self._map.write(block.first, block.probability)
        found = with_photons(decode(block.probability, card.threshold), block.counts, self._task.scale)
        journal.csv_bytes = self._tables.append(
            found.shifted(frames=block.first), np.full(found.rows, max(card.error_px, 1e-3))
        )
        margin = card.reading.margin
        sums = add_up(block.seen[margin : len(block.seen) - margin], block.probability)
        journal.sums = _sums(journal).plus(sums).values.tolist()
        journal.localisations = self._tables.rows
        journal.frames_done = block.first + len(block.probability)
        journal.save(self._task.paths.journal)


def _sums(journal: Journal) -> Sums:
    return Sums(np.array(journal.sums)) if journal.sums else Sums.none()


def _conclude(network: Network, journal: Journal) -> None:
    """Say whether the movie is in domain; one that is shorter than what the network reads at once is not."""
    card = network.card
    if card.domain is not None:
        surprise = card.domain.surprise(traits(_sums(journal)))
        is_short = journal.frames < card.reading.frames
        short = [f"frames: {journal.frames}, trained on {card.reading.frames} at a time"] if is_short else []
        journal.domain = {
            **surprise._asdict(),
            "reasons": [*short, *surprise.reasons],
            "out_of_domain": is_short or surprise.out_of_domain,
        }
