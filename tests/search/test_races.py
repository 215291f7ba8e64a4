"""Races in the search loop: parts add up to the whole, and one archive whatever the workers and the interruptions."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.archive.store import Archive
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Part, Trial
from qsearch.evaluation.parts import NestedOrder, nested_order
from qsearch.executors.base import Outcome
from qsearch.search import run_search
from qsearch.search.racing import Race, RaceOptions
from qsearch.search.steering import Admission
from qsearch.space import SearchSpace
from qsearch.strategies.base import Strategy, gap_of, rng
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.uniform_random import UniformRandom
from qsearch.tables import QuantTables
from qsearch.testing.strategies import LinearFitness
from tests.fakes import Adaptive
from tests.search.test_loop import Shuffled, trials

IMAGES, TRIALS = 128, 45
QUALITIES = (5, 20, 50, 80, 95)
ORDER = nested_order(["a", "b"] * (IMAGES // 2), "0")
OPTIONS = RaceOptions(by="loss", chance=0.3, elite=6, lag=4)


def evaluated(tables: QuantTables) -> Measurement:
    """Smooth in the tables, with noise of each table and image; without any two images alike."""
    mean = float(np.log(np.stack([tables.luma, tables.cb, tables.cr]).astype(np.float64)).mean())
    draw = rng(int(tables.digest[:8], 16), 0)
    size_bytes = 900 - 120 * mean + 40 * draw.uniform(size=IMAGES)
    loss = 0.2 * mean + 0.3 * draw.normal() / 3 + 0.2 * draw.normal(size=IMAGES) + 1
    loss = np.maximum(loss, 0)[None]
    return Measurement.of(size_bytes.astype(np.int64), (loss > 2).astype(np.int32), 32 * 32, loss=loss)


def failing(tables: QuantTables) -> Measurement | None:
    """As :func:`evaluated`, but about every eighth table fails."""
    return None if int(tables.digest[:4], 16) % 8 == 0 else evaluated(tables)


class Every:
    """Refuses every third of the sorted random tables, by their bytes."""

    def admit(self, tables: QuantTables) -> Admission:
        refused = int(tables.digest[4:8], 16) % 3 == 0
        return Admission(tables, evaluated(tables).only(["bytes"]), "as planned") if refused else Admission(tables)


EVERY = Every()


def sorted_random(seed: int = 1) -> Strategy:
    return SortedRandom(SearchSpace.full(), seed)


def uniform_random(seed: int = 1) -> Strategy:
    return UniformRandom(SearchSpace.full("luma-chroma"), seed)


class Thrice(SortedRandom):
    """Every table of sorted random three times in a row."""

    def ask(self, number: int) -> QuantTables:
        return super().ask(number // 3)


def repeating(seed: int = 1) -> Strategy:
    return Thrice(SearchSpace.full(), seed)


def run(
    strategy: Strategy,
    archive: Archive | None = None,
    executor: Shuffled | None = None,
    order: NestedOrder = ORDER,
    **how: Any,
) -> Archive:
    archive = archive or Archive.in_memory()
    race = Race(OPTIONS, order)
    executor = executor or Shuffled(evaluate=failing)
    run_search(strategy, executor, archive, race=race, **{"trials": TRIALS, "qualities": QUALITIES, **how})
    return archive


@cache
def unbroken(make: Callable[[], Strategy], gate: Every | None = None) -> list[Trial]:
    """What a race in one process, never interrupted, ends with."""
    return trials(run(make(), gate=gate))


class Counting(Shuffled):
    """Counts the images that each table was evaluated on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.images: Counter[str] = Counter()
        self.in_flight: list[int] = []

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        self.in_flight.append(len(self._flying))
        outcomes = super().collect(patience_s)
        for outcome in outcomes:
            if outcome.measurement is not None:
                self.images[outcome.task.quantizer.digest] += outcome.measurement.images
        return outcomes


def test_what_is_stopped_has_seen_a_part_and_what_is_done_all() -> None:
    archive = run(sorted_random())
    found = archive.trials("search")
    assert {trial.status for trial in found} == {"done", "stopped", "failed"}
    assert [trial.number for trial in found] == list(range(TRIALS))
    assert not any(trial.status == "stopped" for trial in found[: OPTIONS.elite])
    assert {trial.measurement.images for trial in found if trial.measurement is not None} == {32, 64, IMAGES}
    for trial in found:
        whole = evaluated(trial.tables)
        if trial.status == "done":
            assert trial.part is None
            assert trial.measurement == whole
        elif trial.status == "stopped":
            assert trial.part is not None
            assert trial.part.order == ORDER.digest
            assert trial.measurement == whole.at(ORDER.part(trial.part.images).positions)
            assert trial.reason.startswith(f"stopped after {trial.part.images} of {IMAGES} images: a chance of ")
    assert archive.problems() == []


def test_no_image_is_evaluated_twice_and_no_more_than_is_recorded() -> None:
    executor = Counting(3, 5, evaluate=evaluated)
    archive = run(sorted_random(), executor=executor)
    for trial in archive.trials("search"):
        assert trial.measurement is not None
        assert executor.images[trial.quantizer.digest] == trial.measurement.images
    assert archive.trials("search").saved > 0.3


