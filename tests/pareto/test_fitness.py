import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.fitness import GOOD_GAP, Parabola


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
