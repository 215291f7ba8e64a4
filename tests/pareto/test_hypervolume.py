import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.hypervolume import hypervolume, hypervolume_within

points = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20)


@given(points, st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_hypervolume_counts_the_unit_cells_below_the_points(
    cloud: list[tuple[int, int]], reference: tuple[int, int]
) -> None:
    cells = {(x, y) for ratio, top1 in cloud for x in range(reference[0], ratio) for y in range(reference[1], top1)}
    array = np.array(cloud, dtype=float).reshape(-1, 2)
    assert hypervolume(array[:, 0], array[:, 1], reference) == len(cells)


def test_default_reference_is_the_raw_image_and_no_hit() -> None:
    assert hypervolume([11.0, 21.0], [0.7, 0.5]) == pytest.approx(10 * 0.7 + 10 * 0.5)


@pytest.mark.parametrize("reference", [(np.nan, 0.0), (1.0, -np.inf)])
def test_a_reference_point_is_finite(reference: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="reference point"):
        hypervolume([2.0], [0.5], reference)


@given(points, st.integers(0, 8), st.integers(0, 8))
def test_within_a_window_only_its_cells_count(cloud: list[tuple[int, int]], one: int, other: int) -> None:
    low, high = sorted((one, other))
    cells = {(x, y) for ratio, top1 in cloud for x in range(low, min(ratio, high)) for y in range(top1)}
    array = np.array(cloud, dtype=float).reshape(-1, 2)
    assert hypervolume_within((low, high), array[:, 0], array[:, 1], (0.0, 0.0)) == len(cells)


def test_reaching_beyond_the_window_is_no_merit() -> None:
    near = hypervolume_within((5.0, 10.0), [5.0, 10.0], [0.9, 0.8])
    assert near == pytest.approx(5 * 0.8)
    assert hypervolume_within((5.0, 10.0), [5.0, 10.0, 90.0], [0.9, 0.8, 0.3]) == near


def test_a_window_goes_upwards() -> None:
    with pytest.raises(InputError, match="from a lower to a higher number, got 3 to 2"):
        hypervolume_within((3.0, 2.0), [2.0], [0.5])
