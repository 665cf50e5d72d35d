"""The measured peak is the child's own, and equal runs have equal ones."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

FORKED = """
import json, os, psutil
from model.units import MIB
from worker.memory import peak_mib
block = b"x" * (300 * MIB)
del block
reader, writer = os.pipe()
if os.fork() == 0:
    began = peak_mib()
    held = psutil.Process().memory_info().rss // MIB
    block = b"x" * (100 * MIB)
    del block
    os.write(writer, json.dumps([began, held, peak_mib()]).encode())
    os._exit(0)
os.wait()
print(json.dumps([peak_mib(), *json.loads(os.read(reader, 100))]))
"""

STEADY = """
import ctypes, json, sys
from worker.memory import steady_allocator
told = steady_allocator() if sys.argv[1] == "steady" else None
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_size_t, [ctypes.c_size_t], [ctypes.c_size_t]
libc.free(libc.malloc(16 * 2**20))
block = libc.malloc(4 * 2**20)
is_mapped_alone = bool(ctypes.c_size_t.from_address(block - 8).value & 2)
print(json.dumps([told, is_mapped_alone]))
"""


def answer(program: str, *arguments: str) -> Any:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_childs_peak_is_what_the_watchdog_measures_and_begins_at_what_it_holds_not_at_its_parents_peak() -> None:
    parent_mib, began_mib, held_mib, ended_mib = answer(FORKED)
    assert parent_mib > began_mib + 200
    assert abs(began_mib - held_mib) <= 2
    assert 95 <= ended_mib - began_mib <= 110


def test_a_large_block_goes_back_to_the_kernel_as_soon_as_it_is_freed() -> None:
    assert answer(STEADY, "default") == [None, False], "glibc keeps such blocks once it has seen one freed"
    assert answer(STEADY, "steady") == [True, True]
