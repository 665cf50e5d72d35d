"""The short name of a run that people read: `d4-f3-adam-lr1e-3-s11-3fa9c1`.

It tells the values of the axes that vary, the seed, and the head of the run id, which makes it unique in practice; it
is bounded, and safe as the name of a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from model.config import Scalar

MAX_CHARACTERS = 64
_TEXT = 16


def slug(values: Mapping[str, Scalar], seed: int, run_id: str) -> str:
    """The slug of a run; values that do not fit are left out from the end."""
    tail = f"s{seed}-{run_id[:6]}"
    head = ""
    for path, value in values.items():
        longer = f"{head}{_part(path, value)}-"
        if len(longer) + len(tail) > MAX_CHARACTERS:
            break
        head = longer
    return head + tail


def _part(path: str, value: Scalar) -> str:
    if isinstance(value, str):
        return re.sub(r"[^a-z0-9_.]+", "_", PurePath(value).stem.lower())[:_TEXT]
    return _initials(path) + (_number(value) if isinstance(value, float) else str(value).lower())


def _initials(path: str) -> str:
    words = path.rpartition(".")[2].removesuffix("_per_um2").split("_")
    return "".join(word if word in ("min", "max") else word[0] for word in words)


def _number(value: float) -> str:
    """Four significant digits, as `0.5` or `1e-3`, whichever is shorter."""
    plain = f"{value:.4g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    short = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return short if len(short) < len(plain) else plain
