"""The folders that containers of workers share with the balancer: checkpoints, logs, caches and movies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def volumes_of(folders: Sequence[str], own: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """What Docker is to mount for folders as `/checkpoints`, `/data:ro`, or `/srv/movies:/data:ro`.

    A folder is found where the balancer has it, and taken from where the balancer has it; `own` are the mounts of the
    balancer's container as Docker tells them. So it does not matter how it came there: as a volume, from Linux or from
    Windows. A balancer outside any container shares its own folders, or others under another name.
    """
    sources = {mount["Destination"]: mount.get("Name") or mount["Source"] for mount in own}
    return dict(_volume(folder, sources) for folder in folders)


def _volume(folder: str, sources: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    source, _, target = folder.removesuffix(":ro").partition(":")
    mode = "ro" if folder.endswith(":ro") else "rw"
    return sources.get(source, source), {"bind": target or source, "mode": mode}
