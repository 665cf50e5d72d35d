"""Follows a sweep to its end, and sees to it meanwhile that somebody answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.live import Live

from orchestrator.commands.live import View, Watch, line, render

if TYPE_CHECKING:
    from orchestrator.backends.port import Backend

_EVERY_S = 0.5
_PLAIN_EVERY_S = 5.0
_SETTLE_S = 120.0


class Care(NamedTuple):
    """What is done beside looking."""

    losses: tuple[type[Exception], ...]
    """Errors that mean that nobody answers just now."""
    after_loss: Callable[[Exception], None]
    each_time: Callable[[], None] = lambda: None


def follow(backend: Backend, name: str, console: Console, care: Care) -> None:
    """Show the sweep until every run is over and MLflow shows it, or the sweep is paused with nothing running."""
    watch = Watch(backend, name)
    shown: tuple[int, float] | None = None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            try:
                view = watch.look()
            except care.losses as error:
                care.after_loss(error)
                continue
            if console.is_terminal:
                live.update(render(view), refresh=True)
            else:
                shown = _print_changed(console, view, shown)
            if view.is_over:
                break
            care.each_time()
            time.sleep(_EVERY_S)
    _await_settlement(backend, name)


def _print_changed(console: Console, view: View, shown: tuple[int, float] | None) -> tuple[int, float]:
    now = time.monotonic()
    if shown is None or view.over != shown[0] or now - shown[1] >= _PLAIN_EVERY_S:
        console.print(line(view), soft_wrap=True, highlight=False)
        return view.over, now
    return shown


def _await_settlement(backend: Backend, name: str) -> None:
    deadline = time.monotonic() + _SETTLE_S
    while backend.progress(name)["unsettled"] and time.monotonic() < deadline:
        time.sleep(0.2)
