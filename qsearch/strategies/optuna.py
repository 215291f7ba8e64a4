"""Optuna's samplers in a box: TPE and NSGA-II for ratio and objective at once, CMA-ES for the fitness gap."""

import math
import warnings
from abc import abstractmethod
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from qsearch.errors import InputError, MissingDependencyError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy, objective_of
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import optuna


class OptunaStrategy(Strategy):
    """One in-memory study with one sampler; trial ``number`` is the study's trial of that number.

    The entries whose bounds differ are its parameters. What a measurement is worth to the sampler is
    :meth:`objectives`, each maximised; where one of them is not finite the trial counts as failed. In a box of shapes,
    where every trial has the same ratio, all samplers maximise the fitness gap alone.
    """

    adaptive = True
    needs_bounds = True
    asking_changes_state = True
    several: ClassVar[bool]
    """Whether it looks for a frontier, where ratios differ."""

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None) -> None:
        super().__init__(space, seed, fitness=fitness)
        _check_installed(self.name)
        import optuna

        self._distributions = {
            f"{entry:03}": self.distribution(int(space.lower[entry]), int(space.upper[entry]))
            for entry in np.flatnonzero(space.lower < space.upper)
        }
        # A sampler's seed has 32 bits, a run's any number of them.
        sampler_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self.sampler(optuna.samplers, sampler_seed)
        self._study = _new_study(sampler, 2 if self._frontier_wanted else 1)
        self._outstanding: dict[int, optuna.trial.Trial] = {}

    @abstractmethod
    def sampler(self, samplers: Any, seed: int) -> "optuna.samplers.BaseSampler":
        """The sampler, one of the module ``samplers``, under ``seed`` (0..2^32-1)."""

    def distribution(self, lower: int, upper: int) -> "optuna.distributions.BaseDistribution":
        """What one entry is to the sampler; values are rounded to the nearest integer of the box."""
        from optuna.distributions import IntDistribution

        return IntDistribution(lower, upper)

    @property
    def _frontier_wanted(self) -> bool:
        return self.several and self.space.box == "paper"

    def objectives(self, measurement: Measurement) -> tuple[float, ...]:
        """What is to be maximised: ratio and value of the objective, or the gap."""
        assert self.fitness is not None  # a strategy that needs bounds is not made without fitness
        if self._frontier_wanted:
            return measurement.ratio, objective_of(self.fitness).value(measurement)
        return (float(self.fitness.gap(measurement)),)

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        trial = self._study.ask(self._distributions)
        self._outstanding[number] = trial
        vector = self.space.lower.astype(np.float64)
        for name, value in trial.params.items():
            vector[int(name)] = value
        return self.space.to_tables(self.space.clip(vector))

    def tell(self, trial: Trial) -> None:
        """See :meth:`Strategy.tell`."""
        from optuna.trial import TrialState

        asked = self._outstanding.pop(trial.number)
        measured = trial.measurement if trial.status == "done" else None
        values = self.objectives(measured) if measured is not None else (math.nan,)
        if all(map(math.isfinite, values)):
            self._study.tell(asked, values)
        else:
            self._study.tell(asked, state=TrialState.FAIL)


class OptunaTpe(OptunaStrategy):
    """Tree-structured Parzen estimator (Bergstra 2011) for ratio and objective."""

    name = "optuna-tpe"
    several = True

    def sampler(self, samplers: Any, seed: int) -> "optuna.samplers.BaseSampler":
        """See :class:`OptunaStrategy`."""
        # multivariate: one density over all entries; entry by entry it costs three times as much and finds less.
        # constant_liar: trials outstanding count as bad, so that the next one is not proposed next to them.
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)  # type: ignore[no-any-return]

    def distribution(self, lower: int, upper: int) -> "optuna.distributions.BaseDistribution":
        """Real numbers: the density of integers costs five times as much and, 1..255 wide, finds no more."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(lower - 0.5, upper + 0.5)


class OptunaNsga2(OptunaStrategy):
    """Non-dominated sorting genetic algorithm II (Deb 2002) for ratio and objective.

    population: trials of a generation; 20 makes 15 generations of 300 trials.
    """

    name = "optuna-nsga2"
    several = True

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None, population: int = 20) -> None:
        if population < 2:
            raise InputError(f"the population of {self.name} is 2 or more, got {population}.")
        self.population = population
        super().__init__(space, seed, fitness=fitness)

    def sampler(self, samplers: Any, seed: int) -> "optuna.samplers.BaseSampler":
        """See :class:`OptunaStrategy`."""
        return samplers.NSGAIISampler(seed=seed, population_size=self.population)  # type: ignore[no-any-return]


class OptunaCmaes(OptunaStrategy):
    """Covariance matrix adaptation (Hansen 2001), with margin (Hamano 2022), for the fitness gap."""

    name = "optuna-cmaes"
    several = False

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None) -> None:
        super().__init__(space, seed, fitness=fitness)
        self._blas = ThreadpoolController()

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        # Each question decomposes a matrix of the size of the box, which several threads do more slowly than one
        # (64 entries on two busy cores: 51 ms, not 9), and to other last digits on other machines.
        with self._blas.limit(limits=1, user_api="blas"):
            return super().ask(number)

    def sampler(self, samplers: Any, seed: int) -> "optuna.samplers.BaseSampler":
        """See :class:`OptunaStrategy`."""
        # with_margin: entries are integers, and the box may leave one only a few values. Without it an entry whose
        # spread has shrunk below 1 always rounds to the same integer and is never moved again.
        return samplers.CmaEsSampler(seed=seed, with_margin=True)  # type: ignore[no-any-return]


def _check_installed(strategy: str) -> None:
    if find_spec("optuna") is None:
        raise MissingDependencyError(
            f"strategy {strategy} needs the package optuna, which is not installed: run pip install 'qsearch[optuna]'."
        )


def _new_study(sampler: "optuna.samplers.BaseSampler", objective_count: int) -> "optuna.Study":
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a new study is announced on the terminal otherwise
    try:
        return optuna.create_study(sampler=sampler, directions=["maximize"] * objective_count)
    finally:
        optuna.logging.set_verbosity(verbosity)
