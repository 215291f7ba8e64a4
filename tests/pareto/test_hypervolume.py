import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.hypervolume import hypervolume

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
