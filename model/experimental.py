"""Real data: a movie and its localisation table, as labelled movies that share no frame.

The first block of frames is for training, the last one for validation; where they are binned, each is on its own. Which
labels are trusted is decided by their SNR: from the table's photons, background and sigma where it has them, the light
of neighbours counted as background, else from the movie around each position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.binning import SUMS, Offsets, bin_frames, bin_table, dense_length, permuted, strided
from model.camera import CAMERAS, Camera
from model.curation import measured_snr, neighbours_light, signal_to_noise
from model.data_config import DataConfig
from model.drift import refuse_drift
from model.emitters import Emitters, LabelledMovie
from model.errors import InputError
from model.input_check import matching_rows, rows_inside, split_frame
from model.localisations import Table
from model.movies import open_movie
from model.normalisation import measure
from model.optics import Widths, central_share
from model.tables import read_table

Floats = NDArray[np.float64]
Source = Callable[[np.random.Generator], LabelledMovie]
"""A training movie; where its frames are summed at random, another one with each call."""

USUAL_SIGMA_NM = 130.0
"""Standard deviation of the point spread function where a table does not say: far red dye, oil objective."""


class Acquisition(NamedTuple):
    """Some consecutive frames and the rows of their table, frames counted from their first."""

    frames: NDArray[Any]  # (T, Y, X)
    table: Table
    pixel_nm: float
    camera: Camera

    def block(self, start: int, stop: int) -> Acquisition:
        """The frames `start` to `stop` (exclusive) and their rows."""
        held = self.table.select((self.table.frame >= start) & (self.table.frame < stop))
        return self._replace(frames=self.frames[start:stop], table=held._replace(frame=held.frame - start))

    def labelled(self) -> LabelledMovie:
        """The movie as it was recorded."""
        return LabelledMovie(self.frames, label(self.frames, self.table, self.pixel_nm, self.camera), self.pixel_nm)

    def binned(self, offsets: Offsets, length: int) -> LabelledMovie:
        """The movie of which each frame is the sum of several, see `model.binning`."""
        dense = bin_frames(self.frames, offsets, length, float(np.mean(self.camera.baseline)))
        rows = bin_table(self.table, offsets, length)
        emitters = label(dense, rows, self.pixel_nm, self.camera, len(offsets))
        return LabelledMovie(dense, emitters, self.pixel_nm)


def load_experimental(data: DataConfig, camera: Camera = CAMERAS["emccd"]) -> tuple[Source, LabelledMovie]:
    """Training and validation movie of an experimental config; a large movie is mapped from disk.

    Args:
        data: names the files, the pixel size, the share of frames for validation and the binning.
        camera: took the movie; only the SNR of tables with photons depends on it. The noisier EMCCD is assumed.

    Raises:
        InputError: the files cannot be used, see `model.input_check.check_inputs`, the field is smaller than a patch,
            or the movie is too short, saturated, or corrected for drift where it shall be binned.
    """
    whole = _acquisition(data, camera)
    split = split_frame(whole.table.frame, len(whole.frames), data.validation_fraction, f"the movie {data.movie}")
    training, validation = whole.block(0, split), whole.block(split, len(whole.frames))
    for part, name in ((training, "training"), (validation, "validation")):
        measure(part.frames, data.low_percentile, data.high_percentile, f"the {name} part of {data.movie}")
    sums, gap = SUMS[data.binning], data.bin_gap_frames
    if sums == 1:
        movie = training.labelled()
        return lambda _: movie, validation.labelled()
    emitters = whole.table.emitters(_own_nm(whole.table, whole.frames, whole.pixel_nm))
    refuse_drift(whole.frames, emitters, whole.pixel_nm, _sigma_px(whole.table, whole.pixel_nm))
    spans = [dense_length(len(part.frames), sums, gap) for part in (training, validation)]
    judged = validation.binned(strided(len(validation.frames), sums, gap), spans[1])
    if data.bin_offsets == "strided":
        movie = training.binned(strided(len(training.frames), sums, gap), spans[0])
        return lambda _: movie, judged
    return lambda rng: training.binned(permuted(len(training.frames), sums, gap, rng), spans[0]), judged


def label(
    frames: NDArray[Any], table: Table, pixel_nm: float, camera: Camera = CAMERAS["emccd"], sums: int = 1
) -> Emitters:
    """Rows of a table within a movie (T, Y, X), each with its SNR; `sums` exposures were added up to each frame."""
    own_nm = _own_nm(table, frames, pixel_nm)
    rows = rows_inside(table, frames.shape, pixel_nm)
    emitters = rows.emitters(own_nm)
    tabled = _tabled_snr(rows, emitters, own_nm, camera, sums)
    measured = measured_snr(frames, emitters, _sigma_px(rows, own_nm)) if np.isnan(tabled).any() else tabled
    return emitters._replace(snr=np.where(np.isnan(tabled), measured, tabled))


def _acquisition(data: DataConfig, camera: Camera) -> Acquisition:
    if data.movie is None or data.table is None:
        raise InputError("an experimental source needs both data.movie and data.table")
    with open_movie(data.movie) as movie:
        frames = movie.array()  # (T, Y, X)
    if min(frames.shape[1:]) < data.patch_px:
        raise InputError(
            f"{data.movie}: its frames are {frames.shape[2]} × {frames.shape[1]} px, smaller than a training patch; "
            f"set data.patch_px to at most {min(frames.shape[1:])}"
        )
    return Acquisition(frames, matching_rows(frames, read_table(data.table), data.pixel_nm), data.pixel_nm, camera)


def _tabled_snr(rows: Table, emitters: Emitters, own_nm: float, camera: Camera, sums: int) -> Floats:
    widths = Widths(rows.sigma_x_nm / own_nm, rows.sigma_y_nm / own_nm)
    known = np.isfinite(widths.x_px) & np.isfinite(widths.y_px) & np.isfinite(rows.background)
    snr = np.full(emitters.rows, np.nan)
    seen, widths = emitters.select(known), widths.select(known)
    background = np.maximum(rows.background[known], 0.0) + neighbours_light(seen, widths)
    snr[known] = signal_to_noise(seen.photons, background, central_share(*widths), camera, sums)
    return snr


def _own_nm(table: Table, frames: NDArray[Any], pixel_nm: float) -> float:
    return table.own_pixel_nm(frames.shape[1], frames.shape[2], pixel_nm)


def _sigma_px(rows: Table, pixel_nm: float) -> float:
    sigma_nm = np.sqrt(rows.sigma_x_nm * rows.sigma_y_nm)
    known = sigma_nm[np.isfinite(sigma_nm)]
    return float(np.median(known)) / pixel_nm if known.size else USUAL_SIGMA_NM / pixel_nm
