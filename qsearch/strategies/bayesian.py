"""Bayesian optimisation of the gap to what is expected at a ratio, in an earlier search's bounds (Li 2020)."""

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy, rng
from qsearch.strategies.coordinate_ascent import climb
from qsearch.strategies.gaussian_process import (
    Floats,
    GaussianProcess,
    best_in_list,
    expected_improvement,
    on_one_thread,
)
from qsearch.strategies.surrogate import Surrogate
from qsearch.tables import QuantTables


class Bayesian(Strategy):
    """Expected improvement of a Gaussian process on the gap.

    initial: trials that are drawn at random first, the same as bounded-random's.
    candidates: random tables that compete for a trial.
    xi: what an improvement must exceed to count: in the paper's box as a top-1 in 0..1 (or in nats), in a box of shapes
        in standard deviations of the gaps told.
    sweeps: in a box of shapes, how often at most every entry is improved in turn, from the best candidate and from the
        tables of the best posterior mean; the better end is proposed. Among as many random points in 64 dimensions
        none lies near the top. The paper's box is searched as in the paper: the best candidate is proposed.

    Improvement is measured from the best posterior mean. What is known of the trials is said in :class:`Surrogate`.
    Trials still outstanding are not known to it; candidates differ from trial to trial and keep proposals apart.
    """

    name: ClassVar[str] = "bayesian"
    adaptive: ClassVar[bool] = True
    needs_bounds: ClassVar[bool] = True

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        fitness: Fitness | None = None,
        initial: int = 100,
        candidates: int = 100_000,
        xi: float = 1e-3,
        sweeps: int = 3,
    ) -> None:
        super().__init__(space, seed, fitness=fitness)
        if initial < 0 or candidates < 1 or sweeps < 0 or not (math.isfinite(xi) and xi >= 0):
            raise InputError(
                f"{self.name} takes initial >= 0, candidates >= 1, xi >= 0 and sweeps >= 0, got {initial}, "
                f"{candidates}, {xi:g} and {sweeps}."
            )
        self.initial = initial
        self.candidates = candidates
        self.xi = xi
        self.sweeps = sweeps
        self.surrogate = Surrogate(space, seed)

    def tell(self, trial: Trial) -> None:
        """See :meth:`Strategy.tell`."""
        if self.fitness is not None:
            self.surrogate.tell(trial, self.fitness)

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        random = rng(self.seed, number)
        if number < self.initial or len(self.surrogate.gaps) < 2 or not self.surrogate.free.size:
            return self.space.to_tables(random.randint(self.space.lower, self.space.upper + 1))
        with on_one_thread():
            levels, _ = self._propose(self.surrogate.process(), random)
        vector = self.space.lower.copy()
        vector[self.surrogate.free] += levels
        return self.space.to_tables(vector)

    def _propose(self, process: GaussianProcess, random: np.random.RandomState) -> tuple[npt.NDArray[np.int64], float]:
        """The proposal as levels 0..width of the free entries, and its expected improvement."""
        levels, value = self._best_candidate(process, random)
        if self.space.box == "paper" or not self.sweeps:
            return levels, value
        target = process.best + self._least_improvement()

        def improvement(some: npt.NDArray[np.int64]) -> Floats:
            cross = process.cross(self.surrogate.points_of(some))
            return expected_improvement(process.mean(cross), process.variance(cross), target)

        believed_best = process.points[int(process.means_observed.argmax())]
        starts = levels, self.surrogate.levels_of(believed_best)
        ends = [climb(improvement, start, self.surrogate.width, random, self.sweeps) for start in starts]
        return max(ends, key=lambda end: end[1])

    def _best_candidate(
        self, process: GaussianProcess, random: np.random.RandomState
    ) -> tuple[npt.NDArray[np.int64], float]:
        """The best of the random candidates, as levels, and its expected improvement."""
        width = self.surrogate.width
        points = random.random_sample((self.candidates, len(width)))
        points *= width + 1  # in place: fresh memory for so many costs as much as scoring them
        np.floor(points, out=points)
        shift = self.space.shift(points.sum(axis=1) + self.space.lower.sum())
        points += shift[:, np.newaxis]
        points /= width
        index, improvement = best_in_list(process, points, self._least_improvement())
        return np.rint(points[index] * width - shift[index]).astype(np.int64), improvement

    def _least_improvement(self) -> float:
        return self.xi if self.space.box == "paper" else self.xi * float(np.std(self.surrogate.gaps))
