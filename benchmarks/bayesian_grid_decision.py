"""Times a decision of bayesian-grid: its grids scored by their factors against the same lists scored point by point.

Both sides start from the same 100,000 candidates' best and go through the same 20 grids of five entries; both use BLAS
with as many threads as ``--threads`` says. Each grid is scored from the same table, so every pick is compared.

    python benchmarks/bayesian_grid_decision.py
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import scipy.linalg  # noqa: F401 - a limit reaches only libraries that are loaded
from threadpoolctl import threadpool_limits

from qsearch.strategies.bayesian_grid import AREA_OF_INTEREST
from qsearch.strategies.gaussian_process import (
    Floats,
    GaussianProcess,
    best_in_list,
    expected_improvement,
    fit_prior,
)
from qsearch.strategies.grid_score import NOTICEABLE, Grid, best_on_grid

XI = 1e-3
CHUNK = 2000

T = TypeVar("T")


def timed(action: Callable[[], T], repeats: int) -> tuple[T, float]:
    """What ``action`` returns and its seconds, the least of ``repeats``: the machine may be busy with other things."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        answer = action()
        times.append(time.perf_counter() - start)
    return answer, min(times)


def observe(count: int, random: np.random.RandomState) -> tuple[Floats, Floats]:
    """``count`` tables [n, 64] and gaps [n], smooth and curved as a search's, with a quarter of a point of noise."""
    points = random.randint(0, 31, (count, 64)) / 30
    slope, curve = random.normal(size=64) / 8, random.normal(size=(64, 4)) / 8
    gaps = 0.02 * points @ slope - 0.02 * ((points @ curve) ** 2).sum(axis=1)
    return points, gaps + 0.0025 * random.normal(size=count)


def best_one_by_one(process: GaussianProcess, grid: Grid, current: float) -> tuple[int, float]:
    """What best_on_grid answers, by scoring the whole list."""
    numbers = np.arange(np.prod(grid.shape))
    improvement = np.empty(len(numbers))
    for start in range(0, len(numbers), CHUNK):
        cross = process.cross(grid.points(numbers[start : start + CHUNK]))
        improvement[start : start + CHUNK] = expected_improvement(
            process.mean(cross), process.variance(cross), process.best + XI
        )
    number = int(improvement.argmax())
    better = improvement[number] > current * (1 + NOTICEABLE)
    return (number, float(improvement[number])) if better else (-1, current)


def compare(process: GaussianProcess, levels: int, rounds: int, repeats: int, random: np.random.RandomState) -> str:
    """One row: the candidates, then ``rounds`` grids of ``levels`` ** 5 scored both ways."""
    candidates = random.randint(0, 31, (100_000, 64)) / 30
    (index, improvement), list_s = timed(partial(best_in_list, process, candidates, XI), repeats)
    point, fast_s, slow_s, same = candidates[index], 0.0, 0.0, 0
    for _ in range(rounds):
        entries = random.choice(np.flatnonzero(AREA_OF_INTEREST), 5, replace=False).tolist()
        grid = Grid(point, entries, [np.linspace(0, 1, levels)] * 5)
        fast, seconds = timed(partial(best_on_grid, process, grid, XI, improvement), repeats)
        fast_s += seconds
        slow, seconds = timed(partial(best_one_by_one, process, grid, improvement), 1)
        slow_s += seconds
        same += fast[0] == slow[0]
        if fast[0] >= 0:
            point, improvement = grid.points(np.array([fast[0]]))[0], fast[1]
    return (
        f"{len(process.points):>12} {levels**5:>12,} {list_s:>12.2f} {fast_s:>12.2f} {slow_s:>12.2f} "
        f"{slow_s / fast_s:>8.0f}x {list_s + fast_s:>12.2f} {same:>6}/{rounds}"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, nargs="+", default=[100, 600])
    parser.add_argument("--levels", type=int, nargs="+", default=[6, 11], help="values listed of each entry")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--repeats", type=int, default=3, help="the least time of so many counts, for the factorised side"
    )
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads; the strategy uses one")
    arguments = parser.parse_args()
    print("seconds for one decision: 100,000 candidates, then", arguments.rounds, "grids of five entries")
    print(
        f"{'observations':>12} {'combinations':>12} {'candidates':>12} {'factorised':>12} {'one by one':>12} ", end=""
    )
    print(f"{'ratio':>9} {'decision':>12} {'same':>9}")
    with threadpool_limits(limits=arguments.threads, user_api="blas"):
        for count in arguments.observations:
            random = np.random.RandomState(0)
            points, gaps = observe(count, random)
            prior, fit_s = timed(partial(fit_prior, points, gaps, random), 1)
            process = GaussianProcess(prior, points, gaps)
            for levels in arguments.levels:
                print(compare(process, levels, arguments.rounds, arguments.repeats, random), flush=True)
            print(f"{count:>12} a refit of the hyper-parameters, apart from that: {fit_s:.2f} s")


if __name__ == "__main__":
    main()
