from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from orchestrator.errors import AccessError
from orchestrator.settings import ApiSettings, Settings, from_environment
from orchestrator.tokens import token_to_ask_for, token_to_show

SERVE = [sys.executable, "-c", "from orchestrator.cli import main; main()", "serve"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def served(home: Path, address: str, **more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`orchestrator serve` in a process of its own; gives its address."""
    port = free_port()
    environment = {**os.environ, "HDSMLM_HOME": str(home), "HDSMLM_REDIS_URL": address, **more}
    process = subprocess.Popen(
        [*SERVE, "--port", str(port)], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.get(f"{url}/healthz")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        yield url, process
    finally:
        process.kill()
        process.communicate()


def test_without_a_token_one_is_made_kept_secret_and_said(tmp_path: Path, address: str) -> None:
    with served(tmp_path, address) as (url, process):
        kept = tmp_path / "api-token"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        headers = {"Authorization": f"Bearer {kept.read_text().strip()}"}
        assert httpx.get(f"{url}/v1/sweeps", headers=headers).status_code == 200
        assert httpx.get(f"{url}/v1/sweeps").status_code == 401
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        assert f"its token: {kept}" in said
        assert kept.read_text().strip() not in said


def test_a_stream_of_events_does_not_keep_the_server_from_stopping(tmp_path: Path, address: str) -> None:
    token = "x" * 20
    with (
        served(tmp_path, address, ORCHESTRATOR_TOKEN=token) as (url, process),
        httpx.stream("GET", f"{url}/v1/events", headers={"Authorization": f"Bearer {token}"}, timeout=30) as answer,
    ):
        assert next(answer.iter_lines()) == ": listening"
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def test_a_made_token_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = token_to_ask_for(Settings(home=tmp_path))
    assert token_to_ask_for(Settings(home=tmp_path)) == first
    assert len(first.text) >= 40


def test_the_environment_goes_before_the_file_and_the_file_before_the_home(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{'f' * 20}\n")
    environment = {"HDSMLM_HOME": str(tmp_path), "ORCHESTRATOR_TOKEN_FILE": str(file)}
    assert token_to_ask_for(from_environment(environment)).text == "f" * 20
    both = from_environment(environment | {"ORCHESTRATOR_TOKEN": "e" * 20})
    assert (token_to_ask_for(both).text, token_to_show(both.api)) == ("e" * 20, "e" * 20)
    assert not (tmp_path / "api-token").exists()


@pytest.mark.parametrize("token", ["short", "two words of a token", "schlüssel-schlüssel", "  \n "])
def test_a_token_that_is_none_is_refused(tmp_path: Path, token: str) -> None:
    with pytest.raises(AccessError, match=r"16 or more|blanks"):
        token_to_ask_for(Settings(home=tmp_path, api=ApiSettings(token=token)))


def test_where_no_token_can_be_kept_the_api_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "HDSMLM_HOME": str(tmp_path / "file" / "home")}
    answer = subprocess.run(SERVE, env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, "set ORCHESTRATOR_TOKEN" in answer.stderr) == (2, True)


def test_a_token_file_that_is_missing_is_told_and_no_other_token_made(tmp_path: Path) -> None:
    missing = ApiSettings(token_file=tmp_path / "nothing")
    with pytest.raises(AccessError, match=r"nothing cannot be read"):
        token_to_ask_for(Settings(home=tmp_path, api=missing))
    assert not (tmp_path / "api-token").exists()


def test_settings_are_shown_without_the_token() -> None:
    assert "secret" not in repr(from_environment({"ORCHESTRATOR_TOKEN": "secret"}))
