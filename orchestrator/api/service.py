"""Runs the API under uvicorn until SIGTERM."""

from __future__ import annotations

import click
import uvicorn

from orchestrator.api.application import application
from orchestrator.backends.direct import Direct
from orchestrator.settings import Settings
from orchestrator.tokens import token_to_ask_for

_GRACE_S = 5
"""For requests under way when it is stopped; streams of events never end by themselves."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT.

    Raises:
        AccessError: there is no token to ask for.
    """
    token = token_to_ask_for(settings)
    click.echo(f"API on http://{host}:{port}; its token: {token.origin}")
    app = application(Direct(settings), token.text)
    uvicorn.run(app, host=host, port=port, server_header=False, timeout_graceful_shutdown=_GRACE_S)
