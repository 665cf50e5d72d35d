"""Pieces of a page for a terminal, in plain text and ANSI codes: nothing here takes time to import."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Paint = Callable[[str, str], str]
"""Gives a text its colour, by the name of the colour."""

OURS, LEASED, FOREIGN, FREE = "█", "▒", "╱", "·"
_CODES = {"green": "32", "yellow": "33", "red": "31", "magenta": "35", "cyan": "36", "bold": "1", "dim": "2"}
_ASCII = str.maketrans({OURS: "#", LEASED: "+", FOREIGN: "/", FREE: ".", "…": "~", "×": "x", "°": " ", "─": "-"})
_COLOURS = {OURS: "green", LEASED: "cyan", FOREIGN: "magenta", FREE: "dim"}


def plain(text: str, _colour: str) -> str:
    """No colour."""
    return text


def coloured(text: str, colour: str) -> str:
    """Colour by ANSI codes."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def writable(text: str, encoding: str | None) -> str:
    """The text, in signs that every terminal has where this encoding lacks some."""
    known = encoding or "utf-8"
    try:
        text.encode(known)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(known, "replace").decode(known)
    return text


def memory_bar(parts_mib: Sequence[int], width: int, paint: Paint) -> str:
    """Ours, leased but not used, foreign and free memory, in so many cells; what there is at all is seen."""
    cells = zip((OURS, LEASED, FOREIGN, FREE), share_out(parts_mib, width), strict=True)
    return "".join(paint(sign * count, _COLOURS[sign]) for sign, count in cells if count)


def legend(paint: Paint) -> str:
    """What the signs of the bar mean."""
    words = {OURS: "used by ours", LEASED: "leased, not used yet", FOREIGN: "foreign", FREE: "free"}
    return "   ".join(f"{paint(sign * 2, _COLOURS[sign])} {word}" for sign, word in words.items())


def share_out(parts: Sequence[int], cells: int) -> list[int]:
    """So many cells in proportion to the parts; a part that is not zero gets one at least."""
    total = max(sum(parts), 1)
    exact = [part * cells / total for part in parts]
    given = [max(int(share), part > 0) for share, part in zip(exact, parts, strict=True)]
    while sum(given) < cells:
        given[max(range(len(parts)), key=lambda i: exact[i] - given[i])] += 1
    while sum(given) > cells:
        given[max(range(len(parts)), key=lambda i: given[i] - exact[i] if given[i] > 1 else -cells)] -= 1
    return given


def cut(text: str, width: int) -> str:
    """The beginning of a text, with an ellipsis where it is longer."""
    clean = in_one_line(text)
    return clean if len(clean) <= width else clean[: max(width - 1, 0)] + "…"


def cut_inside(text: str, width: int) -> str:
    """Beginning and end of a slug: its last two parts tell the seed and the id."""
    tail = "-".join(text.split("-")[-2:])[-(width // 2) :]
    return text if len(text) <= width else f"{text[: width - len(tail) - 1]}…{tail}"


def in_one_line(text: str) -> str:
    """The text without line ends and control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """The text in lines of at most `width`, each indented."""
    lines, line = [], ""
    for word in in_one_line(text).split():
        if line and len(indent) + len(line) + 1 + len(word) > width:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, indent + line]


def gib(mib: float) -> str:
    """Memory in GiB."""
    return f"{mib / 1024:.1f}"


def lasting(seconds: float | None) -> str:
    """A time in two units at most; empty where it is not known."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole}s"
    minutes, hours = whole // 60, whole // 3600
    if hours < 1:
        return f"{minutes}m"
    return f"{hours}h{minutes % 60:02}m" if hours < 24 else f"{hours // 24}d{hours % 24:02}h"
