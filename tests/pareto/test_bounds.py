import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.bounds import bounds, window_around
from qsearch.tables import QuantTables


def table(**entries: int) -> QuantTables:
    """Tables of 20 but for the named entries: ``r0c1=30`` is row 0, column 1."""
    values = np.full((8, 8), 20)
    for name, value in entries.items():
        values[int(name[1]), int(name[3])] = value
    return QuantTables.shared(values)


def test_the_box_by_hand() -> None:
    one, two = table(r0c0=2, r0c1=30, r7c7=250), table(r0c0=4, r0c1=40, r7c7=255)
    box = bounds([one, two], [21.0, 23.0], "shared", (21.0, 23.0))
    lower, upper = box.lower.reshape(8, 8), box.upper.reshape(8, 8)
    # 2, 2, 4, 4: sigma 1; half of it reaches 1.5 and 4.5, which round to even.
    assert (lower[0, 0], upper[0, 0]) == (2, 4)
    # 30, 20, 40, 20 here and in the transposed place: sigma 8.29, so 15.85 and 44.15.
    assert (lower[0, 1], upper[0, 1]) == (lower[1, 0], upper[1, 0]) == (16, 44)
    # 250, 250, 255, 255: sigma 2.5, clipped above.
    assert (lower[7, 7], upper[7, 7]) == (249, 255)
    assert (lower[4, 4], upper[4, 4]) == (20, 20)


def test_only_tables_in_the_window_count() -> None:
    tables = [table(r0c0=1), table(r0c0=10), table(r0c0=12), table(r0c0=90)]
    box = bounds(tables, [20.9, 21.0, 23.0, 23.1], "shared", (21.0, 23.0), sigma=0)
    assert (box.lower[0], box.upper[0]) == (10, 12)


def test_chroma_has_its_own_entries_and_shared_tables_fit_every_layout() -> None:
    tables = [QuantTables.standard(50), table(r0c0=10)]
    box = bounds(tables, [22.0, 22.5], "luma-chroma", (21.0, 23.0), sigma=0)
    assert (box.lower[0], box.upper[0]) == (10, 16)
    assert (box.lower[64], box.upper[64]) == (10, 17)
    with pytest.raises(InputError, match="luma-chroma do not fit"):
        bounds(tables, [22.0, 22.5], "shared", (21.0, 23.0))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=6), st.floats(0, 5))
def test_the_box_holds_every_table_and_its_transpose(seeds: list[int], sigma: float) -> None:
    tables = [QuantTables.shared(np.random.default_rng(seed).integers(1, 256, (8, 8))) for seed in seeds]
    box = bounds(tables, np.full(len(seeds), 22.0), "shared", (22.0, 22.0), sigma)
    for one in tables:
        assert box.contains(box.to_vector(one))
        assert box.contains(box.to_vector(one.transposed()))


def test_the_window_is_the_papers_in_proportion() -> None:
    assert window_around(22.0) == (21.0, 23.0)
    assert window_around(11.0) == (10.5, 11.5)


@pytest.mark.parametrize("ratios", [[18.004, 22.0, 30.0], [26.777, 27.0, 30.0], [1.0, 2.0, 3.0]])
def test_too_few_tables_name_a_window_that_works(ratios: list[float]) -> None:
    tables = [table(r0c0=value) for value in (1, 2, 3)]
    with pytest.raises(InputError, match="would hold 2") as caught:
        bounds(tables, ratios, "shared", (21.0, 23.0))
    suggestion = re.search(r"the window ([\d.]+) to ([\d.]+)", str(caught.value))
    assert suggestion is not None
    low, high = map(float, suggestion.groups())
    assert low <= 21.0
    assert high >= 23.0
    bounds(tables, ratios, "shared", (low, high))


@pytest.mark.parametrize("ratios", [[], [22.0]])
def test_a_frontier_of_less_than_two_tables_needs_a_longer_search(ratios: list[float]) -> None:
    with pytest.raises(InputError, match="more trials"):
        bounds([table()] * len(ratios), ratios, "shared", (21.0, 23.0))


@pytest.mark.parametrize(
    ("window", "sigma"), [((23.0, 21.0), 0.5), ((np.nan, 21.0), 0.5), ((21.0, 23.0), -0.1), ((21.0, 23.0), np.nan)]
)
def test_a_window_or_sigma_that_is_none_is_refused(window: tuple[float, float], sigma: float) -> None:
    with pytest.raises(InputError, match=r"window of ratios|sigma is"):
        bounds([table(), table()], [22.0, 22.0], "shared", window, sigma)
