"""The standard tables, quality after quality: the curve that every search is held against."""

from typing import ClassVar

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.strategies.base import Fitness, Strategy
from qsearch.tables import QuantTables

REFERENCE_QUALITIES = tuple(range(10, 101, 5))
"""The qualities that every run measures as its reference curve."""


class Standard(Strategy):
    """Trial i is libjpeg's quality i + 1: a hundred trials, 1 to 100."""

    name: ClassVar[str] = "standard"
    layouts: ClassVar[tuple[str, ...]] = ("luma-chroma", "ycbcr")

    def __init__(self, space: SearchSpace, seed: int, *, fitness: Fitness | None = None) -> None:
        super().__init__(space, seed, fitness=fitness)
        if space != SearchSpace.full(space.layout):
            raise InputError("strategy standard does not search: give it no bounds.")

    def ask(self, number: int) -> QuantTables:
        """See :meth:`Strategy.ask`."""
        return QuantTables.standard(number + 1)

    def trial_limit(self) -> int:
        """See :meth:`Strategy.trial_limit`."""
        return 100
