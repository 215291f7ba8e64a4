import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.curve import ReferenceCurve

curves = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 10)), min_size=1, max_size=8, unique_by=lambda point: point[0]
)


def curve_of(points: list[tuple[int, int]]) -> ReferenceCurve:
    ratio, top1 = np.array(points, dtype=float).T
    return ReferenceCurve(ratio, top1)


def last_crossing(points: list[tuple[int, int]], wanted: float) -> float:
    """Walks down from the highest ratio, segment by segment."""
    ordered = sorted(points)
    if ordered[-1][1] >= wanted:
        return math.nan
    for (ratio, top1), (next_ratio, next_top1) in reversed(list(itertools.pairwise(ordered))):
        if top1 >= wanted:
            return ratio + (top1 - wanted) / (top1 - next_top1) * (next_ratio - ratio)
    return math.nan


@given(curves, st.lists(st.floats(0, 21), min_size=1, max_size=5))
def test_top1_is_interpolated_within_the_measured_ratios_only(
    points: list[tuple[int, int]], asked: list[float]
) -> None:
    ratio, top1 = np.array(sorted(points), dtype=float).T
    expected = np.interp(asked, ratio, top1, left=np.nan, right=np.nan)
    np.testing.assert_allclose(curve_of(points).top1_at(asked), expected, atol=1e-9)


@given(curves, st.floats(-1, 11))
def test_ratio_is_where_the_curve_last_reaches_the_accuracy(points: list[tuple[int, int]], wanted: float) -> None:
    np.testing.assert_allclose(curve_of(points).ratio_at(wanted), last_crossing(points, wanted), atol=1e-9)


def test_a_recovery_of_the_curve_counts_against_the_gain() -> None:
    curve = ReferenceCurve(np.array([10.0, 20.0, 30.0, 40.0]), np.array([0.9, 0.6, 0.8, 0.4]))
    assert curve.ratio_at(0.7) == pytest.approx(32.5)


def test_an_accuracy_the_curve_never_left_has_no_known_ratio() -> None:
    curve = ReferenceCurve(np.array([30.0, 10.0, 20.0]), np.array([0.5, 0.7, 0.6]))
    assert np.isnan(curve.ratio_at([0.5, 0.4, 0.71])).all()
    assert curve.ratio_at(0.7) == 10.0


def test_points_of_equal_ratio_take_the_best_accuracy_from_both_sides() -> None:
    curve = ReferenceCurve(np.array([10.0, 20.0, 20.0, 30.0]), np.array([0.8, 0.5, 0.7, 0.3]))
    np.testing.assert_allclose(curve.top1_at([15.0, 20.0, 25.0]), [0.75, 0.7, 0.5])
    assert curve.ratio_at(0.5) == pytest.approx(25.0)


@given(st.integers(0, 1000))
def test_a_batch_answers_like_its_curves_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    ratio, top1 = random.uniform(5, 50, (7, 6)), random.integers(0, 20, (7, 6)) / 20
    asked_ratio, asked_top1 = random.uniform(0, 60, (3, 1)), random.integers(0, 20, (3, 1)) / 20
    batch = ReferenceCurve(ratio, top1)
    ones = [ReferenceCurve(*pair) for pair in zip(ratio, top1, strict=True)]
    np.testing.assert_array_equal(batch.top1_at(asked_ratio), np.hstack([one.top1_at(asked_ratio) for one in ones]))
    np.testing.assert_array_equal(batch.ratio_at(asked_top1), np.hstack([one.ratio_at(asked_top1) for one in ones]))
    assert batch.top1_at(20.0).shape == (7,)


def test_what_is_no_number_is_answered_with_none() -> None:
    curve = ReferenceCurve(np.array([10.0, 20.0]), np.array([0.8, 0.5]))
    assert np.isnan(curve.top1_at([np.nan, np.inf, -np.inf])).all()
    assert np.isnan(curve.ratio_at([np.nan, np.inf, -np.inf])).all()


@pytest.mark.parametrize(
    ("ratio", "top1", "message"),
    [
        ([], [], "m >= 1"),
        ([10.0, 20.0], [0.5], "m >= 1"),
        ([10.0, np.nan], [0.5, 0.4], "finite"),
        ([10.0, 20.0], [0.5, np.inf], "finite"),
    ],
)
def test_a_curve_needs_finite_points(ratio: list[float], top1: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ReferenceCurve(np.array(ratio), np.array(top1))


def test_the_callers_arrays_are_left_alone() -> None:
    ratio, top1 = np.array([20.0, 10.0]), np.array([0.5, 0.6])
    curve = ReferenceCurve(ratio, top1)
    ratio[:], top1[:] = 1.0, 1.0
    assert curve.top1_at(15.0) == pytest.approx(0.55)
