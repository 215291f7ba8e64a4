"""Bounds: which tables make the box, and from whose ratio."""

import numpy as np
import pytest

from qsearch.analysis.bounds import Bounds, bounds_of
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.pareto.bounds import window_around
from tests.made_up_runs import REFERENCE, done

NEAR = [done(number, 19.2 + 0.4 * number, 0.80 - 0.02 * number) for number in range(5)]
"""Ratios 19.2 to 20.8, about the 20 of quality 50; each table has one number in all its luma entries, 20 + its own."""
FAR = [done(10 + number, 5.0 + number, 0.97 - 0.02 * number) for number in range(5)]


def luma_of(learned: Bounds) -> tuple[int, int]:
    """The ends of the box in the luma entries, which are all alike."""
    space = learned.space
    lower, upper = space.to_tables(space.lower).luma, space.to_tables(space.upper).luma
    assert (lower.min(), upper.min()) == (lower.max(), upper.max())
    return int(lower[0, 0]), int(upper[0, 0])


def test_the_box_holds_the_tables_near_the_quality_and_none_that_are_far() -> None:
    learned = bounds_of([Results("demo", REFERENCE, [*NEAR, *FAR])], "luma-chroma", sigma=0)
    ratio = Results("demo", REFERENCE, []).standard[50].ratio
    assert learned.window == window_around(ratio)
    assert learned.sources == ("demo",)
    lower, upper = luma_of(learned)
    assert (lower, upper) == (20, 24)
    wide = bounds_of([Results("demo", REFERENCE, [*NEAR, *FAR])], "luma-chroma", sigma=3)
    assert (wide.space.lower <= learned.space.lower).all()
    assert (wide.space.upper >= learned.space.upper).all()
    assert luma_of(wide)[1] > 24


def test_a_window_of_the_users_own_is_taken_as_it_is() -> None:
    learned = bounds_of([Results("demo", REFERENCE, [*NEAR, *FAR])], "luma-chroma", window=(4, 10), sigma=0)
    assert learned.window == (4, 10)
    assert luma_of(learned)[0] == 30


def test_runs_share_one_frontier() -> None:
    first, second = Results("one", REFERENCE, NEAR), Results("two", REFERENCE, FAR)
    both = bounds_of([first, second], "luma-chroma", sigma=0)
    alone = bounds_of([Results("all", REFERENCE, [*NEAR, *FAR])], "luma-chroma", sigma=0)
    assert both.sources == ("one", "two")
    np.testing.assert_array_equal(both.space.lower, alone.space.lower)
    np.testing.assert_array_equal(both.space.upper, alone.space.upper)
    assert both.parabola == alone.parabola


def test_a_quality_that_was_not_measured_is_told_with_those_that_were() -> None:
    with pytest.raises(InputError, match=r"bounds around quality 40 .* at 50, 75"):
        bounds_of([Results("demo", REFERENCE, NEAR)], "luma-chroma", around=40)
