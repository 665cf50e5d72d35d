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
from model.optics import central_share
from model.scene import typical_scene
from model.simulator import simulate_movie
from model.tables import read_table, write_picasso, write_thunderstorm


def real(test_data: Path, **changes: object) -> DataConfig:
    files = {"movie": str(test_data / "locan/images.tif"), "table": str(test_data / "locan/rapidSTORM_from_images.txt")}
    return DataConfig.model_validate({"source": "experimental", "pixel_nm": 133.0} | files | changes)


def test_the_tiny_real_movie_is_split_by_time_without_a_shared_frame(test_data: Path) -> None:
    source, validation = load_experimental(real(test_data))
    training = source(np.random.default_rng(0))
    assert (training.frames.shape, validation.frames.shape) == ((4, 128, 128), (1, 128, 128))
    assert training.emitters.frame.tolist() == [1, 3, 3]
    assert validation.emitters.frame.tolist() == [0]
    whole = np.concatenate([training.frames, validation.frames])
    assert whole.mean() == pytest.approx(522.652, abs=1e-3)


def test_its_localisations_are_found_reliable_from_its_pixels(test_data: Path) -> None:
    source, validation = load_experimental(real(test_data))
    training = source(np.random.default_rng(0))
    assert (training.emitters.snr > 5).all()
    assert (validation.emitters.snr > 5).all()
    assert np.isfinite(training.emitters.snr).all()


def test_a_larger_share_moves_the_split(test_data: Path) -> None:
    source, validation = load_experimental(real(test_data, validation_fraction=0.4))
    training = source(np.random.default_rng(0))
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
    source, validation = load_experimental(config)
    training = source(np.random.default_rng(0))
    assert len(training.frames) == 8
    assert (np.concatenate([training.frames, validation.frames]) == movie.frames).all()
    assert np.concatenate([training.emitters.x_px, validation.emitters.x_px]) == pytest.approx(
        movie.emitters.x_px, abs=1e-5
    )


SPARSE = 240


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A sparse acquisition with a table of its true emitters."""
    folder = tmp_path_factory.mktemp("sparse")
    scene = typical_scene(SimulationConfig(structure="uniform", mean_on_frames=1.0), 100.0, 0.25)
    movie = simulate_movie(scene, frames=SPARSE, size_px=48, rng=np.random.default_rng(8))
    write_movie(folder / "m.tif", movie.frames, 100.0)
    write_thunderstorm(folder / "t.csv", movie.emitters, 100.0)
    moved = movie.emitters._replace(x_px=movie.emitters.x_px + movie.emitters.frame / SPARSE)
    write_picasso(folder / "corrected.hdf5", moved, movie.frames.shape, 100.0, 0.1)
    return {"movie": str(folder / "m.tif"), "table": str(folder / "t.csv"), "source": "experimental", "binning": "bin5"}


def test_a_binned_movie_has_the_light_and_the_labels_of_the_frames_that_it_sums(sparse: dict[str, object]) -> None:
    config = DataConfig.model_validate(sparse | {"bin_gap_frames": 9})
    plain = load_experimental(config.model_copy(update={"binning": "none"}))[0](np.random.default_rng(0))
    dense = load_experimental(config)[0](np.random.default_rng(0))
    assert (len(plain.frames), len(dense.frames)) == (192, 38)
    assert dense.frames.dtype == np.int32
    summed = plain.frames[:190].reshape(5, 38, 48, 48).astype(int).sum(axis=0) - 400
    assert (dense.frames == summed).all()
    assert dense.emitters.rows == (plain.emitters.frame < 190).sum()
    per_frame = np.bincount(plain.emitters.frame[plain.emitters.frame < 190], minlength=190).reshape(5, 38).sum(axis=0)
    assert np.bincount(dense.emitters.frame, minlength=38).tolist() == per_frame.tolist()


def test_validation_is_binned_on_its_own_and_shares_no_frame_with_training(sparse: dict[str, object]) -> None:
    config = DataConfig.model_validate(sparse | {"bin_gap_frames": 9})
    whole = read_table(str(sparse["table"]))
    source, validation = load_experimental(config)
    assert len(validation.frames) == 9
    kept = whole.x_nm[(whole.frame >= 192) & (whole.frame < 192 + 45)]
    assert sorted(validation.emitters.x_px * 100) == pytest.approx(sorted(kept), abs=1e-3)
    trained = source(np.random.default_rng(0)).emitters.x_px * 100
    assert sorted(trained) == pytest.approx(sorted(whole.x_nm[whole.frame < 190]), abs=1e-3)


def test_permuted_binning_sums_other_frames_each_time_and_validates_on_the_same(sparse: dict[str, object]) -> None:
    config = DataConfig.model_validate(sparse | {"bin_gap_frames": 9, "bin_offsets": "permuted"})
    source, validation = load_experimental(config)
    rng = np.random.default_rng(1)
    movies = [source(rng) for _ in range(3)]
    assert {movie.frames.shape for movie in movies} == {(38, 48, 48)}
    assert len({movie.frames.tobytes() for movie in movies}) == 3
    assert (source(np.random.default_rng(1)).frames == movies[0].frames).all()
    assert (validation.frames == load_experimental(config)[1].frames).all()


def test_summed_frames_lower_the_snr_of_the_same_emitter(sparse: dict[str, object], tmp_path: Path) -> None:
    config = DataConfig.model_validate(sparse | {"bin_gap_frames": 9})
    dim = (tmp_path / "t.csv").open("w")
    with dim:
        dim.write("frame,x [nm],y [nm],sigma [nm],intensity [photon],offset [photon]\n")
        dim.writelines(f"{frame},2450,2450,109,{photons},100\n" for frame, photons in ((3, 1000), (230, 1000)))
    config = config.model_copy(update={"table": str(tmp_path / "t.csv")})
    plain, dense = (
        load_experimental(config.model_copy(update={"binning": name}))[0](np.random.default_rng(0)).emitters.snr[0]
        for name in ("none", "bin5")
    )
    camera, signal = CAMERAS["emccd"], 0.9 * 1000 * central_share(1.09, 1.09)
    assert plain == pytest.approx(signal / np.sqrt(2 * (signal + 0.9 * 100 + 0.002) + camera.input_read_noise**2))
    assert dense == pytest.approx(signal / np.sqrt(2 * (signal + 0.9 * 500 + 0.01) + 5 * camera.input_read_noise**2))


def test_a_table_that_was_corrected_for_drift_is_not_binned(sparse: dict[str, object]) -> None:
    corrected = str(sparse["table"]).replace("t.csv", "corrected.hdf5")
    config = DataConfig.model_validate(sparse | {"bin_gap_frames": 9, "table": corrected})
    with pytest.raises(InputError, match="corrected for drift"):
        load_experimental(config)


def test_a_movie_too_short_to_be_binned_says_so(sparse: dict[str, object]) -> None:
    with pytest.raises(InputError, match="too few to sum 5 at least 20 frames apart"):
        load_experimental(DataConfig.model_validate(sparse))
