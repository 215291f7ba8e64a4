"""The Executor contract: tasks in, measurements out, in any order."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.task import Task
from qsearch.text import reason_of

MAX_DEATHS = 2
"""An evaluation whose worker died this often while nothing else ran is given up."""
KILLS_WORKERS = f"the worker process died {MAX_DEATHS} times at it, nothing else running; is there enough memory?"
"""Why there is no measurement of it."""


@dataclass(frozen=True)
class Outcome:
    """What became of one task: a measurement, or the reason why there is none; and how many seconds it took."""

    task: Task
    measurement: Measurement | None
    reason: str
    evaluation_s: float


class Executor(ABC):
    """Carries out tasks. Used from one thread; :meth:`close` it, or use it as a context manager.

    capacity: how many tasks run at once.
    takes_scheduler: whether it can use workers that somebody else started; the keyword argument ``scheduler`` says
        where they are asked for.
    """

    capacity: int
    takes_scheduler: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, evaluator: Evaluator, workers: int, *, gpus: int = 0, timeout_s: float | None = None) -> None:
        """``workers`` evaluate at once, shared out among ``gpus``; a task that takes longer than ``timeout_s`` fails.

        InputError for what this executor cannot do.
        """

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Asks for one evaluation; the task comes back with its outcome."""

    @abstractmethod
    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """Waits until something submitted has finished and returns all that has, each once.

        An evaluation that raises, that takes too long, or whose worker dies again and again, is an outcome with a
        reason. After ``patience_s`` without any outcome the answer is empty.
        """

    @abstractmethod
    def close(self) -> None:
        """Drops what has not finished and frees the workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def outcomes_of(tasks: Sequence[Task], executor: Executor) -> Iterator[Outcome]:
    """What becomes of ``tasks``, as they finish; never many more than run at once are handed out."""
    waiting = list(tasks)[::-1]
    outstanding = 0
    while waiting or outstanding:
        while waiting and outstanding < 2 * executor.capacity:
            executor.submit(waiting.pop())
            outstanding += 1
        for outcome in executor.collect():
            outstanding -= 1
            yield outcome


def took_too_long(timeout_s: float) -> str:
    """Why there is no measurement of what was stopped after ``timeout_s``."""
    return f"the evaluation took longer than the {timeout_s:g} s of --timeout and was stopped."


def carry_out(evaluator: Evaluator, task: Task) -> tuple[Measurement | None, str, float]:
    """The measurement of ``task`` or the reason why there is none, and the seconds it took."""
    start = time.perf_counter()
    try:
        measurement, reason = evaluator.evaluate(task), ""
    except BaseException as error:  # whatever a user's network raises is that trial's failure
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        measurement, reason = None, reason_of(error)
    return measurement, reason, time.perf_counter() - start
