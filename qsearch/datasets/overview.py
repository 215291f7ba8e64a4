"""Overview: what a dataset holds, what is wrong with it, and what its images were before."""

import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np

from qsearch.datasets.base import Dataset, Truth, identities
from qsearch.datasets.pixels import JPEG_FORMATS, open_image

_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Copies:
    """Images of equal pixels: their names, and the classes they are labelled as, which contradict if several."""

    images: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """The smallest, the middle and the largest of some numbers."""

    smallest: int
    median: int
    largest: int

    @classmethod
    def of(cls, numbers: list[int]) -> "Spread":
        """Of at least one number; of an even count the lower middle."""
        return cls(min(numbers), median_low(numbers), max(numbers))


@dataclass(frozen=True)
class Sources:
    """The files that a dataset's images were made from.

    formats: how many files of each format, as Pillow calls it. width, height: pixels, upright. size_bytes: of all.
    jpeg_unscaled: how many JPEG files have the very size of the images that are compressed. unreadable: how many files
    are no longer there or cannot be read any more; the rest says nothing of them.
    """

    formats: dict[str, int]
    width: Spread
    height: Spread
    size_bytes: int
    jpeg_unscaled: int
    unreadable: int

    @property
    def files(self) -> int:
        """How many could be read."""
        return sum(self.formats.values())

    @property
    def jpeg(self) -> int:
        """How many files a JPEG encoder has written: what is measured on them is a second compression."""
        return sum(self.formats.get(name, 0) for name in JPEG_FORMATS)


@dataclass(frozen=True)
class Overview:
    """What :func:`overview` finds. width, height: pixels. sources: None where they are not known."""

    name: str
    digest: str
    images: int
    width: int
    height: int
    truth: Truth
    images_per_class: dict[str, int]
    copies: tuple[Copies, ...]
    sources: Sources | None
    notes: tuple[str, ...]


def overview(dataset: Dataset) -> Overview:
    """What ``dataset`` holds; reads all pixels, and of the source files the beginnings."""
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    return Overview(
        name=dataset.name,
        digest=dataset.digest,
        images=len(dataset),
        width=dataset.width,
        height=dataset.height,
        truth=dataset.truth,
        images_per_class=dict(zip(dataset.class_names, counts.tolist(), strict=True)),
        copies=_copies(dataset),
        sources=_sources(dataset),
        notes=dataset.notes,
    )


def _copies(dataset: Dataset) -> tuple[Copies, ...]:
    groups = defaultdict(list)
    for image in identities(dataset):
        groups[image.digest].append(image)
    return tuple(
        Copies(tuple(image.name for image in group), tuple(sorted({image.class_name for image in group})))
        for group in groups.values()
        if len(group) > 1
    )


@dataclass(frozen=True)
class _Header:
    format: str
    width: int
    height: int
    size_bytes: int


def _sources(dataset: Dataset) -> Sources | None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of large images and odd metadata, both harmless here
        headers = [header for header in map(_read_header, dataset.sources) if header is not None]
    if not headers:
        return None
    formats: dict[str, int] = defaultdict(int)
    for header in headers:
        formats[header.format] += 1
    size = (dataset.width, dataset.height)
    return Sources(
        formats=dict(sorted(formats.items())),
        width=Spread.of([header.width for header in headers]),
        height=Spread.of([header.height for header in headers]),
        size_bytes=sum(header.size_bytes for header in headers),
        jpeg_unscaled=sum(
            header.format in JPEG_FORMATS and (dataset.stored is not None or (header.width, header.height) == size)
            for header in headers
        ),
        unreadable=len(dataset.sources) - len(headers),
    )


def _read_header(path: str) -> _Header | None:
    try:
        with open_image(Path(path)) as image:
            width, height = image.size
            if image.getexif().get(_ORIENTATION, 1) >= 5:  # lies on its side
                width, height = height, width
            return _Header(image.format or "unknown", width, height, Path(path).stat().st_size)
    except Exception:  # on damaged files Pillow's readers raise nearly everything; they are counted as unreadable
        return None
