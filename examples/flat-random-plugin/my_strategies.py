import numpy as np

from qsearch.strategies.base import Strategy, rng
from qsearch.tables import QuantTables


class FlatRandom(Strategy):
    """One number for all entries, drawn anew for each trial."""

    name = "flat-random"

    def ask(self, number: int) -> QuantTables:
        entry = rng(self.seed, number).randint(self.space.lower.max(), self.space.upper.min() + 1)
        return self.space.to_tables(np.full(self.space.dimensions, entry))
