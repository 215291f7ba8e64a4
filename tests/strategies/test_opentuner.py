"""OpenTuner's bandit: its mended faults, one by one. What every strategy keeps is in tests/test_contracts.py."""

import itertools
import logging
import math
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.space import SearchSpace
from qsearch.space.shapes import ShapeSpace, shape_of
from qsearch.strategies.opentuner import OpenTuner
from qsearch.strategies.uniform_random import UniformRandom
from qsearch.tables import QuantTables
from qsearch.testing import LinearFitness, drive, synthetic_measurement, synthetic_with_failures

ARMS = {"particle-swarm", "annealing", "differential-evolution", "greedy-mutation", "nelder-mead"}
RING = 1 + 2 * 64
"""Trials of the annealing arm before it first compares any: a state and two neighbours per entry."""


class NoBetterThanAnother:
    """All tables are equally good, so that the bandit has no favourite and every arm gets its share."""

    def gap(self, measurement: Measurement) -> float:
        return 0.0


def opentuner(space: SearchSpace, seed: int = 1, fitness: Any = None) -> OpenTuner:
    return OpenTuner(space, seed, fitness=fitness or LinearFitness())


def in_another_process(script: str, cwd: Path, hash_seed: str = "0") -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def unrewarded() -> list[Trial]:
    """A thousand trials of which none is better than another."""
    return drive(opentuner(SearchSpace.full(), fitness=NoBetterThanAnother()), 1000, look_ahead=4)


def test_every_arm_outlives_its_start(unrewarded: list[Trial]) -> None:
    shares = Counter(trial.origin for trial in unrewarded)
    assert shares.keys() == ARMS
    assert min(shares.values()) > RING


def test_annealing_goes_on_after_its_first_ring_of_neighbours(unrewarded: list[Trial]) -> None:
    space = SearchSpace.full()
    walk = [space.to_vector(trial.tables) for trial in unrewarded if trial.origin == "annealing"]
    changed = [int((vector != walk[0]).sum()) for vector in walk]
    ring = next(index for index, entries in enumerate(changed) if entries > 1)  # a neighbour of another state
    assert RING - 10 < ring <= RING  # those that round to the state itself are not proposed


@pytest.mark.parametrize("look_ahead", [1, 4])
def test_finds_more_than_random_tables_do(look_ahead: int) -> None:
    def best_gap(trials: list[Any]) -> float:
        measured = [trial.measurement for trial in trials if trial.measurement is not None]
        return max(LinearFitness().gap(m) for m in measured)

    def measure(tables: QuantTables) -> Measurement | None:
        return None if int(tables.digest[:4], 16) % 5 == 0 else synthetic_measurement(tables, images=400)

    space = SearchSpace("shared", np.full(64, 1), np.full(64, 60))
    for seed in range(3):
        found = best_gap(drive(opentuner(space, seed), 300, look_ahead=look_ahead, evaluate=measure))
        assert found > best_gap(drive(UniformRandom(space, seed), 300, evaluate=measure)) + 0.03


def test_replay_equals_going_on_past_the_ring() -> None:
    space = SearchSpace("shared", np.full(64, 10), np.full(64, 60))
    whole = drive(opentuner(space), 400, look_ahead=4, evaluate=synthetic_with_failures)
    resumed = drive(opentuner(space), 400, look_ahead=4, evaluate=synthetic_with_failures, history=whole[:350])
    assert resumed == whole


def test_two_searches_in_one_process_do_not_disturb_each_other() -> None:
    space = SearchSpace.full()
    alone = drive(opentuner(space), 60)
    first, second = opentuner(space), opentuner(space, seed=2)
    for trial in alone:
        assert first.ask(trial.number) == trial.tables
        assert second.ask(trial.number) != trial.tables
        first.tell(trial)


