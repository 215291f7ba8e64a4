"""How many workers one search can feed: the real loop and archive, with workers that are simulated.

    python -m benchmarks.scaling [--trials-per-worker 4] [--figure docs/scaling.png]

Evaluations take no time but that of a simulated clock, drawn from a log-normal distribution with a spread (sigma of the
logarithm) of 0.3. The clock also runs for the processor's time that the loop and the archive take in this process, for
what the disk lets a trial wait, measured before, and for what an executor takes per task in the process of the search:
of Dask client and scheduler together, measured with two workers of this machine. What is not simulated: the network
between machines, and the scheduler's cost per worker that is there without a task.
Numbers go to standard output as JSON, a line each.
"""

import argparse
import heapq
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qsearch.archive.store import Archive
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.task import Task
from qsearch.executors import executor_for
from qsearch.executors.base import Executor, Outcome
from qsearch.search import run_search
from qsearch.space import SearchSpace
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.tables import QuantTables

WORKERS = (1, 10, 100, 1000)
MEANS_S = (1.0, 30.0)
SIGMA = 0.3
IDLE_S = 3.0
IMAGES = 600
FEWEST_TRIALS = 200
TASKS = 300
"""Carried out for what an executor costs."""


class Simulated(Executor):
    """Workers on a clock of their own, which also runs while this process works."""

    def __init__(self, workers: int, mean_s: float, executor_s: float, wait_s: float) -> None:
        """``executor_s`` and ``wait_s``: seconds per task of an executor, and that a trial waits for the disk."""
        self.capacity = workers
        self.now_s = 0.0
        self.idle_s = 0.0
        self.finished_at_s: list[float] = []
        self.worked_s: list[float] = []
        self._costs = executor_s, wait_s
        self._draw = np.random.default_rng(workers)
        self._log_mean = np.log(mean_s) - SIGMA**2 / 2
        self._free = [0.0] * workers
        self._running: list[tuple[float, int, Task, float]] = []
        self._measurements = [made_up(seed) for seed in range(16)]
        self._mark_s = time.process_time()

    def submit(self, task: Task) -> None:
        """See :meth:`Executor.submit`."""
        self._advance()
        executor_s, _ = self._costs
        self.now_s += executor_s / 2
        takes_s = float(self._draw.lognormal(self._log_mean, SIGMA))
        ends_s = max(self.now_s, heapq.heappop(self._free)) + takes_s
        heapq.heappush(self._free, ends_s)
        heapq.heappush(self._running, (ends_s, len(self.worked_s), task, takes_s))
        self.worked_s.append(takes_s)
        self._mark_s = time.process_time()

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        self._advance()
        if self._running[0][0] > self.now_s:
            self.idle_s += self._running[0][0] - self.now_s
            self.now_s = self._running[0][0]
        outcomes = []
        while self._running and self._running[0][0] <= self.now_s:
            _, number, task, takes_s = heapq.heappop(self._running)
            self.now_s += sum(self._costs) - self._costs[0] / 2
            self.finished_at_s.append(self.now_s)
            outcomes.append(Outcome(task, self._measurements[number % 16], "", takes_s))
        self._mark_s = time.process_time()
        return outcomes

    def _advance(self) -> None:
        self.now_s += time.process_time() - self._mark_s

    def close(self) -> None:
        """See :meth:`Executor.close`."""


def made_up(seed: int) -> Measurement:
    """Of 600 images by one network."""
    random = np.random.default_rng(seed)
    loss = random.gamma(1.0, 0.5, (1, IMAGES)).astype(np.float32)
    sizes = random.lognormal(8, 0.4, IMAGES).astype(np.int64) + 1
    return Measurement.of(sizes, loss.astype(np.int32), 128 * 128, loss=loss, divergence=loss / 2)


def simulated(workers: int, mean_s: float, executor_s: float, wait_s: float, per_worker: int) -> dict[str, float]:
    """Trials per second once all workers are busy, the share of their time that they are, and overhead per trial."""
    executor = Simulated(workers, mean_s, executor_s, wait_s)
    trials = max(FEWEST_TRIALS, per_worker * workers)
    with tempfile.TemporaryDirectory() as folder, Archive.create(Path(folder) / "trials.sqlite") as archive:
        strategy = SortedRandom(SearchSpace.full(), 1)
        run_search(strategy, executor, archive, trials=trials, qualities=())
    first, last = trials // 4, 3 * trials // 4
    per_s = (last - first) / (executor.finished_at_s[last] - executor.finished_at_s[first])
    return {
        "trials_per_s": per_s,
        "busy": min(1.0, per_s * mean_s / workers),
        "overhead_ms": 1000 * (executor.now_s - executor.idle_s) / trials,
    }


