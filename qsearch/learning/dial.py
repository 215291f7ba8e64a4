"""Dial: tables for every quality 1..100, each with the bytes of the standard tables there, to use as ``quality`` is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from qsearch.codecs.base import Codec, EncoderOptions
from qsearch.datasets.base import Dataset, ImageIdentity
from qsearch.errors import InputError
from qsearch.learning.family import Family, Sizes
from qsearch.learning.files import read_content, write_content
from qsearch.learning.made_on import MadeOn
from qsearch.run.settings import Quality
from qsearch.tables import QuantTables

QUALITIES = range(1, 101)


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
    if len(rungs) < 2:
        raise InputError(f"a dial is made through two tables or more, got {len(rungs)}.")
    family = Family(rungs)
    found: list[Setting] = []
    place = family.coarsest
    with Sizes(codec, dataset, workers) as sizes:
        for quality in QUALITIES:
            standard_bytes = sizes.of(QuantTables.standard(quality))
            place, size_bytes = family.matched(sizes, standard_bytes, place)
            found.append(Setting(quality, family.tables(place), size_bytes, standard_bytes))
            on_progress("qualities", quality, len(QUALITIES))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Dial(title, origin, codec.encoder, MadeOn.of(dataset), tuple(found), images, version("qsearch"), now)


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
