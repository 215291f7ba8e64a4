"""QuantTables: the 8x8 quantization tables of one JPEG file, and libjpeg's standard tables and quality scaling."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Table = npt.NDArray[np.uint8]

# ITU-T T.81 Annex K, Tables K.1 and K.2, in raster order.
_ANNEX_K_LUMA = """
16 11 10 16  24  40  51  61
12 12 14 19  26  58  60  55
14 13 16 24  40  57  69  56
14 17 22 29  51  87  80  62
18 22 37 56  68 109 103  77
24 35 55 64  81 104 113  92
49 64 78 87 103 121 120 101
72 92 95 98 112 100 103  99"""
_ANNEX_K_CHROMA = """
17 18 24 47 99 99 99 99
18 21 26 66 99 99 99 99
24 26 56 99 99 99 99 99
47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99"""


def _zigzag_order() -> npt.NDArray[np.intp]:
    cells = ((row, column) for row in range(8) for column in range(8))
    # Diagonals in turn; even ones run upwards (towards higher columns), odd ones downwards.
    walk = sorted(cells, key=lambda cell: (sum(cell), cell[1] if sum(cell) % 2 == 0 else cell[0]))
    return np.array([8 * row + column for row, column in walk], dtype=np.intp)


ZIGZAG = _zigzag_order()
"""Raster index (8 * row + column) of each of the 64 zig-zag positions (T.81 Figure A.6)."""
ZIGZAG.flags.writeable = False


def check_table(values: npt.ArrayLike, what: str = "a quantization table") -> Table:
    """``values`` as a read-only uint8 array [8, 8], or InputError: only integers 1..255 make a baseline table."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what} has 8x8 entries, got rows of different lengths.") from error
    if array.shape not in ((8, 8), (64,)):
        raise InputError(f"{what} has 8x8 entries, got an array of shape {array.shape}.")
    if array.dtype.kind not in "iu":
        raise InputError(f"{what} holds integers, got {array.dtype}: round them first.")
    if array.min() < 1 or array.max() > 255:
        raise InputError(f"{what} holds integers from 1 to 255, got {array.min()}..{array.max()}.")
    table = array.astype(np.uint8).reshape(8, 8)
    table.flags.writeable = False
    return table


def scale_table(base: npt.ArrayLike, quality: int) -> Table:
    """``base`` (8x8, integers or floats) at ``quality`` 1..100 by libjpeg's formula, clipped to 1..255.

    50 leaves the table as it is; floats are rounded half up, as libjpeg rounds its integers.
    """
    if isinstance(quality, bool) or not isinstance(quality, int | np.integer) or not 1 <= quality <= 100:
        raise InputError(f"a JPEG quality is an integer from 1 to 100, got {quality!r}.")
    values = np.asarray(base, dtype=np.float64)
    if values.shape not in ((8, 8), (64,)) or not np.isfinite(values).all():
        raise InputError(f"a base table has 8x8 finite entries, got an array of shape {values.shape}.")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return check_table(np.clip(np.floor((values * percent + 50) / 100), 1, 255).astype(np.int64))


