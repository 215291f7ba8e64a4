"""The search loop: one archive whatever the executor, the order of its answers and the interruptions."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.archive.store import Archive
from qsearch.errors import InputError, RunError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome
from qsearch.quantizer import Quantizer, Uncompressed, constant_tables
from qsearch.search import DEFAULT_LOOK_AHEAD, MAX_FAILURES_IN_A_ROW, run_search
from qsearch.space import SearchSpace
from qsearch.strategies.base import Strategy
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.standard import Standard
from qsearch.tables import QuantTables
from qsearch.testing import synthetic_measurement, synthetic_with_failures
from tests.fakes import Adaptive, Repeating

QUALITIES = (20, 50, 90)
REFERENCES = 1 + len(QUALITIES)
"""The uncompressed images and the standard tables."""
Evaluate = Callable[[QuantTables], Measurement | None]


class Shuffled(Executor):
    """Answers in any order, some at a time, as so many workers might; keeps count."""

    def __init__(
        self,
        capacity: int = 1,
        seed: int = 0,
        evaluate: Evaluate = synthetic_with_failures,
    ) -> None:
        self.capacity = capacity
        self.evaluated: list[Quantizer] = []
        self.most_in_flight = 0
        self._draw = random.Random(seed)
        self._evaluate = evaluate
        self._flying: list[Task] = []

    def submit(self, task: Task) -> None:
        self._flying.append(task)
        self.most_in_flight = max(self.most_in_flight, len(self._flying))

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        outcomes = []
        for _ in range(self._draw.randint(1, len(self._flying))):
            task = self._flying.pop(self._draw.randrange(min(len(self._flying), 2 * self.capacity)))
            self.evaluated.append(task.quantizer)
            measurement = self._measured(task)
            outcomes.append(Outcome(task, measurement, "" if measurement else "as planned", 0.1))
        return outcomes

    def _measured(self, task: Task) -> Measurement | None:
        finest = QuantTables.shared(np.ones((8, 8), dtype=int))
        tables = finest if isinstance(task.quantizer, Uncompressed) else constant_tables(task.quantizer)
        whole = self._evaluate(tables)
        return whole if whole is None or task.subset is None else whole.at(task.subset.positions)

    def close(self) -> None:
        self._flying.clear()


def adaptive(seed: int = 1) -> Strategy:
    return Adaptive(SearchSpace.full(), seed)


def sorted_random(seed: int = 1) -> Strategy:
    return SortedRandom(SearchSpace.full(), seed)


def repeating(seed: int = 1) -> Strategy:
    return Repeating(SearchSpace.full(), seed)


def run(
    strategy: Strategy, archive: Archive | None = None, executor: Executor | None = None, **options: Any
) -> Archive:
    archive = archive or Archive.in_memory()
    run_search(strategy, executor or Shuffled(), archive, **{"trials": 25, "qualities": QUALITIES, **options})
    return archive


def trials(archive: Archive) -> list[Trial]:
    return [*archive.trials("reference"), *archive.trials("search")]


def test_it_records_the_reference_trials_and_every_trial() -> None:
    heard: list[Trial] = []
    archive = run(sorted_random(), on_trial=heard.append)
    assert [trial.label for trial in archive.trials("reference")] == [
        "uncompressed",
        *(f"standard:{quality}" for quality in QUALITIES),
    ]
    assert [trial.number for trial in archive.trials("search")] == list(range(25))
    for trial in archive.trials("reference")[1:]:
        assert trial.tables == QuantTables.standard(trial.number)
        assert trial.strategy == "standard"
    for trial in archive.trials("search"):
        assert trial.tables == sorted_random().ask(trial.number)
        assert trial.strategy == "sorted-random"
        assert trial.measurement == synthetic_with_failures(trial.tables)
        assert trial.reason == ("" if trial.status == "done" else "as planned")
    assert sorted(heard, key=lambda trial: (trial.series, trial.number)) == trials(archive)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([adaptive, sorted_random, repeating]), st.integers(1, 6), st.integers(0, 99), st.integers(1, 7))
def test_neither_workers_nor_their_order_show_in_the_archive(
    make: Callable[[], Strategy], capacity: int, seed: int, look_ahead: int
) -> None:
    executor = Shuffled(capacity, seed)
    found = run(make(), executor=executor, look_ahead=look_ahead)
    assert trials(found) == trials(run(make(), look_ahead=look_ahead))
    assert executor.most_in_flight <= max(2 * capacity, REFERENCES)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([adaptive, sorted_random, repeating]),
    st.lists(st.integers(0, 20), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_an_interrupted_search_ends_as_one_that_never_was(
    make: Callable[[], Strategy], interruptions: list[int], capacity: int, seed: int
) -> None:
    archive = Archive.in_memory()
    for after in interruptions:
        heard = iter(range(after))

        def interrupt(trial: Trial, heard: Any = heard) -> None:
            if next(heard, None) is None:
                raise KeyboardInterrupt

        try:
            run(make(), archive, Shuffled(capacity, seed), on_trial=interrupt)
        except KeyboardInterrupt:
            seed += 1
    resumed = run(make(), archive, Shuffled(capacity, seed))
    assert trials(resumed) == trials(run(make()))


def test_going_on_to_more_trials_is_a_longer_search() -> None:
    for make in (adaptive, sorted_random):
        archive = run(make(), trials=10)
        assert trials(run(make(), archive, trials=25)) == trials(run(make()))
        executor = Shuffled()
        run(make(), archive, executor, trials=25)
        assert executor.evaluated == []  # all of it is there


class Auditor(Adaptive):
    """Checks what it has been told whenever it is asked."""

    look_ahead = 1

    def ask(self, number: int) -> QuantTables:
        assert [trial.number for trial in self.told] == list(range(max(0, number + 1 - self.look_ahead)))
        return super().ask(number)


@pytest.mark.parametrize("look_ahead", [1, 2, 5, 100])
def test_a_strategy_is_asked_after_just_what_the_look_ahead_says(look_ahead: int) -> None:
    strategy = Auditor(SearchSpace.full(), 1)
    strategy.look_ahead = look_ahead
    run(strategy, executor=Shuffled(4, 3), look_ahead=look_ahead)
    assert [trial.number for trial in strategy.told] == list(range(25))
    assert {trial.status for trial in strategy.told} == {"done", "failed"}


def test_the_same_tables_are_measured_once() -> None:
    for capacity in (1, 5):
        executor = Shuffled(capacity, evaluate=synthetic_measurement)
        archive = run(repeating(), executor=executor, trials=30)
        assert len(executor.evaluated) == 10 + REFERENCES
        assert len(set(executor.evaluated)) == len(executor.evaluated)
        found = archive.trials("search")
        assert len(found) == 30
        assert [trial.measurement for trial in found[::3]] == [trial.measurement for trial in found[2::3]]
        assert sum(trial.evaluation_s > 0 for trial in found) == 10


def test_the_reference_trials_serve_the_search() -> None:
    executor = Shuffled(evaluate=synthetic_measurement)
    run(Standard(SearchSpace.full("luma-chroma"), 0), executor=executor, trials=100)
    assert len(executor.evaluated) == 1 + 100


def test_what_an_earlier_search_measured_is_not_measured_again() -> None:
    executor = Shuffled(evaluate=synthetic_measurement)
    archive = run(repeating(), executor=executor, trials=4)
    run(repeating(), archive, executor, trials=6)
    assert len(executor.evaluated) == 2 + REFERENCES


def test_a_strategy_with_an_end_is_searched_to_its_end() -> None:
    archive = run(Standard(SearchSpace.full("luma-chroma"), 0), trials=1000)
    assert archive.count("search") == 100


def failing(count: int) -> Evaluate:
    """Fails the first ``count`` times."""
    left = iter(range(count))
    return lambda tables: synthetic_measurement(tables) if next(left, None) is None else None


def test_nine_failures_in_a_row_are_survived() -> None:
    archive = run(sorted_random(), executor=Shuffled(evaluate=failing(MAX_FAILURES_IN_A_ROW - 1)))
    assert sum(trial.status == "failed" for trial in trials(archive)) == 9
    assert archive.count("search") == 25


def test_ten_failures_in_a_row_end_the_search_with_the_last_reason() -> None:
    archive = Archive.in_memory()
    with pytest.raises(RunError, match=r"10 evaluations in a row failed, so the run stops here; .* as planned"):
        run(sorted_random(), archive, Shuffled(evaluate=failing(10)))
    assert len(trials(archive)) == MAX_FAILURES_IN_A_ROW
    assert {trial.status for trial in trials(archive)} == {"failed"}


def test_failures_that_are_not_in_a_row_do_not_end_it() -> None:
    turns = iter(range(10**6))
    archive = run(
        sorted_random(),
        executor=Shuffled(evaluate=lambda tables: synthetic_measurement(tables) if next(turns) % 10 == 9 else None),
        trials=60,
    )
    assert archive.count("search") == 60


@pytest.mark.parametrize("make", [adaptive, sorted_random])
def test_the_archive_of_another_seed_is_refused(make: Callable[[int], Strategy]) -> None:
    archive = Archive.in_memory()
    for number in (0, 1, 3, 4):
        tables = sorted_random(seed=2).ask(number)
        archive.add(Trial("search", number, "s", tables, "done", synthetic_measurement(tables)))
    with pytest.raises(InputError, match=r"holds other tables than .* another seed"):
        run(make(1), archive)
    assert {0, 1, 3, 4} <= {trial.number for trial in archive.trials("search")}


def test_a_gapless_archive_of_another_seed_is_refused() -> None:
    archive = run(sorted_random(seed=2), trials=5)
    with pytest.raises(InputError, match="trial 4 holds other tables than sorted-random now proposes"):
        run(sorted_random(seed=1), archive, trials=9)


def test_a_second_strategy_goes_on_where_a_first_ended() -> None:
    archive = run(sorted_random(), trials=10)
    run(adaptive(), archive, trials=25, first=10)
    found = archive.trials("search")
    assert [trial.strategy for trial in found] == ["sorted-random"] * 10 + ["fake-adaptive"] * 15
    alone = run(adaptive(), trials=15).trials("search")
    assert [trial.tables for trial in found[10:]] == [trial.tables for trial in alone]


@pytest.mark.parametrize(
    "options", [{"trials": 0}, {"trials": -5}, {"look_ahead": 0}, {"trials": 5, "first": 5}, {"trials": 3, "first": 5}]
)
def test_a_search_has_a_trial_and_a_look_ahead(options: dict[str, Any]) -> None:
    archive = Archive.in_memory()
    with pytest.raises(InputError, match="at least one trial"):
        run(sorted_random(), archive, **options)
    assert trials(archive) == []


def test_decisions_are_timed() -> None:
    archive = run(sorted_random())
    assert all(trial.decision_s > 0 for trial in archive.trials("search"))
    assert np.median([trial.decision_s for trial in archive.trials("search")]) < 1


def test_the_default_look_ahead_is_recorded_with_runs() -> None:
    from qsearch.run.settings import SearchSettings

    assert SearchSettings().look_ahead == DEFAULT_LOOK_AHEAD


class Stuck(Shuffled):
    """Answers nothing the first two times that it is asked."""

    waits = 2

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        assert patience_s is not None
        if self.waits:
            self.waits -= 1
            return []
        return super().collect(patience_s)


def test_what_hangs_is_told() -> None:
    heard: list[str] = []
    with Archive.in_memory() as archive:
        run_search(
            sorted_random(),
            Stuck(),
            archive,
            trials=2,
            qualities=(),
            on_wait=lambda label, waited_s: heard.append(label),
        )
        assert archive.count("search") == 2
    assert heard == ["uncompressed", "uncompressed"]


class TestRetryFailed:
    """Trials that failed are evaluated again, and replay holds."""

    def failed(self, archive: Archive) -> list[int]:
        return [trial.number for trial in archive.trials("search") if trial.status == "failed"]

    def search(self, archive: Archive, strategy: Strategy, evaluate: Evaluate, **how: Any) -> None:
        run_search(strategy, Shuffled(evaluate=evaluate), archive, trials=20, qualities=QUALITIES, **how)

    def test_the_archive_is_that_of_a_run_without_failures(self) -> None:
        with Archive.in_memory() as archive, Archive.in_memory() as whole:
            self.search(archive, sorted_random(), synthetic_with_failures)
            failed = self.failed(archive)
            assert failed
            self.search(archive, sorted_random(), synthetic_measurement, retry_failed=True)
            self.search(whole, sorted_random(), synthetic_measurement)
            for mine, theirs in zip(archive.trials("search"), whole.trials("search"), strict=True):
                assert (mine.quantizer, mine.measurement) == (theirs.quantizer, theirs.measurement)
                assert mine.reason == ("The attempt before failed: as planned" if mine.number in failed else "")
            assert archive.problems() == []

    def test_one_that_fails_again_stays_failed(self) -> None:
        with Archive.in_memory() as archive:
            self.search(archive, sorted_random(), synthetic_with_failures)
            failed = self.failed(archive)
            for _ in range(2):
                self.search(archive, sorted_random(), synthetic_with_failures, retry_failed=True)
            assert self.failed(archive) == failed
            reasons = {trial.reason for trial in archive.trials("search") if trial.status == "failed"}
            assert reasons == {"as planned The attempt before failed: as planned"}

    def test_without_being_asked_nothing_is_retried(self) -> None:
        with Archive.in_memory() as archive:
            self.search(archive, sorted_random(), synthetic_with_failures)
            failed = self.failed(archive)
            self.search(archive, sorted_random(), synthetic_measurement)
            assert self.failed(archive) == failed

    def test_a_failure_that_a_strategy_learned_of_stays(self) -> None:
        with Archive.in_memory() as archive:
            self.search(archive, adaptive(), synthetic_with_failures)
            failed = self.failed(archive)
            with pytest.raises(InputError, match=rf"knowing that trial {failed[0]} failed"):
                self.search(archive, adaptive(), synthetic_measurement, retry_failed=True)
            assert self.failed(archive) == failed
