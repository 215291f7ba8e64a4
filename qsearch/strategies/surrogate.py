"""Surrogate: a Gaussian process of the gap, as strategies that learn are told it."""

import math

import numpy as np
import numpy.typing as npt

from qsearch.evaluation.measurement import Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, gap_of, rng
from qsearch.strategies.gaussian_process import Floats, GaussianProcess, Prior, fit_prior

_ALL = 1000  # measured trials up to which the process knows every one
_THINNED = 750  # of those settled beyond
_STEP = 250  # measured trials after which they are thinned anew


class Surrogate:
    """What is known of the gap over a box, as a Gaussian process over its free entries, each scaled to 0..1.

    The process knows every measured trial, of the first 1,000. Of more it knows 750 to 1,000: of those up to the last
    multiple of 250, 750 evenly over their numbers, and all later ones. Which they are does not depend on their gaps:
    to keep the best would be to keep the luckiest.

    Its hyper-parameters are refitted when the number of measured trials has grown by half (2, 3, 5, 8, ... 93, 140,
    210, 315, 473, ...), so that a fit's cost spreads over ever more trials; between refits the process takes each
    observation as it comes. Failed trials teach nothing, nor does a gap that is not finite.

    gaps: of the measured trials, in the order in which they were told; points: theirs.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.free = np.flatnonzero(space.upper > space.lower)
        self.width = (space.upper - space.lower)[self.free]
        self.gaps: list[float] = []
        self.points: list[Floats] = []
        self._seed = seed
        self._fitted: tuple[int, Prior] | None = None
        self._known: tuple[int, int, GaussianProcess] | None = None

    def tell(self, trial: Trial, fitness: Fitness) -> bool:
        """Takes what became of ``trial``; whether that taught anything."""
        gap = gap_of(fitness, trial)
        if not math.isfinite(gap):
            return False
        vector = self.space.to_vector(trial.tables)
        self.points.append((vector - self.space.lower)[self.free] / self.width)
        self.gaps.append(gap)
        return True

    def points_of(self, levels: npt.NDArray[np.int64]) -> Floats:
        """The points [c, free] of ``levels`` [c, free] above the lower ends of the free entries."""
        shift = self.space.shift(levels.sum(axis=1) + self.space.lower.sum())
        return np.asarray((levels + shift[:, np.newaxis]) / self.width)

    def levels_of(self, point: Floats) -> npt.NDArray[np.int64]:
        """The levels [free] of the box nearest to ``point`` [free]."""
        return np.clip(np.rint(point * self.width), 0, self.width).astype(np.int64)

    def process(self) -> GaussianProcess:
        """The posterior of what was told, two trials or more, under the prior of the last refit.

        It is factorised where it was settled last and takes the later observations one by one, in this order whenever
        it is asked: a replay does the same arithmetic, to the last bit.
        """
        measured = len(self.gaps)
        settled, known, process = settled_at(measured), 0, None
        if self._known is not None and self._known[0] == settled:
            _, known, process = self._known
        if process is None:
            kept = kept_of(settled, measured)
            points, gaps = np.array(self.points)[kept], np.array(self.gaps)[kept]
            known, process = settled, GaussianProcess(self._prior(measured), points, gaps)
        for number in range(known, measured):
            process = process.observing(self.points[number], self.gaps[number])
        self._known = settled, measured, process
        return process

    def _prior(self, measured: int) -> Prior:
        count = _fitted_at(measured)
        if self._fitted is None or self._fitted[0] != count:
            # From the first trials alone and a generator of its own, so that a replay fits the same.
            points, gaps = np.array(self.points[:count]), np.array(self.gaps[:count])
            self._fitted = count, fit_prior(points, gaps, rng(self._seed, count))
        return self._fitted[1]


def settled_at(measured: int) -> int:
    """How many of ``measured`` >= 2 trials were there when the process was factorised last: at a refit, a thinning."""
    thinned = measured - measured % _STEP if measured > _ALL else 0
    return max(_fitted_at(measured), thinned)


def kept_of(settled: int, measured: int) -> npt.NDArray[np.intp]:
    """Which of the first ``settled`` trials the process knows when ``measured`` are."""
    count = settled if measured <= _ALL else min(settled, _THINNED)
    return np.linspace(0, settled - 1, count).round().astype(np.intp)


def _fitted_at(measured: int) -> int:
    """How many trials the hyper-parameters rest on when ``measured`` >= 2 are known."""
    count = 2
    while (following := math.ceil(1.5 * count)) <= measured:
        count = following
    return count
