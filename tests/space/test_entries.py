"""The search space: boxes of 64, 128 and 192 entries, and the way between vectors and tables."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qsearch.errors import InputError
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.tables import QuantTables


@pytest.mark.parametrize(("layout", "entries"), [("shared", 64), ("luma-chroma", 128), ("ycbcr", 192)])
def test_a_full_space_holds_every_baseline_table(layout: str, entries: int) -> None:
    space = SearchSpace.full(layout)
    assert space.dimensions == entries
    assert set(space.lower.tolist()) == {1}
    assert set(space.upper.tolist()) == {255}


@given(st.data(), st.sampled_from(list(LAYOUTS)))
def test_vectors_become_tables_and_vectors_again(data: st.DataObject, layout: str) -> None:
    space = SearchSpace.full(layout)
    vector = data.draw(arrays(np.int64, space.dimensions, elements=st.integers(1, 255)))
    tables = space.to_tables(vector)
    np.testing.assert_array_equal(space.to_vector(tables), vector)
    assert LAYOUTS[tables.layout] <= LAYOUTS[layout]


def test_entries_stand_in_raster_order_table_after_table() -> None:
    tables = SearchSpace.full("ycbcr").to_tables(np.arange(1, 193))
    assert tables.luma[0].tolist() == list(range(1, 9))
    assert tables.cb[0, 0] == 65
    assert tables.cr[7, 7] == 192
    pair = SearchSpace.full("luma-chroma").to_tables(np.arange(1, 129))
    assert pair.chroma[0, 0] == 65
    one = SearchSpace.full("shared").to_tables(np.arange(1, 65))
    np.testing.assert_array_equal(one.luma, one.chroma)


def test_a_wider_layout_expresses_tables_of_a_narrower_one() -> None:
    tables = QuantTables.standard(50)
    vector = SearchSpace.full("ycbcr").to_vector(tables)
    np.testing.assert_array_equal(vector[64:128], vector[128:])
    with pytest.raises(InputError, match="luma-chroma do not fit a search space of layout shared"):
        SearchSpace.full("shared").to_vector(tables)


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(64, dtype=int),
        np.full(64, 256),
        np.full(63, 9),
        np.full((8, 8), 9),
        np.full(64, 9.0),
        np.full(64, np.nan),
        np.ones(64, dtype=bool),
    ],
)
def test_a_vector_outside_the_box_is_refused(vector: npt.NDArray[Any]) -> None:
    space = SearchSpace.full()
    assert not space.contains(vector)
    with pytest.raises(InputError, match="64 integers within the box"):
        space.to_tables(vector)


def test_bounds_belong_to_the_box() -> None:
    lower, upper = np.arange(1, 65), np.arange(1, 65) + 10
    space = SearchSpace("shared", lower, upper)
    assert space.contains(lower)
    assert space.contains(upper)
    assert not space.contains(lower - 1)
    assert not space.contains(np.where(np.arange(64) == 63, upper + 1, upper))


@given(arrays(np.float64, 64, elements=st.floats(-1e6, 1e6)))
def test_clipping_gives_the_nearest_vector_of_the_box(values: npt.NDArray[np.float64]) -> None:
    space = SearchSpace("shared", np.full(64, 10), np.arange(64) + 20)
    clipped = space.clip(values)
    assert space.contains(clipped)
    for neighbour in (clipped - 1, clipped + 1):
        inside = (neighbour >= space.lower) & (neighbour <= space.upper)
        assert (np.abs(clipped - values)[inside] <= np.abs(neighbour - values)[inside]).all()


@pytest.mark.parametrize("values", [np.full(64, np.nan), np.full(64, np.inf), np.ones(63)])
def test_only_finite_vectors_of_the_right_length_are_clipped(values: npt.NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="64 finite numbers"):
        SearchSpace.full().clip(values)


@pytest.mark.parametrize(
    ("lower", "upper", "sentence"),
    [
        (np.full(63, 1), np.full(64, 255), "lower bound of layout shared is 64 integers"),
        (np.full(64, 1.0), np.full(64, 255), "lower bound"),
        (np.full(64, 1), np.full((8, 8), 255), "upper bound"),
        (np.full(64, 0), np.full(64, 255), "1 <= lower <= upper <= 255"),
        (np.full(64, 1), np.full(64, 256), "1 <= lower <= upper <= 255"),
        (np.full(64, 9), np.full(64, 8), "1 <= lower <= upper <= 255"),
    ],
)
def test_bounds_that_are_none_are_refused(lower: Any, upper: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        SearchSpace("shared", lower, upper)


@pytest.mark.parametrize("make", [SearchSpace.full, lambda name: SearchSpace(name, np.full(64, 1), np.full(64, 1))])
def test_an_unknown_layout_is_refused_with_the_known_ones(make: Any) -> None:
    with pytest.raises(InputError, match=r"unknown table layout 'rgb': known are shared, luma-chroma, ycbcr"):
        make("rgb")


def test_spaces_are_values() -> None:
    lower = np.full(64, 2)
    space = SearchSpace("shared", lower, np.full(64, 255))
    lower[0] = 7
    assert space.lower[0] == 2
    with pytest.raises(ValueError, match="read-only"):
        space.lower[0] = 7
    assert space == SearchSpace("shared", np.full(64, 2), np.full(64, 255))
    assert hash(space) == hash(SearchSpace("shared", np.full(64, 2), np.full(64, 255)))
    assert space != SearchSpace.full()
    assert SearchSpace.full("ycbcr") != SearchSpace.full("luma-chroma")
    assert space != "shared"
