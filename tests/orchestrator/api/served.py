"""The API under a real uvicorn, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

TOKEN = "a-token-for-tests-only"


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve on a free port of this machine; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # With a logging configuration, uvicorn would close every handler here, and pytest's streams with them.
        config = uvicorn.Config(app, log_config=None, server_header=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
