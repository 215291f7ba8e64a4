"""Evaluations in worker processes of this machine (loky, as joblib's)."""

import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.task import Task
from qsearch.executors.base import KILLS_WORKERS, MAX_DEATHS, Executor, Outcome, carry_out, took_too_long
from qsearch.executors.semaphores import clear_abandoned
from qsearch.text import reason_of


@dataclass(frozen=True)
class _Running:
    task: Task
    since: float


class ProcessExecutor(Executor):
    """Evaluates in ``workers`` processes that share the dataset's memory map.

    Workers ignore Ctrl-C (the search decides), and end when this process does, however it ends. When one dies, the
    pool is rebuilt, and what was in flight is tried again one by one: so the evaluation that kills is found, and no
    other one suffers for it. Where there are GPUs, each worker sees just one.
    """

    def __init__(self, evaluator: Evaluator, workers: int, *, gpus: int = 0, timeout_s: float | None = None) -> None:
        self.capacity = workers
        self._gpus = gpus
        self._timeout_s = timeout_s
        self._evaluator = evaluator
        self._waiting: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._running: dict[Future[Any], _Running] = {}
        self._deaths = 0
        self._pool = self._new_pool()

    def _new_pool(self) -> Any:
        from loky import ProcessPoolExecutor
        from loky.backend import get_context

        clear_abandoned()
        start_quiet_tracker()
        devices = get_context("loky").SimpleQueue()
        for worker in range(self.capacity):
            devices.put(visible_device(worker % self._gpus) if self._gpus else None)
        return ProcessPoolExecutor(
            self.capacity,
            initializer=_start_worker,
            initargs=(self._evaluator, os.getpid(), devices),
            # One process per core: more threads each would only wait for one another.
            env=dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        )

    def submit(self, task: Task) -> None:
        """See :meth:`Executor.submit`."""
        self._waiting.append(task)
        self._feed()

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        outcomes: list[Outcome] = []
        until = None if patience_s is None else time.monotonic() + patience_s
        while not outcomes:
            finished, _ = wait(self._running, timeout=self._wait_s(until), return_when=FIRST_COMPLETED)
            lost = []
            for future in finished:
                task, error = self._running.pop(future).task, future.exception()
                if isinstance(error, BrokenProcessPool):
                    lost.append(task)
                    continue
                answer = future.result() if error is None else (None, reason_of(error), 0.0)
                outcomes.append(Outcome(task, *answer))
                self._clear_suspect()
            if lost:
                outcomes += self._recover(lost)
            outcomes += self._stop_overdue()
            self._feed()
            if until is not None and time.monotonic() >= until:
                break
        return outcomes

    def _wait_s(self, until: float | None) -> float | None:
        """How long to wait at most: for the caller's patience and for the first evaluation that takes too long."""
        ends = [] if until is None else [until]
        if self._timeout_s is not None and self._running:
            ends.append(min(each.since for each in self._running.values()) + self._timeout_s)
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _stop_overdue(self) -> list[Outcome]:
        """Ends the workers where an evaluation took too long; what else was running is begun again."""
        if self._timeout_s is None:
            return []
        now = time.monotonic()
        overdue = [each.task for each in self._running.values() if now - each.since >= self._timeout_s]
        if not overdue:
            return []
        again = [each.task for each in self._running.values() if each.task not in overdue]
        self._running.clear()
        self._replace_pool()
        if self._suspects:
            self._clear_suspect()
        self._waiting.extendleft(reversed(again))
        return [Outcome(task, None, took_too_long(self._timeout_s), self._timeout_s) for task in overdue]

    def _feed(self) -> None:
        """Starts what waits; while there are suspects the first of them, and nothing beside it."""
        if self._suspects:
            if not self._running:
                self._start(self._suspects[0])
            return
        # Where time is taken no task may queue behind another one, for it would be taken for slow.
        while self._waiting and (self._timeout_s is None or len(self._running) < self.capacity):
            self._start(self._waiting.popleft())

    def _start(self, task: Task) -> None:
        try:
            with interrupts_held():  # workers started here inherit it, from their first instruction on
                future = self._pool.submit(_evaluate_in_worker, task)
        except BrokenProcessPool as error:  # a worker died while nobody was waiting: collect() hears of it
            future = Future()
            future.set_exception(error)
        self._running[future] = _Running(task, time.monotonic())

    def _clear_suspect(self) -> None:
        if self._suspects:
            self._suspects.popleft()
            self._deaths = 0

    def _replace_pool(self) -> None:
        self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._new_pool()

    def _recover(self, lost: list[Task]) -> list[Outcome]:
        """A new pool. What was in flight becomes suspect; a suspect that ran alone is given up in the end."""
        self._replace_pool()
        if not self._suspects:
            self._suspects.extend([*lost, *(each.task for each in self._running.values())])
            self._running.clear()
            return []
        self._deaths += 1
        if self._deaths < MAX_DEATHS:
            return []
        task = self._suspects[0]
        self._clear_suspect()
        return [Outcome(task, None, KILLS_WORKERS, 0.0)]

    def close(self) -> None:
        """See :meth:`Executor.close`."""
        for tasks in (self._waiting, self._suspects, self._running):
            tasks.clear()
        self._pool.shutdown(wait=True, kill_workers=True)


_worker_evaluator: Evaluator


def visible_device(index: int) -> str:
    """What CUDA_VISIBLE_DEVICES calls the GPU that is number ``index`` to this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index] if visible else str(index)


def start_quiet_tracker() -> None:
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
    if sys.platform == "linux":
        with suppress(OSError):  # kernels before 5.3, and a parent that is gone already
            end = select.poll()
            end.register(os.pidfd_open(parent), select.POLLIN)
            if os.getppid() == parent:  # else its number may be another's by now
                end.poll()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _evaluate_in_worker(task: Task) -> tuple[Measurement | None, str, float]:
    return carry_out(_worker_evaluator, task)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the block ends: blocked, not ignored, or one that comes now would be lost."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
