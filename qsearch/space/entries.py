"""SearchSpace: the integer box a strategy searches, and the way between its vectors and QuantTables."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.tables import QuantTables

LAYOUTS = {"shared": 1, "luma-chroma": 2, "ycbcr": 3}
"""Free tables of each layout: 64, 128 or 192 entries."""

Vector = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """A box of integer vectors: the free table entries, raster order, table after table (luma, then Cb, then Cr).

    ``lower`` and ``upper`` are int64 [dimensions], both inclusive, 1 <= lower <= upper <= 255.
    """

    layout: str
    lower: Vector
    upper: Vector

    box: ClassVar[str] = "paper"
    """What a vector is made of, as ``--box`` calls it: here the entries themselves (Li 2020)."""

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InputError(f"unknown table layout {self.layout!r}: known are {', '.join(LAYOUTS)}.")
        for name in ("lower", "upper"):
            bound = np.array(getattr(self, name))
            if bound.shape != (self.dimensions,) or not np.issubdtype(bound.dtype, np.integer):
                raise InputError(
                    f"the {name} bound of layout {self.layout} is {self.dimensions} integers, "
                    f"got {bound.dtype} of shape {bound.shape}."
                )
            bound = bound.astype(np.int64)
            bound.flags.writeable = False
            object.__setattr__(self, name, bound)
        if (self.lower < 1).any() or (self.upper > 255).any() or (self.lower > self.upper).any():
            raise InputError("bounds satisfy 1 <= lower <= upper <= 255 in every entry; these do not.")

    @classmethod
    def full(cls, layout: str = "shared") -> Self:
        """Every baseline table: 1..255 in each entry."""
        dimensions = 64 * LAYOUTS.get(layout, 1)
        return cls(layout, np.full(dimensions, 1), np.full(dimensions, 255))

    @property
    def dimensions(self) -> int:
        """How many entries are free."""
        return 64 * LAYOUTS[self.layout]

    def to_tables(self, vector: npt.ArrayLike) -> QuantTables:
        """The tables a vector [dimensions] of integers within the box stands for."""
        array = np.asarray(vector)
        if not self.contains(array):
            raise InputError(f"the vector is not one of {self.dimensions} integers within the box of the search space.")
        parts = array.reshape(-1, 8, 8)
        if self.layout == "shared":
            return QuantTables.shared(parts[0])
        if self.layout == "luma-chroma":
            return QuantTables(parts[0], parts[1])
        return QuantTables(parts[0], cb=parts[1], cr=parts[2])

    def to_vector(self, tables: QuantTables) -> Vector:
        """The vector of ``tables``, in the box or not. InputError where the layout cannot express them."""
        if LAYOUTS[tables.layout] > LAYOUTS[self.layout]:
            raise InputError(f"tables of layout {tables.layout} do not fit a search space of layout {self.layout}.")
        parts = (tables.luma, tables.cb, tables.cr)[: LAYOUTS[self.layout]]
        return np.concatenate([part.ravel() for part in parts]).astype(np.int64)

    def contains(self, vector: npt.ArrayLike) -> bool:
        """Whether ``vector`` is integers [dimensions] within the box."""
        array = np.asarray(vector)
        return (
            array.shape == (self.dimensions,)
            and np.issubdtype(array.dtype, np.integer)
            and bool(((array >= self.lower) & (array <= self.upper)).all())
        )

    def holds(self, tables: QuantTables) -> bool:
        """Whether ``tables`` are of this layout and within the box."""
        return LAYOUTS[tables.layout] <= LAYOUTS[self.layout] and self.contains(self.to_vector(tables))

    def clip(self, vector: npt.ArrayLike) -> Vector:
        """The vector of the box nearest to ``vector`` [dimensions]; halves round to even."""
        values = np.asarray(vector, dtype=np.float64)
        if values.shape != (self.dimensions,) or not np.isfinite(values).all():
            raise InputError(f"expected {self.dimensions} finite numbers, got an array of shape {values.shape}.")
        return np.clip(np.rint(values), self.lower, self.upper).astype(np.int64)

    def shift(self, totals: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """By how much all entries of vectors whose sums are ``totals`` [...] differ from those that :meth:`to_vector`
        gives for the same tables, before it rounds: here by nothing, for tables have one vector."""
        return np.zeros(np.shape(totals))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return (
            self.layout == other.layout
            and np.array_equal(self.lower, other.lower)
            and np.array_equal(self.upper, other.upper)
        )

    def __hash__(self) -> int:
        return hash((self.layout, self.lower.tobytes(), self.upper.tobytes()))