class QuantTables:
    """The quantization tables of one JPEG file: read-only uint8 arrays [8, 8] in raster order, entries 1..255.

    ``QuantTables(luma, chroma)`` is the usual file; ``QuantTables(luma, cb=..., cr=...)`` gives the two chroma
    components tables of their own. Instances are immutable, hashable, and equal when all three tables are equal.
    """

    __slots__ = ("_digest", "cb", "cr", "luma")
    kind: ClassVar[str] = "tables"
    """What kind of :class:`qsearch.quantizer.Quantizer` it is."""
    luma: Table
    cb: Table
    cr: Table

    def __init__(
        self,
        luma: npt.ArrayLike,
        chroma: npt.ArrayLike | None = None,
        *,
        cb: npt.ArrayLike | None = None,
        cr: npt.ArrayLike | None = None,
    ) -> None:
        if chroma is not None:
            if cb is not None or cr is not None:
                raise InputError("give either chroma, or cb and cr, not both.")
            cb = cr = chroma
        if cb is None or cr is None:
            raise InputError("the chroma components have no table: give chroma, or cb and cr.")
        object.__setattr__(self, "luma", check_table(luma, "the luma table"))
        object.__setattr__(self, "cb", check_table(cb, "the Cb table" if chroma is None else "the chroma table"))
        object.__setattr__(self, "cr", self.cb if cr is cb else check_table(cr, "the Cr table"))
        object.__setattr__(self, "_digest", hashlib.sha256(b"qsearch.QuantTables.1" + self.to_bytes()).hexdigest())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"QuantTables is immutable: {name} cannot be set.")

    @classmethod
    def shared(cls, table: npt.ArrayLike) -> Self:
        """One table for all three components, as in Li 2020."""
        return cls(table, table)

    @classmethod
    def standard(cls, quality: int) -> Self:
        """libjpeg's tables at ``quality`` 1..100: Annex K scaled, clipped to 1..255."""
        return cls(scale_table(STANDARD_LUMA, quality), scale_table(STANDARD_CHROMA, quality))

    @classmethod
    def from_zigzag(cls, luma: npt.ArrayLike, chroma: npt.ArrayLike | None = None) -> Self:
        """Tables whose 64 entries are listed in zig-zag order, as in a DQT segment; one list serves all components."""
        luma_raster = _from_zigzag(luma)
        return cls(luma_raster, luma_raster if chroma is None else _from_zigzag(chroma))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of :meth:`to_bytes`."""
        if len(data) != 192:
            raise InputError(f"three tables are 192 bytes, got {len(data)}.")
        luma, cb, cr = np.frombuffer(data, dtype=np.uint8).reshape(3, 8, 8)
        return cls(luma, cb=cb, cr=cr)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        try:
            if "chroma" in data:
                return cls(data["luma"], data["chroma"])
            return cls(data["luma"], cb=data["cb"], cr=data["cr"])
        except KeyError as error:
            raise InputError(f"tables are given as luma and chroma, or luma, cb and cr: {error} is missing.") from error

    @property
    def chroma(self) -> Table:
        """The table of both chroma components; ValueError where Cb and Cr have tables of their own."""
        if not np.array_equal(self.cb, self.cr):
            raise InputError("Cb and Cr have different tables: use cb and cr.")
        return self.cb

    @property
    def layout(self) -> str:
        """The fewest tables that say it: ``shared``, ``luma-chroma`` or ``ycbcr``."""
        if not np.array_equal(self.cb, self.cr):
            return "ycbcr"
        return "shared" if np.array_equal(self.luma, self.cb) else "luma-chroma"

    @property
    def digest(self) -> str:
        """SHA-256 of the tables, 64 hexadecimal digits; never changes between versions."""
        return self._digest  # type: ignore[attr-defined, no-any-return]

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[Self]:
        """These tables for each of the N ``images``."""
        return [self] * len(images)

    def scaled(self, quality: int) -> Self:
        """These tables at ``quality`` 1..100 by libjpeg's formula; 50 gives the same tables."""
        return type(self)(
            scale_table(self.luma, quality), cb=scale_table(self.cb, quality), cr=scale_table(self.cr, quality)
        )

    def transposed(self) -> Self:
        """Rows and columns exchanged: the tables for the images turned by 90 degrees."""
        return type(self)(self.luma.T, cb=self.cb.T, cr=self.cr.T)

    def to_bytes(self) -> bytes:
        """192 bytes: luma, Cb, Cr in raster order."""
        return self.luma.tobytes() + self.cb.tobytes() + self.cr.tobytes()

    def to_dict(self) -> dict[str, list[list[int]]]:
        """Nested lists for JSON: ``luma`` and ``chroma``, or ``luma``, ``cb`` and ``cr`` where those differ."""
        parts = ("luma", "cb", "cr") if self.layout == "ycbcr" else ("luma", "chroma")
        return {part: getattr(self, part).tolist() for part in parts}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantTables):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"QuantTables({self.layout}, {self.digest[:12]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_bytes, (self.to_bytes(),))


def _from_zigzag(values: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (64,):
        raise InputError(f"a table in zig-zag order has 64 entries, got an array of shape {array.shape}.")
    raster = np.empty_like(array)
    raster[ZIGZAG] = array
    return raster.reshape(8, 8)


STANDARD_LUMA = check_table(np.array(_ANNEX_K_LUMA.split(), dtype=np.int64))
"""T.81 Table K.1, raster order."""
STANDARD_CHROMA = check_table(np.array(_ANNEX_K_CHROMA.split(), dtype=np.int64))
"""T.81 Table K.2, raster order."""
