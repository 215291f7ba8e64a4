"""Shapes: tables up to a factor, their levels and their boxes."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qsearch.errors import InputError
from qsearch.pareto.bounds import FINEST_STEP, shape_bounds
from qsearch.search.steering import scaled_by
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.space.shapes import ShapeSpace, in_layout, log_mean, shape_of, tables_of
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.tables import QuantTables

bounded = settings(max_examples=60, deadline=None, derandomize=True)
LAYOUT = st.sampled_from(list(LAYOUTS))


def tables(data: st.DataObject, layout: str, least: int = 1) -> QuantTables:
    entries = arrays(np.int64, 64 * LAYOUTS[layout], elements=st.integers(least, 255))
    return SearchSpace.full(layout).to_tables(data.draw(entries))


def space(data: st.DataObject, layout: str, reach: float) -> ShapeSpace:
    """A box of shapes that differ by ``reach`` at most."""
    step = data.draw(st.floats(0.01, reach / 20))
    levels = int(reach / step)
    ends = np.sort(data.draw(arrays(np.int64, (2, 64 * LAYOUTS[layout]), elements=st.integers(1, min(levels, 255)))), 0)
    return ShapeSpace(layout, ends[0], ends[1], data.draw(st.floats(-4, 1)), step)


def vector_in(data: st.DataObject, box: SearchSpace) -> npt.NDArray[np.int64]:
    shares = data.draw(arrays(np.float64, box.dimensions, elements=st.floats(0, 1, width=32)))
    return np.asarray(np.rint(box.lower + shares * (box.upper - box.lower)), dtype=np.int64)


@bounded
@given(st.data(), LAYOUT)
def test_levels_become_tables_and_the_same_levels_again(data: st.DataObject, layout: str) -> None:
    box = space(data, layout, reach=2.0)  # the finest entry is 255 / e^2 = 34: rounding takes less than 1.5 per cent
    vector = vector_in(data, box)
    again = box.to_vector(box.to_tables(vector))
    canonical = vector + box.shift(vector.sum())
    assert np.abs(again - canonical).max() * box.step <= 0.5 * box.step + 2 * 0.5 / 34


@bounded
@given(st.data(), LAYOUT)
def test_a_box_holds_the_tables_of_its_vectors_however_coarse_they_are(data: st.DataObject, layout: str) -> None:
    box = space(data, layout, reach=8.0)  # finest entries are clipped to 1
    assert box.holds(box.to_tables(vector_in(data, box)))


@bounded
@given(st.data(), LAYOUT, st.floats(0.5, 2))
def test_scale_is_no_part_of_a_shape(data: st.DataObject, layout: str, factor: float) -> None:
    half = tables(data, layout).scaled(75)
    twice = QuantTables(half.luma.clip(1, 127) * 2, cb=half.cb.clip(1, 127) * 2, cr=half.cr.clip(1, 127) * 2)
    once = scaled_by(twice, 0.5)
    np.testing.assert_allclose(shape_of(twice, layout), shape_of(once, layout), atol=1e-12)
    box = ShapeSpace.full(layout)
    np.testing.assert_array_equal(box.to_vector(twice), box.to_vector(once))
    vector = vector_in(data, space(data, layout, reach=2.0))
    steps = ShapeSpace(layout, np.full(vector.size, 1), np.full(vector.size, 255), -1.0, 0.01)
    shifted = np.minimum(vector + 20, 255)
    if (shifted < 255).all():
        assert steps.to_tables(shifted) == steps.to_tables(vector)
        ours, theirs = (each + steps.shift(each.sum()) for each in (shifted, vector))
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


@bounded
@given(st.data(), LAYOUT)
def test_a_box_around_tables_holds_them_their_transposes_and_any_scale(data: st.DataObject, layout: str) -> None:
    some = [tables(data, layout, least=8) for _ in range(3)]
    sigma = data.draw(st.floats(0, 1))
    box = shape_bounds(some, layout, sigma)
    assert box.step >= FINEST_STEP
    for one in some:
        for turned in (one, one.transposed()):
            assert box.holds(turned)
            assert box.contains(box.to_vector(turned))
            assert box.holds(scaled_by(turned, data.draw(st.floats(0.5, 2))))


def test_a_box_reaches_sigma_standard_deviations_beyond_its_shapes() -> None:
    entries = np.full((8, 8), 100)
    other = entries.copy()
    other[0, 0], other[7, 7] = 50, 200  # one entry a half, one the double: the mean of the logarithms is the same
    box = shape_bounds([QuantTables.shared(entries), QuantTables.shared(other)], "shared", sigma=0.5)
    # Two of four shapes (transposes are themselves) lie at -log 2, two at 0: their standard deviation is log(2) / 2.
    assert box.origin == pytest.approx(-1.25 * math.log(2))
    ends = [box.origin + box.step * (bound[[0, 1, 63]] - 1) for bound in (box.lower, box.upper)]
    np.testing.assert_allclose(ends[0], [-1.25 * math.log(2), 0, -0.25 * math.log(2)], atol=box.step)
    np.testing.assert_allclose(ends[1], [0.25 * math.log(2), 0, 1.25 * math.log(2)], atol=box.step)


def test_a_box_holds_no_other_shapes() -> None:
    sources = [SortedRandom(SearchSpace.full(), 1).ask(number) for number in range(5)]
    box = shape_bounds(sources, "shared", sigma=0.0)
    assert not box.holds(QuantTables.shared(sources[0].luma[::-1, ::-1]))
    assert not box.holds(QuantTables.standard(50))  # of another layout
    assert box.contains(box.clip(box.to_vector(QuantTables.shared(sources[0].luma[::-1, ::-1]))))
    with pytest.raises(InputError, match="do not fit a search space of layout shared"):
        box.to_vector(QuantTables.standard(50))


def test_the_coarsest_entry_is_255_so_that_rounding_loses_little() -> None:
    halves = np.where(np.arange(64) < 32, 0.0, math.log(0.5))
    assert set(tables_of(halves, "shared").luma.ravel().tolist()) == {255, 128}


def test_an_average_is_the_geometric_mean_of_shapes() -> None:
    flat = QuantTables.shared(np.full((8, 8), 7))
    steep = QuantTables.shared(np.where(np.arange(64).reshape(8, 8) < 32, 10, 40))
    average = shape_of(log_mean([flat, steep, scaled_by(steep, 3)], "shared"), "shared")
    np.testing.assert_allclose(average, 2 / 3 * shape_of(steep, "shared"), atol=0.01)


def test_tables_of_more_components_leave_their_luma_or_a_mean_of_chroma() -> None:
    three = QuantTables(np.full((8, 8), 5), cb=np.full((8, 8), 10), cr=np.full((8, 8), 40))
    assert in_layout(three, "shared") == QuantTables.shared(np.full((8, 8), 5))
    assert in_layout(three, "luma-chroma") == QuantTables(np.full((8, 8), 5), np.full((8, 8), 20))
    assert in_layout(three, "ycbcr") is three


def test_spaces_are_equal_where_all_that_makes_them_is() -> None:
    lower, upper = np.full(64, 2), np.full(64, 9)
    one = ShapeSpace("shared", lower, upper, -1.0, 0.02)
    assert one == ShapeSpace("shared", lower, upper, -1.0, 0.02)
    assert hash(one) == hash(ShapeSpace("shared", lower, upper, -1.0, 0.02))
    assert one != ShapeSpace("shared", lower, upper, -1.0, 0.03)
    assert one != SearchSpace("shared", lower, upper)
    assert SearchSpace("shared", lower, upper) != one


@pytest.mark.parametrize("broken", [{"origin": math.nan}, {"step": 0.0}, {"step": -1.0}, {"step": math.inf}])
def test_levels_that_are_none_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="an origin and a step above 0"):
        ShapeSpace("shared", np.full(64, 1), np.full(64, 2), **{"origin": 0.0, "step": 1.0, **broken})


def test_a_vector_outside_is_refused() -> None:
    box = ShapeSpace("shared", np.full(64, 3), np.full(64, 9), 0.0, 0.1)
    for vector in (np.full(64, 2), np.full(64, 10), np.full(63, 5), np.full(64, 5.0)):
        with pytest.raises(InputError, match="64 levels within the box of shapes"):
            box.to_tables(vector)


def test_one_table_makes_no_box() -> None:
    with pytest.raises(InputError, match="the shapes of 2 tables, got 1"):
        shape_bounds([QuantTables.standard(50)], "ycbcr")
