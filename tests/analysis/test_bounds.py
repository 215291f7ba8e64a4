"""Bounds: which tables make the box, and from whose ratio."""

import numpy as np
import pytest

from qsearch.analysis.bounds import Bounds, bounds_of, shape_bounds_of
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import LOSS
from qsearch.pareto.bounds import window_around
from qsearch.space.shapes import log_mean
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables
from tests.made_up_runs import REFERENCE, REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, done, measurement

NEAR = [done(number, 19.2 + 0.4 * number, 0.80 - 0.02 * number) for number in range(5)]
"""Ratios 19.2 to 20.8, about the 20 of quality 50; each table has one number in all its luma entries, 20 + its own."""
FAR = [done(10 + number, 5.0 + number, 0.97 - 0.02 * number) for number in range(5)]


def luma_of(learned: Bounds) -> tuple[int, int]:
    """The ends of the box in the luma entries, which are all alike."""
    space = learned.space
    lower, upper = space.to_tables(space.lower).luma, space.to_tables(space.upper).luma
    assert (lower.min(), upper.min()) == (lower.max(), upper.max())
    return int(lower[0, 0]), int(upper[0, 0])


def test_the_box_holds_the_tables_near_the_quality_and_none_that_are_far() -> None:
    learned = bounds_of([Results("demo", REFERENCE, [*NEAR, *FAR])], "luma-chroma", sigma=0)
    ratio = Results("demo", REFERENCE, []).standard[50].ratio
    assert learned.window == window_around(ratio)
    assert learned.sources == ("demo",)
    lower, upper = luma_of(learned)
    assert (lower, upper) == (20, 24)
    wide = bounds_of([Results("demo", REFERENCE, [*NEAR, *FAR])], "luma-chroma", sigma=3)
    assert (wide.space.lower <= learned.space.lower).all()
    assert (wide.space.upper >= learned.space.upper).all()
    assert luma_of(wide)[1] > 24


def test_a_window_of_the_users_own_is_taken_as_it_is() -> None:
    learned = bounds_of([Results("demo", REFERENCE, [*NEAR, *FAR])], "luma-chroma", window=(4, 10), sigma=0)
    assert learned.window == (4, 10)
    assert luma_of(learned)[0] == 30


def test_runs_share_one_frontier() -> None:
    first, second = Results("one", REFERENCE, NEAR), Results("two", REFERENCE, FAR)
    both = bounds_of([first, second], "luma-chroma", sigma=0)
    alone = bounds_of([Results("all", REFERENCE, [*NEAR, *FAR])], "luma-chroma", sigma=0)
    assert both.sources == ("one", "two")
    np.testing.assert_array_equal(both.space.lower, alone.space.lower)
    np.testing.assert_array_equal(both.space.upper, alone.space.upper)
    assert both.parabola == alone.parabola


def test_a_quality_that_was_not_measured_is_told_with_those_that_were() -> None:
    with pytest.raises(InputError, match=r"bounds around quality 40 .* at 50, 75"):
        bounds_of([Results("demo", REFERENCE, NEAR)], "luma-chroma", around=40)


def at(number: int, ratio: float, loss: float) -> Trial:
    """A trial of loss ``loss`` whose tables have a shape of their own: all entries 40, but one."""
    entries = np.full(64, 40)
    entries[number] = 80
    own = QuantTables.shared(entries.reshape(8, 8))
    return Trial("search", number, "sorted-random", own, "done", measurement(ratio, 0.5, loss))


# The standard tables lose 0.5, 1 and 2 nats at ratios 15, 20 and 40.
STEERED = [at(number, 20.0, 1.0 - 0.01 * number) for number in range(20)]
"""Of one ratio; the last is the best."""


