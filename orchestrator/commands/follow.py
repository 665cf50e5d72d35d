"""Follows a sweep to its end, and keeps the balancer alive meanwhile."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live

from orchestrator.commands.live import View, Watch, line, render
from orchestrator.commands.session import Session
from orchestrator.ledger import UNSETTLED
from orchestrator.redis_door import RedisError
from orchestrator.services import Services
from orchestrator.states import UNDER_WAY

_EVERY_S = 0.5
_PLAIN_EVERY_S = 5.0
_SETTLE_S = 120.0


def follow(session: Session, name: str, console: Console) -> None:
    """Show the sweep until every run is over and MLflow shows it, or the sweep is paused with nothing running."""
    watch = Watch(session.ledger, name)
    shown: tuple[int, float] | None = None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            try:
                view = watch.look()
            except RedisError as error:
                console.print(f"Redis is away ({error}); starting what is missing")
                session.services.up()
                continue
            if console.is_terminal:
                live.update(render(view), refresh=True)
            else:
                shown = _print_changed(console, view, shown)
            if _is_over(view):
                break
            _revive(session.services, console)
            time.sleep(_EVERY_S)
    _await_settlement(session)


def _is_over(view: View) -> bool:
    waiting_for_nothing = view.sweep.paused and not view.at_work
    return bool(waiting_for_nothing) or not any(view.counts[state] for state in UNDER_WAY)


def _print_changed(console: Console, view: View, shown: tuple[int, float] | None) -> tuple[int, float]:
    now = time.monotonic()
    if shown is None or view.over != shown[0] or now - shown[1] >= _PLAIN_EVERY_S:
        console.print(line(view), soft_wrap=True, highlight=False)
        return view.over, now
    return shown


def _revive(services: Services, console: Console) -> None:
    if missing := services.missing():
        console.print(f"{', '.join(missing)} is gone ({services.log(missing[0])} may say why); starting it again")
        services.up()


def _await_settlement(session: Session) -> None:
    deadline = time.monotonic() + _SETTLE_S
    while session.ledger.redis.scard(UNSETTLED) and time.monotonic() < deadline:
        time.sleep(0.1)
