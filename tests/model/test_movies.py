"""TIFF movies in the shapes in which microscopes write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from model.errors import InputError
from model.movies import open_movie, write_movie

FRAMES = np.random.default_rng(0).integers(0, 60_000, (5, 12, 9)).astype(np.uint16)


def test_the_real_movie_is_five_frames_in_time_although_it_is_tagged_z(test_data: Path) -> None:
    with open_movie(test_data / "locan" / "images.tif") as movie:
        assert movie.shape == (5, 128, 128)
        assert movie.dtype == np.uint16
        assert movie.pixel_nm is None
        frames = movie.read()
    assert (frames.min(), frames.max()) == (434, 1153)
    assert frames.mean() == pytest.approx(522.652, abs=1e-3)


def test_a_single_real_frame_is_a_movie_of_one(test_data: Path) -> None:
    with open_movie(test_data / "deepstorm3d" / "1.tif") as movie:
        assert movie.shape == (1, 297, 391)
        assert movie.read().max() == 239


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32"])
def test_every_kind_of_pixel_is_read_as_written(tmp_path: Path, dtype: str) -> None:
    written = (FRAMES % 120).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", written)
    with open_movie(tmp_path / "a.tif") as movie:
        assert movie.dtype == np.dtype(dtype)
        assert (movie.read() == written).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.tif", {}),
        ("big.tif", {"bigtiff": True}),
        ("motorola.tif", {"byteorder": ">"}),
        ("imagej.tif", {"imagej": True, "metadata": {"axes": "TYX"}}),
        ("stack_of_slices.tif", {"imagej": True, "metadata": {"axes": "ZYX"}}),
        ("in_one_piece.tif", {"imagej": True, "metadata": {"axes": "TYX"}, "truncate": True}),
        ("motorola_in_one_piece.tif", {"imagej": True, "byteorder": ">", "truncate": True}),
        ("a.ome.tif", {"ome": True, "metadata": {"axes": "TYX"}}),
        ("deflated.tif", {"compression": "zlib"}),
    ],
)
def test_the_same_frames_come_out_of_every_container(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    tifffile.imwrite(tmp_path / name, FRAMES, photometric="minisblack", **options)
    with open_movie(tmp_path / name) as movie:
        assert movie.shape == FRAMES.shape
        assert (movie.read() == FRAMES).all()
        assert (movie.read(1, 3) == FRAMES[1:3]).all()
        assert movie.read(4, 5).dtype == np.uint16
        assert movie.read(4, 5).dtype.isnative
        assert all((seen == written).all() for seen, written in zip(movie, FRAMES, strict=True))


def test_pages_of_a_folderless_stack_become_time(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for frame in FRAMES:
            file.write(frame, metadata=None, contiguous=False)
    with open_movie(tmp_path / "pages.tif") as movie:
        assert (movie.read() == FRAMES).all()


def test_what_is_written_is_read_back_with_its_pixel_size(tmp_path: Path) -> None:
    for frames in (FRAMES, FRAMES.astype(np.float32), (FRAMES % 256).astype(np.uint8)):
        write_movie(tmp_path / "out.tif", frames, 133.0)
        with open_movie(tmp_path / "out.tif") as movie:
            assert (movie.read() == frames).all()
            assert movie.pixel_nm == pytest.approx(133.0, rel=1e-4)


def test_one_frame_is_written_and_read_back(tmp_path: Path) -> None:
    write_movie(tmp_path / "one.tif", FRAMES[:1], 100.0)
    with open_movie(tmp_path / "one.tif") as movie:
        assert movie.shape == (1, 12, 9)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.tif", FRAMES, 100.0)
    write_movie(tmp_path / "b.tif", FRAMES, 100.0)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_pixels_that_imagej_does_not_know_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="int32"):
        write_movie(tmp_path / "a.tif", FRAMES.astype(np.int32), 100.0)


def test_the_pixel_size_of_ome_metadata_is_read_in_its_own_unit(tmp_path: Path) -> None:
    for size, unit in ((0.107, "µm"), (107.0, "nm")):
        metadata = {"axes": "TYX", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
        tifffile.imwrite(tmp_path / "a.ome.tif", FRAMES, ome=True, metadata=metadata)
        with open_movie(tmp_path / "a.ome.tif") as movie:
            assert movie.pixel_nm == pytest.approx(107.0)


@pytest.mark.parametrize("resolution", [(0, 1), (4294967295, 1), (1, 4294967295)])
def test_a_sentinel_is_no_pixel_size(tmp_path: Path, resolution: tuple[int, int]) -> None:
    options = {"imagej": True, "metadata": {"axes": "TYX", "unit": "um"}}
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, resolution=(resolution, resolution), **options)
    with open_movie(tmp_path / "a.tif") as movie:
        assert movie.pixel_nm is None


def test_a_movie_with_channels_is_refused_by_name_of_its_axes(tmp_path: Path) -> None:
    stack = np.zeros((3, 2, 8, 8), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(InputError, match=r"T \(3\), C \(2\)"):
        open_movie(tmp_path / "a.tif")


def test_a_colour_picture_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="expected time alone"):
        open_movie(tmp_path / "a.tif")


def test_pixels_of_sixty_four_bits_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", FRAMES.astype(np.float64))
    with pytest.raises(InputError, match="float64"):
        open_movie(tmp_path / "a.tif")


def test_a_missing_an_empty_and_a_foreign_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("frame,x,y\n1,2,3\n")
    for name, reason in (("none.tif", "does not exist"), ("empty.tif", "is empty"), ("text.tif", "not a TIFF")):
        with pytest.raises(InputError, match=reason):
            open_movie(tmp_path / name)
    with pytest.raises(InputError, match="not a file"):
        open_movie(tmp_path)


@pytest.mark.parametrize("kept", [4, 9, 40, 400])
def test_a_truncated_file_is_refused_when_it_is_opened_or_read(tmp_path: Path, kept: int) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", FRAMES)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "whole.tif").read_bytes()[:kept])
    with pytest.raises(InputError), open_movie(tmp_path / "cut.tif") as movie:
        movie.read()


def test_frames_beyond_the_end_are_refused(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.tif", FRAMES, 100.0)
    with open_movie(tmp_path / "a.tif") as movie, pytest.raises(InputError, match="it has 0 to 5"):
        movie.read(3, 6)
