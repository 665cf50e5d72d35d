from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.deployment.passwords import make_secrets


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    made = (tmp_path / "control", tmp_path / "workers", tmp_path / "database")
    for folder in made:
        folder.mkdir()
    return made


def test_secrets_are_made_once_and_never_twice_the_same(folders: tuple[Path, Path, Path]) -> None:
    made = make_secrets(*folders)
    before = [Path(path).read_text() for path in made]
    assert make_secrets(*folders) == []
    assert [Path(path).read_text() for path in made] == before
    assert len(set(before)) == len(before) == 4
    assert min(map(len, before)) >= 40


def test_what_one_user_needs_nobody_else_can_read(folders: tuple[Path, Path, Path]) -> None:
    make_secrets(*folders)
    control, workers, _ = folders
    for path in (control / "redis_password", control / "api_token", workers / "redis_password"):
        assert path.stat().st_mode & 0o777 == 0o600
    everything = (control / "redis.conf").read_text()
    assert (control / "redis_password").read_text() not in everything
    assert (workers / "redis_password").read_text() not in everything
