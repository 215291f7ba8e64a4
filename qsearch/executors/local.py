"""Evaluations on this machine: in this process, or in worker processes (joblib's loky)."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from qsearch.errors import QSearchError
from qsearch.evaluator import Evaluator
from qsearch.executors.base import Executor, Outcome
from qsearch.measurement import Measurement
from qsearch.tables import QuantTables

MAX_LOSSES = 3
"""An evaluation whose worker died this often is given up; not at once, for it may have been its neighbour's fault."""


def executor_for(evaluator: Evaluator, workers: int) -> Executor:
    """This process for one worker, else ``workers`` processes."""
    return SerialExecutor(evaluator) if workers == 1 else ProcessExecutor(evaluator, workers)


class SerialExecutor(Executor):
    """Evaluates in this process, one after the other."""

    capacity = 1

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._queue: deque[tuple[Hashable, QuantTables]] = deque()

    def submit(self, key: Hashable, tables: QuantTables) -> None:
        """See :meth:`Executor.submit`."""
        self._queue.append((key, tables))

    def collect(self) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        key, tables = self._queue.popleft()
        return [Outcome(key, *_evaluate(self._evaluator, tables))]

    def close(self) -> None:
        """See :meth:`Executor.close`."""
        self._queue.clear()


class ProcessExecutor(Executor):
    """Evaluates in ``workers`` processes that share the dataset's memory map.

    Workers ignore Ctrl-C (the search decides), and end when this process does, however it ends. When one dies, the
    pool is rebuilt and what was in flight is submitted again.
    """

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        self.capacity = workers
        self._evaluator = evaluator
        self._tasks: dict[Future[Any], tuple[Hashable, QuantTables]] = {}
        self._losses: dict[Hashable, int] = {}
        self._pool = self._new_pool()

    def _new_pool(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        return ProcessPoolExecutor(
            self.capacity,
            initializer=_start_worker,
            initargs=(self._evaluator, os.getpid()),
            # One process per core: more threads each would only wait for one another.
            env=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        )

    def submit(self, key: Hashable, tables: QuantTables) -> None:
        """See :meth:`Executor.submit`."""
        with _interrupts_ignored():  # workers started here inherit it, from their first instruction on
            self._tasks[self._pool.submit(_evaluate_in_worker, tables)] = (key, tables)

    def collect(self) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        outcomes: list[Outcome] = []
        while not outcomes:
            finished, _ = wait(self._tasks, return_when=FIRST_COMPLETED)
            lost = []
            for future in finished:
                key, tables = self._tasks.pop(future)
                error = future.exception()
                if error is None:
                    outcomes.append(Outcome(key, *future.result()))
                elif isinstance(error, BrokenProcessPool):
                    lost.append((key, tables))
                else:
                    outcomes.append(Outcome(key, None, _reason(error), 0.0))
            if lost:
                outcomes += self._recover(lost)
        return outcomes

    def _recover(self, lost: list[tuple[Hashable, QuantTables]]) -> list[Outcome]:
        lost += self._tasks.values()
        self._tasks.clear()
        self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._new_pool()
        given_up = []
        for key, tables in lost:
            self._losses[key] = self._losses.get(key, 0) + 1
            if self._losses[key] >= MAX_LOSSES:
                reason = (
                    f"the worker process died {MAX_LOSSES} times; is there enough memory for {self.capacity} workers?"
                )
                given_up.append(Outcome(key, None, reason, 0.0))
            else:
                self.submit(key, tables)
        return given_up

    def close(self) -> None:
        """See :meth:`Executor.close`."""
        self._tasks.clear()
        self._pool.shutdown(wait=True, kill_workers=True)


def _evaluate(evaluator: Evaluator, tables: QuantTables) -> tuple[Measurement | None, str, float]:
    start = time.perf_counter()
    try:
        measurement, reason = evaluator.evaluate(tables), ""
    except Exception as error:  # whatever a user's classifier raises is that trial's failure, not the run's end
        measurement, reason = None, _reason(error)
    return measurement, reason, time.perf_counter() - start


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, QSearchError) else f"{type(error).__name__}: {error}"


_worker_evaluator: Evaluator


def _start_worker(evaluator: Evaluator, parent: int) -> None:
    global _worker_evaluator  # noqa: PLW0603 - a worker process has one evaluator for its lifetime
    _worker_evaluator = evaluator
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    # A killed parent cannot tell its workers; they would wait for work for ever.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _evaluate_in_worker(tables: QuantTables) -> tuple[Measurement | None, str, float]:
    return _evaluate(_worker_evaluator, tables)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
