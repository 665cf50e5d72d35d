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

from model.errors import InputError
from model.folder import frames_in
from model.movies import Movie, open_movie
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


def check_inputs(
    movie: str | Path, table: str | Path, pixel_nm: float, frames: int = 1, validation_fraction: float | None = None
) -> InputCheck:
    """Look at a movie and its table without loading the movie.

    Args:
        movie: a TIFF file.
        table: its localisations, see `model.tables`.
        pixel_nm: edge of a pixel in the sample, nm.
        frames: consecutive frames that the network reads.
        validation_fraction: share of the movie, its last frames, kept for validation; given, both parts must hold
            localisations.

    Raises:
        InputError: a file is missing, empty or of another kind; the movie is too short or cannot be decoded at its
            start or end; the table is unreadable or empty, or none of its rows falls into the movie.
    """
    with open_movie(movie) as opened:
        _decodes(opened, frames)
        localised = read_table(table)
        inside = rows_inside(localised, opened.shape, pixel_nm).frame
        if validation_fraction is not None:
            split_frame(inside, opened.shape[0], validation_fraction)
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
            f"the table does not overlap the movie: none of its {emitters.rows} localisations falls into the "
            f"{shape[0]} frames of {shape[2]} × {shape[1]} px; the table has frames {emitters.frame.min()} to "
            f"{emitters.frame.max()} (from 0), x {_span(emitters.x_px)} px and y {_span(emitters.y_px)} px at "
            f"{pixel_nm:g} nm per px: check that the files belong together, and data.pixel_nm"
        )
    return table.select(inside)


def split_frame(labelled: NDArray[np.int64], frames: int, validation_fraction: float) -> int:
    """First frame of the validation part, the last `validation_fraction` of a movie; at least one frame each.

    Args:
        labelled: frames of the localisations within the movie, (N,).
        frames: length of the movie, T.
        validation_fraction: share of the frames that is kept for validation.

    Raises:
        InputError: the movie has a single frame, or one of the parts has no localisation.
    """
    if frames < 2:
        raise InputError("the movie has 1 frame; at least 2 are needed, one to train on and one to validate")
    split = frames - min(max(round(frames * validation_fraction), 1), frames - 1)
    for part, held in (("training", labelled < split), ("validation", labelled >= split)):
        if not held.any():
            raise InputError(
                f"the {part} part of the movie (split at frame {split} of {frames}) has no localisation; "
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
