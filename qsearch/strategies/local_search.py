"""Local search: a diagonal CMA-ES about the average of known good tables (Hansen 2001, Ros 2008)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Seed, Strategy, gap_of, rng
from qsearch.strategies.gaussian_process import Floats
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from cmaes import SepCMA

FEWEST = 2
"""Entries that a covariance is of; a box that leaves fewer is drawn from."""
MOST = 100_000
"""Tables of a generation at most: it weighs each of them, before the first is proposed."""


class LocalSearch(Strategy):
    """Maximises the gap from seeds on: first their measurement, then generations about their average.

    Seeds that no earlier search measured (published tables, the average of the best) are proposed first. The average
    of the ``parents`` best seeds is where the search begins, with ``reach`` times their spread, entry by entry, as its
    step size. A generation is the mean of the search's distribution, which is told to nobody but stands among the
    trials, for averages hold on other images better than the best of many do; and ``population`` tables drawn from the
    distribution, from which it learns. A trial that failed or was screened is the worst of its generation; one in
    which nothing was measured teaches nothing.

    The step is small because what few images say of tables is as much deviation as difference: in
    ``benchmarks/local_search.py`` (4 imaginary worlds, 147 trials; units are the spread over sorted random tables),
    where 0.22 were to be gained and images deviated as much as tables differ, the mean lost 0.07 +- 0.05 of what it
    began with at this reach, 0.11 +- 0.06 at 0.5 and 0.19 +- 0.08 at 1; where 1.14 were to be gained it gained 0.10 +-
    0.07, 0.12 +- 0.11 and 0.28 +- 0.14. A trust region of a Gaussian process lost 0.57 +- 0.13 and 0.08 +- 0.17.

    A generation is asked for when the one before is told, whatever the look-ahead: as many trials may be outstanding
    as it has. A run is steered to one ratio, and this is its trust region; for several ratios search in several runs.
    """

    name: ClassVar[str] = "local-search"
    adaptive: ClassVar[bool] = True
    needs_bounds: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    asking_changes_state: ClassVar[bool] = True

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        fitness: Fitness | None = None,
        seeds: Sequence[Seed] = (),
        population: int = 16,
        parents: int = 12,
        reach: float = 0.25,
    ) -> None:
        super().__init__(space, seed, fitness=fitness)
        if not 4 <= population <= MOST or parents < 1 or not (math.isfinite(reach) and reach > 0):
            raise InputError(
                f"{self.name} takes a population of 4 to {MOST:,}, parents >= 1 and reach > 0, got {population}, "
                f"{parents} and {reach:g}."
            )
        self.population = population
        self.parents = parents
        self.reach = reach
        self._free = np.flatnonzero(space.upper > space.lower)
        self._unmeasured = [one for one in seeds if one.gap is None]
        self._seeds = [(one.gap, self._place(one.tables)) for one in seeds if one.gap is not None]
        self._center = self._spread = np.zeros(len(self._free))
        self._search: SepCMA | None = None
        self._asked: dict[int, Floats] = {}
        self._told: list[tuple[Floats, float]] = []

    def told_before(self, number: int, look_ahead: int) -> int:
        """See :meth:`Strategy.told_before`: all before the generation of ``number``; none before a seed."""
        if number < len(self._unmeasured):
            return 0
        return number - self._number_in_generation(number)

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        if number < len(self._unmeasured):
            return self._within(self._unmeasured[number].tables)
        if self._free.size < FEWEST:
            return self.space.to_tables(rng(self.seed, number).randint(self.space.lower, self.space.upper + 1))
        search = self._search = self._search or self._begun()
        if self._number_in_generation(number) == 0:
            return self._tables(search.mean)
        self._asked[number] = search.ask()
        return self._tables(self._asked[number])

    def tell(self, trial: Trial) -> None:
        """See :meth:`Strategy.tell`."""
        assert self.fitness is not None  # a strategy that needs bounds is not made without fitness
        gap = gap_of(self.fitness, trial)
        if trial.number < len(self._unmeasured):
            if math.isfinite(gap):
                self._seeds.append((gap, self._place(self._unmeasured[trial.number].tables)))
        elif trial.number in self._asked:
            self._told.append((self._asked.pop(trial.number), -gap if math.isfinite(gap) else math.inf))
            if len(self._told) == self.population:
                told, self._told = self._told, []
                if self._search is not None and any(math.isfinite(worth) for _, worth in told):
                    self._search.tell(told)

    def origin(self, number: int) -> str:
        """The seed's label, ``mean`` or ``sample``."""
        if number < len(self._unmeasured):
            return self._unmeasured[number].label
        return "sample" if self._free.size < FEWEST or self._number_in_generation(number) else "mean"

    def _number_in_generation(self, number: int) -> int:
        return (number - len(self._unmeasured)) % (self.population + 1)

    def _begun(self) -> "SepCMA":
        """The search at its beginning, in units of the spread of its parents about their average."""
        from cmaes import SepCMA

        lower, upper = (bound[self._free].astype(np.float64) for bound in (self.space.lower, self.space.upper))
        uniform = (upper - lower) / math.sqrt(12)
        best = sorted(self._seeds, key=lambda each: -each[0])[: self.parents]  # of equal gaps the first
        places = np.array([place for _, place in best]) if best else ((lower + upper) / 2)[np.newaxis]
        self._center = np.clip(places.mean(axis=0), lower, upper)
        # A seed alone tells nothing of spreads, and where seeds agree by chance an entry has to move all the same.
        self._spread = np.maximum(places.std(axis=0) if len(best) > 1 else uniform, uniform / 10)
        bounds = (np.stack([lower, upper], axis=1) - self._center[:, np.newaxis]) / self._spread[:, np.newaxis]
        return SepCMA(
            mean=np.zeros(len(self._free)),
            sigma=self.reach,
            bounds=bounds,
            n_max_resampling=1,  # of so many entries one is always out of bounds, and then it is clipped
            seed=int(np.random.SeedSequence(self.seed).generate_state(1)[0]),
            population_size=self.population,
        )

    def _place(self, tables: QuantTables) -> Floats:
        return self.space.to_vector(tables)[self._free].astype(np.float64)

    def _within(self, tables: QuantTables) -> QuantTables:
        """``tables``, or the nearest in the box."""
        return (
            tables if self.space.holds(tables) else self.space.to_tables(self.space.clip(self.space.to_vector(tables)))
        )

    def _tables(self, place: Floats) -> QuantTables:
        vector = self.space.lower.astype(np.float64)
        vector[self._free] = self._center + self._spread * place
        return self.space.to_tables(self.space.clip(vector))
