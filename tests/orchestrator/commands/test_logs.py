from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.commands.logs import read_log
from orchestrator.errors import OrchestratorError
from orchestrator.ledger import Ledger
from orchestrator.records import Run
from orchestrator.states import RunState
from tests.samples import submit


@pytest.fixture
def run(ledger: Ledger) -> Run:
    submit(ledger, "a")
    return ledger.run("a").model_copy(update={"state": RunState.RUNNING})


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "runs" / "a" / "first.log"
    path.parent.mkdir(parents=True)
    return path


def test_a_run_that_has_printed_nothing_has_no_attempt(run: Run, tmp_path: Path) -> None:
    said = read_log(run, tmp_path, None, 0)
    assert (said["attempt"], said["text"], said["end"], said["over"]) == (None, "", True, False)


def test_a_long_log_comes_in_pieces_that_never_cut_a_character(run: Run, log: Path, tmp_path: Path) -> None:
    text = "".join(f"{number} µ…\n" for number in range(100_000))
    log.write_text(text)
    pieces = [read_log(run, tmp_path, None, 0)]
    while not pieces[-1]["end"]:
        pieces.append(read_log(run, tmp_path, pieces[-1]["attempt"], pieces[-1]["position"]))
    assert len(pieces) > 3
    assert "".join(piece["text"] for piece in pieces) == text


def test_half_a_character_waits_for_the_other_half(run: Run, log: Path, tmp_path: Path) -> None:
    log.write_bytes(b"a\xc2")
    first = read_log(run, tmp_path, None, 0)
    assert (first["text"], first["position"]) == ("a", 1)
    assert read_log(run, tmp_path, "first", 1)["end"]
    log.write_bytes(b"a\xc2\xb5")
    assert read_log(run, tmp_path, "first", 1)["text"] == "µ"


def test_what_is_half_when_the_run_is_over_is_shown_as_such(run: Run, log: Path, tmp_path: Path) -> None:
    log.write_bytes(b"a\xc2")
    over = run.model_copy(update={"state": RunState.FAILED})
    said = read_log(over, tmp_path, None, 0)
    assert (said["text"], said["end"], said["over"]) == ("a\ufffd", True, True)


def test_a_log_that_cannot_be_read_is_told(run: Run, log: Path, tmp_path: Path) -> None:
    log.mkdir()
    with pytest.raises(OrchestratorError, match=r"the log of run a cannot be read .*; check who may read it"):
        read_log(run, tmp_path, None, 0)


def test_a_further_attempt_is_read_from_its_beginning(run: Run, log: Path, tmp_path: Path) -> None:
    log.write_text("first")
    said = read_log(run, tmp_path, None, 0)
    log.with_stem("second").write_text("second")
    again = read_log(run, tmp_path, said["attempt"], said["position"])
    assert (again["attempt"], again["text"]) == ("second", "second")
