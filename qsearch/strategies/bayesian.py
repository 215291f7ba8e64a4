"""Bayesian optimisation of the gap to an earlier search's fitness, in its bounds (Li 2020)."""

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy, gap_of, rng
from qsearch.strategies.gaussian_process import Floats, GaussianProcess, Prior, best_in_list, fit_prior
from qsearch.tables import QuantTables

_ALL = 1000  # measured trials up to which the process knows every one
_THINNED = 750  # of those settled beyond
_STEP = 250  # measured trials after which they are thinned anew


class Bayesian(Strategy):
    """Expected improvement of a Gaussian process on the gap, the best of many random candidates.

    initial: trials that are drawn at random first, the same as bounded-random's.
    candidates: random tables that compete for a trial.
    xi: what an improvement must exceed to count, as top-1 in 0..1.

    The process knows every measured trial, of the first 1,000. Of more it knows 750 to 1,000: of those up to the last
    multiple of 250, 750 evenly over their numbers, and all later ones. Which they are does not depend on their gaps:
    to keep the best would be to keep the luckiest. Improvement is measured from the best posterior mean.

    Its hyper-parameters are refitted when the number of measured trials has grown by half (2, 3, 5, 8, ... 93, 140,
    210, 315, 473, ...), so that a fit's cost spreads over ever more trials; between refits the process takes each
    observation as it comes.
    Trials still outstanding are not known to it; candidates differ from trial to trial and keep proposals apart.
    Failed trials teach nothing, nor does a gap that is not finite.
    """

    name: ClassVar[str] = "bayesian"
    adaptive: ClassVar[bool] = True
    informed: ClassVar[bool] = True

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        fitness: Fitness | None = None,
        initial: int = 100,
        candidates: int = 100_000,
        xi: float = 1e-3,
    ) -> None:
        super().__init__(space, seed, fitness=fitness)
        if initial < 0 or candidates < 1 or not (math.isfinite(xi) and xi >= 0):
            raise InputError(
                f"{self.name} takes initial >= 0, candidates >= 1 and xi >= 0, got {initial}, {candidates} and {xi:g}."
            )
        self.initial = initial
        self.candidates = candidates
        self.xi = xi
        self._free = np.flatnonzero(space.upper > space.lower)
        self._width = (space.upper - space.lower)[self._free]
        self._points: list[Floats] = []
        self._gaps: list[float] = []
        self._fitted: tuple[int, Prior] | None = None
        self._known: tuple[int, int, GaussianProcess] | None = None

    def tell(self, trial: Trial) -> None:
        """See :meth:`Strategy.tell`."""
        if self.fitness is None:
            return
        gap = gap_of(self.fitness, trial)
        if math.isfinite(gap):
            self._points.append((self.space.to_vector(trial.tables) - self.space.lower)[self._free] / self._width)
            self._gaps.append(gap)

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        import scipy.linalg  # noqa: F401 - the limit below reaches only libraries that are loaded
        from threadpoolctl import threadpool_limits

        random = rng(self.seed, number)
        if number < self.initial or len(self._gaps) < 2 or not self._free.size:
            return self.space.to_tables(random.randint(self.space.lower, self.space.upper + 1))
        # Sums depend on how many threads share them: one, and the proposal does not depend on the machine's cores.
        with threadpool_limits(limits=1, user_api="blas"):
            levels, _ = self._propose(self._process(), random)
        vector = self.space.lower.copy()
        vector[self._free] += levels
        return self.space.to_tables(vector)

    def _propose(self, process: GaussianProcess, random: np.random.RandomState) -> tuple[npt.NDArray[np.int64], float]:
        """The proposal as levels 0..width of the free entries, and its expected improvement."""
        points = random.random_sample((self.candidates, len(self._free)))
        points *= self._width + 1  # in place: fresh memory for so many costs as much as scoring them
        np.floor(points, out=points)
        points /= self._width
        index, improvement = best_in_list(process, points, self.xi)
        return np.rint(points[index] * self._width).astype(np.int64), improvement

    def _process(self) -> GaussianProcess:
        """The posterior of what was told, under the prior of the last refit.

        It is factorised where it was settled last and takes the later observations one by one, in this order whenever
        it is asked: a replay does the same arithmetic, to the last bit.
        """
        measured = len(self._gaps)
        settled, known, process = settled_at(measured), 0, None
        if self._known is not None and self._known[0] == settled:
            _, known, process = self._known
        if process is None:
            kept = kept_of(settled, measured)
            points, gaps = np.array(self._points)[kept], np.array(self._gaps)[kept]
            known, process = settled, GaussianProcess(self._prior(measured), points, gaps)
        for number in range(known, measured):
            process = process.observing(self._points[number], self._gaps[number])
        self._known = settled, measured, process
        return process

    def _prior(self, measured: int) -> Prior:
        count = _fitted_at(measured)
        if self._fitted is None or self._fitted[0] != count:
            # From the first trials alone and a generator of its own, so that a replay fits the same.
            points, gaps = np.array(self._points[:count]), np.array(self._gaps[:count])
            self._fitted = count, fit_prior(points, gaps, rng(self.seed, count))
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
