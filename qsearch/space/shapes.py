"""ShapeSpace: tables up to a common factor, as integer levels of the logarithms of their entries."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.space.entries import LAYOUTS, SearchSpace, Vector
from qsearch.tables import QuantTables

Floats = npt.NDArray[np.float64]

LEVELS = 255
COARSEST_ENTRY = 255
LARGEST_REACH = 1_000_000
"""No logarithms of entries, nor steps between levels of them, are larger, nor steps smaller than one of its parts."""
SLACK = 1e-9
"""Of a logarithm: what arithmetic loses."""


def shape_of(tables: QuantTables, layout: str) -> Floats:
    """The shape z of ``tables``: log q - mean log q over the entries of ``layout``; the same for tables at any scale.

    InputError where the layout cannot express them.
    """
    logarithms = np.log(SearchSpace.full(layout).to_vector(tables))
    return np.asarray(logarithms - logarithms.mean())


def tables_of(shape: Floats, layout: str) -> QuantTables:
    """Tables of ``shape`` [dimensions], at the scale that loses least to rounding: their coarsest entry is 255."""
    entries = np.clip(np.rint(COARSEST_ENTRY * np.exp(shape - shape.max())), 1, COARSEST_ENTRY).astype(np.int64)
    return SearchSpace.full(layout).to_tables(entries)


def log_mean(tables: Sequence[QuantTables], layout: str) -> QuantTables:
    """The average of ``tables`` as shapes: entry by entry their geometric mean, at the scale of :func:`tables_of`."""
    return tables_of(np.mean([shape_of(one, layout) for one in tables], axis=0), layout)


def in_layout(tables: QuantTables, layout: str) -> QuantTables:
    """``tables``, or what is left of them in a ``layout`` of fewer: the luma table where all components share one, and
    where Cb and Cr share one the geometric mean of theirs."""
    if LAYOUTS[tables.layout] <= LAYOUTS[layout]:
        return tables
    if layout == "shared":
        return QuantTables.shared(tables.luma)
    chroma = np.rint(np.sqrt(tables.cb.astype(np.float64) * tables.cr)).astype(np.int64)
    return QuantTables(tables.luma, chroma)


@dataclass(frozen=True, eq=False)
class ShapeSpace(SearchSpace):
    """A box of shapes: level l of an entry stands for z = ``origin`` + ``step`` (l - 1); see :func:`shape_of`.

    Levels take the place of entries in a vector, so that whatever searches a box of integers searches shapes. Tables
    that differ by a factor have one shape: what is proposed says nothing of the scale, which steering finds from the
    files' sizes alone (:mod:`qsearch.search.steering`). Vectors that differ by the same number of levels in all
    entries stand for the same tables; :meth:`to_vector` gives that of mean z = 0.
    """

    origin: float
    step: float

    box: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (abs(self.origin) <= LARGEST_REACH and 1 / LARGEST_REACH <= self.step <= LARGEST_REACH):
            raise InputError(
                f"levels of a shape have an origin and a step above 0 of no more than {LARGEST_REACH:,}, got "
                f"{self.origin}, {self.step}."
            )

    @classmethod
    def full(cls, layout: str = "shared") -> Self:
        """Every shape of baseline tables."""
        reach = math.log(COARSEST_ENTRY)
        dimensions = 64 * LAYOUTS.get(layout, 1)
        lower, upper = np.full(dimensions, 1), np.full(dimensions, LEVELS)
        return cls(layout, lower, upper, -reach, 2 * reach / (LEVELS - 1))

    def to_tables(self, vector: npt.ArrayLike) -> QuantTables:
        """Tables of the shape of a vector [dimensions] of levels within the box, their coarsest entry 255."""
        array = np.asarray(vector)
        if not self.contains(array):
            raise InputError(f"the vector is not one of {self.dimensions} levels within the box of shapes.")
        return tables_of(self._shape(array), self.layout)

    def to_vector(self, tables: QuantTables) -> Vector:
        """The levels nearest to the shape of ``tables``, in the box or not; raises as :meth:`SearchSpace.to_vector`.

        Entries are integers and levels are fine, so tables made of a vector may have one that differs by some levels.
        """
        levels = 1 + (shape_of(tables, self.layout) - self.origin) / self.step
        return np.rint(levels).astype(np.int64)

    def holds(self, tables: QuantTables) -> bool:
        """Whether ``tables`` are a shape of the box, at some scale, rounded and clipped to 1..255."""
        if LAYOUTS[tables.layout] > LAYOUTS[self.layout]:
            return False
        entries = SearchSpace.full(self.layout).to_vector(tables).astype(np.float64)
        with np.errstate(divide="ignore"):
            least = np.where(entries > 1, np.log(entries - 0.5), -np.inf)
        most = np.where(entries < COARSEST_ENTRY, np.log(entries + 0.5), np.inf)
        # The logarithms of the scales that bring each entry into its bounds have to meet.
        lowest, highest = least - self._shape(self.upper), most - self._shape(self.lower)
        return bool(lowest.max() <= highest.min() + SLACK)

    def shift(self, totals: npt.ArrayLike) -> Floats:
        """See :meth:`SearchSpace.shift`: what makes the mean of a shape 0."""
        return np.asarray(1 - self.origin / self.step - np.asarray(totals) / self.dimensions)

    def _shape(self, levels: npt.NDArray[np.int64]) -> Floats:
        return np.asarray(self.origin + self.step * (levels - 1.0))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ShapeSpace):
            return False if isinstance(other, SearchSpace) else NotImplemented
        return super().__eq__(other) is True and (self.origin, self.step) == (other.origin, other.step)

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.origin, self.step))
