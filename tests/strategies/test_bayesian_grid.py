from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.pareto.fitness import Parabola
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.bayesian import Bayesian
from qsearch.strategies.bayesian_grid import AREA_OF_INTEREST, BayesianGrid, thinned
from qsearch.testing import drive

FITNESS = Parabola(0.0, -0.01, 0.8)
QUICK: dict[str, Any] = {"initial": 10, "candidates": 100, "rounds": 2, "combinations": 500}


def box(layout: str = "shared") -> SearchSpace:
    lower = np.tile(1 + np.arange(64) // 2, LAYOUTS[layout])
    return SearchSpace(layout, lower, lower + 30)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_low_and_middle_frequencies_leave_the_best_candidate(layout: str) -> None:
    """In each of the layout's tables."""
    trials = drive(BayesianGrid(box(layout), 7, fitness=FITNESS, initial=30, candidates=50), 31)
    plain = Bayesian(box(layout), 7, fitness=FITNESS, initial=30, candidates=50)
    for trial in trials[:-1]:
        plain.tell(trial)
    changed = box(layout).to_vector(trials[-1].tables) != box(layout).to_vector(plain.ask(30))
    per_table = changed.reshape(-1, 64)
    assert per_table[:, AREA_OF_INTEREST].any(axis=1).all()
    assert not per_table[:, ~AREA_OF_INTEREST].any()


def test_the_area_of_interest_is_as_drawn() -> None:
    row, column = np.divmod(np.arange(64), 8)
    np.testing.assert_array_equal(AREA_OF_INTEREST, row + column <= 6)


def test_the_grid_raises_the_expected_improvement() -> None:
    plain = Bayesian(box(), 7, fitness=FITNESS, candidates=50)
    grid = BayesianGrid(box(), 7, fitness=FITNESS, candidates=50)
    for trial in drive(STRATEGIES.get("bounded-random")(box(), 7, fitness=FITNESS), 30):
        grid.tell(trial)
        plain.tell(trial)
    _, before = plain._propose(plain.surrogate.process(), np.random.RandomState(0))
    _, after = grid._propose(grid.surrogate.process(), np.random.RandomState(0))
    assert after > 1.5 * before


def test_free_entries_outside_the_area_are_used_where_there_are_no_others() -> None:
    lower = np.full(64, 20)
    space = SearchSpace("shared", lower, np.where(AREA_OF_INTEREST, lower, lower + 2))
    trials = drive(BayesianGrid(space, 7, fitness=FITNESS, **QUICK), 12)
    assert all(space.contains(space.to_vector(trial.tables)) for trial in trials)


@given(st.lists(st.tuples(st.integers(1, 254), st.integers(0, 254)), min_size=1, max_size=5), st.integers(243, 10**6))
def test_lists_are_exhaustive_up_to_their_limit_and_thinned_beyond(
    entries: list[tuple[int, int]], combinations: int
) -> None:
    width = np.array([width for width, _ in entries])
    current = np.array([min(width, now) for width, now in entries])
    levels = thinned(width, current, combinations)
    if np.prod(width + 1) <= combinations:
        assert [len(values) for values in levels] == (width + 1).tolist()
    assert np.prod([len(values) for values in levels]) <= combinations
    for values, most, now in zip(levels, width, current, strict=True):
        assert (np.diff(values) > 0).all()
        assert values[0] == 0
        assert values[-1] == most
        assert now in values
    whole = [len(values) for values, most in zip(levels, width, strict=True) if len(values) == most + 1]
    cut = [len(values) for values, most in zip(levels, width, strict=True) if len(values) <= most]
    assert min(cut, default=256) >= max(whole, default=0) - 2  # the widest are thinned first


@pytest.mark.parametrize("option", [{"rounds": -1}, {"entries": 0}, {"entries": 6}, {"combinations": 242}])
def test_options_that_make_no_sense_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="bayesian-grid takes"):
        BayesianGrid(box(), 1, fitness=FITNESS, **option)
