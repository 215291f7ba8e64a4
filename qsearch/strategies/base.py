"""The Strategy contract: ask for tables by trial number, tell what came of them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.registry import options_of
from qsearch.space import LAYOUTS, SearchSpace
from qsearch.tables import QuantTables


class Fitness(Protocol):
    """How good a measurement is for its compression ratio; what single-objective strategies maximise."""

    def gap(self, measurement: Measurement) -> float:
        """How much better than is expected at its ratio, a finite Python number; larger is better."""
        ...


def objective_of(fitness: Fitness | None) -> Objective:
    """What ``fitness`` is a gap of; top-1 where it does not say (its ``objective``)."""
    found = getattr(fitness, "objective", TOP1)
    return found if isinstance(found, Objective) else TOP1


@dataclass(frozen=True)
class Seed:
    """Tables to begin with, and the gap that an earlier search measured, or None.

    label: where they come from, as users call it.
    """

    label: str
    tables: QuantTables
    gap: float | None = None


def gap_of(fitness: Fitness, trial: Trial) -> float:
    """What a strategy that learns makes of ``trial``: a Python float; NaN where it was not measured.

    A NumPy scalar would do for arithmetic, but not for every library behind a strategy.
    """
    if trial.status != "done" or trial.measurement is None:
        return math.nan
    return float(fitness.gap(trial.measurement))


def rng(seed: int, number: int) -> np.random.RandomState:
    """The random generator of trial ``number`` under ``seed``.

    RandomState, for its streams are frozen: trial i of seed s is the same tables under every numpy.
    """
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence((seed, number))))


class Strategy(ABC):
    """Proposes tables within a box, of entries or of shapes (:mod:`qsearch.space.shapes`).

    Subclass, set the class attributes, implement :meth:`ask`, register a name.

    The rules, checked by ``qsearch.testing.StrategyContract``:

    - Randomness comes from (seed, trial number) and the trials told, nothing else.
    - The search asks for numbers 0, 1, 2, ... once each and tells each trial once, in the order of their numbers. When
      it asks for ``number`` it has told exactly the first ``told_before(number, look_ahead)`` trials: up to
      ``look_ahead`` trials are outstanding, however many workers there are.
    - A strategy is never pickled: it is rebuilt by :meth:`replay`.

    Options are the keyword-only arguments of ``__init__`` beside ``fitness`` and ``seeds``, with defaults; users set
    them with ``--set NAME=VALUE``.
    """

    name: ClassVar[str]
    """As registered."""
    adaptive: ClassVar[bool] = False
    """Whether what is told changes what is asked. Others may be asked any number at any time."""
    needs_bounds: ClassVar[bool] = False
    """Whether it searches the bounds and needs the fitness that an earlier search gave."""
    seeded: ClassVar[bool] = False
    """Whether it begins with known tables: its ``__init__`` then takes ``seeds``, a sequence of :class:`Seed`, too."""
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)
    """The table layouts it can search, the default first."""
    asking_changes_state: ClassVar[bool] = False
    """Whether a replay must ask again; False where tables depend on seed, number and the trials told alone."""

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None) -> None:
        if space.layout not in self.layouts:
            raise InputError(
                f"strategy {self.name} searches the layouts {', '.join(self.layouts)}, got {space.layout}."
            )
        if seed < 0:
            raise InputError(f"a seed is an integer of 0 or more, got {seed}.")
        if self.needs_bounds and fitness is None:
            raise InputError(f"strategy {self.name} needs the fitness of an earlier search.")
        self.space = space
        self.seed = seed
        self.fitness = fitness

    @abstractmethod
    def ask(self, number: int) -> QuantTables:
        """The tables to try as trial ``number``, inside the box."""

    def tell(self, trial: Trial) -> None:  # noqa: B027 - the right default: most strategies do not learn
        """What became of trial ``trial.number``: done, failed, screened (then no network was asked), or stopped (then
        networks saw a part of the images only)."""

    def origin(self, number: int) -> str:
        """Which part of the strategy proposed ``number``, just asked (a bandit's arm, say); empty without parts."""
        return ""

    def trial_limit(self) -> int | None:
        """How many trials there are to propose, None for endlessly many."""
        return None

    def told_before(self, number: int, look_ahead: int) -> int:
        """How many trials must have been told before ``number`` is asked."""
        return max(0, number + 1 - look_ahead) if self.adaptive else 0

    def replay(self, trials: Sequence[Trial], look_ahead: int) -> None:
        """Brings a new strategy to where it had been asked and told ``trials``, numbers 0, 1, ... without a gap.

        Trials are told as far as the next question requires; the search tells the others later. Raises InputError
        where the strategy now proposes other tables than it did.
        """
        told = 0
        for trial in trials:
            for ready in trials[told : self.told_before(trial.number, look_ahead)]:
                self.tell(ready)
                told += 1
            if self.asking_changes_state and self.ask(trial.number) != (trial.proposed or trial.tables):
                raise InputError(
                    f"strategy {self.name} no longer proposes the tables recorded for trial {trial.number}: "
                    "the run was made with another version of it or of its libraries, and cannot be continued."
                )


def strategy_options(strategy: type[Strategy]) -> dict[str, Any]:
    """The options a strategy takes, name to default, read from its ``__init__``."""
    return options_of(strategy, given=("space", "seed", "fitness", "seeds"))
