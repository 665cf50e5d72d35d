"""Percentiles by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from model.percentiles import percentiles, pieces

KINDS = ["u1", "i1", "u2", "i2", ">u2", "u4", "i4", "f4", ">f4"]


@settings(max_examples=200)
@given(
    st.sampled_from(KINDS).flatmap(lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=3, max_side=9))),
    st.data(),
)
def test_they_are_those_of_numpy_for_every_kind_of_pixel(stack: np.ndarray, data: st.DataObject) -> None:
    stack = np.nan_to_num(stack, nan=1.0, posinf=2.0, neginf=-3.0) if stack.dtype.kind == "f" else stack
    ranks = data.draw(st.lists(st.floats(0, 100), min_size=1, max_size=3))
    expected = np.percentile(stack.astype(np.float64), ranks)
    assert percentiles(stack, ranks) == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["u2", "f4", "i4"])
def test_a_stack_of_many_portions_is_counted_whole(kind: str) -> None:
    stack = np.random.default_rng(0).normal(0, 9000, (40, 300, 300)).clip(0).astype(kind)
    assert len(list(pieces(stack))) > 3
    assert percentiles(stack, [20, 50, 99]) == pytest.approx(np.percentile(stack, [20, 50, 99]), rel=1e-6)


def test_a_number_that_is_none_is_refused() -> None:
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            percentiles(np.array([1.0, wrong, 2.0], np.float32), [50])
    with pytest.raises(ValueError, match="without pixels"):
        percentiles(np.zeros((0, 4, 4)), [50])
    with pytest.raises(TypeError, match="int64"):
        percentiles(np.zeros((2, 2), np.int64), [50])
