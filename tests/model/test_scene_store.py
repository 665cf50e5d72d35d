"""Scenes on disk: shared, whole, bounded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.config import SimulationConfig
from model.emitters import Emitters, LabelledMovie
from model.scene import typical_scene
from model.scene_store import SceneStore, from_environment, key_of
from model.simulator import simulate_movie


def scenes(seed: int = 0) -> list[LabelledMovie]:
    rng = np.random.default_rng(seed)
    scene = typical_scene(SimulationConfig(structure="uniform"), 100.0, 3.0)
    made = [simulate_movie(scene, frames=4, size_px=12, rng=rng) for _ in range(2)]
    return [*made, LabelledMovie(made[0].frames, Emitters.none(), 100.0)]


def never() -> list[LabelledMovie]:
    raise AssertionError("it is on disk")


def same(first: list[LabelledMovie], second: list[LabelledMovie]) -> bool:
    def content(movies: list[LabelledMovie]) -> list[object]:
        return [
            (m.frames.dtype, m.frames.tobytes(), *(column.tobytes() for column in m.emitters), m.pixel_nm)
            for m in movies
        ]

    return content(first) == content(second)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.scenes"))


def test_what_was_made_once_is_read_from_then_on(tmp_path: Path) -> None:
    assert same(SceneStore(tmp_path).get(key_of(1), scenes), scenes())
    assert same(SceneStore(tmp_path).get(key_of(1), never), scenes())


def test_other_content_has_another_key() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert len({key_of({"a": 1}), key_of({"a": 2}), key_of({"a": 1}, 0)}) == 3


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_damaged_file_is_found_and_made_again(tmp_path: Path, at: int) -> None:
    store = SceneStore(tmp_path)
    store.get(key_of(1), scenes)
    (path,) = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert same(store.get(key_of(1), lambda: scenes(7)), scenes(7))
    assert same(store.get(key_of(1), never), scenes(7))


def test_a_truncated_or_empty_file_is_made_again(tmp_path: Path) -> None:
    store = SceneStore(tmp_path)
    for kept in (100, 0):
        store.get(key_of(1), scenes)
        (path,) = files(tmp_path)
        path.write_bytes(path.read_bytes()[:kept])
        assert same(store.get(key_of(1), lambda: scenes(8)), scenes(8))
        path.unlink()


def test_the_least_recently_used_go_when_the_folder_is_full(tmp_path: Path) -> None:
    store = SceneStore(tmp_path)
    for number in range(3):
        store.get(key_of(number), scenes)
        _age(tmp_path, key_of(number), 100 - number)
    store.get(key_of(0), never)
    size = files(tmp_path)[0].stat().st_size
    bounded = SceneStore(tmp_path, most_bytes=3 * size)
    bounded.get(key_of(3), scenes)
    assert {path.stem for path in files(tmp_path)} == {key_of(0), key_of(2), key_of(3)}


def test_a_bound_below_one_file_keeps_the_newest(tmp_path: Path) -> None:
    store = SceneStore(tmp_path, most_bytes=1)
    for number in range(2):
        store.get(key_of(number), scenes)
    assert [path.stem for path in files(tmp_path)] == [key_of(1)]


def test_leftovers_of_a_writer_that_died_go_too(tmp_path: Path) -> None:
    (tmp_path / "dead.part").write_bytes(bytes(10_000))
    os.utime(tmp_path / "dead.part", (1, 1))
    SceneStore(tmp_path, most_bytes=1).get(key_of(1), scenes)
    assert not (tmp_path / "dead.part").exists()


def test_a_folder_that_cannot_be_written_costs_the_cache_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert same(SceneStore(tmp_path).get(key_of(1), scenes), scenes())
    assert "No space left" in caplog.text
    assert not list(tmp_path.glob("*.part"))


def test_of_many_processes_that_want_the_same_one_makes_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from model.scene_store import SceneStore, key_of\n"
        "from tests.model.test_scene_store import scenes\n"
        "def make(): print('made', flush=True); return scenes()\n"
        "SceneStore(Path(sys.argv[1])).get(key_of(1), make)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sorted(said) == ["", "", "", "made\n"]


def test_the_environment_names_folder_and_bound() -> None:
    assert from_environment({"HDSMLM_HOME": "/a"}) == SceneStore(Path("/a/cache"), 20 * 2**30)
    assert from_environment({"HDSMLM_CACHE": "/b", "HDSMLM_CACHE_GIB": "0.5"}) == SceneStore(Path("/b"), 2**29)


def _age(folder: Path, key: str, seconds: int) -> None:
    path = folder / f"{key}.scenes"
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))
