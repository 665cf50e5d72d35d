from __future__ import annotations

import pytest

from orchestrator.balancer.launchers.mounts import volumes_of

OWN = [
    {"Type": "volume", "Name": "hdsmlm_checkpoints", "Source": "/var/lib/docker/x", "Destination": "/checkpoints"},
    {"Type": "bind", "Source": "/run/desktop/mnt/host/d/movies", "Destination": "/data"},
]


@pytest.mark.parametrize(
    ("folder", "source", "target", "mode"),
    [
        ("/checkpoints", "hdsmlm_checkpoints", "/checkpoints", "rw"),
        ("/data:ro", "/run/desktop/mnt/host/d/movies", "/data", "ro"),
        ("/elsewhere", "/elsewhere", "/elsewhere", "rw"),
        ("/srv/movies:/data:ro", "/srv/movies", "/data", "ro"),
    ],
)
def test_a_folder_is_mounted_from_where_the_balancer_has_it(folder: str, source: str, target: str, mode: str) -> None:
    assert volumes_of([folder], OWN) == {source: {"bind": target, "mode": mode}}
