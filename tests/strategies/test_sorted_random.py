"""Sorted random search in both readings of the paper: the same tables for ever, sorted, distributed as described."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.strategies.sorted_random import DRAWS, SortedRandom
from qsearch.tables import ZIGZAG

GOLDEN = {
    ("half-normal", "shared", 0): "d7f371829f698f85",
    ("half-normal", "shared", 1): "638da3eba5f77cdd",
    ("half-normal", "shared", 999): "1ad496b75de795b9",
    ("half-normal", "luma-chroma", 999): "9766be810c007501",
    ("half-normal", "ycbcr", 999): "40639c755b7ab164",
    ("uniform", "shared", 0): "f6868ac79d58b49a",
    ("uniform", "shared", 1): "13d4deff762ab415",
    ("uniform", "shared", 999): "aac48bf8c411b414",
    ("uniform", "luma-chroma", 999): "a1bbe208cf5e3e40",
    ("uniform", "ycbcr", 999): "6f87b5086ab780b5",
}


def along_zigzag(strategy: SortedRandom, number: int) -> npt.NDArray[np.int64]:
    tables = strategy.ask(number)
    return np.stack([tables.luma, tables.cb, tables.cr]).reshape(3, 64)[:, ZIGZAG].astype(np.int64)


@pytest.mark.parametrize(("draw", "layout", "number"), GOLDEN)
def test_trial_i_of_seed_7_is_always_the_same_tables(draw: str, layout: str, number: int) -> None:
    strategy = SortedRandom(SearchSpace.full(layout), seed=7, draw=draw)
    assert strategy.ask(number).digest.startswith(GOLDEN[draw, layout, number])


def test_half_normal_is_the_default() -> None:
    space = SearchSpace.full()
    assert SortedRandom(space, 7).ask(3) == SortedRandom(space, 7, draw="half-normal").ask(3)


@given(st.integers(0, 2**64), st.integers(0, 10**6), st.sampled_from(DRAWS), st.sampled_from(list(LAYOUTS)))
def test_entries_rise_along_the_zigzag(seed: int, number: int, draw: str, layout: str) -> None:
    strategy = SortedRandom(SearchSpace.full(layout), seed, draw=draw)
    entries = along_zigzag(strategy, number)
    assert (np.diff(entries, axis=1) >= 0).all()
    assert entries.max() <= 224  # 149 times 1.5, rounded to even
    assert len({row.tobytes() for row in entries}) <= LAYOUTS[layout]


@pytest.mark.parametrize("draw", DRAWS)
def test_tables_of_one_trial_differ_but_share_their_range(draw: str) -> None:
    strategy = SortedRandom(SearchSpace.full("ycbcr"), seed=2, draw=draw)
    for number in range(20):
        luma, cb, cr = along_zigzag(strategy, number)
        assert len({part.tobytes() for part in (luma, cb, cr)}) == 3
        if draw == "half-normal":
            assert luma[-1] == cb[-1] == cr[-1]  # the largest magnitude of each is the common upper end


def test_draws_spread_as_described() -> None:
    """Ends [0, 35) and [50, 150) times [0.5, 1.5): for half-normal the last entry is the upper end, mean 99.5."""
    strategy = SortedRandom(SearchSpace.full(), seed=0)
    last = np.array([along_zigzag(strategy, number)[0, -1] for number in range(400)])
    assert last.min() >= 25
    assert abs(last.mean() - 99.5) < 4 * 41 / np.sqrt(400)  # four standard errors
    uniform = SortedRandom(SearchSpace.full(), seed=0, draw="uniform")
    middle = [np.median([along_zigzag(s, number)[0, 31] for number in range(200)]) for s in (strategy, uniform)]
    assert middle[0] < middle[1]  # half-normal magnitudes crowd at the lower end


def test_a_box_is_kept() -> None:
    space = SearchSpace("shared", np.full(64, 30), np.full(64, 60))
    for number in range(50):
        assert space.contains(space.to_vector(SortedRandom(space, 1).ask(number)))


def test_an_unknown_draw_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="half-normal or uniform numbers, got draw='normal'"):
        SortedRandom(SearchSpace.full(), 0, draw="normal")
