from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all of these tests; its services start with the first that needs them."""
    installation = Installation(tmp_path_factory.mktemp("installation"))
    yield installation
    installation.call("down")
