"""Four GPUs of a data centre."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.driver.stand_in import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet.create(tmp_path, gpus=4)
