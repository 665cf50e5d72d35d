"""Localisation tables as other programs wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

from model.emitters import Emitters
from model.errors import InputError
from model.movies import open_movie
from model.tables import read_table, write_thunderstorm


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_thunderstorm_export_with_quoted_names(test_data: Path) -> None:
    table = read_table(test_data / "localisation-tables" / "ThunderSTORM_TS3D.csv")
    assert len(table.frame) == 11_195
    assert table.frame[0] == 0
    assert (table.x_nm[0], table.y_nm[0]) == (24840.78095, 20471.75758)
    assert (table.photons[0], table.background[0]) == (4086, 132)
    assert (table.sigma_x_nm[0], table.sigma_y_nm[0]) == (141.5, 153.3)


def test_a_header_wrapped_in_one_pair_of_quotes(test_data: Path) -> None:
    table = read_table(test_data / "localisation-tables" / "Thunderstorm_dstorm_data.csv")
    assert len(table.frame) == 19
    assert set(table.frame.tolist()) == {2000}
    assert table.photons[0] == pytest.approx(296.558, abs=1e-3)
    assert table.sigma_x_nm[0] == table.sigma_y_nm[0] == pytest.approx(143.306, abs=1e-3)


def test_a_table_that_begins_with_lume_lines_and_names_no_units(test_data: Path) -> None:
    table = read_table(test_data / "localisation-tables" / "U2OS_microtubules_ThunderSTORM_single_RiesLab.csv")
    assert len(table.frame) == 2848
    assert (table.frame[0], table.x_nm[0], table.y_nm[0]) == (0, 20669, 3512.6)
    assert np.isnan(table.photons).all()


def test_rapidstorm_text_counts_frames_from_zero_and_its_analogue_counts_are_no_photons(test_data: Path) -> None:
    table = read_table(test_data / "localisation-tables" / "rapidSTORM_dstorm_data.txt")
    assert len(table.frame) == 14
    assert table.frame.tolist() == [0] * 14
    assert (table.x_nm[0], table.y_nm[0]) == (9657.4, 24533.5)
    assert np.isnan(table.photons).all()


def test_rapidstorm_widths_at_half_maximum_become_sigmas(test_data: Path) -> None:
    table = read_table(test_data / "locan" / "rapidSTORM_from_images.txt")
    assert table.sigma_x_nm[0] == pytest.approx(345.357 / 2.35482, rel=1e-5)
    assert table.sigma_y_nm[0] == pytest.approx(424.191 / 2.35482, rel=1e-5)


def test_rapidstorm_positions_lie_on_the_spots_of_their_movie(test_data: Path) -> None:
    """A Gaussian fitted to the pixels and the table agree to 0.03 px; half a pixel or 133 nm per px would not."""
    table = read_table(test_data / "locan" / "rapidSTORM_from_images.txt")
    with open_movie(test_data / "locan" / "images.tif") as movie:
        frames = movie.read().astype(float)
    own_nm = table.own_pixel_nm(128, 128, 133.0)
    emitters = table.emitters(own_nm)
    emitters = emitters.select(emitters.inside(frames.shape))
    assert own_nm == pytest.approx(133.5)
    assert emitters.frame.tolist() == [1, 3, 3, 4]
    for frame, x, y in zip(emitters.frame, emitters.x_px, emitters.y_px, strict=True):
        assert fitted_centre(frames[frame], int(x), int(y)) == pytest.approx((x, y), abs=0.03)


def fitted_centre(image: np.ndarray, column: int, line: int) -> tuple[float, float]:
    """Centre of a Gaussian fitted to the 9×9 px around a pixel, px from the left and top edge."""
    y, x = np.mgrid[line - 4 : line + 5, column - 4 : column + 5]
    window = image[y, x]

    def misfit(p: np.ndarray) -> np.ndarray:
        return (
            p[0] + p[1] * np.exp(-((x + 0.5 - p[2]) ** 2 + (y + 0.5 - p[3]) ** 2) / (2 * p[4] ** 2)) - window
        ).ravel()

    start = [np.median(window), np.ptp(window), column + 0.5, line + 0.5, 1.2]
    return tuple(least_squares(misfit, start).x[2:4])


def test_the_field_of_a_larger_movie_does_not_change_the_pixel_size(test_data: Path) -> None:
    table = read_table(test_data / "locan" / "rapidSTORM_from_images.txt")
    assert table.own_pixel_nm(64, 64, 133.0) == 133.0
    assert table.own_pixel_nm(128, 128, 100.0) == 100.0


def test_rows_are_sorted_by_frame_with_all_their_columns(tmp_path: Path) -> None:
    path = written(tmp_path, '"frame","x [nm]","y [nm]","intensity [photon]"\n9,100,1,10\n2,200,2,20\n2,300,3,30\n')
    emitters = read_table(path).emitters(100.0)
    assert emitters.frame.tolist() == [1, 1, 8]
    assert emitters.x_px.tolist() == [2.0, 3.0, 1.0]
    assert emitters.photons.tolist() == [20, 30, 10]


def test_thunderstorm_zero_is_the_left_edge_of_the_first_pixel_and_frames_count_from_one(tmp_path: Path) -> None:
    write_thunderstorm(tmp_path / "t.csv", Emitters.of([0], [10.5], [7.5], [900.0]), 100.0)
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "1,1050.0000,750.0000,900.0000"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    emitters = Emitters.of([0, 4, 4], [1.25, 30.5, 0.0], [2.0, 0.125, 63.9], [100.0, np.nan, 3.0])
    write_thunderstorm(tmp_path / "t.csv", emitters, 117.0)
    again = read_table(tmp_path / "t.csv").emitters(117.0)
    assert all(a == pytest.approx(b, nan_ok=True, abs=1e-5) for a, b in zip(again, emitters, strict=True))


def test_a_byte_order_mark_carriage_returns_and_micrometres_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "frame,x [um],y [um]\r\n1,1.5,2.5\r\n\r\n", "utf-8-sig")
    table = read_table(path)
    assert (table.x_nm[0], table.y_nm[0]) == (1500, 2500)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n\n", "neither ThunderSTORM CSV nor rapidSTORM"),
        ("hello world\n1 2 3\n", "neither ThunderSTORM CSV nor rapidSTORM"),
        ("frame,x,y\n", "no localisations"),
        ("frame,x\n1,2\n", "no column 'y'"),
        ("frame,x,y\n1,2,abc\n", "cannot be read"),
        ("frame,x,y\n1,2,3\n1,2\n", "cannot be read"),
        ("frame,x,y\n1,2,3,4\n", "names 3 columns but holds 4"),
        ("frame,x,y\n0,2,3\n", "counts from 1"),
        ("frame,x,y\n1.5,2,3\n", "not a whole number"),
        ("frame,x,y\nnan,2,3\n", "not a whole number"),
        ("frame,x [px],y [px]\n1,2,3\n", "expected nm"),
        ("# <localizations><field\n1 2 3\n", "broken rapidSTORM header"),
        ('# <localizations><field identifier="Position-0-0" /></localizations>\n1\n', "no column 'frame'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_table(written(tmp_path, text))


def test_a_binary_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not text"):
        read_table(tmp_path / "t.csv")
