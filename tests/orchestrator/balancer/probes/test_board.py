"""What is known of the devices, without any of the processes that bring the news."""

from __future__ import annotations

from orchestrator.balancer.probes.board import Board
from orchestrator.balancer.probes.wire import Facts, Line, decode, encode

FACTS = Facts("GPU-a", "GPU-a", "gpu0", "H100", at=100.0, total_mib=80_000, free_mib=70_000, processes={7: 9000})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_survive_the_pipe() -> None:
    for line in (
        Line(awake=True),
        Line(hello=0),
        Line(about="GPU-a"),
        Line(device=FACTS),
        Line(xid=79, gpu="GPU-a"),
        Line(polled=()),
        Line(polled=("GPU-a",)),
        Line(failed=18),
    ):
        assert decode(encode(line)) == line


def test_half_a_line_is_no_line() -> None:
    whole = encode(Line(device=FACTS))
    assert [decode(whole[:length]) for length in range(len(whole))] == [None] * len(whole)
    assert decode('["polled"]') is None
    assert decode('{"unheard": 1}') is None


def test_a_gpu_that_goes_on_crashing_is_tried_ever_more_seldom() -> None:
    clock = Clock()
    board = Board(retry_s=60.0, clock=clock)
    tried = []
    for clock.now in range(0, 1000, 10):
        if not board.barred() or board.due():
            tried.append(clock.now)
            board.take(Line(about="gpu3"))
            board.died("crashed")
    assert tried == [0, 60, 180, 420, 900]
    assert "crashed" in board.troubles()["gpu3"]


def test_a_gpu_that_answers_again_is_no_longer_barred() -> None:
    board = Board()
    board.take(Line(about="gpu0"))
    board.died("crashed")
    assert board.barred() == ("gpu0",)
    board.take(Line(device=FACTS))
    assert board.barred() == ()
    assert [found.trouble for found in board.readings()] == [""]


def test_a_device_that_cannot_be_read_keeps_its_last_numbers_and_their_age() -> None:
    board = Board()
    board.take(Line(device=FACTS))
    board.take(Line(device=Facts("GPU-a", "GPU-a", "gpu0", "H100", at=101.0, error=15)))
    (found,) = board.readings()
    assert (found.at, found.free_mib, found.processes) == (100.0, 70_000, {7: 9000})
    assert found.trouble