SCRIPT = """
import numpy as np
from qsearch.space import SearchSpace
from qsearch.strategies.opentuner import OpenTuner
from qsearch.testing import drive, synthetic_with_failures
class Flat:
    def gap(self, measurement):
        return round(measurement.top1, 1)
keep = [object() for _ in range({junk})]  # moves what is allocated later to other addresses
strategy = OpenTuner(SearchSpace.full(), 3, fitness=Flat())
for trial in drive(strategy, 400, look_ahead=4, evaluate=synthetic_with_failures):
    print(trial.origin, trial.tables.digest)
"""


def test_same_tables_in_every_process(tmp_path: Path) -> None:
    first = in_another_process(SCRIPT.format(junk=0), tmp_path, hash_seed="1")
    assert "differential-evolution" in first
    assert in_another_process(SCRIPT.format(junk=99_999), tmp_path, hash_seed="2") == first


def test_nothing_global_changes(tmp_path: Path) -> None:
    script = """
import logging, random, sys, warnings
warnings.simplefilter("error")
before = logging.Formatter, logging.root.level, list(logging.root.handlers), random.getstate()
from qsearch.space import SearchSpace
from qsearch.strategies.opentuner import OpenTuner
from qsearch.testing import LinearFitness, drive
sys.argv[1:] = ["--technique", "no such thing"]
drive(OpenTuner(SearchSpace.full(), 3, fitness=LinearFitness()), 150, look_ahead=2)
assert before == (logging.Formatter, logging.root.level, list(logging.root.handlers), random.getstate())
"""
    assert in_another_process(script, tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_arms_change_their_own_copies_only() -> None:
    opentuner(SearchSpace.full())  # imports OpenTuner without what that changes
    from qsearch.strategies.opentuner_bandit import Driver, Particle

    driver = Driver({"entry": (1, 9)})
    values = {"entry": 3}
    configuration = driver.get_configuration(values)
    values["entry"] = 4
    assert configuration.data == {"entry": 3}
    assert driver.get_configuration({"entry": 3}) is configuration

    particle = Particle(driver.manipulator, "op3_cross_OX1")
    particle.best = particle.position
    best = dict(particle.position)
    particle.position["entry"] = 10 - best["entry"] if best["entry"] != 5 else 1
    assert particle.best == best


def test_the_clock_may_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SearchSpace.full()
    expected = drive(opentuner(space, fitness=NoBetterThanAnother()), 400)
    steps = itertools.count()
    monkeypatch.setattr("opentuner.search.differentialevolution.time.time", lambda: -next(steps))
    assert drive(opentuner(space, fitness=NoBetterThanAnother()), 400) == expected
    assert next(steps) > 0


def test_a_telling_draws_no_random_numbers() -> None:
    strategy = opentuner(SearchSpace.full())
    trials = drive(strategy, 1)
    state = random.getstate()
    strategy.tell(trials[0])
    assert random.getstate() == state


def test_nan_counts_as_a_failure() -> None:
    """A measurement without a classifier has no accuracy; the best known table must still be found and mutated."""

    def unclassified(tables: QuantTables) -> Measurement:
        measured = synthetic_measurement(tables)
        return Measurement.of(measured.size_bytes, measured.ranks[:0], measured.pixels)

    def sometimes_unclassified(tables: QuantTables) -> Measurement:
        return unclassified(tables) if int(tables.digest[:4], 16) % 2 else synthetic_measurement(tables)

    def sometimes_failing(tables: QuantTables) -> Measurement | None:
        return None if int(tables.digest[:4], 16) % 2 else synthetic_measurement(tables)

    assert math.isnan(unclassified(QuantTables.standard(50)).top1)
    space = SearchSpace.full()
    with_nan = drive(opentuner(space), 200, evaluate=sometimes_unclassified)
    with_failures = drive(opentuner(space), 200, evaluate=sometimes_failing)
    assert [trial.tables for trial in with_nan] == [trial.tables for trial in with_failures]


def test_a_small_box_is_searched_through_and_then_drawn_from() -> None:
    upper = np.full(64, 7)
    upper[[0, 9]] = 9
    space = SearchSpace("shared", np.full(64, 7), upper)
    trials = drive(opentuner(space), 60, look_ahead=3)
    proposed_by_arms = [trial.tables for trial in trials if trial.origin != "random"]
    assert len(set(proposed_by_arms)) == len(proposed_by_arms)
    assert len({trial.tables for trial in trials}) == 9
    assert trials[-1].origin == "random"


def test_origin_is_known_while_several_are_outstanding() -> None:
    strategy = opentuner(SearchSpace.full("ycbcr"))
    for number in range(12):
        strategy.ask(number)
    assert {strategy.origin(number) for number in range(12)} <= ARMS
    assert logging.getLogger("opentuner").handlers


def test_a_gap_of_numpys_own_kind_leaves_the_bandit_at_work() -> None:
    class OfNumpy:
        def gap(self, measurement: Measurement) -> Any:
            return np.float64(LinearFitness().gap(measurement))

    space = SearchSpace.full()
    plain, numpys = (drive(opentuner(space, fitness=fitness), 300, look_ahead=4) for fitness in (None, OfNumpy()))
    assert [(trial.origin, trial.tables) for trial in numpys] == [(trial.origin, trial.tables) for trial in plain]


class Noisy:
    """A gap that falls with the distance from a shape, and noise of its own for every table, as large as the gap's
    spread over random tables."""

    goal = 0.5 * np.sin(np.arange(64))

    def gap(self, measurement: Measurement) -> float:
        return float(measurement["psnr"][0])

    def truth(self, tables: QuantTables) -> float:
        return -float(((shape_of(tables, "shared") - self.goal) ** 2).mean())

    def measure(self, tables: QuantTables) -> Measurement:
        luck = np.random.RandomState(int(tables.digest[:7], 16)).normal(0, 0.05)
        return Measurement.of([100], [[0]], 64, psnr_db=[self.truth(tables) + luck])


SHAPES = ShapeSpace("shared", np.full(64, 1), np.full(64, 41), -0.8, 0.04)


def test_in_a_box_of_shapes_it_gets_on_under_noise() -> None:
    """Arms that believe what was measured stay with the luckiest, and their last proposals are no better than the
    first."""
    fitness = Noisy()
    trials = drive(OpenTuner(SHAPES, 1, fitness=fitness), 200, evaluate=fitness.measure)
    truths = [fitness.truth(trial.tables) for trial in trials]
    assert np.mean(truths[-50:]) > np.mean(truths[:50]) + np.std(truths[:50])


def test_in_the_papers_box_the_arms_see_what_was_measured() -> None:
    fitness = Noisy()
    strategy = OpenTuner(SearchSpace("shared", np.full(64, 10), np.full(64, 60)), 1, fitness=fitness)
    trials = drive(strategy, 60, evaluate=fitness.measure)
    for trial in trials[strategy.told_before(59, 1) :]:
        strategy.tell(trial)
    luckiest = max(trials, key=lambda trial: fitness.gap(trial.measurement))  # type: ignore[arg-type]
    best = strategy._driver.best_result
    assert best is not None
    assert strategy._tables(best.configuration.data) == luckiest.tables


def test_a_revision_settles_anew_who_is_best() -> None:
    opentuner(SearchSpace.full())  # imports OpenTuner without what that changes
    from qsearch.strategies.opentuner_bandit import Driver

    driver = Driver({"entry": (1, 9)})
    one, two, failed = (driver.get_configuration({"entry": value}) for value in (1, 2, 3))
    for configuration, time in ((one, 1.0), (two, 2.0), (failed, math.inf)):
        driver.report(configuration, time)
    for revised, best in (({one.hash: 3.0}, two), ({two.hash: 4.0}, one)):
        driver.revise(revised)
        assert driver.best_result is not None
        assert driver.best_result.configuration is best
        assert driver.objective.lt(best, failed)
    assert driver.objective.lt(one, two)
