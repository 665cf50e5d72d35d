"""Real movies with their tables, split in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.camera import CAMERAS
from model.config import DataConfig, SimulationConfig
from model.errors import InputError
from model.experimental import label, load_experimental
from model.movies import write_movie
from model.scene import typical_scene
from model.simulator import simulate_movie
from model.tables import read_table, write_thunderstorm


def real(test_data: Path, **changes: object) -> DataConfig:
    files = {"movie": str(test_data / "locan/images.tif"), "table": str(test_data / "locan/rapidSTORM_from_images.txt")}
    return DataConfig.model_validate({"source": "experimental", "pixel_nm": 133.0} | files | changes)


def test_the_tiny_real_movie_is_split_by_time_without_a_shared_frame(test_data: Path) -> None:
    training, validation = load_experimental(real(test_data))
    assert (training.frames.shape, validation.frames.shape) == ((4, 128, 128), (1, 128, 128))
    assert training.emitters.frame.tolist() == [1, 3, 3]
    assert validation.emitters.frame.tolist() == [0]
    whole = np.concatenate([training.frames, validation.frames])
    assert whole.mean() == pytest.approx(522.652, abs=1e-3)


def test_its_localisations_are_found_reliable_from_its_pixels(test_data: Path) -> None:
    training, validation = load_experimental(real(test_data))
    assert (training.emitters.snr > 5).all()
    assert (validation.emitters.snr > 5).all()
    assert np.isfinite(training.emitters.snr).all()


def test_a_larger_share_moves_the_split(test_data: Path) -> None:
    training, validation = load_experimental(real(test_data, validation_fraction=0.4))
    assert (len(training.frames), len(validation.frames)) == (3, 2)
    assert validation.emitters.frame.tolist() == [0, 0, 1]


def test_a_patch_larger_than_the_field_is_refused(test_data: Path) -> None:
    with pytest.raises(InputError, match="at most 128"):
        load_experimental(real(test_data, patch_px=160))


def test_a_part_without_localisations_is_refused(tmp_path: Path) -> None:
    write_movie(tmp_path / "m.tif", np.random.default_rng(0).integers(0, 99, (10, 40, 40)).astype(np.uint16), 100.0)
    (tmp_path / "t.csv").write_text("frame,x,y\n1,500,500\n2,700,700\n")
    config = DataConfig(source="experimental", movie=str(tmp_path / "m.tif"), table=str(tmp_path / "t.csv"))
    with pytest.raises(InputError, match="validation part"):
        load_experimental(config)


def test_the_snr_of_a_table_with_photons_background_and_sigma_is_the_formula(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "frame,x [nm],y [nm],sigma [nm],intensity [photon],offset [photon]\n"
        "1,1050,1050,109,277,100\n1,550,550,109,5000,100\n"
    )
    frames = np.random.default_rng(0).integers(0, 99, (2, 32, 32)).astype(np.uint16)
    emitters = label(frames, read_table(tmp_path / "t.csv"), 100.0, CAMERAS["emccd"])
    assert emitters.snr[0] == pytest.approx(2.0, abs=0.01)
    assert emitters.snr[1] > 15


def test_a_simulated_movie_taken_for_a_real_one_keeps_its_emitters(tmp_path: Path) -> None:
    scene = typical_scene(SimulationConfig(structure="uniform"), 120.0, 0.5)
    movie = simulate_movie(scene, frames=10, size_px=40, rng=np.random.default_rng(0))
    write_movie(tmp_path / "m.tif", movie.frames, 120.0)
    write_thunderstorm(tmp_path / "t.csv", movie.emitters, 120.0)
    config = DataConfig(
        source="experimental", movie=str(tmp_path / "m.tif"), table=str(tmp_path / "t.csv"), pixel_nm=120.0
    )
    training, validation = load_experimental(config)
    assert len(training.frames) == 8
    assert (np.concatenate([training.frames, validation.frames]) == movie.frames).all()
    assert np.concatenate([training.emitters.x_px, validation.emitters.x_px]) == pytest.approx(
        movie.emitters.x_px, abs=1e-5
    )
