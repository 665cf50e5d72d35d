"""Blocks made by processes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from model.errors import InputError
from model.supply import from_processes


def square(index: int) -> int:
    return index * index


def process_of(index: int) -> int:
    return os.getpid()


def refused_at_two(index: int) -> int:
    if index == 2:
        raise InputError("there is no block 2")
    return index


def printed(index: int) -> int:
    print("loud", index)
    return index


def lost_at_three(index: int) -> int:
    if index == 3 and os.getpid() != PARENT:
        os.kill(os.getpid(), signal.SIGKILL)
    return index


HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
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


def test_what_goes_wrong_with_a_block_is_raised_where_it_is_asked_for_and_the_next_one_comes() -> None:
    blocks = from_processes(refused_at_two, 2)
    assert [blocks(0), blocks(1)] == [0, 1]
    with pytest.raises(InputError, match="no block 2"):
        blocks(2)
    assert blocks(3) == 3


def test_what_is_printed_while_a_block_is_made_does_not_disturb_it() -> None:
    assert [from_processes(printed, 1)(index) for index in range(2)] == [0, 1]


def test_a_program_without_a_guard_of_its_main_part_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from model.supply import from_processes\n"
        "from tests.model.test_supply import square\n"
        "print(from_processes(square, 1)(3), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"], capture_output=True, text=True, env=HERE, check=True
    )
    assert done.stdout == "9\n"


def test_processes_go_with_the_stream_that_asked_for_them() -> None:
    blocks = from_processes(process_of, 1)
    child = blocks(0)
    assert psutil.pid_exists(child)
    del blocks
    gc.collect()
    assert not psutil.pid_exists(child)


def test_processes_go_when_their_parent_is_killed() -> None:
    program = (
        "from model.supply import from_processes; import time\n"
        "from tests.model.test_supply import process_of\n"
        "blocks = from_processes(process_of, 1); print(blocks(0), flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=HERE)
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