def test_a_box_of_shapes_is_of_the_best_tables_near_the_ratio() -> None:
    far = at(30, 27.0, 0.1)
    learned = shape_bounds_of(
        [Results("demo", REFERENCE_WITH_LOSS, [*STEERED, far])], "shared", 20.0, sigma=0.0, objective=LOSS
    )
    assert learned.window == (20 / 1.3, 26)
    assert learned.parabola is None
    best = [trial.tables for trial in STEERED[:-13:-1]]
    assert learned.seeds[0] == Seed("mean of the 12 best", log_mean(best, "shared"))
    assert [seed.tables for seed in learned.seeds[1:]] == best
    assert [seed.label for seed in learned.seeds[1:4]] == ["trial 19", "trial 18", "trial 17"]
    gaps = [seed.gap for seed in learned.seeds[1:] if seed.gap is not None]
    np.testing.assert_allclose(-np.diff(gaps), 0.01, atol=0.001)  # losses are kept to half precision
    assert all(learned.space.holds(one) for one in best)
    assert not learned.space.holds(far.tables)
    assert not learned.space.holds(STEERED[0].tables)


def test_good_is_what_lies_above_the_standard_tables_at_its_own_ratio() -> None:
    """A lower ratio loses less whatever the tables are, and is no merit of theirs."""
    easy = [at(40 + number, 15.5, 0.55) for number in range(12)]  # as the standard tables there
    hard = [at(number, 25.0, 1.1) for number in range(12)]  # they lose about 1.3
    learned = shape_bounds_of([Results("demo", REFERENCE_WITH_LOSS, [*easy, *hard])], "shared", 20.0, objective=LOSS)
    assert {seed.tables for seed in learned.seeds[1:]} == {trial.tables for trial in hard}


def test_tables_of_several_runs_count_once_and_a_window_may_be_wider() -> None:
    first, second = (Results(name, REFERENCE_WITH_LOSS, STEERED[:3]) for name in ("one", "two"))
    learned = shape_bounds_of([first, second], "shared", 20.0, objective=LOSS)
    assert learned.sources == ("one", "two")
    assert learned.seeds[0].label == "mean of the 3 best"
    assert len(learned.seeds) == 4
    far = Results("far", REFERENCE_WITH_LOSS, [at(30, 27.0, 0.1)])
    with_far = shape_bounds_of([first, far], "shared", 20.0, window=(19, 28), objective=LOSS)
    assert [seed.label for seed in with_far.seeds[1:2]] == ["trial 30"]


def test_controls_are_held_and_no_seeds_of_the_trials() -> None:
    flat = QuantTables.shared(np.full((8, 8), 16))
    steep = QuantTables.shared(np.arange(64).reshape(8, 8) + 1)
    run = Results("demo", REFERENCE_WITH_LOSS, STEERED)
    learned = shape_bounds_of([run], "shared", 20.0, objective=LOSS, controls=[flat, steep])
    assert learned.space.holds(steep)
    assert learned.space.holds(flat)
    assert {flat, steep}.isdisjoint(seed.tables for seed in learned.seeds)


def test_too_few_tables_and_a_measure_that_is_missing_are_told() -> None:
    run = Results("demo", REFERENCE_WITH_LOSS, STEERED[:1])
    with pytest.raises(InputError, match=r"2 different tables of ratios from 15.38 to 26.00, and the trials have 1"):
        shape_bounds_of([run], "shared", 20.0, objective=LOSS)
    without_loss = [Results("demo", REFERENCE, NEAR)]
    sentence = "demo did not measure cross-entropy in every trial: add it with 'qsearch measure demo --add loss'"
    with pytest.raises(InputError, match=sentence):
        shape_bounds_of(without_loss, "luma-chroma", 20.0, objective=LOSS)
    with pytest.raises(InputError, match=sentence):
        bounds_of(without_loss, "luma-chroma", objective=LOSS)


def test_by_loss_the_frontier_is_another_one_and_the_parabola_stays_of_top1() -> None:
    run = Results("demo", REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS)
    by_loss = bounds_of([run], "luma-chroma", window=(10, 40), sigma=0, objective=LOSS)
    by_top1 = bounds_of([run], "luma-chroma", window=(10, 40), sigma=0)
    assert [seed.label for seed in by_loss.seeds] == ["trial 0", "trial 3", "trial 4"]
    assert [seed.label for seed in by_top1.seeds] == ["trial 0", "trial 1", "trial 3", "trial 4"]
    assert by_loss.fitness.objective is LOSS
    assert by_loss.parabola == by_top1.parabola
