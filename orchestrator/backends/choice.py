"""Chooses who answers: the API at ORCHESTRATOR_URL where that is set, else this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import LocalOnlyError
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.backends.port import Backend


def backend_of(settings: Settings) -> Backend:
    """The backend that is configured; nothing is connected before it is asked something.

    Raises:
        OrchestratorError: the address or the token of the API cannot be used.
    """
    if settings.api.url:
        from orchestrator.backends.remote import Remote
        from orchestrator.tokens import token_to_show

        return Remote(settings.api.url, token_to_show(settings.api))
    from orchestrator.backends.direct import Direct

    return Direct(settings)


def only_here(settings: Settings, command: str) -> None:
    """Refuse a command that is about the services of this machine, where an API is configured.

    Raises:
        LocalOnlyError: one is.
    """
    if settings.api.url:
        raise LocalOnlyError(
            f"`orchestrator {command}` works on the machine of the services only, and ORCHESTRATOR_URL is set "
            f"({settings.api.url}); call it there, or unset ORCHESTRATOR_URL to mean this machine"
        )
