"""Local search: where it begins, what it learns from, and what it makes of failures."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.bounds import shape_bounds
from qsearch.space import SearchSpace
from qsearch.space.shapes import ShapeSpace, log_mean, shape_of, tables_of
from qsearch.strategies.base import Seed
from qsearch.strategies.local_search import LocalSearch
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.uniform_random import UniformRandom
from qsearch.tables import QuantTables
from qsearch.testing import drive

GENERATION = 1 + 16
SOME = [SortedRandom(SearchSpace.full(), 1).ask(number) for number in range(14)]


class Near:
    """The gap is how near a table's shape is to a goal, as top-1 in millionths of images."""

    def __init__(self, goal: np.ndarray[Any, Any]) -> None:
        self.goal = goal

    def gap(self, measurement: Measurement) -> float:
        return float(measurement["psnr"][0])

    def measure(self, tables: QuantTables) -> Measurement:
        distance = float(((shape_of(tables, "shared") - self.goal) ** 2).mean())
        return Measurement.of([100], [[0]], 64, psnr_db=[-distance])


def begun(seeds: list[Seed], fitness: Any, space: SearchSpace | None = None, **options: Any) -> LocalSearch:
    space = space or shape_bounds([one.tables for one in seeds], "shared")
    return LocalSearch(space, 1, fitness=fitness, seeds=seeds, **options)


def seeds(fitness: Near, measured: int = 12) -> list[Seed]:
    """The first ``measured`` of some tables with their gaps, the others without."""
    return [
        Seed(str(number), one, fitness.gap(fitness.measure(one)) if number < measured else None)
        for number, one in enumerate(SOME)
    ]


GOAL = shape_of(SOME[0], "shared") + 0.4 * np.sin(np.arange(64))
NEAR = Near(GOAL)


def test_seeds_that_nobody_measured_come_first_as_they_are() -> None:
    trials = drive(begun(seeds(NEAR), NEAR), 4, evaluate=NEAR.measure)
    assert [trial.tables for trial in trials[:2]] == SOME[12:]
    assert [trial.origin for trial in trials] == ["12", "13", "mean", "sample"]


def test_it_begins_at_the_average_of_the_best_seeds_measured_before_or_by_itself() -> None:
    known = seeds(NEAR)
    gaps = [NEAR.gap(NEAR.measure(one)) for one in SOME]
    best = [SOME[index] for index in np.argsort(gaps)[::-1][:5]]
    first = drive(begun(known, NEAR, parents=5), 3, evaluate=NEAR.measure)[2]
    difference = shape_of(first.tables, "shared") - shape_of(log_mean(best, "shared"), "shared")
    assert np.abs(difference).max() < 0.05  # levels and integers round


def test_its_mean_comes_nearer_to_the_best_tables_than_any_seed() -> None:
    trials = drive(begun(seeds(NEAR), NEAR), 2 + 25 * GENERATION, look_ahead=4, evaluate=NEAR.measure)
    found = [NEAR.gap(trial.measurement) for trial in trials if trial.measurement and trial.origin == "mean"]
    assert len(found) == 25
    assert found[-1] > max(NEAR.gap(NEAR.measure(one)) for one in SOME)
    assert found[-1] > found[0]


def test_a_generation_may_be_outstanding_and_the_next_waits_for_it() -> None:
    strategy = begun(seeds(NEAR), NEAR)
    for look_ahead in (1, 4, 100):
        told = [strategy.told_before(number, look_ahead) for number in range(2 + 2 * GENERATION + 1)]
        assert told == [0, 0, *[2] * GENERATION, *[2 + GENERATION] * GENERATION, 2 + 2 * GENERATION]


def proposals(evaluate: Callable[[QuantTables], Measurement | None], trials: int) -> list[Trial]:
    return drive(begun(seeds(NEAR), NEAR), trials, evaluate=evaluate)


def test_what_failed_is_the_worst_of_its_generation() -> None:
    def failing(tables: QuantTables) -> Measurement | None:
        return None if tables.luma[0, 0] % 3 == 0 else NEAR.measure(tables)

    def dreadful(tables: QuantTables) -> Measurement:
        found = NEAR.measure(tables)
        return Measurement.of([100], [[0]], 64, psnr_db=[-1e6]) if tables.luma[0, 0] % 3 == 0 else found

    failed, bad = (proposals(one, 2 + 2 * GENERATION) for one in (failing, dreadful))
    assert {trial.status for trial in failed[2:]} == {"done", "failed"}
    assert [trial.tables for trial in failed[2:]] == [trial.tables for trial in bad[2:]]


def test_a_screened_trial_is_as_bad_as_a_failed_one() -> None:
    strategies = [begun(seeds(NEAR), NEAR) for _ in range(2)]
    for number in range(2 + GENERATION):
        for strategy, status in zip(strategies, ("failed", "screened"), strict=True):
            tables = strategy.ask(number)
            measured = NEAR.measure(tables)
            done = Trial("search", number, "local-search", tables, "done", measured)
            if number % 2:
                sizes = Measurement.of([100], None, 64) if status == "screened" else None
                done = replace(done, status=status, measurement=sizes)  # type: ignore[arg-type]
            strategy.tell(done)
    assert strategies[0].ask(2 + GENERATION) == strategies[1].ask(2 + GENERATION)


def test_a_generation_in_which_nothing_was_measured_teaches_nothing() -> None:
    trials = proposals(lambda tables: None, 2 + 2 * GENERATION)
    means = [trial.tables for trial in trials if trial.origin == "mean"]
    assert means[0] == means[1]
    assert len({trial.tables for trial in trials}) > 2 * 16


def test_without_seeds_it_begins_in_the_middle_of_its_box() -> None:
    box = ShapeSpace("shared", np.full(64, 1), np.full(64, 101), -1.0, 0.02)
    strategy = LocalSearch(box, 1, fitness=NEAR)
    assert strategy.ask(0) == tables_of(np.zeros(64), "shared")


def test_a_box_of_one_entry_is_drawn_from() -> None:
    upper = np.full(64, 9)
    upper[3] = 12
    space = SearchSpace("shared", np.full(64, 9), upper)
    trials = drive(LocalSearch(space, 1, fitness=NEAR), 40, evaluate=NEAR.measure)
    assert {trial.tables.luma.ravel()[3] for trial in trials} == {9, 10, 11, 12}


def test_a_seed_outside_the_box_is_brought_into_it() -> None:
    space = SearchSpace("shared", np.full(64, 10), np.full(64, 50))
    strategy = LocalSearch(space, 1, fitness=NEAR, seeds=[Seed("far", QuantTables.shared(np.full((8, 8), 90)))])
    assert strategy.ask(0) == QuantTables.shared(np.full((8, 8), 50))


def test_it_finds_more_than_random_tables_do() -> None:
    known = seeds(NEAR)
    box = shape_bounds(SOME, "shared")
    found = drive(begun(known, NEAR, box), 120, evaluate=NEAR.measure)
    by_chance = drive(UniformRandom(box, 1), 120, evaluate=NEAR.measure)
    best = [max(NEAR.gap(trial.measurement) for trial in trials if trial.measurement) for trials in (found, by_chance)]
    assert best[0] > best[1]


@pytest.mark.parametrize(
    "option",
    [
        {"population": 3},
        {"population": 2**31},
        {"parents": 0},
        {"reach": 0.0},
        {"reach": math.inf},
        {"reach": math.nan},
    ],
)
def test_options_that_make_no_sense_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="local-search takes a population of 4 to 100,000"):
        begun(seeds(NEAR), NEAR, **option)
