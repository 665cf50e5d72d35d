from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from orchestrator.balancer.answers.painting import memory_bar, plain, share_out
from orchestrator.balancer.answers.status import SNAPSHOT, judged, read, render
from orchestrator.balancer.answers.watching import watch
from orchestrator.balancer.daemon import Daemon
from orchestrator.redis_door import Redis
from orchestrator.states import RunState
from tests.orchestrator.balancer.answers.documentation import documented
from tests.orchestrator.balancer.daemons import steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher
from tests.samples import submit

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DEVICE = {
    "total_mib": 81_000,
    "used_mib": 39_000,
    "observed_mib": 30_000,
    "leased_mib": 44_000,
    "foreign_mib": 9_000,
    "free_mib": 42_000,
    "headroom_mib": 27_000,
    "utilisation": 93,
    "temperature_c": 71,
    "health": "ok",
    "why": "",
    "workers": 4,
    "slots": 8,
}


def fleet(devices: int = 16, workers: int = 64) -> dict[str, Any]:
    """What a wide machine shows, with long names and everything that can be wrong."""
    now = time.time()
    ill = {
        3: ("trouble", "it has fallen off the bus (Xid 79); " * 5),
        6: ("drained", "by a person"),
        9: ("blind", "old"),
    }
    return {
        "up": True,
        "age_s": 0.4,
        "at": now,
        "shutting_down": False,
        "devices": [
            {**DEVICE, "device": f"GPU-{i:08}", "name": f"gpu{i}", "model": "NVIDIA H100 80GB HBM3"}
            | dict(zip(("health", "why"), ill.get(i, ("ok", "")), strict=True))
            for i in range(devices)
        ],
        "workers": [
            {
                "worker": f"{i:08x}",
                "sweep": "a-study-with-a-very-long-name-indeed-of-2026",
                "device": f"GPU-{i % devices:08}",
                "state": "busy" if i % 9 else "starting",
                "since": now - 60_000 if i % 9 else None,
                "lease_mib": 120_000,
                "observed_mib": 110_000,
                "run": f"{i:016x}" if i % 9 else None,
                "slug": f"d4-f3-bf64-adam-lr1e-3-m0.95-fnw0.72-p64-bs32-fd0.2-s11-{i:06x}" if i % 9 else None,
                "epoch": 123 if i % 9 else None,
                "epochs": 200 if i % 9 else None,
                "steps_per_s": 123.4 if i % 9 else None,
                "ends_in_s": 100_000 if i % 9 else None,
            }
            for i in range(workers)
        ],
        "sweeps": [
            {
                "sweep": "a-study-with-a-very-long-name-indeed-of-november-2026-and-more",
                "priority": 50,
                **dict.fromkeys(map(str, RunState), 1000),
                "delayed": 3,
                "waits": "needs 11.2 GiB; most headroom is 9.8 GiB on gpu2; will fit there, after run 3fa9c1 in 12 min",
                "left_s": 1_000_000,
            }
        ],
    }


@pytest.fixture
def page() -> Iterator[io.StringIO]:
    with io.StringIO() as stream:
        yield stream


@pytest.mark.parametrize("width", [100, 160])
def test_no_line_of_a_wide_fleet_is_wider_than_the_terminal(width: int) -> None:
    lines = ANSI.sub("", render(fleet(), width=width, colour=True)).split("\n")
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("gpu") for line in lines) == 16 + 64


def test_a_long_slug_is_cut_inside_so_that_its_seed_and_id_stay() -> None:
    assert re.search(r"d4-f3-bf64\S*…s11-00000a$", render(fleet(), width=100), re.MULTILINE)


def test_devices_are_called_by_their_names_and_their_ills_are_told_in_full() -> None:
    text = render(fleet(), width=100)
    assert "GPU-" not in text
    assert "gpu6: by a person" in text
    assert " ".join(text.split()).count("fallen off the bus") == 5


def test_without_colour_the_four_kinds_of_memory_have_signs_of_their_own() -> None:
    assert memory_bar((40, 20, 20, 20), 10, plain) == "████▒▒╱╱··"


def test_a_trace_of_foreign_memory_is_seen_in_the_bar() -> None:
    assert share_out((70_000, 0, 100, 9_900), 20) == [17, 0, 1, 2]


def test_a_full_device_has_no_free_cell() -> None:
    assert share_out((81_000, 0, 0, 0), 20) == [20, 0, 0, 0]


def test_a_page_that_is_too_high_is_cut_in_its_longest_table_and_says_so() -> None:
    lines = render(fleet(), width=160, height=48).split("\n")
    assert len(lines) == 48
    assert any("more lines" in line for line in lines)
    assert any(line.startswith("a-study") for line in lines)