def executor_cost_s(name: str) -> float:
    """Processor seconds per task that an executor takes in this process, measurements of 600 images coming back."""
    images = np.zeros((IMAGES, 8, 8, 3), dtype=np.uint8)
    evaluator = Evaluator(Dataset.from_arrays(images, [0] * IMAGES), PillowCodec(), measures=("bytes", "psnr"))
    draw = np.random.default_rng(0)
    tasks = [Task(QuantTables.shared(draw.integers(1, 256, (8, 8)))) for _ in range(TASKS)]
    with executor_for(evaluator, 2, name=name) as executor:
        all_of(executor, tasks[:20])
        idle_share = _idle_share()
        start_cpu_s, start_s = time.process_time(), time.monotonic()
        all_of(executor, tasks)
        idle_s = idle_share * (time.monotonic() - start_s)
        return (time.process_time() - start_cpu_s - idle_s) / len(tasks)


def _idle_share() -> float:
    """Of a processor that is used while nothing is asked: what heartbeats cost is no matter of tasks."""
    start_s = time.process_time()
    time.sleep(IDLE_S)
    return (time.process_time() - start_s) / IDLE_S


def all_of(executor: Executor, tasks: list[Task]) -> None:
    """Carries them out, as many at once as a search has under way."""
    waiting, running = list(tasks), 0
    while waiting or running:
        while waiting and running < 2 * executor.capacity:
            executor.submit(waiting.pop())
            running += 1
        running -= len(executor.collect())


def disk_wait_s() -> float:
    """Seconds that a trial waits for the disk, the median of a hundred: it is recorded for good before the next."""
    waits = []
    with tempfile.TemporaryDirectory() as folder, Archive.create(Path(folder) / "trials.sqlite") as archive:
        strategy = SortedRandom(SearchSpace.full(), 1)
        for number in range(100):
            trial = Trial("search", number, "sorted-random", strategy.ask(number), "done", made_up(number))
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            archive.add(trial)
            waits.append(time.perf_counter() - start_s - (time.process_time() - start_cpu_s))
    return statistics.median(waits)


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Throughput where an evaluation takes a second, and how busy workers are."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    mean_s = MEANS_S[0]
    left.plot(WORKERS, [workers / mean_s for workers in WORKERS], color="0.6", linestyle="--", label="no overhead")
    names = list(dict.fromkeys(row["executor"] for row in rows))
    for name in names:
        its = [row for row in rows if row["executor"] == name and row["mean_s"] == mean_s]
        left.plot([row["workers"] for row in its], [row["trials_per_s"] for row in its], marker="o", label=name)
    left.set(xscale="log", yscale="log", xlabel="simulated workers", ylabel="trials per second")
    left.set_title(f"evaluations of {mean_s:g} s on average")
    for name in names:
        for each_s, style in zip(MEANS_S, ("-", "--"), strict=True):
            its = [row for row in rows if row["executor"] == name and row["mean_s"] == each_s]
            percent = [100 * row["busy"] for row in its]
            label = f"{name}, {each_s:g} s"
            colour = f"C{names.index(name)}"
            right.plot([row["workers"] for row in its], percent, style, marker="o", color=colour, label=label)
    right.set(xscale="log", ylim=(0, 105), xlabel="simulated workers", ylabel="time that workers evaluate, %")
    right.set_title("what they lose to waiting")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    drawn.savefig(path, dpi=110)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials-per-worker", type=int, default=4)
    parser.add_argument("--figure", type=Path, default=Path("docs/scaling.png"))
    given = parser.parse_args()
    wait_s = disk_wait_s()
    costs: dict[str, Callable[[], float]] = {
        "loop and archive alone": lambda: 0.0,
        "processes": lambda: executor_cost_s("processes"),
        "dask": lambda: executor_cost_s("dask"),
    }
    rows = []
    print(json.dumps({"disk_wait_ms": 1000 * wait_s}), flush=True)
    for name, cost in costs.items():
        executor_s = cost()
        print(json.dumps({"executor": name, "executor_ms": 1000 * executor_s}), flush=True)
        for mean_s in MEANS_S:
            for workers in WORKERS:
                found = simulated(workers, mean_s, executor_s, wait_s, given.trials_per_worker)
                rows.append({"executor": name, "mean_s": mean_s, "workers": workers, **found})
                print(json.dumps(rows[-1]), flush=True)
    figure(rows, given.figure)


if __name__ == "__main__":
    main()
