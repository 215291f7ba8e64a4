"""Evaluations in this process, one after the other."""

from collections import deque
from contextlib import chdir

from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome, carry_out


class SerialExecutor(Executor):
    """Evaluates in this process: nothing to start, but a network that crashes ends the search, and none times out."""

    capacity = 1

    def __init__(
        self, evaluator: Evaluator, workers: int = 1, *, gpus: int = 0, timeout_s: float | None = None
    ) -> None:
        if workers != 1:
            raise InputError(f"the serial executor has one worker, got {workers}: choose --executor processes.")
        if timeout_s is not None:
            raise InputError("the serial executor cannot stop an evaluation: --timeout needs --executor processes.")
        self._evaluator = evaluator
        self._queue: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """See :meth:`Executor.submit`."""
        self._queue.append(task)

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        task = self._queue.popleft()
        with chdir("."):  # a network may leave for another folder; the run's is relative to this one
            return [Outcome(task, *carry_out(self._evaluator, task))]

    def close(self) -> None:
        """See :meth:`Executor.close`."""
        self._queue.clear()
