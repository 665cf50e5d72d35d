"""Every command with every file that it cannot use: one line that names the file and the reason, exit code 2."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.ndimage import gaussian_filter

from model.card import Card, write_card
from model.cli import main
from model.config import ModelConfig, SimulationConfig
from model.emitters import Emitters
from model.prediction.windows import Reading
from model.scene import typical_scene
from model.simulator import simulate_movie
from model.tables import write_thunderstorm
from model.unet import build_unet
from tests.model.bad_files import GARBAGE, HEADER, HEIGHT, MISMATCHED, MOVIES, NOISE, ROWS, SHAPE, TABLES, Bad, tiff

CARD = Card(Reading(3, "hard"), 20.0, 99.0, 0.95, 100.0, 0.3, None)
SMALL = {
    "model.depth": 1,
    "model.base_filters": 2,
    "model.convolutions_per_block": 1,
    "data.patch_px": 8,
    "training.epochs": 1,
    "training.steps_per_epoch": 1,
    "training.batch_size": 2,
}
OF_A_MOVIE = ("inspect", "match", "check", "predict", "fit", "evaluate", "train")
OF_A_TABLE = ("inspect", "check", "evaluate", "train")
THAT_WRITE = ("predict", "fit", "evaluate", "train")
THAT_PREDICT = ("predict", "fit", "evaluate")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "small.keras"
    build_unet(ModelConfig(depth=1, base_filters=2, convolutions_per_block=1), [0.8, 0.1, 0.05, 0.05], seed=2).save(
        path
    )
    write_card(path, CARD)
    return path


class Commands:
    """The `model` command with files of its own where a test gives none."""

    def __init__(self, folder: Path, network: Path) -> None:
        self.movie, self.table, self.network, self.out = folder / "m.tif", folder / "t.csv", network, folder / "out"
        tiff(self.movie)
        self.table.write_text(HEADER + ROWS)

    def call(self, command: str, **files: Path) -> Result:
        return CliRunner().invoke(main, [command, *map(str, self._words(command, **files))])

    def _words(self, command: str, **files: Path) -> list[object]:
        movie, table = files.get("movie", self.movie), files.get("table", self.table)
        out = files.get("out", self.out)
        predicted = ["--model", files.get("network", self.network), "--pixel-nm", 100, "--out", out]
        trained = {**SMALL, "data.source": "experimental", "data.movie": movie, "data.table": table}
        words: dict[str, list[object]] = {
            "inspect": [files.get("table", movie)],
            "match": [movie, "--pixel-nm", 100],
            "check": ["--movie", movie, "--table", table],
            "predict": [movie, *predicted],
            "fit": [movie, *predicted],
            "evaluate": [movie, table, *predicted],
            "train": ["--out", out, *(f"--set={path}={value}" for path, value in trained.items())],
        }
        return words[command]


@pytest.fixture
def commands(tmp_path: Path, network: Path) -> Commands:
    return Commands(tmp_path, network)


def assert_refused(done: Result, named: str, reason: str) -> None:
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.stderr.startswith("Error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert named in done.stderr
    assert re.search(reason, done.stderr), done.stderr
    assert done.stdout == ""


def named(bad: Bad) -> str:
    return bad.name


@pytest.mark.parametrize("bad", MOVIES, ids=named)
@pytest.mark.parametrize("command", OF_A_MOVIE)
def test_a_movie_that_is_none_is_refused_by_every_command(
    commands: Commands, tmp_path: Path, command: str, bad: Bad
) -> None:
    bad.write(tmp_path / bad.name)
    assert_refused(commands.call(command, movie=tmp_path / bad.name), Path(bad.name).stem, bad.reason)


@pytest.mark.parametrize("bad", TABLES, ids=named)
@pytest.mark.parametrize("command", OF_A_TABLE)
def test_a_table_that_is_none_is_refused_by_every_command(
    commands: Commands, tmp_path: Path, command: str, bad: Bad
) -> None:
    bad.write(tmp_path / bad.name)
    assert_refused(commands.call(command, table=tmp_path / bad.name), Path(bad.name).stem, bad.reason)


@pytest.mark.parametrize("bad", MISMATCHED, ids=named)
@pytest.mark.parametrize("command", ["check", "evaluate", "train"])
def test_a_table_of_other_frames_or_another_field_is_refused(
    commands: Commands, tmp_path: Path, command: str, bad: Bad
) -> None:
    bad.write(tmp_path / bad.name)
    assert_refused(commands.call(command, table=tmp_path / bad.name), bad.name, bad.reason)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (np.full(SHAPE, 9, np.uint16), "is constant"),
        (np.full(SHAPE, 0.5, np.float32), "is constant"),
        (np.where(NOISE % 9 == 0, 65_535, NOISE).astype(np.uint16), "is saturated"),
    ],
    ids=["constant", "constant-float", "saturated"],
)
@pytest.mark.parametrize("command", [command for command in OF_A_MOVIE if command != "inspect"])
def test_a_movie_in_which_nothing_can_be_seen_is_refused_by_all_but_inspect(
    commands: Commands, command: str, frames: np.ndarray, reason: str
) -> None:
    tiff(commands.movie, frames)
    assert_refused(commands.call(command), commands.movie.name, reason)
    assert commands.call("inspect").exit_code == 0


def test_one_frame_is_predicted_and_neither_matched_nor_trained_on(commands: Commands) -> None:
    tiff(commands.movie, NOISE[:1])
    for command in ("inspect", *THAT_PREDICT):
        assert commands.call(command).exit_code == 0, command
    for command in ("match", "check", "train"):
        assert_refused(commands.call(command), commands.movie.name, r"1 frame.*needed")


@pytest.mark.parametrize("dtype", ["float32", "int16", "int32", "uint32"])
@pytest.mark.parametrize("command", ["inspect", "check", "predict", "evaluate"])
def test_pixels_of_other_kinds_are_as_good(commands: Commands, command: str, dtype: str) -> None:
    tiff(commands.movie, NOISE.astype(dtype))
    done = commands.call(command)
    assert done.exit_code == 0, (done.output, done.exception)


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 1, 1), (2, 1, 30), (12, 40, 2)])
@pytest.mark.parametrize("command", ["inspect", "predict", "fit"])
def test_the_smallest_fields_are_predicted_or_refused_in_a_line(
    commands: Commands, command: str, shape: tuple[int, int, int]
) -> None:
    tiff(commands.movie, NOISE[: shape[0], : shape[1], : shape[2]], metadata={"axes": "TYX"})
    done = commands.call(command)
    if shape == (1, 1, 1) and command != "inspect":
        assert_refused(done, commands.movie.name, "is constant")
    else:
        assert done.exit_code == 0, (done.output, done.exception)


def test_light_beyond_all_measure_is_refused_by_the_fit(commands: Commands) -> None:
    tiff(commands.movie, NOISE.astype(np.float32) * np.float32(1e35))
    assert_refused(commands.call("fit"), commands.movie.name, "photons-per-count")


@pytest.mark.parametrize("command", THAT_WRITE)
def test_results_are_not_written_into_what_is_no_folder(commands: Commands, tmp_path: Path, command: str) -> None:
    (tmp_path / "taken").write_text("mine")
    for out, reason in ((tmp_path / "taken", "a file has this name"), (tmp_path / "taken/inner", "Not a directory")):
        assert_refused(commands.call(command, out=out), str(out), reason)
    assert (tmp_path / "taken").read_text() == "mine"


def _zip(**members: bytes) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "."), content)

    return write


def _dense(path: Path) -> None:
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    write_card(path, CARD)


def _two_classes(path: Path) -> None:
    keras.Sequential([keras.Input((None, None, None, 1)), keras.layers.Conv3D(2, 1)]).save(path)
    write_card(path, CARD)


NETWORKS = [
    Bad("missing.keras", lambda path: None, "there is no network"),
    Bad("folder.keras", Path.mkdir, "there is no network"),
    Bad("empty.keras", Path.touch, "no archive of Keras"),
    Bad("garbage.keras", lambda path: path.write_bytes(GARBAGE), "no archive of Keras"),
    Bad("zip.keras", _zip(a__txt=b"b"), "cannot be read as a network"),
    Bad("config.keras", _zip(config__json=b"{}", metadata__json=b"{}"), "cannot be read as a network"),
    Bad("dense.keras", _dense, "holds another network"),
    Bad("classes.keras", _two_classes, "holds another network"),
]


@pytest.mark.parametrize("bad", NETWORKS, ids=named)
@pytest.mark.parametrize("command", THAT_PREDICT)
def test_a_network_that_is_none_is_refused_by_every_command(
    commands: Commands, tmp_path: Path, command: str, bad: Bad
) -> None:
    bad.write(tmp_path / bad.name)
    assert_refused(commands.call(command, network=tmp_path / bad.name), bad.name, bad.reason)


def test_a_bad_movie_keeps_no_other_one_from_being_predicted(commands: Commands, tmp_path: Path) -> None:
    for bad in MOVIES:
        bad.write(tmp_path / f"bad_{bad.name}")
    bads = [tmp_path / f"bad_{bad.name}" for bad in MOVIES]
    words = [*bads[:9], commands.movie, *(path for path in bads[9:] if path.suffix == ".tif")]
    one_each = {path.name.removesuffix(".tif").removesuffix(".ome"): path for path in words}.values()
    options = ["--model", commands.network, "--pixel-nm", 100, "--out", commands.out, "--json"]
    done = CliRunner().invoke(main, ["predict", *map(str, [*one_each, *options])])
    assert done.exit_code == 2
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(each["movie"]).name for each in told if "error" not in each] == ["m.tif"]
    assert len(told) == len(one_each) == done.stderr.count("\n") + 1
    assert (commands.out / "m.picasso.hdf5").is_file()


@pytest.fixture
def lit(commands: Commands) -> Commands:
    """With a movie whose table it is."""
    made = simulate_movie(
        typical_scene(SimulationConfig(), 100.0, 3.0), frames=30, size_px=HEIGHT, rng=np.random.default_rng(0)
    )
    tiff(commands.movie, made.frames)
    write_thunderstorm(commands.table, made.emitters, 100.0)
    return commands


@pytest.mark.parametrize("command", ["check", "evaluate", "train"])
@pytest.mark.parametrize("mistake", ["another acquisition", "a wrong pixel size", "x and y exchanged"])
def test_a_table_whose_localisations_lie_on_no_light_is_refused(lit: Commands, command: str, mistake: str) -> None:
    lines = lit.table.read_text().splitlines()
    cells = [line.split(",") for line in lines[1:]]
    for cell in cells:
        if mistake == "another acquisition":
            cell[1] = str((int(cell[1]) + 14) % 30 + 1)
        elif mistake == "a wrong pixel size":
            cell[2], cell[3] = (str(float(place) * 0.7) for place in cell[2:4])
        else:
            cell[2], cell[3] = cell[3], cell[2]
    lit.table.write_text("\n".join([lines[0], *map(",".join, cells)]) + "\n")
    assert_refused(lit.call(command), lit.table.name, "does not fit the movie.*no more than by chance")


def test_spots_that_are_dark_in_their_middle_are_light_too(commands: Commands) -> None:
    rng, places = np.random.default_rng(0), np.zeros((60, 64, 64))
    rows = Emitters.of(np.repeat(np.arange(60), 6), *rng.uniform(12, 52, (2, 360)), np.full(360, 900.0))
    np.add.at(places, (rows.frame, rows.y_px.astype(int), rows.x_px.astype(int)), 20_000)
    lobes = sum(np.roll(gaussian_filter(places, (0, 1.1, 1.1)), move, axis=2) for move in (-4, 4))
    tiff(commands.movie, rng.poisson(lobes + 100).astype(np.uint16))
    write_thunderstorm(commands.table, rows, 100.0)
    assert commands.call("check").exit_code == 0


def test_a_table_that_lies_on_the_light_is_not_refused_and_what_lies_outside_is_counted(lit: Commands) -> None:
    with lit.table.open("a") as file:
        file.write("9001,31,500,500,0,900\n9002,1,5000,500,0,900\n")
    checked = lit.call("check")
    assert "2 of" in checked.stdout, checked.stderr
    assert lit.call("evaluate").exit_code == 0
    assert json.loads((lit.out / "scores.json").read_text())["truths_outside_the_movie"] == 2
