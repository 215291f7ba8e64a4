"""Sorted random search (Li 2020): random entries, sorted along the zig-zag, so that low frequencies keep the most."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy, rng
from qsearch.tables import ZIGZAG, QuantTables

DRAWS = ("half-normal", "uniform")


class SortedRandom(Strategy):
    """Sorted random tables in either reading of Li 2020.

    Both draw low in [0, 35), high in [50, 150) and a scale in [0.5, 1.5) per trial, the same for all of its tables.
    ``draw="half-normal"`` is the generator of the authors' published code: 64 magnitudes of standard normal numbers,
    divided by the largest, spread over low..high. ``draw="uniform"`` is the paper's text: 64 integers uniform in
    low..high. They are sorted, multiplied by the scale, rounded, clipped to the box and laid out in zig-zag.
    """

    name: ClassVar[str] = "sorted-random"

    def __init__(
        self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None, draw: str = "half-normal"
    ) -> None:
        super().__init__(space, seed, fitness=fitness)
        if draw not in DRAWS:
            raise InputError(f"sorted-random draws {' or '.join(DRAWS)} numbers, got draw={draw!r}.")
        self.draw = draw

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        random = rng(self.seed, number)
        low, high = int(random.randint(0, 35)), int(random.randint(50, 150))
        scale = random.uniform(0.5, 1.5)
        tables = [self._table(random, low, high, scale) for _ in range(self.space.dimensions // 64)]
        return self.space.to_tables(self.space.clip(np.concatenate(tables)))

    def _table(self, random: np.random.RandomState, low: int, high: int, scale: float) -> npt.NDArray[np.float64]:
        if self.draw == "half-normal":
            magnitudes = np.abs(random.standard_normal(64))
            entries = np.rint(magnitudes / magnitudes.max() * (high - low) + low)
        else:
            entries = random.randint(low, high + 1, size=64).astype(np.float64)
        raster = np.empty(64)
        raster[ZIGZAG] = np.sort(entries)
        return raster * scale
