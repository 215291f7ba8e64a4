"""Bayesian optimisation with a local grid: the best candidate, improved in five entries at a time (Li 2020)."""

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness
from qsearch.strategies.bayesian import Bayesian
from qsearch.strategies.gaussian_process import GaussianProcess
from qsearch.strategies.grid_score import Grid, best_on_grid

_AREAS = """
L L L M M M M H
L L M M M M H H
L M M M M H H H
M M M M H H H H
M M M H H H H H
M M H H H H H H
M H H H H H H H
H H H H H H H H"""

AREA_OF_INTEREST = np.isin(_AREAS.split(), ["L", "M"])
"""bool [64], raster order: low and middle frequencies, those whose row and column add up to 6 at most."""


class BayesianGrid(Bayesian):
    """As bayesian, then several rounds of a grid search over a few entries of its proposal.

    Each of ``rounds`` takes the best of every combination of ``entries`` entries. They are drawn from the area of
    interest, the low and middle frequencies of every table; the paper names the areas without their borders, and this
    is how they are drawn here::

        L L L M M M M H
        L L M M M M H H     L: low, row + column <= 2
        L M M M M H H H     M: middle, row + column from 3 to 6
        M M M M H H H H     H: high, left alone
        M M M H H H H H
        M M H H H H H H
        M H H H H H H H
        H H H H H H H H

    Where fewer of them are free, all of those are taken; where none is, entries are drawn from all that are free.
    In a box of shapes a few entries shift the mean of a shape; the grid leaves that aside.
    combinations: the longest list. Up to it the list is exhaustive; a longer one is thinned to fit, entry by entry,
    always the one with most values left: to values evenly spaced over its bounds, ends included, and its current one.
    """

    name: ClassVar[str] = "bayesian-grid"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        fitness: Fitness | None = None,
        initial: int = 100,
        candidates: int = 100_000,
        xi: float = 1e-3,
        rounds: int = 20,
        entries: int = 5,
        combinations: int = 200_000,
    ) -> None:
        super().__init__(space, seed, fitness=fitness, initial=initial, candidates=candidates, xi=xi, sweeps=0)
        if rounds < 0 or not 1 <= entries <= 5 or combinations < 3**entries:
            raise InputError(
                f"{self.name} takes rounds >= 0, entries from 1 to 5 and combinations >= 3^entries, "
                f"got {rounds}, {entries} and {combinations}."
            )
        self.rounds = rounds
        self.entries = entries
        self.combinations = combinations
        tables = len(self.space.lower) // 64
        free = self.surrogate.free
        area = np.flatnonzero(np.tile(AREA_OF_INTEREST, tables)[free])
        self._area = area if area.size else np.arange(len(free))

    def _propose(self, process: GaussianProcess, random: np.random.RandomState) -> tuple[npt.NDArray[np.int64], float]:
        levels, improvement = self._best_candidate(process, random)
        width, least = self.surrogate.width, self._least_improvement()
        for _ in range(self.rounds):
            entries = random.choice(self._area, size=min(self.entries, self._area.size), replace=False)
            listed = thinned(width[entries], levels[entries], self.combinations)
            positions = [values / whole for values, whole in zip(listed, width[entries], strict=True)]
            grid = Grid(levels / width, entries.tolist(), positions)
            number, improvement = best_on_grid(process, grid, least, improvement)
            if number >= 0:
                chosen = np.unravel_index(number, grid.shape)
                levels[entries] = [values[place] for values, place in zip(listed, chosen, strict=True)]
        return levels, improvement


def thinned(
    width: npt.NDArray[np.int64], current: npt.NDArray[np.int64], combinations: int
) -> list[npt.NDArray[np.int64]]:
    """Per entry the levels 0..``width`` [k] to list, rising, so that they make at most ``combinations`` >= 3^k.

    ``current`` [k] and both ends are always listed.
    """
    counts = (width + 1).tolist()
    while math.prod(counts) > combinations:
        counts[counts.index(max(counts))] -= 1
    return [
        np.arange(count)
        if count == most + 1
        else np.unique(np.append(np.linspace(0, most, count - 1).round().astype(np.int64), now))
        for count, most, now in zip(counts, width.tolist(), current.tolist(), strict=True)
    ]
