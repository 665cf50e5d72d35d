"""The folders that containers of workers share with the balancer: checkpoints, logs, caches and movies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def volumes_of(folders: Sequence[str], own: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Mount each folder (`/data:ro` to read only) where the balancer has it, and from where the balancer has it.

    `own` are the mounts of the balancer's container as Docker tells them. So it does not matter how a folder came to
    the balancer, as a volume, from Linux or from Windows; a balancer outside any container shares its own folders.
    """
    sources = {mount["Destination"]: mount.get("Name") or mount["Source"] for mount in own}
    wanted = [(folder.removesuffix(":ro"), "ro" if folder.endswith(":ro") else "rw") for folder in folders]
    return {sources.get(folder, folder): {"bind": folder, "mode": mode} for folder, mode in wanted}
