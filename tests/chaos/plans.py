"""What a ghost does with a run, and under which keys of Redis it is told and tells.

Light on purpose: the ghosts import this, and there are many of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

TAKEN, FINISHED, DEATHS = "ghost:taken", "ghost:finished", "ghost:deaths"
"""Lists: attempts as they were taken, attempts that came to their end, and runs that found no memory."""
CURSED = "ghost:cursed"
"""Set of devices on which every run dies with its worker."""


@dataclass(frozen=True)
class Plan:
    """One run; memory in MiB."""

    peak_mib: int = 800
    """Of its allocator."""
    context_mib: int = 600
    """What it holds beside that."""
    seconds: float = 0.3
    allocate_after_s: float = 0.0
    overrun_mib: int = 0
    """What it takes beyond its lease, whatever its cap says."""
    ends: str = ""
    """How it goes wrong: `dies` with its worker, is `silent` while it goes on, or fails as `user`, `infra` or `oom`."""
    bad_attempts: int = 1_000_000
    """After so many attempts that went wrong, it goes well."""
    dies_after_s: float = 0.3
    lingers_s: float = 0.0
    """How long its process takes to end after its last word, with all its memory."""
    tells_every_s: float = 0.0
    """How often it tells its pace; 0: never."""
    look_every_s: float = 0.05
    """How often it looks whether something is to be done."""

    def well(self) -> Plan:
        """The same run without its faults."""
        return replace(self, overrun_mib=0, ends="")

    def dump(self) -> str:
        """As Redis keeps it."""
        return json.dumps(asdict(self))


def plan_key(run_id: str) -> str:
    """Where the plan of a run is; the usual plan where there is none."""
    return f"ghost:plan:{run_id}"


def attempts_key(run_id: str) -> str:
    """Count of the attempts of a run that ghosts have taken."""
    return f"ghost:attempts:{run_id}"


def read_plan(text: str | None) -> Plan:
    """The plan as it was dumped."""
    found: dict[str, Any] = json.loads(text) if text else {}
    return Plan(**found)
