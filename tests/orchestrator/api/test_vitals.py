from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.api.application import application
from orchestrator.backends.direct import Direct
from orchestrator.balancer.daemon import Daemon
from orchestrator.ledger import Ledger
from orchestrator.services import REDIS, Services
from orchestrator.settings import Settings
from orchestrator.states import RunState
from tests.orchestrator.api.served import TOKEN, serving
from tests.orchestrator.balancer.daemons import steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher
from tests.samples import submit
from worker.spec import ReportKind

Value = Callable[..., float]


def scraped(client: httpx.Client) -> Value:
    answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"][:10]) == (200, "text/plain")
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    return lambda metric, **labels: found[metric, tuple(sorted(labels.items()))]


def test_prometheus_is_told_of_runs_devices_workers_queue_and_attempts(
    daemon: Daemon, launcher: FakeLauncher, client: httpx.Client
) -> None:
    submit(daemon.ledger, "a", "b", "c", sweep="wolf")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FINISHED, "a", run.token, epoch=3, epochs=3, metrics={"val_f1": 0.5}, peak_mib=900)
    steps(daemon, 3)
    value = scraped(client)
    assert value("hdsmlm_runs", sweep="wolf", state="finished") == 1
    assert value("hdsmlm_runs", sweep="wolf", state="failed") == 0
    assert value("hdsmlm_attempts_total", outcome="finished") == 1
    assert value("hdsmlm_queue_runs") == value("hdsmlm_runs", sweep="wolf", state="queued") == 1
    assert value("hdsmlm_workers", device="cpu", state="busy") == 1
    assert value("hdsmlm_balancer_up") == 1
    assert 0 <= value("hdsmlm_balancer_snapshot_age_seconds") < 5
    device = {"device": "cpu", "name": "cpu"}
    assert value("hdsmlm_device_ok", **device) == 1
    assert value("hdsmlm_device_memory_bytes", kind="total", **device) == 16_000 * 1024**2
    assert value("hdsmlm_device_memory_bytes", kind="leased", **device) > 1000 * 1024**2
    for kind in ("used", "foreign", "free", "headroom"):
        value("hdsmlm_device_memory_bytes", kind=kind, **device)


def test_an_installation_in_which_nothing_has_happened_has_metrics_too(ledger: Ledger, client: httpx.Client) -> None:
    value = scraped(client)
    assert (value("hdsmlm_queue_runs"), value("hdsmlm_balancer_up")) == (0, 0)


def test_attempts_are_counted_by_what_became_of_the_run(
    daemon: Daemon, launcher: FakeLauncher, client: httpx.Client
) -> None:
    submit(daemon.ledger, "a", "b", sweep="wolf")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.RELEASED, "a", run.token)
    daemon.ledger.move("b", RunState.CANCELLED)
    steps(daemon)
    value = scraped(client)
    assert value("hdsmlm_attempts_total", outcome="queued") == 1


def test_health_needs_no_token_and_tells_of_the_balancer(daemon: Daemon, url: str) -> None:
    assert httpx.get(f"{url}/healthz").json() == {"redis": True, "balancer": {"up": False, "since": None}}
    steps(daemon)
    told = httpx.get(f"{url}/healthz")
    assert (told.status_code, told.json()["balancer"]["up"]) == (200, True)
    assert time.time() - 60 < told.json()["balancer"]["since"] <= time.time()


def test_a_redis_that_goes_and_comes_back_takes_and_gives_back_the_api(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    services = Services(settings)
    services._start_redis()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serving(application(Direct(settings), TOKEN)) as url, httpx.Client(base_url=url, headers=headers) as client:
        assert client.get("/v1/sweeps").status_code == 200
        services.stop(REDIS)
        lost = client.get("/v1/sweeps", timeout=60)
        assert (lost.status_code, lost.json()["kind"]) == (503, "ServiceError")
        assert "a service has gone away" in lost.json()["error"]
        services._start_redis()
        assert client.get("/v1/sweeps").status_code == 200
        services.stop(REDIS)


def test_without_redis_health_is_bad_and_everything_else_says_so() -> None:
    app = application(Direct(Settings(redis_url="redis://127.0.0.1:1")), TOKEN)
    with serving(app) as url, httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        sick = client.get("/healthz")
        assert (sick.status_code, sick.json()) == (503, {"redis": False, "balancer": None})
        for path in ("/metrics", "/v1/balancer", "/v1/events"):
            answer = client.get(path, timeout=60)
            assert (answer.status_code, answer.json()["kind"]) == (503, "ServiceError")
            assert "Redis does not answer" in answer.json()["error"]
