"""Dial: tables for every quality 1..100, each with the bytes of the standard tables there, to use as ``quality`` is."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from qsearch.codecs.base import Codec, EncoderOptions
from qsearch.datasets.base import Dataset, ImageIdentity, check_prepared
from qsearch.errors import InputError
from qsearch.learning.files import read_content, write_content
from qsearch.run.settings import Quality
from qsearch.tables import QuantTables

QUALITIES = range(1, 101)
NEAR = 1e-3
"""Bytes that differ by less than this share are as good as equal; steps are whole numbers."""
STAGGER = 0.25
"""Entries are rounded up from 0.5 plus or minus this on, each from a point of its own: where all are alike, they still
change one after the other, and bytes between those of whole tables are met."""
_LONGEST_SEARCH = 24
_LOG_OF_COARSEST = math.log(255)
_EXTRAPOLATED = 0.25
"""How much the logarithms of entries change over the length of a rung, beyond the last rungs."""


class MadeOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The images whose bytes were matched: the dataset's name, SHA-256 of its pixels and labels, its size."""

    dataset: str
    digest: str
    images: int
    height: int
    width: int


@dataclass(frozen=True)
class Setting:
    """Tables at a quality, and the bytes of all images at them and at the standard tables of that quality."""

    quality: int
    tables: QuantTables
    size_bytes: int
    standard_bytes: int


@dataclass(frozen=True, eq=False)
class Dial:
    """Tables for the qualities 1 to 100; from one to the next no entry gets coarser.

    title: what they come from, in one line; origin: sentences that say more. encoder: the settings whose bytes were
    matched. images: what those that they were learned from are known again by. digest: SHA-256 (hexadecimal) of the
    file it was read from; empty where it was not.
    """

    title: str
    origin: tuple[str, ...]
    encoder: EncoderOptions
    made_on: MadeOn
    settings: tuple[Setting, ...]
    images: tuple[ImageIdentity, ...] = ()
    qsearch: str = ""
    created: str = ""
    digest: str = field(default="")

    def tables(self, quality: int) -> QuantTables:
        """The tables at ``quality`` 1..100. InputError for other numbers."""
        if isinstance(quality, bool) or not isinstance(quality, int | np.integer) or quality not in QUALITIES:
            raise InputError(f"a quality is an integer from 1 to 100, got {quality!r}.")
        return self.settings[int(quality) - 1].tables


