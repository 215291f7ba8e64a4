"""Uniform integers in the box: the baseline that any strategy should beat."""

from typing import ClassVar

from qsearch.strategies.base import Strategy, rng
from qsearch.tables import QuantTables


class UniformRandom(Strategy):
    """Every entry uniform within its bounds, independent of all others."""

    name: ClassVar[str] = "uniform-random"

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        return self.space.to_tables(rng(self.seed, number).randint(self.space.lower, self.space.upper + 1))
