"""Evaluations on the workers of a Dask cluster: one that is there, or one of this machine's own."""

import asyncio
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar

import numpy as np

from qsearch.errors import InputError, MissingDependencyError, QSearchError, RunError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import joined
from qsearch.evaluation.task import Subset, Task
from qsearch.executors.base import KILLS_WORKERS, MAX_DEATHS, Executor, Outcome
from qsearch.executors.processes import interrupts_held, start_quiet_tracker, visible_device
from qsearch.text import reason_of

try:
    import dask
    import distributed
    from distributed.comm.core import connect
    from distributed.scheduler import KilledWorker
except ImportError as missing:
    raise MissingDependencyError("--executor dask needs dask.distributed: pip install 'qsearch[dask]'.") from missing

from qsearch.executors import on_worker
from qsearch.executors.on_worker import Answer, EvaluatorPlugin, Refusal

PIECE_IMAGES = 2048
"""A task of more images is carried out in pieces of so many."""
CONNECT_S = 10.0
"""A scheduler that does not answer within so many seconds is none."""
LOOK_EVERY_S = 1.0
"""How often the scheduler is asked for its workers."""
WORKERLESS_S = 300.0
"""So many seconds without a worker end the search: they may still wait for a machine, but then others are as quick."""
SHIPPED_BYTES = 1 << 26
"""How much of a dataset is sent at once."""
GATHER_S = 10.0
"""How long an answer may travel, before others are looked at."""
CLOSE_S = 5.0
KILL_S = 0.5
"""How long a worker of this machine's own that is to stop may take to hear of it."""


