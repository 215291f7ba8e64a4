"""Mean gains: worked by hand, and what must hold of any curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.mean_gain import mean_gain

curves = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 20)), min_size=2, max_size=8, unique_by=lambda point: point[0]
).map(lambda points: (np.array([float(r) for r, _ in points]), np.array([t / 20 for _, t in points])))


def test_points_are_the_mean_over_log_ratio() -> None:
    # Ours falls from 90 to 70 % over ratios 1 to 4, the other is 60 % at 2 and 50 % at 8: both cover 2 to 4, half of
    # ours (80 to 70 %, on average 75 %) and a third to a half of theirs (60 to 55 %, on average 57.5 %).
    found = mean_gain([1, 4], [0.9, 0.7], [2, 8], [0.6, 0.5])
    assert found.points == pytest.approx(75 - 57.5)
    assert found.ratios == pytest.approx((2, 4))
    assert (found.saving_percent, found.top1) == (None, None)  # no accuracy in common


def test_a_saving_is_the_mean_of_log_bytes() -> None:
    # Twice the ratio at 80 % and eight times at 40 %: four times on average, three quarters of the bytes.
    found = mean_gain([20, 160], [0.8, 0.4], [10, 20], [0.8, 0.4])
    assert found.saving_percent == pytest.approx(75)
    assert found.top1 == (0.4, 0.8)


def test_only_accuracies_that_both_reach_count() -> None:
    # Theirs reaches 60 to 40 %, where ours has ratios e and e^2: e^1.5 on average against e^0.5.
    e = math.e
    found = mean_gain([1, e, e**2, e**3], [0.8, 0.6, 0.4, 0.2], [1, e], [0.6, 0.4])
    assert found.top1 == (0.4, 0.6)
    assert found.saving_percent == pytest.approx(100 * (1 - 1 / e))


def test_a_dip_counts_for_its_width_only() -> None:
    # 80 % holds on 3 of 4 units of log ratio, and the dip between is below 40 %: the same as falling after 3 units.
    place = np.array([0, 2, 2, 3, 3, 4, 4]) + np.array([0, 0, 1e-9, 0, 1e-9, 0, 1e-9])
    dipped = mean_gain(np.exp(place), [0.8, 0.8, 0.4, 0.4, 0.8, 0.8, 0.4], [1, 1 + 1e-9], [0.8, 0.4])
    assert dipped.saving_percent == pytest.approx(100 * (1 - math.exp(-3)), abs=1e-4)


def test_nothing_in_common_is_no_gain() -> None:
    assert mean_gain([], [], [1, 2], [0.5, 0.4]).points is None
    apart = mean_gain([1, 2], [0.9, 0.8], [3, 4], [0.5, 0.4])
    assert (apart.points, apart.saving_percent) == (None, None)


@given(curves)
@settings(deadline=None, derandomize=True)
def test_a_curve_gains_nothing_over_itself(curve: tuple[np.ndarray, np.ndarray]) -> None:
    found = mean_gain(*curve, *curve)
    assert found.points == pytest.approx(0, abs=1e-9)
    assert found.saving_percent is None or found.saving_percent == pytest.approx(0, abs=1e-9)


@given(curves, st.floats(0.01, 0.5), st.floats(1.01, 3))
@settings(deadline=None, derandomize=True)
def test_what_is_better_everywhere_gains(curve: tuple[np.ndarray, np.ndarray], by: float, times: float) -> None:
    ratio, top1 = curve
    assert mean_gain(ratio, top1 + by, ratio, top1).points == pytest.approx(100 * by)
    if np.ptp(top1) > 0:
        longer = mean_gain(ratio * times, top1, ratio, top1)
        assert longer.saving_percent == pytest.approx(100 * (1 - 1 / times))


@given(curves, curves)
@settings(deadline=None, derandomize=True)
def test_the_other_way_round_it_is_the_opposite(
    one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]
) -> None:
    there, back = mean_gain(*one, *two), mean_gain(*two, *one)
    if there.points is not None and back.points is not None:
        assert there.points == pytest.approx(-back.points, abs=1e-9)
    if there.saving_percent is not None and back.saving_percent is not None:
        product = (1 - there.saving_percent / 100) * (1 - back.saving_percent / 100)
        assert product == pytest.approx(1)


@pytest.mark.parametrize("bad", [([1, np.nan], [0.5, 0.4]), ([0, 1], [0.5, 0.4]), ([1, 2], [0.5])])
def test_what_is_no_curve_is_refused(bad: tuple[list[float], list[float]]) -> None:
    with pytest.raises(InputError, match="a curve is"):
        mean_gain(*bad, [1, 2], [0.5, 0.4])
