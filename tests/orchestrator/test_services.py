from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.addresses import redis_socket, redis_url
from orchestrator.entry import run as run_command
from orchestrator.errors import OrchestratorError
from orchestrator.processes import claim_port
from orchestrator.redis_door import Redis, connect
from orchestrator.services import BALANCER, MLFLOW, REDIS, Services
from orchestrator.settings import Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", mlflow_url="http://127.0.0.1:1")


@pytest.fixture
def own(settings: Settings) -> Iterator[Services]:
    services = Services(settings)
    services._start_redis()
    yield services
    services.stop(REDIS)


def test_redis_keeps_what_it_is_told_over_a_restart(own: Services, settings: Settings) -> None:
    connect(redis_url(settings)).set("k", "v")
    own.stop(REDIS)
    own._start_redis()
    assert connect(redis_url(settings)).get("k") == "v"


def test_a_redis_that_answers_is_found_again_although_its_record_is_lost(own: Services, settings: Settings) -> None:
    before = own.find(REDIS)
    (settings.home / "services" / "redis.json").unlink()
    connect(redis_url(settings)).set("k", "v")
    heir = Services(settings)
    assert heir.find(REDIS) is None
    heir._start_redis()
    assert heir.find(REDIS) == before
    assert connect(redis_url(settings)).get("k") == "v"


def test_another_process_with_the_number_of_an_old_service_is_not_taken_for_it(
    own: Services, settings: Settings
) -> None:
    record = settings.home / "services" / "redis.json"
    service = json.loads(record.read_text())
    record.write_text(json.dumps(service | {"pid": 1}))
    assert own.find(REDIS) is None
    record.write_text(json.dumps(service))


def test_a_balancer_in_the_foreground_counts_as_running(own: Services, settings: Settings) -> None:
    assert own.missing() == [BALANCER]
    with (settings.home / "balancer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert own.missing() == []


def test_two_installations_that_start_at_once_do_not_share_a_port() -> None:
    first, lock = claim_port(5000)
    second, other = claim_port(5000)
    assert first != second
    lock.close()
    other.close()
    again, lock = claim_port(first)
    assert again == first
    lock.close()


def test_configured_services_are_never_started(settings: Settings) -> None:
    configured = Settings(home=settings.home, redis_url="redis://elsewhere", mlflow_url="http://elsewhere")
    assert not {REDIS, MLFLOW} & set(Services(configured).missing())


def test_a_home_that_is_too_deep_for_a_socket_gets_one_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    assert len(str(redis_socket(deep))) <= 100
    assert redis_socket(deep) != redis_socket(deep / "other")


def test_a_setting_that_is_no_number_is_an_error_that_names_it() -> None:
    with pytest.raises(OrchestratorError, match="HDSMLM_SLOTS is 'two'; expected a number"):
        from_environment({"HDSMLM_SLOTS": "two"})


@pytest.mark.parametrize("command", ["orchestrator", "balancer"])
def test_a_redis_that_goes_away_in_the_middle_of_a_command_is_told_in_a_line(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose_redis() -> None:
        Redis(unix_socket_path="/nowhere/redis.sock").ping()

    with pytest.raises(SystemExit) as left:
        run_command(lose_redis, f"{command}: ")
    assert left.value.code == 3
    assert capsys.readouterr().err.startswith(f"{command}: ")
