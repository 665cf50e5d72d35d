"""TIFF movies in the shapes in which microscopes write them."""

from __future__ import annotations

import re
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
    with pytest.raises(InputError, match="colour image of 3 samples"):
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
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="holds no"):
        open_movie(tmp_path / "folder")


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


def noisy(frames: int = 12, height: int = 9, width: int = 14) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4096, (frames, height, width)).astype(np.uint16)


def as_pages(path: Path, frames: np.ndarray, **options: object) -> Path:
    with tifffile.TiffWriter(path, **options) as file:
        for frame in frames:
            file.write(frame, contiguous=False, metadata=None)
    return path


@pytest.mark.parametrize("kind", ["imagej", "pages", "plain", "zlib", "ome"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_no_truncated_file_passes_for_a_shorter_movie(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    options: dict[str, dict[str, object]] = {"imagej": {"imagej": True}, "zlib": {"compression": "zlib"}}
    if kind == "pages":
        as_pages(path, noisy())
    else:
        tifffile.imwrite(path, noisy(), metadata={"axes": "TYX"}, **options.get(kind, {}))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    try:
        with open_movie(path) as movie:
            assert (movie.read() == noisy()).all()  # only what describes it was cut off
    except InputError as error:
        assert re.search("truncated|cannot be", str(error))  # noqa: PT017


def test_what_tifffile_says_of_a_broken_file_stays_off_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = as_pages(tmp_path / "a.tif", noisy())
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError):
        open_movie(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_to_a_file_gives_anything_but_a_movie_or_one_line(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(as_pages(tmp_path / "a.tif", noisy()).read_bytes())
    for at in rng.integers(0, len(content), 40):
        content[at] = rng.integers(0, 256)
    (tmp_path / "a.tif").write_bytes(content)
    try:
        with open_movie(tmp_path / "a.tif") as movie:
            movie.read()
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_pages_of_different_sizes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for frame in (noisy()[0], noisy()[0, :5], noisy()[1]):
            file.write(frame, metadata=None)
    with pytest.raises(InputError, match="differ in size"):
        open_movie(tmp_path / "a.tif")


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_list_of_pages_that_leads_in_a_circle_is_refused(tmp_path: Path, bigtiff: bool, byteorder: str) -> None:
    path = as_pages(tmp_path / "a.tif", noisy(), bigtiff=bigtiff, byteorder=byteorder)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1]
        entries, size = (20, 8) if bigtiff else (12, 4)
        end = last.offset + (8 if bigtiff else 2) + entries * len(last.tags)
    content = bytearray(path.read_bytes())
    assert content[end : end + size] == bytes(size)
    content[end : end + size] = first.to_bytes(size, "little" if byteorder == "<" else "big")
    path.write_bytes(content)
    with pytest.raises(InputError, match="in a circle"):
        open_movie(path)


def test_the_pixel_size_of_resolution_tags_in_cm_is_read_and_that_of_printers_is_not(tmp_path: Path) -> None:
    for unit, resolution, expected in ((3, 1e5, 100.0), (2, 72.0, None)):
        tifffile.imwrite(tmp_path / "a.tif", noisy(), resolution=(resolution, resolution), resolutionunit=unit)
        with open_movie(tmp_path / "a.tif") as movie:
            assert movie.pixel_nm == (pytest.approx(expected) if expected else None)


def test_an_array_of_a_movie_above_the_bound_is_mapped_from_disk_and_equal(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one piece.tif", noisy(), photometric="minisblack", byteorder=">")
    as_pages(tmp_path / "pieces.tif", noisy())
    tifffile.imwrite(tmp_path / "packed.tif", noisy(), compression="zlib", photometric="minisblack")
    for name in ("one piece", "pieces", "packed"):
        with open_movie(tmp_path / f"{name}.tif") as movie:
            mapped = movie.array(most_bytes=100)
            assert isinstance(mapped, np.memmap)
            assert isinstance(movie.array(), np.ndarray)
        assert (mapped == noisy()).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one piece.tif", "packed.tif", "pieces.tif"]


def test_a_folder_of_frames_is_a_movie_in_the_natural_order_of_names(tmp_path: Path) -> None:
    for number, frame in enumerate(noisy()):
        tifffile.imwrite(tmp_path / f"img_{number}.TIF", frame)
    (tmp_path / "notes.txt").write_text("no frame")
    with open_movie(tmp_path) as movie:
        assert movie.shape == (12, 9, 14)
        assert (movie.read() == noisy()).all()
        assert (movie.read(9, 11) == noisy()[9:11]).all()
        assert (movie.array(most_bytes=1) == noisy()).all()


def test_a_folder_of_stacks_is_one_movie(tmp_path: Path) -> None:
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", noisy()[4 * number : 4 * number + 4], photometric="minisblack")
    with open_movie(tmp_path) as movie:
        assert (movie.read() == noisy()).all()
        assert (movie.read(3, 9) == noisy()[3:9]).all()


def test_a_folder_with_a_frame_of_another_size_names_it(tmp_path: Path) -> None:
    for number, frame in enumerate([noisy()[0], noisy()[1, :4]]):
        tifffile.imwrite(tmp_path / f"{number}.tif", frame)
    with open_movie(tmp_path) as movie, pytest.raises(InputError, match=r"1\.tif: it is \(1, 4, 14\)"):
        movie.read()
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match=r"holds no \.tif"):
        open_movie(tmp_path / "inner")


def test_the_real_folder_of_frames_is_a_movie_of_ten(test_data: Path, tmp_path: Path) -> None:
    for number in range(1, 11):
        (tmp_path / f"{number}.tif").symlink_to(test_data / "deepstorm3d" / f"{number}.tif")
    with open_movie(tmp_path) as movie:
        assert movie.shape == (10, 297, 391)
        assert movie.dtype == np.uint16
        assert (movie.read(9, 10)[0] == tifffile.imread(test_data / "deepstorm3d" / "10.tif")).all()


@pytest.mark.parametrize("order", ["big", "little"])
def test_a_dax_movie_is_read_in_the_byte_order_that_its_description_tells(tmp_path: Path, order: str) -> None:
    noisy().astype(">u2" if order == "big" else "<u2").tofile(tmp_path / "a.dax")
    (tmp_path / "a.inf").write_text(
        f"data type = 16 bit integers (binary, {order} endian)\nframe dimensions = 14 x 9\nnumber of frames = 12\n"
    )
    with open_movie(tmp_path / "a.dax") as movie:
        assert movie.dtype == np.uint16
        assert (movie.read() == noisy()).all()
        assert (movie.array(most_bytes=1)[3] == noisy()[3]).all()


def test_the_dax_movie_of_another_project_is_as_large_as_it_says(test_data: Path) -> None:
    with open_movie(test_data / "storm-analysis" / "test.dax") as movie:
        assert movie.shape == (10, 256, 256)
        frames = movie.read()
    assert (np.median(frames), frames.max()) == (pytest.approx(151, abs=10), pytest.approx(989, abs=100))


def test_the_raw_movie_of_picasso_knows_its_pixel_size(test_data: Path) -> None:
    with open_movie(test_data / "picasso" / "testdata.raw") as movie:
        assert movie.shape == (100, 32, 32)
        assert movie.pixel_nm == 160


def test_bare_pixels_that_do_not_fit_their_description_are_refused(tmp_path: Path) -> None:
    noisy().tofile(tmp_path / "a.dax")
    with pytest.raises(InputError, match=r"a\.inf that describes it is missing"):
        open_movie(tmp_path / "a.dax")
    (tmp_path / "a.inf").write_text("frame dimensions = 14 x 9\n")
    with pytest.raises(InputError, match="does not tell the number"):
        open_movie(tmp_path / "a.dax")
    (tmp_path / "a.inf").write_text("frame dimensions = 14 x 9\nnumber of frames = 13\n")
    with pytest.raises(InputError, match="has 3024 bytes, but 13 frames"):
        open_movie(tmp_path / "a.dax")
    noisy().tofile(tmp_path / "b.raw")
    for told in ("Frames: 12\n", "[1, 2", "- 1\n", ""):
        (tmp_path / "b.yaml").write_text(told)
        with pytest.raises(InputError, match=r"export it again"):
            open_movie(tmp_path / "b.raw")
