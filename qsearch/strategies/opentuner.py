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
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from qsearch.strategies.opentuner_bandit import Driver


class OpenTuner(Strategy):
    """Maximises the fitness gap; ``origin`` names the arm that proposed a trial.

    The arms: ``particle-swarm``, ``annealing``, ``differential-evolution``, ``greedy-mutation`` and ``nelder-mead``.
    Where none of them has anything new to propose, the tables are drawn uniformly from the box: ``random``.
    """

    name = "opentuner"
    adaptive = True
    informed = True
    asking_changes_state = True

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None) -> None:
        super().__init__(space, seed, fitness=fitness)
        self._free = {f"{entry:03}": entry for entry in np.flatnonzero(space.lower < space.upper)}
        self._driver = _new_driver(
            {name: (int(space.lower[entry]), int(space.upper[entry])) for name, entry in self._free.items()}
        )
        self._configurations: dict[int, Any] = {}
        self._origins: dict[int, str] = {}

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
        assert self.fitness is not None  # an informed strategy is not made without
        gap = gap_of(self.fitness, trial)
        self._driver.report(self._configurations.pop(trial.number), -gap if math.isfinite(gap) else math.inf)

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
