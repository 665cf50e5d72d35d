"""DECODE's localisations: HDF5 with positions in px or nm.

Frames count from 0 and x = 0 is the centre of pixel 0. DECODE's x runs along the first axis of an image, which here is
y: its own plots transpose frames for that reason. No movie with its table was at hand to measure either.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model import hdf5
from model.errors import InputError
from model.localisations import Table

ROWS = "data"
ORIGIN_PX = 0.5


def parse(file: Path, content: Mapping[str, Any]) -> Table:
    """The table of an open file.

    Raises:
        InputError: it has no rows, or its unit of length is unknown.
    """
    data = content[ROWS]
    frame = hdf5.frames(file, data["frame_ix"][()])
    xyz = np.asarray(data["xyz"][()], np.float64).reshape(len(frame), 3)
    told = content["meta"].attrs if "meta" in content else {}
    across = np.asarray(told.get("px_size", (100.0, 100.0)), np.float64)  # nm, of its x and y
    unit = str(told.get("xy_unit"))
    if unit not in {"px", "nm"}:
        raise InputError(f"the table {file} has positions in {unit!r}; expected px or nm: export it again")
    px = xyz[:, :2] / across if unit == "nm" else xyz[:, :2]
    pixel_nm = float(np.sqrt(np.prod(across)))
    unknown = np.full(len(frame), np.nan)
    return Table(
        frame=frame,
        x_nm=px[:, 1] * pixel_nm,
        y_nm=px[:, 0] * pixel_nm,
        photons=hdf5.column(file, data["phot"][()], len(frame)),
        background=hdf5.column(file, data["bg"][()], len(frame)) if data["bg"].shape else unknown,
        sigma_x_nm=unknown,
        sigma_y_nm=unknown,
        z_nm=xyz[:, 2],
        origin_px=ORIGIN_PX,
        extent_nm=None,
        pixel_nm=pixel_nm,
    )
