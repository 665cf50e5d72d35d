"""Localisation tables as other programs wrote them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import least_squares

from model.emitters import Emitters
from model.errors import InputError
from model.movies import open_movie
from model.picasso import descriptions
from model.psf import render
from model.tables import read_table, write_picasso, write_thunderstorm


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
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "1,1,1050.0000,750.0000,900.0000"


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


def picasso_file(folder: Path, yaml: str | None = "Width: 8\nPixelsize: 120\n", **columns: object) -> Path:
    names = {"frame": [0, 2], "x": [1.0, 2.5], "y": [3.0, 4.0]} | columns
    rows = np.zeros(2, [(name, "u4" if name == "frame" else "f4") for name in names])
    for name, values in names.items():
        rows[name] = values
    with h5py.File(folder / "t.hdf5", "w") as file:
        file["locs"] = rows
    if yaml is not None:
        (folder / "t.yaml").write_text(yaml)
    return folder / "t.hdf5"


def test_a_picasso_table_is_in_px_from_the_centre_of_pixel_0_whatever_pixel_size_is_asked(tmp_path: Path) -> None:
    table = read_table(picasso_file(tmp_path, photons=[500, 700], bg=[3, 4], sx=[1.0, 1.1], sy=[1.2, 1.3]))
    assert table.own_pixel_nm(8, 8, 77.0) == 120
    emitters = table.emitters(table.own_pixel_nm(8, 8, 77.0))
    assert (emitters.frame.tolist(), emitters.x_px.tolist(), emitters.y_px.tolist()) == ([0, 2], [1.5, 3.0], [3.5, 4.5])
    assert (table.photons.tolist(), table.background.tolist()) == ([500, 700], [3, 4])
    assert table.sigma_x_nm == pytest.approx([120, 132])


def test_a_picasso_table_without_yaml_or_pixel_size_keeps_its_positions(tmp_path: Path) -> None:
    for yaml in (None, "Width: 8\n", "Width: 8\n---\nPixelsize: null\n"):
        table = read_table(picasso_file(tmp_path, yaml))
        assert table.emitters(table.own_pixel_nm(8, 8, 100.0)).x_px.tolist() == [1.5, 3.0]
        (tmp_path / "t.yaml").unlink(missing_ok=True)


def test_the_latest_step_of_picasso_tells_the_pixel_size(test_data: Path) -> None:
    table = read_table(test_data / "picasso" / "testdata_locs.hdf5")
    assert table.pixel_nm == 130
    assert len(table.frame) == 564
    assert (table.photons > 2500).all()


def test_picassos_positions_lie_on_the_light_of_its_own_movie(test_data: Path) -> None:
    table = read_table(test_data / "picasso" / "testdata_locs.hdf5")
    with open_movie(test_data / "picasso" / "testdata.raw") as movie:
        frames = movie.read().astype(float)
    inner = table.select(
        (table.frame < 100) & (np.abs(table.x_nm / 130 - 16) < 11) & (np.abs(table.y_nm / 130 - 16) < 11)
    )
    emitters = inner.emitters(table.own_pixel_nm(32, 32, 160.0))
    alone = emitters.select(np.array([emitters.of_frame(frame).rows == 1 for frame in emitters.frame]))
    offsets = [
        np.subtract(fitted_centre(frames[frame], int(x), int(y)), (x, y))
        for frame, x, y in zip(alone.frame, alone.x_px, alone.y_px, strict=True)
    ]
    assert len(offsets) >= 10
    assert np.median(offsets, axis=0) == pytest.approx([0, 0], abs=0.02)


def test_an_emitter_rendered_at_10_5_and_7_5_is_at_10_and_7_in_picasso_and_on_its_light(tmp_path: Path) -> None:
    """Absolutely, since a round trip cannot see an error that is the same both ways."""
    emitter = Emitters.of([4], [10.5], [7.5], [1000.0])
    light = render(emitter.shifted(frames=-4), (1, 16, 20), 1.1)[0]
    assert np.unravel_index(light.argmax(), light.shape) == (7, 10)
    write_picasso(tmp_path / "t.hdf5", emitter, (9, 16, 20), 100.0, 0.1)
    write_thunderstorm(tmp_path / "t.csv", emitter, 100.0)
    with h5py.File(tmp_path / "t.hdf5") as file:
        row = file["locs"][0]
    assert (row["frame"], row["x"], row["y"], row["photons"]) == (4, 10.0, 7.0, 1000.0)
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "1,5,1050.0000,750.0000,1000.0000"


def test_what_picasso_needs_is_written_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    some = Emitters.of([0, 1], [3.25, 4.0], [5.5, 6.0], [100.0, 200.0], z_nm=[-50.0, 20.0])
    for name in ("a", "b"):
        write_picasso(tmp_path / f"{name}.hdf5", some, (7, 16, 20), 107.5, [0.1, 0.2])
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()
    with h5py.File(tmp_path / "a.hdf5") as file:
        rows = file["locs"][()]
    assert rows.dtype.names == ("frame", "x", "y", "photons", "lpx", "lpy", "z")
    assert rows["frame"].dtype == np.dtype("<u4")
    assert rows["lpx"] == pytest.approx([0.1, 0.2])
    (told,) = descriptions(tmp_path / "a.yaml")
    assert told == {"Generated by": "HD-SMLM", "Frames": 7, "Height": 16, "Width": 20, "Pixelsize": 107.5}


positions = arrays(np.float64, 7, elements=st.floats(0, 500))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(positions, positions, st.floats(50, 200), st.booleans())
def test_round_trips_keep_positions_to_a_thousandth_of_a_pixel(
    tmp_path: Path, x: np.ndarray, y: np.ndarray, pixel_nm: float, deep: bool
) -> None:
    some = Emitters.of(np.arange(7) * 3, x, y, np.arange(7) * 100.0, z_nm=np.arange(7) * 50.0 if deep else np.nan)
    write_picasso(tmp_path / "t.hdf5", some, (20, 500, 500), pixel_nm, 0.1)
    write_thunderstorm(tmp_path / "t.csv", some, pixel_nm)
    for name in ("t.hdf5", "t.csv"):
        table = read_table(tmp_path / name)
        back = table.emitters(table.own_pixel_nm(500, 500, pixel_nm))
        assert (back.frame == some.frame).all()
        assert np.abs([back.x_px - x, back.y_px - y]).max() < 1e-3
        assert back.photons == pytest.approx(some.photons)
        assert np.array_equal(back.z_nm, some.z_nm, equal_nan=True)


def test_decodes_table_is_read_with_its_first_axis_as_y(test_data: Path) -> None:
    table = read_table(test_data / "locan" / "decode_dstorm_data.h5")
    assert len(table.frame) == 96
    first = np.flatnonzero(table.frame == 294)[0]
    emitters = table.emitters(table.own_pixel_nm(1, 1, 100.0))
    assert emitters.y_px[first] == pytest.approx(-0.149208 + 0.5, abs=1e-5)
    assert emitters.x_px[first] == pytest.approx(138.894745 + 0.5, abs=1e-4)
    assert (table.photons[first], table.background[first]) == pytest.approx((1056.947, 191.740), abs=1e-2)
    assert emitters.z_nm[first] == pytest.approx(111.926, abs=1e-2)


def test_the_names_of_the_challenge_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "Ground-truth,frame,xnano,ynano,znano,intensity \n1,1,250.5,100,-20,900\n")
    table = read_table(path)
    assert (table.frame[0], table.x_nm[0], table.y_nm[0], table.z_nm[0]) == (0, 250.5, 100, -20)


@pytest.mark.parametrize("kept", [4, 200, 2000])
def test_broken_hdf5_is_one_line(tmp_path: Path, kept: int) -> None:
    path = picasso_file(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"broken HDF5.*copy or export it again") as refused:
        read_table(path)
    assert "\n" not in str(refused.value)


def test_hdf5_of_other_kinds_and_tables_without_positions_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "o.hdf5", "w") as file:
        file["else"] = [1]
    with pytest.raises(InputError, match="neither Picasso's nor DECODE's: it holds else"):
        read_table(tmp_path / "o.hdf5")
    with h5py.File(tmp_path / "o.hdf5", "w") as file:
        file["locs"] = np.zeros(3, [("frame", "u4"), ("x", "f4")])
    with pytest.raises(InputError, match="no column y"):
        read_table(tmp_path / "o.hdf5")
    for column, values in (("x", [np.nan, 1.0]), ("y", [1.0, np.inf])):
        with pytest.raises(InputError, match=f"has a {column} that is not a number"):
            read_table(picasso_file(tmp_path, **{column: values}))
