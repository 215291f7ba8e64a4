"""Executors: every task comes back once, whatever becomes of its worker."""

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class Misbehaving:
    """A quantizer that does not answer: it raises, ends or kills its process, or sleeps for an hour.

    what: ``raise``, ``exit``, ``kill``, or ``hang``.
    """

    what: str
    kind: str = "misbehaving"

    @property
    def digest(self) -> str:
        """Of what it does."""
        return hashlib.sha256(self.what.encode()).hexdigest()

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        """Never returns tables."""
        if self.what == "exit":
            raise SystemExit(0)
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "hang":
            time.sleep(3600)
        raise OSError("as planned")

    def to_bytes(self) -> bytes:
        """What it does."""
        return self.what.encode()


class ExecutorContract:
    """What every executor keeps. Override the fixture ``executor_class`` and, where it has no workers, set the others.

    workers: how many it is made with. isolated: whether a worker that dies is not the search's own process.
    times_out: whether it can stop an evaluation. timeout_s: after how long; more than a worker takes to start, where
    that counts.
    """

    workers: ClassVar[int] = 2
    isolated: ClassVar[bool] = True
    times_out: ClassVar[bool] = True
    timeout_s: ClassVar[float] = 5

    def evaluator(self) -> Evaluator:
        """Sizes of four small images: what there is to measure without a network."""
        images = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3)).astype(np.uint8)
        return Evaluator(Dataset.from_arrays(images, [0, 1, 0, 1]), PillowCodec(), measures=("bytes",))

    def finish(self, executor: Executor, tasks: Sequence[Task]) -> dict[Task, Outcome]:
        """Submits all and collects until each has come back."""
        for task in tasks:
            executor.submit(task)
        found: dict[Task, Outcome] = {}
        while len(found) < len(tasks):
            for outcome in executor.collect():
                assert outcome.task in tasks
                assert outcome.task not in found
                found[outcome.task] = outcome
        return found

    def test_every_task_comes_back_once_with_its_own_measurement(self, executor_class: type[Executor]) -> None:
        """Whatever the order."""
        tasks = [Task(QuantTables.standard(quality)) for quality in (90, 10, 50, 70, 30)]
        evaluator = self.evaluator()
        with executor_class(evaluator, self.workers) as executor:
            assert executor.capacity == self.workers
            found = self.finish(executor, tasks)
        assert {task: found[task].measurement for task in tasks} == {task: evaluator.evaluate(task) for task in tasks}
        assert all(outcome.reason == "" and outcome.evaluation_s > 0 for outcome in found.values())

    def test_failures_are_outcomes_with_a_reason(self, executor_class: type[Executor]) -> None:
        """Also a network that would end the process; what follows is measured."""
        tasks = [Task(Misbehaving("raise")), Task(Misbehaving("exit")), Task(QuantTables.standard(50))]
        with executor_class(self.evaluator(), self.workers) as executor:
            raised, ended, measured = map(self.finish(executor, tasks).__getitem__, tasks)
        assert (raised.measurement, raised.reason) == (None, "OSError: as planned")
        assert ended.measurement is None
        assert "SystemExit" in ended.reason
        assert measured.measurement is not None

    def test_a_worker_that_dies_takes_nothing_else_with_it(self, executor_class: type[Executor]) -> None:
        """Its task fails, its neighbours are measured."""
        if not self.isolated:
            return
        tasks = [Task(QuantTables.standard(20)), Task(Misbehaving("kill")), Task(QuantTables.standard(50))]
        with executor_class(self.evaluator(), self.workers) as executor:
            found = self.finish(executor, tasks)
        assert [found[task].measurement is None for task in tasks] == [False, True, False]
        assert found[tasks[1]].reason

    def test_an_evaluation_that_takes_too_long_fails(self, executor_class: type[Executor]) -> None:
        """Or the executor says at once that it cannot stop one."""
        if not self.times_out:
            try:
                executor_class(self.evaluator(), self.workers, timeout_s=self.timeout_s)
            except InputError:
                return
            raise AssertionError("an executor that stops no evaluation takes no timeout")
        tasks = [Task(Misbehaving("hang")), Task(QuantTables.standard(50))]
        with executor_class(self.evaluator(), self.workers, timeout_s=self.timeout_s) as executor:
            self.finish(executor, [Task(QuantTables.standard(20))])  # workers that start now take none of the time
            hung, measured = map(self.finish(executor, tasks).__getitem__, tasks)
        assert hung.measurement is None
        assert "took longer" in hung.reason
        assert measured.measurement is not None

    def test_closing_drops_what_has_not_finished(self, executor_class: type[Executor]) -> None:
        """It comes back, with nothing of its own left running."""
        executor = executor_class(self.evaluator(), self.workers)
        executor.submit(Task(Misbehaving("hang")))
        executor.close()
