"""The check of real input before anything is queued."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.errors import InputError
from model.input_check import Use, check_inputs, split_frame
from model.movies import write_movie


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    write_movie(tmp_path / "movie.tif", np.random.default_rng(0).integers(0, 99, (6, 20, 30)).astype(np.uint16), 100.0)
    return tmp_path / "movie.tif"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text("frame,x,y\n1,150,150\n6,2950,1950\n6,3050,150\n7,150,150\n")
    return tmp_path / "table.csv"


def test_the_tiny_real_movie_can_be_trained_on(test_data: Path) -> None:
    folder = test_data / "locan"
    found = check_inputs(folder / "images.tif", folder / "rapidSTORM_from_images.txt", 133.0, Use(3, 0.2))
    assert (found.frames, found.height, found.width) == (5, 128, 128)
    assert (found.localisations, found.overlap) == (12, 4)
    assert "133.5" in found.notes[0]


def test_only_rows_within_frames_and_field_overlap(movie: Path, table: Path) -> None:
    found = check_inputs(movie, table, 100.0, Use(3))
    assert (found.frames, found.height, found.width) == (6, 20, 30)
    assert (found.localisations, found.overlap) == (4, 2)
    assert found.notes == ("2 of 4 localisations lie outside the movie",)


def test_the_digest_follows_the_content_of_both_files_and_not_their_place(
    movie: Path, table: Path, tmp_path: Path
) -> None:
    before = check_inputs(movie, table, 100.0).digest
    moved = tmp_path / "moved.tif"
    moved.write_bytes(movie.read_bytes())
    assert check_inputs(moved, table, 100.0).digest == before
    table.write_text(table.read_text() + "6,100,100\n")
    changed = check_inputs(movie, table, 100.0).digest
    write_movie(movie, np.arange(6 * 20 * 30).reshape(6, 20, 30).astype(np.uint16), 100.0)
    assert len({before, changed, check_inputs(movie, table, 100.0).digest}) == 3
    assert len(before) == 64


def test_the_digest_of_a_folder_and_of_described_pixels_follows_all_their_files(table: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 999, (6, 20, 30)).astype(np.uint16)
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        write_movie(tmp_path / "frames" / f"{number}.tif", frame[None], 100.0)
    frames.astype(">u2").tofile(tmp_path / "m.dax")
    told = "frame dimensions = 30 x 20\nnumber of frames = 6\n"
    (tmp_path / "m.inf").write_text(told)
    before = [check_inputs(tmp_path / name, table, 100.0).digest for name in ("frames", "m.dax")]
    write_movie(tmp_path / "frames" / "3.tif", frames[:1], 100.0)
    (tmp_path / "m.inf").write_text(told + "binning = 1 x 1\n")
    after = [check_inputs(tmp_path / name, table, 100.0).digest for name in ("frames", "m.dax")]
    assert len({*before, *after}) == 4


def test_another_pixel_size_in_the_file_is_noted_and_not_refused(movie: Path, table: Path) -> None:
    assert "states 100 nm" in check_inputs(movie, table, 160.0).notes[0]


def test_a_table_of_other_frames_does_not_overlap(movie: Path, tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text("frame,x,y\n2001,150,150\n")
    with pytest.raises(InputError, match=r"does not overlap the movie.*frames 2000 to 2000"):
        check_inputs(movie, tmp_path / "late.csv", 100.0)


def test_a_table_of_another_field_does_not_overlap(movie: Path, table: Path) -> None:
    with pytest.raises(InputError, match=r"table\.csv does not overlap .*, and the pixel size"):
        check_inputs(movie, table, 1.0)


def test_a_movie_shorter_than_the_network_reads_is_refused(movie: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"6 frame\(s\), but at least 7"):
        check_inputs(movie, table, 100.0, Use(7))
    write_movie(tmp_path / "one.tif", np.ones((1, 9, 9), np.uint16), 100.0)
    with pytest.raises(InputError, match="at least 2"):
        check_inputs(tmp_path / "one.tif", table, 100.0, Use(1))


def test_a_movie_whose_end_is_missing_is_refused(movie: Path, table: Path) -> None:
    whole = movie.read_bytes()
    movie.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError):
        check_inputs(movie, table, 100.0)


def test_a_validation_part_without_localisations_is_refused_where_the_split_is_known(
    movie: Path, tmp_path: Path
) -> None:
    (tmp_path / "early.csv").write_text("frame,x,y\n1,150,150\n")
    check_inputs(movie, tmp_path / "early.csv", 100.0, Use(3))
    with pytest.raises(InputError, match=r"validation part of the movie .*movie\.tif \(split at frame 5 of 6\)"):
        check_inputs(movie, tmp_path / "early.csv", 100.0, Use(3, 0.2))


@pytest.mark.parametrize(("frames", "fraction", "split"), [(5, 0.2, 4), (2, 0.05, 1), (2, 0.5, 1), (1000, 0.25, 750)])
def test_the_last_frames_are_for_validation_and_neither_part_is_empty(frames: int, fraction: float, split: int) -> None:
    assert split_frame(np.arange(frames), frames, fraction) == split


def test_the_check_needs_neither_tensorflow_nor_scipy() -> None:
    heavy = "{'tensorflow', 'keras', 'scipy', 'matplotlib'}"
    code = f"import sys, model.input_check, model.cli; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_part_too_short_to_be_binned_is_refused_before_anything_is_queued(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 99, (60, 20, 30)).astype(np.uint16)
    write_movie(tmp_path / "m.tif", frames, 100.0)
    (tmp_path / "t.csv").write_text("frame,x,y\n1,500,500\n60,700,700\n")
    check_inputs(tmp_path / "m.tif", tmp_path / "t.csv", 100.0, Use(3, 0.2, 5, 2))
    with pytest.raises(InputError, match="12 frames are too few to sum 5 at least 3 frames apart"):
        check_inputs(tmp_path / "m.tif", tmp_path / "t.csv", 100.0, Use(3, 0.2, 5, 3))
