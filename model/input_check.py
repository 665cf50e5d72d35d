"""Whether a movie and its localisation table can be trained on, found out before anything is queued.

A path to each comes in; out comes what they hold and a digest of their content, which becomes part of a run's
identity, or an `InputError` with a sentence for the person who gave the paths. Neither TensorFlow nor SciPy is needed.
"""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.binning import dense_length
from model.correspondence import refuse_unrelated
from model.errors import InputError
from model.folder import frames_in
from model.movies import Movie, open_movie
from model.normalisation import measure
from model.percentiles import Stack
from model.tables import Table, read_table

Shape = tuple[int, int, int]

_DESCRIBED = {".dax": (".inf",), ".raw": (".yaml",), ".hdf5": (".yaml",)}


class InputCheck(NamedTuple):
    """What a movie and its table hold."""

    digest: str
    """SHA-256 over the content of both files, hexadecimal."""
    frames: int
    height: int
    width: int
    localisations: int
    """Rows of the table."""
    overlap: int
    """Rows that fall into the movie's frames and field."""
    notes: tuple[str, ...]
    """What is odd but no reason to refuse, a sentence each."""


class Use(NamedTuple):
    """What training wants of a movie."""

    frames: int = 1
    """Consecutive frames that the network reads."""
    validation_fraction: float | None = None
    """Share of the movie, its last frames, kept for validation; given, both parts must hold localisations."""
    sums: int = 1
    """Frames that are summed to a dense one, in each part on its own."""
    gap_frames: int = 1
    """Least distance between them."""
    low_percentile: float = 20.0
    high_percentile: float = 99.0
    """What scales it."""


LEAST = Use()


def check_inputs(movie: str | Path, table: str | Path, pixel_nm: float, use: Use = LEAST) -> InputCheck:
    """Look at a movie and its table without loading the movie.

    Args:
        movie: see `model.movies`.
        table: its localisations, see `model.tables`.
        pixel_nm: edge of a pixel in the sample, nm.
        use: what training wants of them.

    Raises:
        InputError: a file is missing, empty or of another kind; the movie is too short, cannot be decoded somewhere,
            holds NaN, is constant or saturated; the table is unreadable or empty, or does not fit the movie.
    """
    with open_movie(movie) as opened:
        _decodes(opened, use.frames)
        localised = read_table(table)
        inside = rows_inside(localised, opened.shape, pixel_nm).frame
        if use.validation_fraction is not None:
            split = split_frame(inside, opened.shape[0], use.validation_fraction, f"the movie {movie}")
            for part in (split, opened.shape[0] - split):
                dense_length(part, use.sums, use.gap_frames)
        measure(opened, use.low_percentile, use.high_percentile, str(opened.path))
        matching_rows(opened, localised, pixel_nm)
        notes = tuple(_notes(opened, localised, len(inside), pixel_nm))
    return InputCheck(_digest(movie, table), *opened.shape, len(localised.frame), len(inside), notes)


def rows_inside(table: Table, shape: Shape, pixel_nm: float) -> Table:
    """The rows of a table that fall into a movie of shape (T, Y, X).

    Raises:
        InputError: none does.
    """
    emitters = table.emitters(table.own_pixel_nm(shape[1], shape[2], pixel_nm))
    inside = emitters.inside(shape)
    if not inside.any():
        raise InputError(
            f"{table.name} does not overlap the movie: none of its {emitters.rows} localisations falls into the "
            f"{shape[0]} frames of {shape[2]} × {shape[1]} px; the table has frames {emitters.frame.min()} to "
            f"{emitters.frame.max()} (from 0), x {_span(emitters.x_px)} px and y {_span(emitters.y_px)} px at "
            f"{pixel_nm:g} nm per px: check that the files belong together, and the pixel size"
        )
    return table.select(inside)


def matching_rows(stack: Stack, table: Table, pixel_nm: float) -> Table:
    """The rows of a table that fall into a movie (T, Y, X), where they lie on its light.

    Raises:
        InputError: none falls into it, or they lie on no light.
    """
    frames, height, width = stack.shape
    inside = rows_inside(table, (frames, height, width), pixel_nm)
    refuse_unrelated(stack, inside, table.own_pixel_nm(height, width, pixel_nm))
    return inside


def split_frame(labelled: NDArray[np.int64], frames: int, validation_fraction: float, name: str = "the movie") -> int:
    """First frame of the validation part, the last `validation_fraction` of a movie; at least one frame each.

    Args:
        labelled: frames of the localisations within the movie, (N,).
        frames: length of the movie, T.
        validation_fraction: share of the frames that is kept for validation.
        name: what an error calls the movie.

    Raises:
        InputError: the movie has a single frame, or one of the parts has no localisation.
    """
    if frames < 2:
        raise InputError(f"{name} has 1 frame; at least 2 are needed, one to train on and one to validate")
    split = frames - min(max(round(frames * validation_fraction), 1), frames - 1)
    for part, held in (("training", labelled < split), ("validation", labelled >= split)):
        if not held.any():
            raise InputError(
                f"the {part} part of {name} (split at frame {split} of {frames}) has no localisation; "
                "change data.validation_fraction or give a longer table"
            )
    return split


def _decodes(movie: Movie, frames: int) -> None:
    found = movie.shape[0]
    if found < max(frames, 2):
        raise InputError(
            f"{movie.path}: it has {found} frame(s), but at least {max(frames, 2)} are needed; "
            "give a longer movie or a smaller model.frames"
        )
    movie.read(0, 1)
    movie.read(found - 1, found)


def _notes(movie: Movie, table: Table, overlap: int, pixel_nm: float) -> list[str]:
    own = table.own_pixel_nm(movie.shape[1], movie.shape[2], pixel_nm)
    notes = []
    if own != pixel_nm and table.pixel_nm is None:
        notes.append(f"the table's own field means {own:g} nm per px, not {pixel_nm:g}; its positions are read so")
    if movie.pixel_nm and abs(movie.pixel_nm / pixel_nm - 1) > 0.02:
        notes.append(f"the movie file states {movie.pixel_nm:g} nm per px, but data.pixel_nm is {pixel_nm:g}")
    if overlap < len(table.frame):
        notes.append(f"{len(table.frame) - overlap} of {len(table.frame)} localisations lie outside the movie")
    return notes


def _digest(*paths: str | Path) -> str:
    whole = hashlib.sha256()
    for path in itertools.chain.from_iterable(map(_parts, map(Path, paths))):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _parts(path: Path) -> list[Path]:
    """The files that hold a movie or a table: those of a folder, and what describes one beside it."""
    if path.is_dir():
        return frames_in(path)
    beside = [path.with_suffix(suffix) for suffix in _DESCRIBED.get(path.suffix.lower(), ())]
    return [path, *(file for file in beside if file.is_file())]


def _span(values: NDArray[np.float64]) -> str:
    return f"{np.min(values):.1f} to {np.max(values):.1f}"
