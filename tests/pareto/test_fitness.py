import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.fitness import GOOD_GAP, LocalFit, Parabola


def test_three_points_are_met_exactly() -> None:
    # By hand: through (10, .61), (20, .56), (30, .49) the second difference is -.02, so a = -1e-4, b = -2e-3, c = .64.
    parabola = Parabola.fit([30.0, 10.0, 20.0], [0.49, 0.61, 0.56])
    assert (parabola.a, parabola.b, parabola.c) == pytest.approx((-1e-4, -2e-3, 0.64))
    assert parabola.at(40.0) == pytest.approx(0.40)
    assert parabola.above(40.0, 0.41) == pytest.approx(0.01)


def test_more_points_are_met_in_the_mean() -> None:
    # By hand: over -1, 0, 0, 1 the values 1, 1, -1, 1 have the least squares parabola ratio^2.
    parabola = Parabola.fit([-1.0, 0.0, 0.0, 1.0], [1.0, 1.0, -1.0, 1.0])
    assert (parabola.a, parabola.b, parabola.c) == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(30, 700), st.integers(0, 2500)), min_size=4, max_size=30, unique_by=lambda p: p[0])
)
def test_residuals_are_orthogonal_to_every_parabola(points: list[tuple[int, int]]) -> None:
    ratio, top1 = np.array(points, dtype=float).T / [[10.0], [2500.0]]
    residual = Parabola.fit(ratio, top1).above(ratio, top1)
    for power in range(3):
        assert residual @ (ratio / 70) ** power == pytest.approx(0, abs=1e-9)


def test_the_papers_parabola_calls_its_own_frontier_good() -> None:
    # Li 2020: the parabola and points of the sorted random frontier near quality 50.
    parabola = Parabola(-6.40782216e-05, -1.81228974e-03, 6.46255250e-01)
    assert parabola.above(21.57, 0.5768) > GOOD_GAP
    assert parabola.above(22.03, 0.5672) < GOOD_GAP  # standard quality 50


@pytest.mark.parametrize(
    ("ratio", "top1", "message"),
    [
        ([20.0, 21.0, 21.0], [0.5, 0.4, 0.4], "the frontier has 2"),
        ([20.0, 21.0, np.nan], [0.5, 0.4, 0.3], "finite"),
        ([20.0, 21.0, 22.0], [0.5, 0.4], r"\(3,\) and \(2,\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused(ratio: list[float], top1: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Parabola.fit(ratio, top1)


WINDOW = (19.0, 21.0)


def test_a_local_fit_finds_a_quadratic_in_log_ratio_and_goes_on_straight() -> None:
    center = np.sqrt(19 * 21)
    ratio = np.linspace(18, 22, 9)
    x = np.log(ratio / center)
    fit = LocalFit.fit(ratio, 0.8 - 0.5 * x - 2 * x**2, WINDOW)
    assert (fit.a, fit.b, fit.c) == pytest.approx((-2, -0.5, 0.8))
    # Twice the window: its half-width of log(21 / 19) / 2 to either side, doubled.
    assert (fit.low, fit.high) == pytest.approx((center * 19 / 21, center * 21 / 19))
    end, slope = np.log(fit.high / center), -0.5 - 4 * np.log(fit.high / center)
    far = 0.8 - 0.5 * end - 2 * end**2 + slope * (np.log(40 / center) - end)
    assert fit.at(40.0) == pytest.approx(far)
    assert fit.above(40.0, 0.9) == pytest.approx(0.9 - far)


def test_points_far_from_the_window_change_nothing() -> None:
    ratio, top1 = np.linspace(18.2, 21.9, 12), np.linspace(0.85, 0.79, 12) + np.tile([0.003, 0], 6)
    near = LocalFit.fit(ratio, top1, WINDOW)
    both = LocalFit.fit([*ratio, 5, 9, 40], [*top1, 0.95, 0.94, 0.2], WINDOW)
    assert near == both
    assert Parabola.fit(ratio, top1) != Parabola.fit([*ratio, 5, 9, 40], [*top1, 0.95, 0.94, 0.2])


def test_it_misses_a_bent_frontier_near_the_window_by_far_less_than_a_parabola_over_all_ratios() -> None:
    """A frontier as the demonstration's: falling ever faster, which no parabola follows from 7 to 33."""
    ratio = np.linspace(7, 33, 53)
    top1 = 0.92 - 0.31 * (ratio / 33) ** 3.5
    near = (ratio > 18) & (ratio < 22)
    local, parabola = LocalFit.fit(ratio, top1, WINDOW), Parabola.fit(ratio, top1)
    assert np.abs(parabola.above(ratio, top1))[near].max() > 0.002
    assert np.abs(local.above(ratio, top1))[near].max() < 0.0003


@pytest.mark.parametrize(
    ("ratio", "bent"), [([18, 19, 20, 21, 22], True), ([12, 16, 20, 24, 40], True), ([18, 20, 22], False)]
)
def test_with_few_points_it_takes_the_nearest_and_with_very_few_it_is_straight(ratio: list[float], bent: bool) -> None:
    x = np.log(np.array(ratio) / np.sqrt(19 * 21))
    fit = LocalFit.fit(ratio, 0.8 - 0.5 * x - 0.2 * x**2, WINDOW)
    assert (fit.a != 0) == bent
    assert fit.low <= min(ratio)
    assert fit.high >= max(ratio)


@given(
    st.lists(st.tuples(st.integers(50, 400), st.integers(0, 900)), min_size=2, max_size=30, unique_by=lambda p: p[0])
)
@settings(derandomize=True)
def test_a_fit_to_a_frontier_never_rises(points: list[tuple[int, int]]) -> None:
    ratio = np.array(sorted(ratio for ratio, _ in points)) / 10
    top1 = np.array(sorted((top1 for _, top1 in points), reverse=True)) / 1000
    fit = LocalFit.fit(ratio, top1, WINDOW)
    assert (np.diff(fit.at(np.linspace(1, 80, 400))) <= 1e-9).all()
    assert isinstance(fit.at(20.0), float)


@pytest.mark.parametrize(
    ("ratio", "top1", "window", "message"),
    [
        ([20.0, 20.0], [0.5, 0.4], WINDOW, "two ratios or more"),
        ([20.0, np.nan], [0.5, 0.4], WINDOW, "finite"),
        ([20.0, -1.0], [0.5, 0.4], WINDOW, "positive"),
        ([20.0, 21.0], [0.5], WINDOW, r"\(2,\) and \(1,\)"),
        ([20.0, 21.0], [0.5, 0.4], (3.0, 2.0), "from a lower to a higher"),
    ],
)
def test_what_no_local_fit_is_made_of_is_refused(
    ratio: list[float], top1: list[float], window: tuple[float, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LocalFit.fit(ratio, top1, window)
