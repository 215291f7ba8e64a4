"""Coordinate ascent finds the top of what rises towards it in every entry, and stops where nothing rises."""

import numpy as np
import numpy.typing as npt

from qsearch.strategies.coordinate_ascent import TRIED, climb

WIDTH = np.array([8, 16, 1, 40])
TOP = np.array([3, 12, 1, 40])
Levels = npt.NDArray[np.int64]


def near_top(levels: Levels) -> npt.NDArray[np.float64]:
    """Positive, and 1 at the top."""
    return np.asarray(1 / (1 + (((levels - TOP) / WIDTH) ** 2).sum(axis=1)))


def test_it_ends_at_the_top() -> None:
    levels, height = climb(near_top, np.array([8, 0, 0, 20]), WIDTH, np.random.RandomState(0), sweeps=3)
    assert levels.tolist() == TOP.tolist()
    assert height == 1.0


def test_a_sweep_tries_a_few_levels_of_every_entry_and_the_last_one_changes_nothing() -> None:
    asked: list[int] = []

    def counting(levels: Levels) -> npt.NDArray[np.float64]:
        asked.append(len(levels))
        return near_top(levels)

    climb(counting, TOP, WIDTH, np.random.RandomState(0), sweeps=5)
    assert len(asked) == 1 + len(WIDTH)  # it starts at the top: one sweep, and no other
    assert max(asked) <= TRIED


def test_the_start_is_not_changed_in_place_and_never_left_for_something_worse() -> None:
    start = np.array([8, 0, 0, 20])
    for sweeps in range(3):
        levels, height = climb(near_top, start, WIDTH, np.random.RandomState(1), sweeps)
        assert height == near_top(levels[np.newaxis])[0] >= near_top(start[np.newaxis])[0]
    assert start.tolist() == [8, 0, 0, 20]
    level, _ = climb(lambda levels: np.full(len(levels), 7.0), start, WIDTH, np.random.RandomState(1), 2)
    assert level.tolist() == start.tolist()
