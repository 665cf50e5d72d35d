"""What programs see of the stand-in through unmodified libraries, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.driver.stand_in import Fleet

MIB = 1 << 20
PRELUDE = """
import ctypes, json
from pynvml import *
def code(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except NVMLError as error:
        return error.value
    except NVMLLibraryMismatchError:
        return "mismatch"
    return 0
def say(value):
    print(json.dumps(value, default=lambda found: found.decode() if isinstance(found, bytes) else str(found)))
def memory(handle, **options):
    found = nvmlDeviceGetMemoryInfo(handle, **options)
    return {name: getattr(found, name) // 1048576 for name in ("total", "free", "used")}
"""
BEGIN = "nvmlInit(); gpu = nvmlDeviceGetHandleByIndex(0)\n"


def see(fleet: Fleet, code: str, prelude: str = PRELUDE + BEGIN) -> Any:
    """What a fresh interpreter says that sees the fleet."""
    answer = subprocess.run(
        [sys.executable, "-c", prelude + code],
        env={**os.environ, **fleet.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)
