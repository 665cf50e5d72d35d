"""Real data: a TIFF movie and its localisation table, as two labelled movies that share no frame.

The first block of frames is for training, the last one for validation. Which labels are trusted is decided by their
SNR: from the table's photons, background and sigma where it has them, else from the movie around each position.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.camera import CAMERAS, Camera
from model.curation import measured_snr, signal_to_noise
from model.data_config import DataConfig
from model.emitters import Emitters, LabelledMovie
from model.errors import InputError
from model.inspection import rows_inside, split_frame
from model.movies import open_movie
from model.optics import central_share
from model.tables import Table, read_table

Floats = NDArray[np.float64]

USUAL_SIGMA_NM = 130.0
"""Standard deviation of the point spread function where a table does not say: far red dye, oil objective."""


def load_experimental(data: DataConfig, camera: Camera = CAMERAS["emccd"]) -> tuple[LabelledMovie, LabelledMovie]:
    """Training and validation movie of an experimental config; the movie is held in memory.

    Args:
        data: names the files, the pixel size and the share of frames for validation.
        camera: took the movie; only the SNR of tables with photons depends on it. The noisier EMCCD is assumed.

    Raises:
        InputError: the files cannot be used, see `model.inspection.check_inputs`, or the field is smaller than a patch.
    """
    if data.movie is None or data.table is None:
        raise InputError("an experimental source needs both data.movie and data.table")
    with open_movie(data.movie) as movie:
        frames = movie.read()  # (T, Y, X)
    if min(frames.shape[1:]) < data.patch_px:
        raise InputError(
            f"{data.movie}: its frames are {frames.shape[2]} × {frames.shape[1]} px, smaller than a training patch; "
            f"set data.patch_px to at most {min(frames.shape[1:])}"
        )
    emitters = label(frames, read_table(data.table), data.pixel_nm, camera)
    split = split_frame(emitters.frame, len(frames), data.validation_fraction)
    return _block(frames, emitters, data.pixel_nm, 0, split), _block(
        frames, emitters, data.pixel_nm, split, len(frames)
    )


def label(frames: NDArray[Any], table: Table, pixel_nm: float, camera: Camera) -> Emitters:
    """Rows of a table within a movie (T, Y, X), each with its SNR."""
    own_nm = table.own_pixel_nm(frames.shape[1], frames.shape[2], pixel_nm)
    rows = rows_inside(table, frames.shape, pixel_nm)
    emitters = rows.emitters(own_nm)
    tabled = _tabled_snr(rows, own_nm, camera)
    measured = measured_snr(frames, emitters, _sigma_px(rows, own_nm)) if np.isnan(tabled).any() else tabled
    return emitters._replace(snr=np.where(np.isnan(tabled), measured, tabled))


def _tabled_snr(rows: Table, pixel_nm: float, camera: Camera) -> Floats:
    share = central_share(rows.sigma_x_nm / pixel_nm, rows.sigma_y_nm / pixel_nm)
    return signal_to_noise(rows.photons, np.maximum(rows.background, 0.0), share, camera)


def _sigma_px(rows: Table, pixel_nm: float) -> float:
    sigma_nm = np.sqrt(rows.sigma_x_nm * rows.sigma_y_nm)
    known = sigma_nm[np.isfinite(sigma_nm)]
    return float(np.median(known)) / pixel_nm if known.size else USUAL_SIGMA_NM / pixel_nm


def _block(frames: NDArray[Any], emitters: Emitters, pixel_nm: float, start: int, stop: int) -> LabelledMovie:
    held = emitters.select((emitters.frame >= start) & (emitters.frame < stop))
    return LabelledMovie(frames[start:stop], held.shifted(frames=-start), pixel_nm)
