"""Times decisions of bayesian-grid, and its factorised grids against the same lists scored point by point.

Times are processor seconds; decisions run in one thread, so on an idle machine they are the seconds one waits. Both
ways of scoring go through the same grids of five entries, each starting from the same table, and every pick is
compared. The list is scored in chunks with matrix products, not in a Python loop.

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

from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.fitness import Parabola
from qsearch.space import SearchSpace
from qsearch.strategies.base import rng
from qsearch.strategies.bayesian_grid import AREA_OF_INTEREST, BayesianGrid
from qsearch.strategies.gaussian_process import Floats, GaussianProcess, best_in_list, expected_improvement, fit_prior
from qsearch.strategies.grid_score import NOTICEABLE, Grid, best_on_grid

XI = 1e-3
CHUNK = 2000
IMAGES = 10_000
FITNESS = Parabola(0.0, 0.0, 0.5)

T = TypeVar("T")


def timed(action: Callable[[], T], repeats: int = 1) -> tuple[T, float]:
    """What ``action`` returns and the least of its ``repeats`` times."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        answer = action()
        times.append(time.process_time() - start)
    return answer, min(times)


def observe(count: int, levels: int) -> tuple[Floats, Floats]:
    """``count`` points [n, 64] and gaps [n], smooth and curved as a search's, with a quarter of a point of noise."""
    random = rng(0, count)
    points = random.randint(0, levels, (count, 64)) / (levels - 1)
    slope, curve = random.normal(size=64) / 8, random.normal(size=(64, 4)) / 8
    gaps = 0.02 * points @ slope - 0.02 * ((points @ curve) ** 2).sum(axis=1)
    return points, gaps + 0.0025 * random.normal(size=count)


def decide(points: Floats, gaps: Floats, levels: int, repeats: int) -> tuple[float, float]:
    """Seconds of the strategy's whole decision, and of the fit that the first of them made besides."""
    space = SearchSpace("shared", np.full(64, 20), np.full(64, 19 + levels))
    strategy = BayesianGrid(space, 0, fitness=FITNESS, initial=0)
    for number, (point, gap) in enumerate(zip(points, gaps, strict=True)):
        tables = space.to_tables(20 + np.rint(point * (levels - 1)).astype(np.int64))
        ranks = (np.arange(IMAGES) >= round(IMAGES * (FITNESS.c + gap))).astype(np.int32)
        measurement = Measurement.of(np.ones(IMAGES, dtype=np.int64), ranks[np.newaxis], pixels=1)
        strategy.tell(Trial("search", number, strategy.name, tables, "done", measurement))
    _, with_fit_s = timed(partial(strategy.ask, len(points)))
    _, decision_s = timed(partial(strategy.ask, len(points)), repeats)
    return decision_s, with_fit_s - decision_s


def best_one_by_one(process: GaussianProcess, grid: Grid, current: float) -> tuple[int, float]:
    """What best_on_grid answers, by scoring the whole list."""
    numbers = np.arange(np.prod(grid.shape))
    improvement = np.empty(len(numbers))
    for start in range(0, len(numbers), CHUNK):
        cross = process.cross(grid.points(numbers[start : start + CHUNK]))
        scored = expected_improvement(process.mean(cross), process.variance(cross), process.best + XI)
        improvement[start : start + CHUNK] = scored
    number = int(improvement.argmax())
    better = improvement[number] > current * (1 + NOTICEABLE)
    return (number, float(improvement[number])) if better else (-1, current)


def compare(process: GaussianProcess, levels: int, rounds: int, repeats: int) -> tuple[float, float, int]:
    """Seconds of ``rounds`` grids by their factors and one by one, and how often both picked the same table."""
    random = rng(1, levels)
    candidates = random.randint(0, levels, (100_000, 64)) / (levels - 1)
    index, improvement = best_in_list(process, candidates, XI)
    point, factorised_s, listed_s, same = candidates[index], 0.0, 0.0, 0
    for _ in range(rounds):
        entries = random.choice(np.flatnonzero(AREA_OF_INTEREST), 5, replace=False).tolist()
        grid = Grid(point, entries, [np.linspace(0, 1, levels)] * 5)
        factorised, seconds = timed(partial(best_on_grid, process, grid, XI, improvement), repeats)
        factorised_s += seconds
        listed, seconds = timed(partial(best_one_by_one, process, grid, improvement))
        listed_s += seconds
        same += factorised[0] == listed[0]
        if factorised[0] >= 0:
            point, improvement = grid.points(np.array([factorised[0]]))[0], factorised[1]
    return factorised_s, listed_s, same


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, nargs="+", default=[100, 600])
    parser.add_argument("--levels", type=int, nargs="+", default=[6, 11], help="values of each entry, 11 at most")
    parser.add_argument("--rounds", type=int, default=20, help="grids to compare")
    parser.add_argument("--repeats", type=int, default=3, help="take the least of so many times, but for the lists")
    arguments = parser.parse_args()
    columns = ("observations", "combinations", "decision s", "refit s", "grids s", "listed s", "ratio", "same picks")
    print(" ".join(f"{column:>12}" for column in columns))
    with threadpool_limits(limits=1, user_api="blas"):
        for count in arguments.observations:
            for levels in arguments.levels:
                points, gaps = observe(count, levels)
                decision_s, fit_s = decide(points, gaps, levels, arguments.repeats)
                process = GaussianProcess(fit_prior(points, gaps, rng(0, 0)), points, gaps)
                grids_s, listed_s, same = compare(process, levels, arguments.rounds, arguments.repeats)
                cells = (f"{count}", f"{levels**5:,}", f"{decision_s:.2f}", f"{fit_s:.2f}", f"{grids_s:.2f}")
                ratio = (f"{listed_s:.2f}", f"{listed_s / grids_s:.0f}", f"{same} of {arguments.rounds}")
                print(" ".join(f"{cell:>12}" for cell in cells + ratio), flush=True)


if __name__ == "__main__":
    main()
