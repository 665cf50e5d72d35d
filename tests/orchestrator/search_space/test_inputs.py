from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model.config import resolve
from orchestrator.errors import InputError
from orchestrator.search_space.inputs import Demand, InputFiles, check, digests, files_of

FILES = InputFiles("/data/movie.tif", "/data/table.csv")
REAL = {"data.source": "mixed", "data.movie": FILES.movie, "data.table": FILES.table}


def test_a_simulated_config_reads_no_files() -> None:
    assert files_of(resolve({"data.movie": "a.tif", "data.table": "b.csv"})) is None
    assert files_of(resolve(REAL)) == FILES


def test_each_distinct_demand_is_checked_once_for_the_most_frames() -> None:
    asked: list[tuple[Demand, int]] = []

    def look(demand: Demand, frames: int) -> str:
        asked.append((demand, frames))
        return "sha"

    configs = [
        resolve({**REAL, "data.pixel_nm": pixel_nm, "model.frames": frames, "training.seed": seed})
        for pixel_nm in (100, 133)
        for frames in (1, 5, 3)
        for seed in (1, 2)
    ]
    assert digests([resolve({}), *configs], look) == {FILES: "sha"}
    assert asked == [(Demand(FILES, 100.0, 0.2), 5), (Demand(FILES, 133.0, 0.2), 5)]


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Let the check run a shell script instead of `python -m model check`."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def test_the_check_hands_all_options_on_and_takes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/asked\necho \'{{"digest": "abc"}}\'')
    assert check(Demand(FILES, 133.0, 0.25), 5) == "abc"
    assert (tmp_path / "asked").read_text().strip() == (
        "-m model check --movie /data/movie.tif --table /data/table.csv --pixel-nm 133.0 --frames 5"
        " --validation-fraction 0.25 --low-percentile 20.0 --high-percentile 99.0 --json"
    )


def test_how_frames_are_summed_is_part_of_what_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/asked\necho \'{{"digest": "abc"}}\'')
    configs = [resolve({**REAL, "data.binning": name, "data.bin_gap_frames": 7}) for name in ("none", "bin5", "bin5")]
    asked: list[Demand] = []
    digests(configs, lambda demand, frames: asked.append(demand) or "sha")
    assert asked == [Demand(FILES, 100.0, 0.2), Demand(FILES, 100.0, 0.2, "bin5", 7)]
    check(asked[1], 3)
    assert "--binning bin5 --gap-frames 7" in (tmp_path / "asked").read_text()


def test_what_the_check_refuses_is_an_input_error_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, 'echo \'{"error": "the movie is empty; export it again"}\'\nexit 2')
    with pytest.raises(InputError, match=r"^the movie is empty; export it again$"):
        check(Demand(FILES, 100.0, 0.2), 3)


@pytest.mark.parametrize("answer", ["", "not JSON", "[1]", "{}"])
def test_a_check_that_breaks_off_says_so_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    stand_in(tmp_path, monkeypatch, f"echo '{answer}'\necho first >&2\necho MemoryError >&2\nexit 137")
    with pytest.raises(InputError, match=r"^the check of /data/movie\.tif broke off with exit code 137: MemoryError$"):
        check(Demand(FILES, 100.0, 0.2), 3)


def test_a_missing_movie_is_refused_by_name(tmp_path: Path) -> None:
    files = InputFiles(str(tmp_path / "none.tif"), str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match=r"none\.tif"):
        check(Demand(files, 100.0, 0.2), 3)


def test_a_real_movie_with_its_table_has_a_digest_of_their_contents(test_data: Path, tmp_path: Path) -> None:
    names = ("images.tif", "rapidSTORM_from_images.txt")
    there = InputFiles(*(str(test_data / "locan" / name) for name in names))
    for name in names:
        (tmp_path / name).write_bytes((test_data / "locan" / name).read_bytes())
    here = InputFiles(*(str(tmp_path / name) for name in names))
    digest = check(Demand(there, 133.0, 0.4), 3)
    assert len(digest) == 64
    assert check(Demand(here, 133.0, 0.4), 3) == digest
