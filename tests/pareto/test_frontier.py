import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.frontier import frontier

# Few distinct values, so that ties in one or both coordinates are common.
points = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), max_size=30)


def dominates(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one != other


@given(points)
def test_frontier_is_what_no_other_point_dominates(cloud: list[tuple[int, int]]) -> None:
    array = np.array(cloud, dtype=float).reshape(-1, 2)
    expected = [
        index
        for index, point in enumerate(cloud)
        if not any(dominates(other, point) for other in cloud) and point not in cloud[:index]
    ]
    assert frontier(array[:, 0], array[:, 1]).tolist() == sorted(expected, key=lambda index: cloud[index][0])


def test_the_first_of_equal_points_stands_for_all() -> None:
    assert frontier([20.0, 22.0, 20.0, 22.0], [0.6, 0.5, 0.6, 0.5]).tolist() == [0, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="finite"):
        frontier([20.0, 22.0], [0.5, bad])
    with pytest.raises(InputError, match="finite"):
        frontier([bad, 22.0], [0.5, 0.5])


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match=r"\(2,\) and \(1,\)"):
        frontier([20.0, 22.0], [0.5])
