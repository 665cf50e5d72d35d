"""A real Docker Engine and the project's images, for the tests that need them."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def docker(*arguments: str, check: bool = True, **options: object) -> str:
    """What a call of Docker's command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, cwd=ROOT, **options)  # type: ignore[call-overload]
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


@cache
def control_image() -> str:
    """The image of the control plane, made from this checkout."""
    needs_engine()
    docker("build", "--quiet", "--target", "control", "--tag", "hdsmlm/control:contract", ".")
    return "hdsmlm/control:contract"


@cache
def needs_engine() -> None:
    """Skip where no engine answers, unless HDSMLM_TEST_ENGINE says that there must be one."""
    try:
        docker("version")
    except (OSError, AssertionError):
        if os.environ.get("HDSMLM_TEST_ENGINE"):
            raise
        pytest.skip("no Docker Engine answers here")
