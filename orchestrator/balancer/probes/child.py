"""A child process that speaks in lines, and is ended when it falls silent."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence

_REAP_S = 1.0


class SilenceError(Exception):
    """The child has not spoken for too long."""


class Child:
    """One running child; its standard error is this process's."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, in a session of its own so that Ctrl-C of a terminal ends the parent only."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    def lines(self, first_s: float, silence_s: float) -> Iterator[str]:
        """What it says, line by line, until it ends.

        Raises:
            SilenceError: nothing came for `first_s` after the start, or later for `silence_s`.
        """
        heard = b""
        patience_s = first_s
        while chunk := self._chunk(patience_s):
            patience_s = silence_s
            *lines, heard = (heard + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)

    def send(self, text: str) -> None:
        """Tell it a line; one that has ended does not mind."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(f"{text}\n".encode())
            self._process.stdin.flush()

    def kill(self) -> None:
        """End it; `lines` ends with it."""
        self._process.kill()

    def ended(self) -> str:
        """How it ended, after its last line, such as `crashed (SIGSEGV)`; empty where it left as it should."""
        try:
            code = self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            return "cannot be ended"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"failed (exit code {code})" if code else ""

    def close(self) -> None:
        """End it and give its pipes back; one that the kernel will not end is left behind."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_S)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _chunk(self, patience_s: float) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(patience_s):
                raise SilenceError
        return os.read(self._process.stdout.fileno(), 1 << 16)
