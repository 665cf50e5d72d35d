"""Files that cannot be what they are given as, each with the reason that has to be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import tifffile

SHAPE = FRAMES, HEIGHT, WIDTH = 12, 40, 40
NOISE = np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.uint16)
HEADER = '"frame","x [nm]","y [nm]"\n'
ROWS = "".join(f"{frame},{500 + 200 * frame},{700 + 100 * frame}\n" for frame in range(1, FRAMES + 1))


class Bad(NamedTuple):
    """A bad file, written into a folder on demand."""

    name: str
    write: Callable[[Path], object]
    reason: str
    """What the line says, a pattern."""


def tiff(path: Path, frames: np.ndarray = NOISE, **options: object) -> None:
    tifffile.imwrite(path, frames, **{"photometric": "minisblack", **options})


def _cut(share: float, **options: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        tiff(path, **options)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return write


def _damaged(path: Path) -> None:
    tiff(path, compression="zlib")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    path.write_bytes(content)


def _pixel(value: float) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        frames = NOISE.astype(np.float32)
        frames[5, 20, 20] = value
        tiff(path, frames)

    return write


def _sizes(path: Path) -> None:
    path.mkdir()
    tiff(path / "1.tif", NOISE[:6])
    tiff(path / "2.tif", NOISE[6:, :30])


def _kinds(path: Path) -> None:
    path.mkdir()
    tiff(path / "1.tif", NOISE[:6])
    (path / "2.tif").write_text("no movie")


def _dax(inf: str | bytes | None) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        NOISE.tofile(path)
        if inf is not None:
            path.with_suffix(".inf").write_bytes(inf if isinstance(inf, bytes) else inf.encode())

    return write


def _raw(yaml: str | bytes | None) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        NOISE.tofile(path)
        if yaml is not None:
            path.with_suffix(".yaml").write_bytes(yaml if isinstance(yaml, bytes) else yaml.encode())

    return write


def _hdf5(**content: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name, values in content.items():
                file[name] = values

    return write


def _locs(rows: int = 3, **columns: str) -> np.ndarray:
    return np.zeros(rows, list(({"frame": "u4", "x": "f4", "y": "f4"} | columns).items()))


GARBAGE = np.random.default_rng(1).bytes(3000)

MOVIES = [
    Bad("missing.tif", lambda path: None, "does not exist"),
    Bad("empty.tif", Path.touch, "empty"),
    Bad("text.tif", lambda path: path.write_text("frame,x,y\n1,2,3\n"), "not a TIFF"),
    Bad("garbage.tif", lambda path: path.write_bytes(GARBAGE), "not a TIFF"),
    Bad("headless.tif", lambda path: (tiff(path), path.write_bytes(bytes(8) + path.read_bytes()[8:])), "not a TIFF"),
    Bad("damaged.tif", _damaged, "damaged|truncated|decoded|understood"),
    Bad("cut_tenth.tif", _cut(0.1), "truncated|decoded"),
    Bad("cut_half.tif", _cut(0.5), "truncated|decoded"),
    Bad("cut_end.tif", _cut(0.95), "truncated|decoded"),
    Bad("cut.ome.tif", _cut(0.5, ome=True), "truncated|decoded"),
    Bad("cut_big.tif", _cut(0.5, bigtiff=True), "truncated|decoded"),
    Bad("cut_imagej.tif", _cut(0.5, imagej=True), "truncated|decoded"),
    Bad("cut_packed.tif", _cut(0.5, compression="zlib"), "truncated|decoded"),
    Bad("nan.tif", _pixel(np.nan), "NaN or infinite"),
    Bad("inf.tif", _pixel(np.inf), "NaN or infinite"),
    Bad("all_nan.tif", lambda path: tiff(path, np.full(SHAPE, np.nan, np.float32)), "NaN or infinite"),
    Bad("rgb.tif", lambda path: tiff(path, np.zeros((40, 40, 3), np.uint8), photometric="rgb"), "colour"),
    Bad("rgb_stack.tif", lambda path: tiff(path, np.zeros((12, 40, 40, 3), np.uint8), photometric="rgb"), "colour"),
    Bad("channels.tif", lambda path: tiff(path, NOISE.reshape(6, 2, 40, 40), imagej=True), "axes"),
    Bad(
        "channels.ome.tif",
        lambda path: tiff(path, NOISE.reshape(6, 2, 40, 40), ome=True, metadata={"axes": "TCYX"}),
        "axes",
    ),
    Bad("complex.tif", lambda path: tiff(path, NOISE.astype(np.complex64)), "complex64"),
    Bad("double.tif", lambda path: tiff(path, NOISE.astype(np.float64)), "float64"),
    Bad("half.tif", lambda path: tiff(path, NOISE.astype(np.float16)), "float16"),
    Bad("long.tif", lambda path: tiff(path, NOISE.astype(np.uint64)), "uint64"),
    Bad("bits.tif", lambda path: tiff(path, NOISE > 500), "bool"),
    Bad("empty_folder", Path.mkdir, r"no \.tif"),
    Bad("sizes", _sizes, r"first file of its folder, 1\.tif,.*alone in a folder$"),
    Bad("kinds", _kinds, "not a TIFF"),
    Bad("alone.dax", _dax(None), r"alone\.inf.* missing"),
    Bad("silent.dax", _dax("nothing\n"), r"\.inf does not tell"),
    Bad("garbage.dax", _dax(GARBAGE), r"\.inf does not tell"),
    Bad("zero.dax", _dax("frame dimensions = 0 x 40\nnumber of frames = 12\n"), "at least 1"),
    Bad("short.dax", _dax("frame dimensions = 40 x 40\nnumber of frames = 13\n"), "bytes"),
    Bad("alone.raw", _raw(None), r"alone\.yaml.* missing"),
    Bad("garbage.raw", _raw(GARBAGE), "YAML|description"),
    Bad("silent.raw", _raw("Frames: 12\n"), "does not tell"),
    Bad("odd.raw", _raw("Frames: 12\nHeight: 40\nWidth: 40\nData Type: O\n"), "."),
    Bad("minus.raw", _raw("Frames: -12\nHeight: -40\nWidth: 40\nData Type: uint16\n"), "."),
    Bad("movie.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + GARBAGE), "not a TIFF"),
]
"""No command can do with one of these."""

TABLES = [
    Bad("missing.csv", lambda path: None, "does not exist"),
    Bad("folder.csv", Path.mkdir, "not a file"),
    Bad("empty.csv", Path.touch, "empty"),
    Bad("header.csv", lambda path: path.write_text(HEADER), "no localisations"),
    Bad("no_y.csv", lambda path: path.write_text('"frame","x [nm]"\n1,500\n'), "no column 'y'"),
    Bad("no_x.csv", lambda path: path.write_text('"frame","y [nm]"\n1,500\n'), "no column 'x'"),
    Bad("no_frame.csv", lambda path: path.write_text('"x [nm]","y [nm]"\n1,500\n'), "frame"),
    Bad("words.csv", lambda path: path.write_text(HEADER + "1,two,3\n"), "cannot be read"),
    Bad("ragged.csv", lambda path: path.write_text(HEADER + "1,2,3\n1,2\n"), "cannot be read"),
    Bad("nan.csv", lambda path: path.write_text(HEADER + ROWS + "3,nan,4\n"), "not a number"),
    Bad("inf.csv", lambda path: path.write_text(HEADER + ROWS + "3,4,inf\n"), "not a number"),
    Bad("huge_frame.csv", lambda path: path.write_text(HEADER + ROWS + "1e300,4,4\n"), "."),
    Bad("from_zero.csv", lambda path: path.write_text(HEADER + "0,500,500\n"), "counts from 1"),
    Bad("pixels.csv", lambda path: path.write_text('"frame","x [px]","y [px]"\n1,5,5\n'), "expected nm"),
    Bad("twice.csv", lambda path: path.write_text("frame,x,y,frame\n1,2,3,four\n"), "."),
    Bad("garbage.csv", lambda path: path.write_bytes(GARBAGE), "not text"),
    Bad("zeros.csv", lambda path: path.write_bytes(bytes(3000)), "."),
    Bad("tiff.csv", tiff, "not text"),
    Bad("sixteen.csv", lambda path: path.write_text(HEADER + ROWS, "utf-16"), "not text"),
    Bad("garbage.txt", lambda path: path.write_bytes(GARBAGE), "not text"),
    Bad("rapid.txt", lambda path: path.write_text("# <localizations><field\n1 2 3\n"), "rapidSTORM header"),
    Bad("garbage.hdf5", lambda path: path.write_bytes(GARBAGE), "broken HDF5"),
    Bad("cut.hdf5", lambda path: (_hdf5(locs=_locs())(path), path.write_bytes(path.read_bytes()[:1000])), "HDF5"),
    Bad("other.hdf5", _hdf5(other=[1]), "neither Picasso's nor DECODE's"),
    Bad("nothing.hdf5", _hdf5(), "neither Picasso's nor DECODE's"),
    Bad("none.hdf5", _hdf5(locs=_locs(0)), "no localisations"),
    Bad("plain.hdf5", _hdf5(locs=np.zeros((3, 3))), "no column"),
    Bad("number.hdf5", _hdf5(locs=3), "no column"),
    Bad("words.hdf5", _hdf5(locs=_locs(x="S4")), "."),
    Bad("vectors.hdf5", _hdf5(locs=_locs(x="(2,)f4")), "."),
    Bad("group.hdf5", _hdf5(**{"locs/x": [1.0]}), "."),
    Bad("no_y.hdf5", _hdf5(locs=np.zeros(3, [("frame", "u4"), ("x", "f4")])), "no column y"),
    Bad(
        "yaml.hdf5",
        lambda path: (_hdf5(locs=_locs())(path), path.with_suffix(".yaml").write_bytes(GARBAGE)),
        "YAML",
    ),
    Bad("decode.h5", _hdf5(data=[1.0]), "."),
    Bad("decode_short.h5", _hdf5(**{"data/frame_ix": [1, 2]}), "."),
    Bad("decode_flat.h5", _hdf5(**{"data/frame_ix": [1, 2], "data/xyz": [1.0, 2.0]}), "."),
]
"""No command can do with one of these."""

MISMATCHED = [
    Bad("late.csv", lambda path: path.write_text(HEADER + "2001,500,500\n2002,600,500\n"), "does not overlap"),
    Bad("outside.csv", lambda path: path.write_text(HEADER + "1,50000,500\n2,60000,500\n"), "does not overlap"),
    Bad("metres.csv", lambda path: path.write_text('frame,"x [m]","y [m]"\n1,5e-7,5e-7\n'), "expected nm"),
]
"""Sound tables that belong to no movie of this size."""
