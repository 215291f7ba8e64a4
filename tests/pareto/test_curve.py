import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.curve import NEIGHBOURS, StandardCurve

curves = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 10)), min_size=1, max_size=8, unique_by=lambda point: point[0]
)


def curve_of(points: list[tuple[int, int]]) -> StandardCurve:
    ratio, top1 = np.array(points, dtype=float).T
    return StandardCurve(ratio, top1)


@given(curves, st.lists(st.floats(0, 21), min_size=1, max_size=5))
def test_top1_is_interpolated_within_the_measured_ratios_only(
    points: list[tuple[int, int]], asked: list[float]
) -> None:
    ratio, top1 = np.array(sorted(points), dtype=float).T
    expected = np.interp(asked, ratio, top1, left=np.nan, right=np.nan)
    np.testing.assert_allclose(curve_of(points).value_at(asked), expected, atol=1e-9)


@given(curves.filter(lambda points: len(points) < NEIGHBOURS), st.floats(-1, 11))
def test_few_points_reach_an_accuracy_over_as_much_of_their_ratios_as_they_are_above_it(
    points: list[tuple[int, int]], wanted: float
) -> None:
    ratio, top1 = np.array(sorted(points), dtype=float).T
    fine = np.linspace(ratio[0], ratio[-1], 20_001)
    above = (np.interp(fine, ratio, top1) >= wanted)[:-1].mean()
    found = curve_of(points).ratio_at(wanted)
    if top1.min() < wanted <= top1.max():
        assert found == pytest.approx(ratio[0] + above * np.ptp(ratio), abs=0.02)
    else:
        assert np.isnan(found)


def test_a_dip_counts_for_its_width_and_no_crossing_is_preferred() -> None:
    curve = StandardCurve(np.array([10.0, 20.0, 30.0, 40.0]), np.array([0.9, 0.6, 0.8, 0.4]))
    # At least 70 % over 6.67 of the first ten, 5 of the second and 2.5 of the third.
    assert curve.ratio_at(0.7) == pytest.approx(10 + 20 / 3 + 5 + 2.5)


def test_a_quadratic_in_log_ratio_is_kept_as_it_is() -> None:
    ratio = np.geomspace(4, 40, 19)
    top1 = 0.9 - 0.05 * np.log(ratio / 4) ** 2
    np.testing.assert_allclose(StandardCurve(ratio, top1).ratio_at(top1[:-1]), ratio[:-1], rtol=1e-9)


def test_one_lucky_point_does_not_move_the_answer_as_far() -> None:
    ratio = np.geomspace(4, 40, 19)
    top1 = 0.9 - 0.05 * np.log(ratio / 4) ** 2
    lucky = top1.copy()
    lucky[10] = top1[8]  # a last crossing would be at the 10th point
    found = StandardCurve(ratio, lucky).ratio_at(top1[8])
    assert ratio[8] <= found < ratio[9]


def test_ratios_that_coincide_are_no_obstacle() -> None:
    ratio = np.array([5.0] * 9 + [6.0])
    assert StandardCurve(ratio, np.linspace(0.9, 0.5, 10)).ratio_at(0.7) == pytest.approx(5.5)


def test_an_accuracy_the_curve_never_left_has_no_known_ratio() -> None:
    curve = StandardCurve(np.array([30.0, 10.0, 20.0]), np.array([0.5, 0.7, 0.6]))
    assert np.isnan(curve.ratio_at([0.5, 0.4, 0.71])).all()
    assert curve.ratio_at(0.7) == 10.0


def test_points_of_equal_ratio_take_the_best_accuracy_from_both_sides() -> None:
    curve = StandardCurve(np.array([10.0, 20.0, 20.0, 30.0]), np.array([0.8, 0.5, 0.7, 0.3]))
    np.testing.assert_allclose(curve.value_at([15.0, 20.0, 25.0]), [0.75, 0.7, 0.5])
    assert curve.ratio_at(0.5) == pytest.approx(25.0)


@given(st.integers(0, 1000))
def test_a_batch_answers_like_its_curves_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    ratio, top1 = random.uniform(5, 50, (7, 9)), random.integers(0, 20, (7, 9)) / 20
    asked_ratio, asked_top1 = random.uniform(0, 60, (3, 1)), random.integers(0, 20, (3, 1)) / 20
    batch = StandardCurve(ratio, top1)
    ones = [StandardCurve(*pair) for pair in zip(ratio, top1, strict=True)]
    np.testing.assert_array_equal(batch.value_at(asked_ratio), np.hstack([one.value_at(asked_ratio) for one in ones]))
    one_by_one = np.hstack([one.ratio_at(asked_top1) for one in ones])
    np.testing.assert_allclose(batch.ratio_at(asked_top1), one_by_one, rtol=1e-9)
    assert batch.value_at(20.0).shape == (7,)


def test_what_is_no_number_is_answered_with_none() -> None:
    curve = StandardCurve(np.array([10.0, 20.0]), np.array([0.8, 0.5]))
    assert np.isnan(curve.value_at([np.nan, np.inf, -np.inf])).all()
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
        StandardCurve(np.array(ratio), np.array(top1))


def test_the_callers_arrays_are_left_alone() -> None:
    ratio, top1 = np.array([20.0, 10.0]), np.array([0.5, 0.6])
    curve = StandardCurve(ratio, top1)
    ratio[:], top1[:] = 1.0, 1.0
    assert curve.value_at(15.0) == pytest.approx(0.55)
