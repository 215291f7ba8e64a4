"""Evaluations on this machine: in this process, or in worker processes (loky, as joblib's)."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from qsearch.errors import QSearchError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.executors.base import Executor, Outcome
from qsearch.executors.semaphores import clear_abandoned
from qsearch.tables import QuantTables

MAX_DEATHS = 2
"""An evaluation whose worker died this often while nothing else ran is given up."""

Task = tuple[Hashable, QuantTables]


def executor_for(evaluator: Evaluator, workers: int, gpus: int = 0) -> Executor:
    """This process for one worker, else ``workers`` processes, shared out among ``gpus``."""
    return SerialExecutor(evaluator) if workers == 1 else ProcessExecutor(evaluator, workers, gpus)


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
    pool is rebuilt, and what was in flight is tried again one by one: so the evaluation that kills is found, and no
    other one suffers for it. Where there are GPUs, each worker sees just one.
    """

    def __init__(self, evaluator: Evaluator, workers: int, gpus: int = 0) -> None:
        self.capacity = workers
        self._gpus = gpus
        self._evaluator = evaluator
        self._waiting: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._running: dict[Future[Any], Task] = {}
        self._deaths = 0
        self._pool = self._new_pool()

    def _new_pool(self) -> Any:
        from loky import ProcessPoolExecutor
        from loky.backend import get_context

        clear_abandoned()
        _start_quiet_tracker()
        devices = get_context("loky").SimpleQueue()
        for worker in range(self.capacity):
            devices.put(_visible_device(worker % self._gpus) if self._gpus else None)
        return ProcessPoolExecutor(
            self.capacity,
            initializer=_start_worker,
            initargs=(self._evaluator, os.getpid(), devices),
            # One process per core: more threads each would only wait for one another.
            env=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        )

    def submit(self, key: Hashable, tables: QuantTables) -> None:
        """See :meth:`Executor.submit`."""
        self._waiting.append((key, tables))
        self._feed()

    def collect(self) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        outcomes: list[Outcome] = []
        while not outcomes:
            finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
            lost = []
            for future in finished:
                task, error = self._running.pop(future), future.exception()
                if isinstance(error, BrokenProcessPool):
                    lost.append(task)
                    continue
                answer = future.result() if error is None else (None, _reason(error), 0.0)
                outcomes.append(Outcome(task[0], *answer))
                self._clear_suspect()
            if lost:
                outcomes += self._recover(lost)
            self._feed()
        return outcomes

    def _feed(self) -> None:
        """Starts what waits; while there are suspects the first of them, and nothing beside it."""
        if self._suspects:
            if not self._running:
                self._start(self._suspects[0])
            return
        while self._waiting:
            self._start(self._waiting.popleft())

    def _start(self, task: Task) -> None:
        try:
            with _interrupts_ignored():  # workers started here inherit it, from their first instruction on
                future = self._pool.submit(_evaluate_in_worker, task[1])
        except BrokenProcessPool as error:  # a worker died while nobody was waiting: collect() hears of it
            future = Future()
            future.set_exception(error)
        self._running[future] = task

    def _clear_suspect(self) -> None:
        if self._suspects:
            self._suspects.popleft()
            self._deaths = 0

    def _recover(self, lost: list[Task]) -> list[Outcome]:
        """A new pool. What was in flight becomes suspect; a suspect that ran alone is given up in the end."""
        self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._new_pool()
        if not self._suspects:
            self._suspects.extend([*lost, *self._running.values()])
            self._running.clear()
            return []
        self._deaths += 1
        if self._deaths < MAX_DEATHS:
            return []
        key, _ = self._suspects[0]
        self._clear_suspect()
        reason = f"the worker process died {MAX_DEATHS} times at it, nothing else running; is there enough memory?"
        return [Outcome(key, None, reason, 0.0)]

    def close(self) -> None:
        """See :meth:`Executor.close`."""
        for tasks in (self._waiting, self._suspects, self._running):
            tasks.clear()
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


def _visible_device(index: int) -> str:
    """What CUDA_VISIBLE_DEVICES calls the GPU that is number ``index`` to this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index] if visible else str(index)


def _start_quiet_tracker() -> None:
    """Starts the process that frees what killed workers leave; that they left semaphores is no news for the user."""
    if os.name != "posix":
        return
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker:UserWarning")))
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _start_worker(evaluator: Evaluator, parent: int, devices: Any) -> None:
    device = devices.get()
    devices.put(device)  # the pool may replace this worker, and the queue is never empty for the next one
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    global _worker_evaluator  # noqa: PLW0603 - a worker process has one evaluator for its lifetime
    _worker_evaluator = evaluator
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for workers that the pool's own thread started
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