def make_dial(
    rungs: Sequence[QuantTables],
    dataset: Dataset,
    codec: Codec,
    *,
    title: str,
    origin: tuple[str, ...] = (),
    images: tuple[ImageIdentity, ...] = (),
    workers: int = 1,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Dial:
    """A dial through ``rungs``, tables from coarse to fine, matched to the standard tables' bytes on ``dataset``.

    The logarithms of each entry are made to fall from rung to rung (isotonic regression), joined by lines and carried
    on beyond the ends by scaling. Of that one family of tables every quality takes the member, rounded, whose files
    have the bytes of the standard tables' as nearly as whole steps allow. InputError for fewer than two rungs.
    """
    check_prepared(dataset, "a dial")
    if len(rungs) < 2:
        raise InputError(f"a dial is made through two tables or more, got {len(rungs)}.")
    family = _Family(rungs)
    source = codec.prepare(dataset.images, dataset.digest)
    found: list[Setting] = []
    place = family.coarsest
    with _Sizes(codec, source, workers) as sizes:
        for quality in QUALITIES:
            standard_bytes = sizes.of(QuantTables.standard(quality))
            place, size_bytes = _matched(family, sizes, standard_bytes, place)
            found.append(Setting(quality, family.tables(place), size_bytes, standard_bytes))
            on_progress("qualities", quality, len(QUALITIES))
    made_on = MadeOn(
        dataset=dataset.name,
        digest=dataset.digest,
        images=len(dataset),
        height=dataset.height,
        width=dataset.width,
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Dial(title, origin, codec.encoder, made_on, tuple(found), images, version("qsearch"), now)


class _Family:
    """Tables along a line: place 0 is the coarsest rung, place i rung i; lower and higher places go on beyond them."""

    def __init__(self, rungs: Sequence[QuantTables]) -> None:
        from scipy.optimize import isotonic_regression

        entries = np.stack([np.stack([one.luma, one.cb, one.cr]) for one in rungs]).astype(np.float64)
        logs = np.log(entries).reshape(len(rungs), -1)
        self._logs = np.stack([isotonic_regression(each, increasing=False).x for each in logs.T], axis=1)
        # Multiples of the golden ratio spread evenly; the same for all components, which may share a table.
        spread = np.modf(np.arange(64) * (np.sqrt(5) - 1) / 2)[0]
        self._round_up = 0.5 + STAGGER * (1 - 2 * np.tile(spread, 3))
        self.coarsest = -(_LOG_OF_COARSEST - float(self._logs[0].min())) / _EXTRAPOLATED
        self.finest = len(rungs) - 1 + float(self._logs[-1].max()) / _EXTRAPOLATED

    def tables(self, place: float) -> QuantTables:
        """Those at ``place``, rounded within 1..255."""
        last = len(self._logs) - 1
        inside = min(max(place, 0.0), float(last))
        lower = min(int(inside), last - 1)
        logs = self._logs[lower] + (inside - lower) * (self._logs[lower + 1] - self._logs[lower])
        entries = np.exp(logs - _EXTRAPOLATED * (place - inside))
        luma, cb, cr = np.clip(np.floor(entries + self._round_up), 1, 255).astype(np.int64).reshape(3, 8, 8)
        return QuantTables(luma, cb=cb, cr=cr)


class _Sizes:
    """The bytes of all images at tables, counted in threads; asked once for each. A context manager."""

    def __init__(self, codec: Codec, source: Any, workers: int) -> None:
        self._codec = codec
        bounds = np.linspace(0, len(source), min(workers, len(source)) + 1).astype(int).tolist()
        self._parts = [source[start:end] for start, end in pairwise(bounds)]
        self._pool = ThreadPoolExecutor(len(self._parts))
        self._known: dict[QuantTables, int] = {}

    def __enter__(self) -> "_Sizes":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(self, tables: QuantTables) -> int:
        """In all files together."""
        if tables not in self._known:
            sizes = self._pool.map(
                lambda part: int(self._codec.size_bytes(part, [tables] * len(part)).sum()), self._parts
            )
            self._known[tables] = sum(sizes)
        return self._known[tables]


def _matched(family: _Family, sizes: _Sizes, wanted: int, lowest: float) -> tuple[float, int]:
    """The place from ``lowest`` on whose files have nearest to ``wanted`` bytes, and how many they have."""
    low, high = lowest, min(lowest + 1, family.finest)
    best = low, sizes.of(family.tables(low))
    while high < family.finest and sizes.of(family.tables(high)) < wanted:
        low, high = high, min(high + 1, family.finest)
    for _ in range(_LONGEST_SEARCH):
        for place in (low, high):
            size_bytes = sizes.of(family.tables(place))
            if abs(size_bytes - wanted) < abs(best[1] - wanted):
                best = place, size_bytes
        if abs(best[1] - wanted) <= NEAR * wanted or high - low < 1e-6:
            break
        middle = _between(low, high, sizes.of(family.tables(low)), sizes.of(family.tables(high)), wanted)
        if sizes.of(family.tables(middle)) < wanted:
            low = middle
        else:
            high = middle
    return best


def _between(low: float, high: float, low_bytes: int, high_bytes: int, wanted: int) -> float:
    """Where a line through the logarithms of the bytes meets ``wanted``, kept off both ends."""
    if not low_bytes < wanted < high_bytes:
        return (low + high) / 2
    share = math.log(wanted / low_bytes) / math.log(high_bytes / low_bytes)
    return low + min(max(share, 0.1), 0.9) * (high - low)


class _SettingFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    quality: Quality
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    standard_bytes: Annotated[int, msgspec.Meta(ge=0)]
    tables: dict[str, list[list[int]]]


class _DialFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    qsearch: str
    created: str
    title: str
    origin: list[str]
    encoder: EncoderOptions
    made_on: MadeOn
    images: list[ImageIdentity]
    settings: list[_SettingFile]


def write_dial(dial: Dial, path: Path) -> None:
    """Writes ``path`` whole or not at all. DiskError where the disk refuses."""
    content = _DialFile(
        qsearch=dial.qsearch,
        created=dial.created,
        title=dial.title,
        origin=list(dial.origin),
        encoder=dial.encoder,
        made_on=dial.made_on,
        images=list(dial.images),
        settings=[
            _SettingFile(
                quality=one.quality,
                size_bytes=one.size_bytes,
                standard_bytes=one.standard_bytes,
                tables=one.tables.to_dict(),
            )
            for one in dial.settings
        ],
    )
    write_content(path, "dial", content, "settings")


def read_dial(path: str | Path) -> Dial:
    """The dial in the file ``path``, which is read as data alone.

    InputError where there is none, or it is damaged, was changed, or was written by a newer version.
    """
    path = Path(path)
    content, digest = read_content(path, "dial", _DialFile)
    if [one.quality for one in content.settings] != list(QUALITIES):
        raise InputError(f"{path} is no dial: tables for the qualities 1 to 100, one after the other, were expected.")
    try:
        settings = tuple(
            Setting(one.quality, QuantTables.from_dict(one.tables), one.size_bytes, one.standard_bytes)
            for one in content.settings
        )
    except (ValueError, TypeError, OverflowError) as error:  # numpy on what is no table of numbers
        raise InputError(f"{path} is no dial: {error}") from error
    return Dial(
        content.title,
        tuple(content.origin),
        content.encoder,
        content.made_on,
        settings,
        tuple(content.images),
        content.qsearch,
        content.created,
        digest,
    )
