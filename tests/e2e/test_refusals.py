"""What must not be queued is refused with its place, whatever command it is given to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.installation import Installation

MALFORMED = sorted((Path(__file__).parents[1] / "orchestrator" / "search_space" / "malformed").glob("*.yaml"))


@pytest.mark.parametrize("file", MALFORMED[::6], ids=lambda path: path.stem)
def test_a_malformed_search_space_ends_with_its_place_and_no_traceback(installation: Installation, file: Path) -> None:
    answer = installation.call("submit", str(file))
    assert answer.returncode == 2
    assert re.search(rf"{re.escape(file.name)}(:\d+:\d+)?: \S", answer.stderr)
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("status", "nobody"), 2, "no sweep is called 'nobody'"),
        (("report", "nobody"), 2, "no sweep is called 'nobody'"),
        (("logs", "nobody"), 2, "no runs begin with 'nobody'"),
        (("cancel", "nobody"), 2, "no sweep is called 'nobody'"),
        (("plan", "nowhere.yaml"), 2, "nowhere.yaml"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_known_ones(
    installation: Installation, arguments: tuple[str, ...], code: int, words: str
) -> None:
    installation.call("up")
    answer = installation.call(*arguments)
    assert (answer.returncode, words in answer.stderr) == (code, True), answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_services_a_command_tells_how_to_start_them(tmp_path: Path) -> None:
    answer = Installation(tmp_path).call("status")
    assert answer.returncode == 3
    assert "orchestrator up" in answer.stderr


def test_down_without_anything_up_is_no_error(tmp_path: Path) -> None:
    answer = Installation(tmp_path).call("down")
    assert (answer.returncode, answer.stdout) == (0, "stopped: nothing was up\n")
