"""What Prometheus asks for, made anew at each scrape from the ledger and the balancer's last snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from model.units import MIB
from orchestrator.backends.direct import Direct
from orchestrator.events import OUTCOMES
from orchestrator.states import RunState

CONTENT_TYPE = CONTENT_TYPE_LATEST
_MEMORY = ("total", "used", "leased", "foreign", "free", "headroom")


def exposition(backend: Direct) -> bytes:
    """All metrics in Prometheus' text format; raises ServiceError or RedisError where Redis does not answer."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Installation(backend))
    return generate_latest(registry)


class _Installation(Collector):
    """Everything that is measured."""

    def __init__(self, backend: Direct) -> None:
        self._backend = backend

    def collect(self) -> Iterable[Metric]:
        sweeps = self._backend.status(None)["sweeps"]
        yield _runs(sweeps)
        yield GaugeMetricFamily("hdsmlm_queue_runs", "Runs that wait for a worker.", sum(s["queued"] for s in sweeps))
        yield _outcomes(self._backend.ledger.redis.hgetall(OUTCOMES))
        seen = self._backend.balancer()
        yield GaugeMetricFamily("hdsmlm_balancer_up", "1 while a balancer writes its snapshot.", int(seen["up"]))
        if seen["age_s"] is not None:
            yield GaugeMetricFamily("hdsmlm_balancer_snapshot_age_seconds", "Age of the snapshot.", seen["age_s"])
        yield _memory(seen["devices"])
        yield _health(seen["devices"])
        yield _workers(seen["workers"])


def _runs(sweeps: Iterable[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily("hdsmlm_runs", "Runs by sweep and state.", labels=["sweep", "state"])
    for sweep in sweeps:
        for state in RunState:
            family.add_metric([sweep["sweep"], state], sweep[state])
    return family


def _outcomes(counts: Mapping[str, str]) -> Metric:
    """`queued` are attempts whose run is to be tried again: lost, released or failed within its budget."""
    family = CounterMetricFamily("hdsmlm_attempts", "Attempts by what became of the run.", labels=["outcome"])
    for outcome, count in counts.items():
        family.add_metric([outcome], int(count))
    return family


def _memory(devices: Iterable[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily(
        "hdsmlm_device_memory_bytes", "Memory of a device as the balancer sees it.", labels=["device", "name", "kind"]
    )
    for device in devices:
        for kind in _MEMORY:
            family.add_metric([device["device"], device["name"], kind], device[f"{kind}_mib"] * MIB)
    return family


def _health(devices: Iterable[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily("hdsmlm_device_ok", "1 where runs may start on a device.", labels=["device", "name"])
    for device in devices:
        family.add_metric([device["device"], device["name"]], int(device["health"] == "ok"))
    return family


def _workers(workers: Iterable[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily("hdsmlm_workers", "Workers that hold a lease.", labels=["device", "state"])
    for (device, state), count in Counter((one["device"], one["state"]) for one in workers).items():
        family.add_metric([device, state], count)
    return family
