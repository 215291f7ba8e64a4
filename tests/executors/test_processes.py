"""Evaluations in this process and in others: the same answers, and nothing lost when one fails or a worker dies."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import DatasetOptions
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.task import Task
from qsearch.executors import executor_for
from qsearch.executors.base import Executor, Outcome
from qsearch.executors.processes import ProcessExecutor
from qsearch.tables import QuantTables
from tests import fakes

TABLES = {quality: QuantTables.standard(quality) for quality in range(5, 100, 10)}


def evaluator(behaviour: str = "") -> Evaluator:
    dataset = fakes.load_dataset("", DatasetOptions())
    return Evaluator(dataset, PillowCodec(), [fakes.load_classifier(behaviour, None)])  # type: ignore[arg-type]


def evaluate(executor: Executor, keys: Iterable[int] = TABLES) -> dict[Any, Outcome]:
    """Submits all and collects all, each key once."""
    tasks = {Task(TABLES[key]): key for key in keys}
    for task in tasks:
        executor.submit(task)
    found: dict[Any, Outcome] = {}
    while len(found) < len(tasks):
        for outcome in executor.collect():
            assert tasks[outcome.task] not in found
            found[tasks[outcome.task]] = outcome
    return found


def test_any_number_of_processes_measures_the_same() -> None:
    expected = {key: evaluator().evaluate(Task(tables)) for key, tables in TABLES.items()}
    for workers in (1, 2, 3):
        with executor_for(evaluator(), workers) as executor:
            assert executor.capacity == workers
            found = evaluate(executor)
        assert {key: outcome.measurement for key, outcome in found.items()} == expected
        assert all(outcome.evaluation_s > 0 and outcome.reason == "" for outcome in found.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_is_an_outcome_with_its_reason(workers: int) -> None:
    expected: dict[int, Measurement | None] = {}
    for key, tables in TABLES.items():
        try:
            expected[key] = evaluator("fail=2").evaluate(Task(tables))
        except OSError:
            expected[key] = None
    assert None in expected.values()
    assert any(expected.values())
    with executor_for(evaluator("fail=2"), workers) as executor:
        found = evaluate(executor)
    assert {key: outcome.measurement for key, outcome in found.items()} == expected
    for outcome in found.values():
        assert outcome.reason == ("" if outcome.measurement else "OSError: the network broke down")


def test_what_is_no_ordinary_error_fails_its_trial_in_this_process_too() -> None:
    class Odd(fakes.FakeClassifier):
        def logits(self, images: Any) -> Any:
            raise GeneratorExit("done for today")

    dataset = fakes.load_dataset("", DatasetOptions())
    with executor_for(Evaluator(dataset, PillowCodec(), [Odd("odd", {})]), 1, name="serial") as executor:
        found = evaluate(executor, [5])
    assert (found[5].measurement, found[5].reason) == (None, "GeneratorExit: done for today")


def test_a_network_that_leaves_for_another_folder_takes_the_search_not_along(tmp_path: Path) -> None:
    class Leaving(fakes.FakeClassifier):
        def logits(self, images: Any) -> Any:
            os.chdir(tmp_path)
            return super().logits(images)

    here = Path.cwd()
    dataset = fakes.load_dataset("", DatasetOptions())
    with executor_for(Evaluator(dataset, PillowCodec(), [Leaving("leaving", {})]), 1, name="serial") as executor:
        found = evaluate(executor, [5])
    assert found[5].measurement is not None
    assert Path.cwd() == here


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_this_package_are_reasons_as_they_are(workers: int) -> None:
    with executor_for(evaluator("nan=1"), workers) as executor:
        found = evaluate(executor, [5])
    assert found[5].reason == "the classifier gave logits that are not finite numbers."


def test_a_worker_killed_once_loses_nothing(tmp_path: Path) -> None:
    expected = {key: evaluator().evaluate(Task(tables)) for key, tables in TABLES.items()}
    with ProcessExecutor(evaluator(f"die-once={tmp_path / 'died'}"), 2) as executor:
        found = evaluate(executor)
    assert (tmp_path / "died").exists()
    assert {key: outcome.measurement for key, outcome in found.items()} == expected


def test_tables_that_kill_every_worker_fail_alone() -> None:
    """Their neighbours in flight are measured all the same."""
    classifier = fakes.load_classifier("die=9", None)  # type: ignore[arg-type]
    dataset = fakes.load_dataset("", DatasetOptions())
    killers = {
        key
        for key, tables in TABLES.items()
        if classifier.chosen("die", PillowCodec().encode(dataset.images, tables.tables_for(dataset.images)).images)
    }
    assert 0 < len(killers) < len(TABLES) / 2
    with ProcessExecutor(evaluator("die=9,sleep=0.2"), 2) as executor:
        found = evaluate(executor)
    assert {key for key, outcome in found.items() if outcome.measurement is None} == killers
    for key in killers:
        assert "the worker process died" in found[key].reason


def test_workers_killed_while_nobody_waits_are_replaced() -> None:
    with ProcessExecutor(evaluator(), 2) as executor:
        evaluate(executor, [5, 15])
        for process in workers_of(os.getpid()):
            os.kill(process, signal.SIGKILL)
        time.sleep(0.3)  # the pool notices in a thread of its own
        found = evaluate(executor)
    assert all(outcome.measurement for outcome in found.values())


def test_closing_ends_the_workers_and_forgets_what_is_in_flight() -> None:
    executor = ProcessExecutor(evaluator("sleep=30"), 2)
    executor.submit(Task(TABLES[5]))
    before = workers_of(os.getpid())
    assert before
    executor.close()
    assert not set(before) & set(workers_of(os.getpid()))


def workers_of(parent: int) -> list[int]:
    """The processes of a pool of ``parent``'s, from Linux's process table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if int(status[1]) == parent and status[0] != "Z" and "popen_loky" in command:
            found.append(int(entry.name))
    return found
