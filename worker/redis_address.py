"""The address of Redis with its password, which stands in a file of its own and in no environment.

Standard library only: commands that must answer at once read it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

PASSWORD_FILE = "HDSMLM_REDIS_PASSWORD_FILE"


def redis_address(environment: Mapping[str, str]) -> str:
    """HDSMLM_REDIS_URL, completed by what HDSMLM_REDIS_PASSWORD_FILE holds; empty where there is none.

    Raises:
        ValueError: the file cannot be read.
    """
    url, file = environment.get("HDSMLM_REDIS_URL", ""), environment.get(PASSWORD_FILE)
    if not (url and file):
        return url
    try:
        password = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"the password of Redis cannot be read ({error}); {PASSWORD_FILE} names its file") from error
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{quote(password, safe='')}@{host}"))
