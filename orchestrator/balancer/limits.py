"""From the settings of an installation to the rules by which the books are kept."""

from __future__ import annotations

from orchestrator.balancer.accounting import Limits, Rules
from orchestrator.errors import OrchestratorError
from orchestrator.settings import BalancerSettings
from worker.spec import CPU_DEVICE

_KEYS = ("workers", "reserve")


def rules_from(settings: BalancerSettings) -> Rules:
    """The rules.

    Raises:
        OrchestratorError: HDSMLM_GPU_LIMITS is not of its form.
    """
    gpu = Limits(settings.gpu_reserve_mib, settings.gpu_slots)
    named = {name: _limits(words, gpu) for name, *words in _entries(settings.gpu_limits)}
    cpu = Limits(settings.reserve_mib, settings.slots)
    return Rules(slots=settings.gpu_slots, limits={**named, CPU_DEVICE: cpu, "*": gpu}, foreign=settings.foreign)


def _entries(text: str) -> list[list[str]]:
    return [entry.split() for entry in text.split(";") if entry.strip()]


def _limits(words: list[str], default: Limits) -> Limits:
    found = {"workers": default.workers, "reserve": default.reserve_mib}
    for word in words:
        key, _, number = word.partition("=")
        if key not in _KEYS or not number.isdigit():
            raise OrchestratorError(
                f"HDSMLM_GPU_LIMITS has '{word}'; expected such as `gpu0 workers=2 reserve=4096; gpu1 workers=1` "
                "(reserve in MiB)"
            )
        found[key] = int(number)
    return Limits(found["reserve"], found["workers"])
