"""OpenTuner's AUC bandit over five search techniques, in a box, for the fitness gap (Li 2020, Ansel 2014)."""

import logging
import math
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from qsearch.evaluation.measurement import Trial
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy, gap_of, rng
from qsearch.strategies.gaussian_process import on_one_thread
from qsearch.strategies.surrogate import Surrogate
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from qsearch.strategies.opentuner_bandit import Driver


FEWEST = 20
"""Measured trials from which a surrogate tells a gap from noise."""


class OpenTuner(Strategy):
    """Maximises the fitness gap; ``origin`` names the arm that proposed a trial.

    The arms: ``particle-swarm``, ``annealing``, ``differential-evolution``, ``greedy-mutation`` and ``nelder-mead``.
    Where none of them has anything new to propose, the tables are drawn uniformly from the box: ``random``.

    In a box of shapes the arms see in place of measured gaps the posterior means of a :class:`Surrogate` of all that
    was told, for every earlier trial anew: a lucky trial is not believed for ever, and no arm stays where luck led it.
    On a quadratic of 64 entries, with noise as large as random tables differ (3 seeds of 300 trials), the truth about
    the last 50 trials lies 2.4 such differences above that about the first 50; told what was measured, the arms get
    nowhere. In the paper's box they see each gap as it was measured.
    """

    name = "opentuner"
    adaptive = True
    needs_bounds = True
    asking_changes_state = True

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None) -> None:
        super().__init__(space, seed, fitness=fitness)
        self._free = {f"{entry:03}": entry for entry in np.flatnonzero(space.lower < space.upper)}
        self._driver = _new_driver(
            {name: (int(space.lower[entry]), int(space.upper[entry])) for name, entry in self._free.items()}
        )
        self._configurations: dict[int, Any] = {}
        self._origins: dict[int, str] = {}
        self._surrogate = Surrogate(space, seed) if space.box == "shape" else None
        self._believed: list[str] = []

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        with _global_random(f"{self.seed} {number}"):
            request = self._driver.next_request()
        if request is None:
            vector = rng(self.seed, number).randint(self.space.lower, self.space.upper + 1)
            values = {name: int(vector[entry]) for name, entry in self._free.items()}
            self._configurations[number] = self._driver.get_configuration(values)
            self._origins[number] = "random"
        else:
            self._configurations[number] = request.configuration
            self._origins[number] = request.requestor
        return self._tables(self._configurations[number].data)

    def tell(self, trial: Trial) -> None:
        """See :meth:`Strategy.tell`."""
        assert self.fitness is not None  # a strategy that needs bounds is not made without fitness
        configuration, gap = self._configurations.pop(trial.number), gap_of(self.fitness, trial)
        if self._surrogate is not None and self._surrogate.tell(trial, self.fitness):
            self._believed.append(configuration.hash)
            *earlier, gap = self._posterior_means(self._surrogate)
            self._driver.revise(dict(zip(self._believed, (-mean for mean in earlier), strict=False)))
        self._driver.report(configuration, -gap if math.isfinite(gap) else math.inf)

    def _posterior_means(self, surrogate: Surrogate) -> list[float]:
        """Of every measured trial, in the order in which they were told."""
        if len(surrogate.gaps) < FEWEST or not surrogate.free.size:
            return list(surrogate.gaps)
        with on_one_thread():
            process = surrogate.process()
            return [float(mean) for mean in process.mean(process.cross(np.array(surrogate.points)))]

    def origin(self, number: int) -> str:
        """See :meth:`Strategy.origin`."""
        return self._origins[number]

    def _tables(self, values: dict[str, int]) -> QuantTables:
        vector = self.space.lower.copy()
        for name, entry in self._free.items():
            vector[entry] = values[name]
        return self.space.to_tables(vector)


def _new_driver(bounds: dict[str, tuple[int, int]]) -> "Driver":
    formatter = logging.Formatter
    try:
        with warnings.catch_warnings():
            # It declares its tables the way of SQLAlchemy 1, which is no news for our users.
            warnings.simplefilter("ignore", DeprecationWarning)
            from qsearch.strategies.opentuner_bandit import Driver
    finally:
        logging.Formatter = formatter  # type: ignore[misc]  # OpenTuner puts its own in this place
    logger = logging.getLogger("opentuner")
    if not logger.handlers:
        # Its warnings (an arm repeats itself) go to those who configured logging, not to everybody's terminal.
        logger.addHandler(logging.NullHandler())
    return Driver(bounds)


@contextmanager
def _global_random(seed: str) -> Iterator[None]:
    """Seeds the global generator, the one OpenTuner draws from, and puts its state back afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
