"""Blocks made by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil

from model.supply import from_processes


def square(index: int) -> int:
    return index * index


def process_of(index: int) -> int:
    return os.getpid()


def lost_at_three(index: int) -> int:
    if index == 3 and os.getpid() != PARENT:
        os.kill(os.getpid(), signal.SIGKILL)
    return index


PARENT = int(os.environ.setdefault("HDSMLM_TEST_PARENT", str(os.getpid())))


def test_blocks_come_in_the_order_in_which_they_are_asked_for_wherever_one_enters() -> None:
    blocks = from_processes(square, 2)
    assert [blocks(index) for index in (7, 8, 9, 10, 2, 3, 4)] == [49, 64, 81, 100, 4, 9, 16]


def test_blocks_are_made_by_other_processes() -> None:
    blocks = from_processes(process_of, 2)
    assert os.getpid() not in {blocks(index) for index in range(6)}


def test_a_lost_process_costs_a_block_and_no_more() -> None:
    blocks = from_processes(lost_at_three, 1)
    assert [blocks(index) for index in range(6)] == list(range(6))


def test_processes_go_when_their_parent_is_killed() -> None:
    program = (
        "from model.supply import from_processes; import time\n"
        "from tests.model.test_supply import process_of\n"
        "if __name__ == '__main__':\n"
        "    print(from_processes(process_of, 1)(0), flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)
