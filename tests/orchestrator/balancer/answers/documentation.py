"""What `docs/balancer-status.md` says."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[4] / "docs" / "balancer-status.md"


def documented(section: str) -> set[str]:
    text = DOCUMENT.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