def test_a_table_that_comes_again_is_not_evaluated_again() -> None:
    executor = Counting(2, 5, evaluate=evaluated)
    archive = run(repeating(), executor=executor)
    most = Counter[str]()
    for trial in trials(archive):
        assert trial.measurement is not None
        digest = trial.quantizer.digest
        most[digest] = max(most[digest], trial.measurement.images)
    assert executor.images == most


MAKERS = st.sampled_from([sorted_random, uniform_random, repeating])


@settings(max_examples=10, deadline=None)
@given(MAKERS, st.integers(1, 6), st.integers(0, 99), st.sampled_from([None, EVERY]))
def test_neither_workers_nor_their_order_show_in_the_archive(
    make: Callable[[], Strategy], capacity: int, seed: int, gate: Every | None
) -> None:
    executor = Shuffled(capacity, seed, evaluate=failing)
    found = trials(run(make(), executor=executor, gate=gate))
    assert found == unbroken(make, gate)
    assert any(trial.status == "stopped" for trial in found)
    assert executor.most_in_flight <= max(2 * capacity, 1 + len(QUALITIES))


@settings(max_examples=10, deadline=None)
@given(MAKERS, st.lists(st.integers(0, 25), min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 99))
def test_an_interrupted_race_ends_as_one_that_never_was(
    make: Callable[[], Strategy], interruptions: list[int], capacity: int, seed: int
) -> None:
    archive = Archive.in_memory()
    for after in interruptions:
        heard = iter(range(after))

        def interrupt(trial: Trial, heard: Any = heard) -> None:
            if next(heard, None) is None:
                raise KeyboardInterrupt

        try:
            run(make(), archive, Shuffled(capacity, seed, evaluate=failing), on_trial=interrupt)
        except KeyboardInterrupt:
            seed += 1
    resumed = run(make(), archive, Shuffled(capacity, seed, evaluate=failing))
    assert trials(resumed) == unbroken(make)


def test_going_on_to_more_trials_is_a_longer_race() -> None:
    archive = run(sorted_random(), trials=20)
    assert trials(run(sorted_random(), archive)) == unbroken(sorted_random)


def test_workers_are_busy_while_decisions_wait() -> None:
    executor = Counting(4, 5, evaluate=evaluated)
    run(sorted_random(), executor=executor, trials=200)
    while_asked = executor.in_flight[: -OPTIONS.lag - 2 * executor.capacity]
    assert len(while_asked) > 30
    assert np.mean(np.array(while_asked) >= executor.capacity) > 0.9


def test_a_failure_on_any_part_is_the_trials() -> None:
    late: list[str] = []

    class FailsLate(Shuffled):
        def collect(self, patience_s: float | None = None) -> list[Outcome]:
            return [self.spoilt(outcome) for outcome in super().collect(patience_s)]

        def spoilt(self, outcome: Outcome) -> Outcome:
            task = outcome.task
            if task.subset is None or len(task.subset.positions) != 64 or int(task.quantizer.digest[0], 16) >= 8:
                return outcome
            late.append(task.quantizer.digest)
            return Outcome(task, None, "too late", 0.1)

    archive = run(sorted_random(), executor=FailsLate(evaluate=evaluated))
    failed = [trial for trial in archive.trials("search") if trial.status == "failed"]
    assert late
    assert [trial.quantizer.digest for trial in failed] == late
    assert {(trial.reason, trial.measurement, trial.part) for trial in failed} == {("too late", None, None)}


def test_a_trial_that_was_completed_later_does_not_join_the_race() -> None:
    archive = run(sorted_random(), trials=20)
    stopped = [trial for trial in archive.trials("search") if trial.status == "stopped"]
    assert stopped
    for trial in stopped:
        archive.complete(trial, evaluated(trial.tables), 0.5)
    found = run(sorted_random(), archive).trials("search")
    assert found[20:] == [trial for trial in unbroken(sorted_random) if trial.series == "search"][20:]
    for trial in stopped:
        done = found[trial.number]
        assert (done.status, done.part, done.measurement) == ("done", trial.part, evaluated(trial.tables))
        assert done.reason == f"{trial.reason}; completed later"
    assert archive.problems() == []


def test_another_order_of_the_images_is_refused() -> None:
    archive = run(sorted_random(), trials=20)
    other = nested_order(["a", "b"] * (IMAGES // 2), "1")
    with pytest.raises(InputError, match="was stopped on a part of other images"):
        run(sorted_random(), archive, order=other)


def test_a_warm_up_gives_the_elite() -> None:
    """Its trials are never stopped, and with them known the first ones after it may be."""
    archive = Archive.in_memory()
    how: dict[str, Any] = {"qualities": QUALITIES}
    run_search(sorted_random(2), Shuffled(evaluate=evaluated), archive, trials=20, **how)
    run(uniform_random(), archive, Shuffled(3, 1, evaluate=evaluated), trials=50, first=20)
    found = archive.trials("search")
    assert {trial.status for trial in found[:20]} == {"done"}
    assert any(trial.status == "stopped" for trial in found[20:26])


def test_strategies_that_learn_do_not_race() -> None:
    with pytest.raises(InputError, match="leave it out with fake-adaptive"):
        run(Adaptive(SearchSpace.full(), 1))


def test_a_strategy_learns_nothing_from_a_stopped_trial() -> None:
    measurement = evaluated(QuantTables.standard(50)).at(np.arange(32))
    stopped = Trial("search", 0, "s", QuantTables.standard(50), "stopped", measurement, part=Part(32, "0"))
    assert np.isnan(gap_of(LinearFitness(), stopped))
