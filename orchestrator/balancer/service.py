"""Puts the balancer together from its real parts and runs it until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading

from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.launchers.port import Launcher
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.limits import rules_from
from orchestrator.balancer.lock import only_one
from orchestrator.balancer.probes.detect import probe_for
from orchestrator.balancer.readings import DeviceProbe
from orchestrator.balancer.settlement import Settlement
from orchestrator.errors import ServiceError, SupersededError
from orchestrator.experiment import Experiments
from orchestrator.ledger import Ledger
from orchestrator.redis_door import RedisError, connect
from orchestrator.settings import Settings
from orchestrator.transport import Transport
from worker.redis_address import PASSWORD_FILE
from worker.spec import CPU_DEVICE, MLFLOW_URL

_log = logging.getLogger(__name__)
_RETRY_S = 1.0


def serve(settings: Settings, redis_url: str, mlflow_url: str, *, verbose: bool = False) -> None:
    """Balance until SIGTERM or SIGINT.

    Raises:
        ServiceError: another balancer runs here, or Redis does not answer.
    """
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = _told_to_stop()
    with only_one(settings.home):
        settlement = Settlement(Ledger(connect(redis_url)), Experiments(mlflow_url), settings.home / "checkpoints")
        settlement.start()
        probe = probe_for(
            settings.balancer.devices,
            slots=settings.balancer.slots,
            whole_machine=settings.balancer.launcher == "docker",
        )
        _balance(settings, redis_url, mlflow_url, probe, stop)
        probe.close()
        settlement.stop()


def _told_to_stop() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _balance(settings: Settings, redis_url: str, mlflow_url: str, probe: DeviceProbe, stop: threading.Event) -> None:
    """Let one daemon after the other work, until told to stop or superseded; each failure begins a new one."""
    while not stop.is_set():
        try:
            daemon = _daemon(settings, redis_url, mlflow_url, probe)
            daemon.run(stop)
            if settings.balancer.on_stop == "release":
                daemon.leave()
        except (RedisError, ServiceError) as error:
            _log.warning("trying again: %s", error)
            stop.wait(_RETRY_S)
        except SupersededError as error:
            _log.error("%s", error)
            break
        except Exception:
            _log.exception("a round failed; beginning anew")
            stop.wait(_RETRY_S)


def _daemon(settings: Settings, redis_url: str, mlflow_url: str, probe: DeviceProbe) -> Daemon:
    client = connect(redis_url)
    client.set(MLFLOW_URL, settings.containers.mlflow_url or mlflow_url)
    readings = probe.read()
    slots = sum(reading.slots or settings.balancer.gpu_slots for reading in readings)
    threads = max(1, (os.cpu_count() or 1) // max(slots, 1))
    weighs = any(reading.device_id == CPU_DEVICE for reading in readings)
    return Daemon(
        ledger=Ledger(client),
        leases=Leases(client),
        transport=Transport(connect(redis_url, decode=False)),
        probe=probe,
        launcher=_launcher(settings, redis_url, threads=threads, weighs=weighs),
        settings=settings.balancer,
        rules=rules_from(settings.balancer),
    )


def _launcher(settings: Settings, redis_url: str, *, threads: int, weighs: bool) -> Launcher:
    """What the settings call for; what it needs is imported only then."""
    containers = settings.containers
    environment = {"HDSMLM_REDIS_URL": containers.redis_url or redis_url, "HDSMLM_HOME": str(settings.home)}
    if settings.balancer.launcher == "process":
        from orchestrator.balancer.launchers.process import ProcessLauncher

        return ProcessLauncher(settings.home, environment, threads=threads, weighs=weighs)
    from orchestrator.balancer.launchers.containers import DockerLauncher

    if containers.redis_password_file:
        environment[PASSWORD_FILE] = containers.redis_password_file
    return DockerLauncher(settings.home, environment, containers, threads=threads)
