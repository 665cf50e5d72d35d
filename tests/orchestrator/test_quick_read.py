from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.errors import ServiceError
from orchestrator.processes import redis_binary
from orchestrator.quick_read import quick_get
from orchestrator.redis_door import Redis, connect


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A Redis on TCP with a password."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--requirepass", "p@ss/word", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen([redis_binary(), *options], stdout=subprocess.DEVNULL)
    url = f"redis://:p%40ss%2Fword@127.0.0.1:{port}/3"
    while True:
        with contextlib.suppress(ServiceError):
            connect(url)
            break
    yield url
    server.terminate()
    server.wait()


def test_it_reads_what_the_client_library_wrote(redis: Redis, address: str) -> None:
    redis.set("k", "µ" * 100_000)
    assert quick_get(address, "k") == "µ" * 100_000
    assert quick_get(address, "nothing") is None


def test_it_logs_in_and_chooses_the_database(guarded: str) -> None:
    connect(guarded).set("k", "v")
    assert quick_get(guarded, "k") == "v"


def test_a_wrong_password_is_refused_in_words(guarded: str) -> None:
    with pytest.raises(ServiceError, match="Redis refuses"):
        quick_get(guarded.replace("p%40ss", "x"), "k")


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1", "http://127.0.0.1"])
def test_an_address_without_a_redis_is_an_error_that_tells_what_to_do(url: str) -> None:
    with pytest.raises(ServiceError, match=r"orchestrator up|use redis://"):
        quick_get(url, "k")


@pytest.mark.parametrize("ask", [connect, lambda url: quick_get(url, "k")])
def test_where_others_keep_the_services_running_an_error_names_what_starts_theirs(
    ask: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDSMLM_BALANCER", "elsewhere")
    with pytest.raises(ServiceError, match="start it with `docker compose up --wait`"):
        ask("redis://127.0.0.1:1")


@pytest.mark.parametrize("ask", [connect, lambda url: quick_get(url, "k")])
def test_an_error_does_not_show_the_password(ask: Callable[[str], object]) -> None:
    with pytest.raises(ServiceError, match=r"redis://user:…@127\.0\.0\.1:1/0 ") as raised:
        ask("redis://user:p%40ss@127.0.0.1:1/0")
    assert "p%40ss" not in str(raised.value)


def test_a_redis_that_may_evict_keys_is_refused(guarded: str) -> None:
    client = connect(guarded)
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ServiceError, match="noeviction"):
        connect(guarded)
