"""Fine-tuning: a network that begins with another one's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.build import build_compiled
from model.config import resolve
from model.errors import InputError
from model.parent import adopt

SHARES = (0.9, 0.08, 0.015, 0.005)
SMALL = {"model.depth": 1, "model.base_filters": 2, "model.convolutions_per_block": 1}


def test_a_child_begins_with_the_weights_of_its_parent_and_an_optimiser_of_its_own(tmp_path: Path) -> None:
    parent, child = (build_compiled(resolve({**SMALL, "training.seed": seed}), SHARES, 10) for seed in (1, 2))
    parent.save(tmp_path / "parent.keras")
    adopt(child, tmp_path / "parent.keras")
    for ours, theirs in zip(child.get_weights(), parent.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(child.optimizer.iterations) == 0


def test_a_parent_of_another_shape_is_refused_with_both_sizes(tmp_path: Path) -> None:
    build_compiled(resolve(SMALL), SHARES, 10).save(tmp_path / "parent.keras")
    child = build_compiled(resolve({**SMALL, "model.base_filters": 4}), SHARES, 10)
    expected = r"parent\.keras has [\d,]+ weights in \d+ arrays, this one [\d,]+ weights in \d+ arrays; give model\.\*"
    with pytest.raises(InputError, match=expected):
        adopt(child, tmp_path / "parent.keras")


@pytest.mark.parametrize("content", [None, b"", b"not an archive"])
def test_a_file_that_holds_no_network_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "parent.keras").write_bytes(content)
    with pytest.raises(
        InputError,
        match=r"training\.init_from: .*(no network .*parent\.keras|parent\.keras cannot be read as a network)",
    ):
        adopt(build_compiled(resolve(SMALL), SHARES, 10), tmp_path / "parent.keras")