class DaskExecutor(Executor):
    """Evaluates on the workers of the ``scheduler`` at an address, or in its file; else on ``workers`` of its own.

    Each worker gets dataset and networks once, by path where the images' file is there too, else sent once to each
    machine, and evaluates one task at a time. Workers may join and leave; what one that dies was at is begun again
    elsewhere, and what kills every worker is found by running alone. Tasks of many images are carried out in pieces of
    ``piece_images``, whole batches each, and joined: their numbers are those of one evaluation, to the bit.

    Workers of its own listen on the loopback device alone. InputError for images that are compressed as they are
    stored, where no scheduler answers, and where a worker has another qsearch, Pillow, libjpeg, dataset or network;
    RunError where the scheduler is lost, or all workers are
    for :data:`WORKERLESS_S`.
    """

    takes_scheduler: ClassVar[bool] = True

    def __init__(
        self,
        evaluator: Evaluator,
        workers: int,
        *,
        gpus: int = 0,
        timeout_s: float | None = None,
        scheduler: str | None = None,
        piece_images: int = PIECE_IMAGES,
    ) -> None:
        if evaluator.dataset.stored is not None:
            raise InputError(
                "the workers of dask get images as networks are shown them: leave --executor dask or --encode-size "
                "as-stored out."
            )
        self.capacity = workers
        self._evaluator = evaluator
        self._scheduler = scheduler
        self._piece_images = max(1, -(-piece_images // evaluator.batch_images)) * evaluator.batch_images
        self._name = f"qsearch-{uuid.uuid4().hex}"
        self._waiting: deque[_Piece] = deque()
        self._suspects: deque[_Piece] = deque()
        self._running: dict[str, _Attempt] = {}
        self._finished: SimpleQueue[Any] = SimpleQueue()
        self._alone: _Piece | None = None
        self._attempts = 0
        self._shipped: dict[str, int] = {}
        self._looked_at = self._worker_seen_at = time.monotonic()
        self._cluster: Any = None
        self._client: Any = None
        self._quiet = _quiet()
        self._quiet.__enter__()
        try:
            devices = () if scheduler else tuple(visible_device(each) for each in range(gpus))
            self._connect(workers, EvaluatorPlugin(evaluator, timeout_s=timeout_s, devices=devices))
        except BaseException:
            self.close()
            raise

    def _connect(self, workers: int, plugin: EvaluatorPlugin) -> None:
        if self._scheduler is None:
            self._cluster = _local_cluster(workers)
            self._client = distributed.Client(self._cluster, set_as_default=False)  # type: ignore[no-untyped-call]
        else:
            self._client = _client_of(self._scheduler)
            self._check_versions()
            self.capacity = max(1, len(self._client.nthreads()))
        self._client.register_plugin(plugin, name=self._name)

    def _check_versions(self) -> None:
        """InputError where a worker could not even be asked, or has other versions than there are here."""
        here = on_worker.versions()
        found = self._client.run(on_worker.versions, on_error="return")
        for worker, there in found.items():
            if isinstance(there, Exception):
                raise InputError(
                    f"the worker {worker} cannot run qsearch {here['qsearch']} ({reason_of(there)}): install it there."
                )
            if differences := on_worker.differing(here, there):
                raise _refused(Refusal(differences, worker))

    def submit(self, task: Task) -> None:
        """See :meth:`Executor.submit`."""
        trial = _Trial(task, self._pieces(task))
        self._waiting.extend(_Piece(trial, index, piece) for index, piece in enumerate(trial.pieces))
        self._feed()

    def _pieces(self, task: Task) -> list[Task]:
        """``task`` in tasks of whole batches, so that each image is in the batch that it would be in anyway."""
        positions = np.arange(len(self._evaluator.dataset)) if task.subset is None else task.subset.positions
        if len(positions) <= self._piece_images:
            return [task]
        starts = range(0, len(positions), self._piece_images)
        parts = [positions[start : start + self._piece_images] for start in starts]
        return [Task(task.quantizer, Subset(f"from {part[0]}", part), task.networks) for part in parts]

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        outcomes: list[Outcome] = []
        until = None if patience_s is None else time.monotonic() + patience_s
        while not outcomes:
            self._feed()
            wait_s = LOOK_EVERY_S if until is None else max(0.0, min(LOOK_EVERY_S, until - time.monotonic()))
            with suppress(Empty):
                future = self._finished.get(timeout=wait_s)
                while True:
                    outcomes += self._settle(future)
                    future = self._finished.get_nowait()
            self._look()
            if until is not None and time.monotonic() >= until:
                break
        self._feed()
        return outcomes

    def _feed(self) -> None:
        """Starts what waits; while there are suspects the first of them, and nothing beside it."""
        if self._suspects:
            if not self._running:
                self._alone = self._suspects[0]
                self._start(self._alone)
            return
        # The next one waits at each worker, which is so never idle while an answer travels.
        while self._waiting and len(self._running) < 2 * self.capacity:
            self._start(self._waiting.popleft())

    def _start(self, piece: "_Piece") -> None:
        self._attempts += 1
        key = f"{self._name}-{self._attempts}"
        future = self._client.submit(on_worker.evaluate, self._name, piece.task, key=key, pure=False)
        self._running[key] = _Attempt(self._attempts, piece, future)
        future.add_done_callback(self._finished.put)

    def _settle(self, future: Any) -> list[Outcome]:
        """What comes of an attempt that ended."""
        if future.key not in self._running:
            return []
        if future.status == "cancelled":
            raise self._lost()
        try:
            error = future.exception(timeout=GATHER_S)
            answer: Answer | Refusal | None = None if error else future.result(timeout=GATHER_S)
        except TimeoutError:  # the worker died with its answer, and another one is at it
            future.add_done_callback(self._finished.put)
            return []
        except (CancelledError, OSError) as lost:
            raise self._lost() from lost
        attempt = self._running.pop(future.key)
        if isinstance(error, KilledWorker):
            return self._recover(attempt.piece)
        if answer is None:
            raise RunError(f"a worker cannot even begin a task ({reason_of(error)}): check what is installed there.")
        if isinstance(answer, Refusal):
            self._supply(answer, attempt.number)
            if attempt.piece is not self._alone:
                self._waiting.appendleft(attempt.piece)
            return []
        if answer.overdue:
            self._client.run(on_worker.end, workers=[answer.worker], wait=False, on_error="ignore")
        return self._keep(attempt.piece, answer)

    def _keep(self, piece: "_Piece", answer: Answer) -> list[Outcome]:
        if piece is self._alone:
            self._suspects.popleft()
            self._alone = None
        piece.trial.answers[piece.index] = answer
        return piece.trial.outcome()

    def _recover(self, piece: "_Piece") -> list[Outcome]:
        """What died with a worker, or beside what killed it, is suspect; what kills it alone is given up in the end."""
        if piece is not self._alone:
            self._suspects.append(piece)
            return []
        piece.deaths += 1
        return self._keep(piece, Answer(None, KILLS_WORKERS, 0.0, "")) if piece.deaths >= MAX_DEATHS else []

    def _supply(self, refusal: Refusal, attempt: int) -> None:
        """Sends the worker the images that it lacks. InputError where it lacks or has something else."""
        if refusal.what != "images":
            raise _refused(refusal)
        machine = refusal.worker.rpartition(":")[0]
        if attempt <= self._shipped.get(machine, 0):
            return  # its machine has got them since
        self._shipped[machine] = self._attempts
        images = self._evaluator.dataset.images
        step = max(1, SHIPPED_BYTES // images[0].nbytes)
        digest, shape, only = self._evaluator.dataset.digest, images.shape, [refusal.worker]
        try:
            for start in range(0, len(images), step):
                part = np.array(images[start : start + step])
                self._client.run(on_worker.receive, digest, shape, start, part, self._name, workers=only)
            left = self._client.submit(on_worker.load, self._name, workers=only, pure=False).result()
        except QSearchError as error:  # of the worker's disk
            raise InputError(f"the worker {refusal.worker} cannot keep the images: {error}") from error
        if left is not None:
            raise _refused(left)

    def _look(self) -> None:
        """How many workers there are now. RunError where nobody can say, or where there is none any more."""
        now = time.monotonic()
        if self._scheduler is None or now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        try:
            workers = len(self._client.nthreads())
        except (OSError, TimeoutError) as error:
            raise self._lost() from error
        if workers:
            self.capacity, self._worker_seen_at = workers, now
        elif now - self._worker_seen_at >= WORKERLESS_S:
            raise RunError(
                f"no worker has been at {self._scheduler} for {WORKERLESS_S:.0f} s: start some with 'dask worker "
                f"{self._scheduler}', then go on with 'qsearch resume'; what is recorded stays."
            )

    def _lost(self) -> RunError:
        return RunError(
            f"the scheduler at {self._scheduler or 'this machine'} is gone: go on with 'qsearch resume', there or with "
            "other workers; what is recorded stays."
        )

    def close(self) -> None:
        """See :meth:`Executor.close`. A worker of somebody else's finishes what it is at."""
        for pieces in (self._waiting, self._suspects):
            pieces.clear()
        running, self._running = list(self._running.values()), {}
        if self._client is not None:
            # Whatever a lost scheduler or a killed worker has these raise: there is nothing left to be closed then.
            with suppress(Exception):
                if self._cluster is None and self._client.status == "running":
                    self._client.cancel([attempt.future for attempt in running])
                    self._client.unregister_worker_plugin(self._name)
            with suppress(Exception):
                self._client.close(timeout=CLOSE_S)
        if self._cluster is not None:
            with suppress(Exception):
                if running:  # else each worker is given seconds to finish what it is at
                    self._cluster.sync(_kill_workers, self._cluster)
            with suppress(Exception):
                self._cluster.close(timeout=CLOSE_S)
        self._client = self._cluster = None
        self._quiet.__exit__(None, None, None)


@dataclass
class _Trial:
    """A task, the pieces that it is carried out in, and what came of those."""

    task: Task
    pieces: list[Task]
    answers: dict[int, Answer] = field(default_factory=dict)

    def outcome(self) -> list[Outcome]:
        """Once all pieces are there, what they say together: as one evaluation, which ends at its first failure."""
        if len(self.answers) < len(self.pieces):
            return []
        answers = [self.answers[index] for index in range(len(self.pieces))]
        evaluation_s = sum(answer.evaluation_s for answer in answers)
        for answer in answers:
            if answer.measurement is None:
                return [Outcome(self.task, None, answer.reason, evaluation_s)]
        found = [answer.measurement for answer in answers if answer.measurement is not None]
        if len(found) == 1:
            return [Outcome(self.task, found[0], "", evaluation_s)]
        positions = [piece.subset.positions for piece in self.pieces if piece.subset is not None]
        return [Outcome(self.task, joined(list(zip(positions, found, strict=True))), "", evaluation_s)]


@dataclass(eq=False)
class _Piece:
    trial: _Trial
    index: int
    task: Task
    deaths: int = 0


@dataclass(frozen=True)
class _Attempt:
    number: int
    piece: _Piece
    future: Any


def _refused(refusal: Refusal) -> InputError:
    return InputError(
        f"the worker {refusal.worker} differs from this machine: {refusal.reason}; make all machines equal, or end "
        "that worker."
    )


def _client_of(scheduler: str) -> Any:
    """A client of the scheduler at an address, or of the file that it wrote. InputError where none answers."""
    try:
        address = json.loads(Path(scheduler).read_text())["address"] if Path(scheduler).is_file() else scheduler
        # Asked first, for Dask's client waits for ever for what listens and says nothing.
        with ThreadPoolExecutor(1) as apart:  # from the loop that runs in a notebook
            kind = apart.submit(asyncio.run, _kind_of(address)).result()
        if kind != "Scheduler":
            raise ValueError(f"it is a {kind}")
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except Exception as error:  # Dask raises much, and what it raises of an odd address is nowhere written
        raise InputError(
            f"no Dask scheduler answers at {scheduler} within {CONNECT_S:g} s ({reason_of(error)}): start one with "
            "'dask scheduler' and give the address that it says, or leave --scheduler out."
        ) from error


async def _kind_of(address: str) -> str:
    """What says at ``address`` that it is part of a Dask cluster: Scheduler, Worker, Nanny."""

    async def ask() -> str:
        security = distributed.Security().get_connection_args("client")  # type: ignore[no-untyped-call]
        comm = await connect(address, timeout=CONNECT_S, **security)  # type: ignore[no-untyped-call]
        try:
            await comm.write({"op": "identity", "reply": True})
            return str((await comm.read())["type"])
        finally:
            comm.abort()

    return await asyncio.wait_for(ask(), CONNECT_S)


def _local_cluster(workers: int) -> Any:
    start_quiet_tracker()
    # What kills a worker is found here: Dask is not to try it on others first.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), interrupts_held():
        return distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )


async def _kill_workers(cluster: Any) -> None:
    """Those of a cluster of this machine's own, whatever they are at."""
    await asyncio.gather(*(nanny.close(timeout=KILL_S) for nanny in cluster.workers.values()), return_exceptions=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask says nothing of its own: what a user has to know of workers are errors and outcomes of this executor."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