def test_every_key_of_the_snapshot_is_documented_and_always_there(
    daemon: Daemon, launcher: FakeLauncher, address: str
) -> None:
    never = read(address)
    assert set(never) == documented("status")
    submit(daemon.ledger, "a", "b")
    steps(daemon)
    starting = read(address)
    under_way(daemon, launcher)
    seen = read(address)
    assert set(seen) == documented("status")
    for section in ("devices", "workers", "sweeps"):
        for row in (*starting[section], *seen[section]):
            assert set(row) == documented(f"status: {section}")
    assert seen["workers"][0]["run"] == "a"
    assert starting["workers"][0]["run"] is None


def test_a_worker_that_is_starting_tells_since_when(daemon: Daemon, address: str) -> None:
    submit(daemon.ledger, "a")
    steps(daemon)
    (worker,), (seen,) = daemon.leases.workers(), read(address)["workers"]
    assert (seen["state"], seen["since"], seen["launched_at"]) == ("starting", worker.created_at, worker.created_at)


def test_the_seven_states_of_a_sweep_sum_to_its_runs(daemon: Daemon, address: str) -> None:
    submit(daemon.ledger, "a", "b", "c")
    daemon.ledger.move("c", RunState.CANCELLED)
    steps(daemon)
    (sweep,) = read(address)["sweeps"]
    assert sweep["runs"] == 3 == sum(sweep[state] for state in RunState)


def test_the_head_of_a_queue_that_waits_is_named_with_its_reason(
    daemon: Daemon, launcher: FakeLauncher, address: str
) -> None:
    submit(daemon.ledger, "a", "b")
    under_way(daemon, launcher)
    (sweep,) = read(address)["sweeps"]
    assert (sweep["head"], sweep["waits"]) == ("b", "needs 2.0 GiB; cpu: its one slot is taken")


def test_a_sweep_whose_runs_wait_out_a_failure_says_so(daemon: Daemon, launcher: FakeLauncher, address: str) -> None:
    submit(daemon.ledger, "a")
    ghost, _ = under_way(daemon, launcher)
    launcher.kill(ghost.worker.worker_id)
    daemon.ledger.note({"a": {"not_before": 0}})
    steps(daemon)
    (sweep,) = read(address)["sweeps"]
    assert (sweep["delayed"], sweep["waits"]) == (1, "each queued run has failed, and is tried again after a while")


def test_a_paused_sweep_has_no_time_left_that_anybody_knows(daemon: Daemon, address: str) -> None:
    submit(daemon.ledger, "a")
    daemon.ledger.mark_sweep("s", paused="by a person")
    steps(daemon)
    (sweep,) = read(address)["sweeps"]
    assert (sweep["left_s"], sweep["waits"], sweep["head"]) == (None, "by a person", None)


def test_status_needs_neither_the_client_library_nor_pydantic_nor_rich(daemon: Daemon, address: str) -> None:
    steps(daemon)
    code = (
        "import sys; from orchestrator.balancer import cli; cli.cli(['status'], standalone_mode=False);"
        "print(sorted({'redis', 'pydantic', 'rich', 'model', 'pynvml', 'psutil'} & set(sys.modules)))"
    )
    environment = {**os.environ, "HDSMLM_REDIS_URL": address}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_where_there_is_no_terminal_watching_prints_page_after_page(page: io.StringIO) -> None:
    pages = iter(["one", "two"])

    def draw(_columns: int, _lines: int) -> str:
        if (text := next(pages, None)) is None:
            raise KeyboardInterrupt
        return text

    watch(draw, interval_s=0, out=page)
    assert page.getvalue() == "one\ntwo\n"


def test_on_a_terminal_watching_draws_in_place_and_gives_the_screen_back(page: io.StringIO) -> None:
    page.isatty = lambda: True  # type: ignore[method-assign]
    pages = iter(["one\nlines", "two"])

    def draw(_columns: int, _lines: int) -> str:
        if (text := next(pages, None)) is None:
            raise KeyboardInterrupt
        return text

    before = signal.getsignal(signal.SIGTERM)
    watch(draw, interval_s=0, out=page)
    text = page.getvalue()
    assert text.startswith("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[Hone\x1b[K\r\nlines\x1b[K\x1b[J\x1b[Htwo")
    assert text.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_device_whose_driver_does_not_tell_whose_memory_is_used_shows_it_as_ours_up_to_the_leases() -> None:
    hidden = {**fleet(1, 0)["devices"][0], "observed_mib": 0}
    line = next(line for line in render({**fleet(1, 0), "devices": [hidden]}).split("\n") if line.startswith("gpu0"))
    assert line.split()[2] == "29.3"


def test_a_snapshot_of_a_balancer_that_is_gone_is_shown_with_its_time(redis: Redis, daemon: Daemon) -> None:
    steps(daemon)
    old: Mapping[str, Any] = json.loads(redis.get(SNAPSHOT)) | {"at": time.time() - 3600}
    seen = judged(json.dumps(old))
    assert not seen["up"]
    assert 3599 < seen["age_s"] < 3700
    assert "The balancer is down since" in render(seen)
