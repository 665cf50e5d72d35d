"""The token that opens the API: given by the environment, in a file, or made once and kept under the home folder."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import AccessError
from orchestrator.settings import ApiSettings, Settings

_SHORTEST = 16
_MADE = "api-token"


class Token(NamedTuple):
    """A token, and where it comes from."""

    text: str
    origin: str


def token_to_show(api: ApiSettings) -> str:
    """What a caller of the API sends.

    Raises:
        AccessError: none is configured, or it cannot be read.
    """
    if found := _configured(api):
        return found.text
    raise AccessError(
        "ORCHESTRATOR_URL is set, but no token; set ORCHESTRATOR_TOKEN, or ORCHESTRATOR_TOKEN_FILE to a file that "
        "holds it (`orchestrator serve` says where it keeps its own)"
    )


def token_to_ask_for(settings: Settings) -> Token:
    """What the API asks of its callers; where none is configured, one is made and kept under the home folder.

    Raises:
        AccessError: it cannot be read, is too short to be a secret, or none can be kept.
    """
    found = _configured(settings.api) or _kept(settings.home / _MADE)
    if len(found.text) < _SHORTEST:
        raise AccessError(
            f"the token in {found.origin} has {len(found.text)} characters; expected {_SHORTEST} or more, such as "
            "`openssl rand -hex 32` prints"
        )
    return found


def _configured(api: ApiSettings) -> Token | None:
    if api.token:
        return _checked(api.token, "ORCHESTRATOR_TOKEN")
    return _read(api.token_file) if api.token_file else None


def _read(file: Path) -> Token:
    try:
        return _checked(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"the token in {file} cannot be read ({error}); check its path and permissions") from error


def _checked(text: str, origin: str) -> Token:
    token = text.strip()
    if not re.fullmatch(r"[!-~]+", token):
        raise AccessError(f"the token in {origin} is empty or holds blanks or signs beside ASCII; put one word there")
    return Token(token, origin)


def _kept(file: Path) -> Token:
    """The token that was made here before, else a new one that only this user may read."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(file)
    except OSError as error:
        raise AccessError(
            f"no token is set and none can be kept in {file} ({error.strerror}); "
            "set ORCHESTRATOR_TOKEN or ORCHESTRATOR_TOKEN_FILE"
        ) from error
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{secrets.token_urlsafe(32)}\n")
    return _read(file)
