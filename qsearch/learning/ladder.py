"""Ladder: tables learned at rising qualities, with all that says where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.datasets.base import Dataset, ImageIdentity, digest_of
from qsearch.errors import InputError
from qsearch.learning.files import read_content, write_content
from qsearch.learning.made_on import MadeOn
from qsearch.learning.settings import SUBSAMPLINGS, LearningSettings
from qsearch.run.settings import Quality
from qsearch.space import LAYOUTS
from qsearch.tables import QuantTables


class LearnedOn(MadeOn, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the images were, and the network.

    classifier: what it says of itself, or None.
    """

    classifier: dict[str, Any] | None = None

    @classmethod
    def by(cls, dataset: Dataset, classifier: Classifier | None) -> Self:
        """What ``dataset`` and, where there is one, ``classifier`` are."""
        described = None if classifier is None else {"name": classifier.name, "digest": classifier.digest}
        return msgspec.structs.replace(cls.of(dataset), classifier=described)


@dataclass(frozen=True)
class Rung:
    """Tables at one trade-off.

    quality: the standard quality whose trade-off it is, or None where the loss was weighted otherwise.
    trade_off: lambda, what a bit per pixel is worth; its unit is the objective's.
    bpp: bits per pixel of the files of the images learned on.
    tables: one QuantTables for all images; of a ladder per image, one for each, in their order.
    """

    quality: int | None
    trade_off: float
    bpp: float
    tables: tuple[QuantTables, ...]


@dataclass(frozen=True, eq=False)
class Ladder:
    """Rungs from coarse to fine.

    images: what those that it was learned from are known again by. network_weights: float64 [3, 8, 8], what was learned
    with, or None. digest: SHA-256 (hexadecimal) of the file it was read from; empty where it was not.
    """

    settings: LearningSettings
    learned_on: LearnedOn
    rungs: tuple[Rung, ...]
    images: tuple[ImageIdentity, ...] = ()
    network_weights: npt.NDArray[np.float64] | None = None
    qsearch: str = ""
    created: str = ""
    digest: str = field(default="")

    @property
    def tables(self) -> Sequence[QuantTables]:
        """The tables of each rung. InputError where each image has its own."""
        if self.settings.per_image:
            raise InputError(
                "the ladder has tables for each image, and one for all was expected: learn one without --per-image."
            )
        return [rung.tables[0] for rung in self.rungs]

    @property
    def is_complete(self) -> bool:
        """Whether every rung was learned, for every image."""
        expected = self.learned_on.images if self.settings.per_image else 1
        return len(self.rungs) == self.settings.rungs and all(len(rung.tables) == expected for rung in self.rungs)

    @property
    def title(self) -> str:
        """In one line."""
        network = "" if self.settings.classifier is None else f" and {Path(self.settings.classifier.spec).name}"
        what = f"{self.settings.objective}, learned on {self.learned_on.images} images{network}"
        return f"{what}, JPEG {self.settings.subsampling}"


def check_fits(ladder: Ladder, subsampling: str, layout: str | None = None) -> None:
    """InputError where the tables of ``ladder`` were learned for another subsampling, or need another layout."""
    if ladder.settings.subsampling != subsampling:
        raise InputError(
            f"the ladder was learned for JPEG {ladder.settings.subsampling}, and {subsampling} is wanted: learn one "
            f"with --subsampling {subsampling}."
        )
    # A layout of more tables says what one of fewer does.
    if layout is not None and LAYOUTS[ladder.settings.layout] > LAYOUTS[layout]:
        raise InputError(
            f"the ladder was learned for the layout {ladder.settings.layout}, and {layout} is wanted: learn one with "
            f"--layout {layout}."
        )


def drawn(dataset: Dataset, settings: LearningSettings) -> Dataset:
    """The images to learn from, in the dataset's order. InputError where there are fewer than are to be drawn."""
    count = settings.images
    if count is None or count == len(dataset):
        return dataset
    if count > len(dataset):
        raise InputError(f"{dataset.name} has {len(dataset)} images, and {count} were to be drawn: ask for fewer.")
    chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(dataset))[:count])
    images, labels = dataset.images[chosen], dataset.labels[chosen]

    stored = None if dataset.stored is None else dataset.stored.at(chosen)

    def some(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[index] for index in chosen) if values else ()

    return replace(
        dataset,
        name=f"{dataset.name}, {count} drawn with seed {settings.seed}",
        images=images,
        labels=labels,
        image_names=some(dataset.image_names),
        digest=digest_of(images, labels, dataset.class_names, stored),
        sources=some(dataset.sources),
        source_identities=some(dataset.source_identities),
        stored=stored,
    )


class _RungFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    quality: Quality | None
    trade_off: Annotated[float, msgspec.Meta(gt=0)]
    bpp: Annotated[float, msgspec.Meta(ge=0)]
    tables: list[dict[str, list[list[int]]]]


class _LadderFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    qsearch: str
    created: str
    settings: LearningSettings
    learned_on: LearnedOn
    network_weights: list[list[list[float]]] | None
    images: list[ImageIdentity]
    rungs: list[_RungFile]


def write_ladder(ladder: Ladder, path: Path) -> None:
    """Writes ``path`` whole or not at all. DiskError where the disk refuses."""
    weights = ladder.network_weights
    content = _LadderFile(
        qsearch=ladder.qsearch,
        created=ladder.created,
        settings=ladder.settings,
        learned_on=ladder.learned_on,
        network_weights=None if weights is None else weights.tolist(),
        images=list(ladder.images),
        rungs=[
            _RungFile(
                quality=rung.quality,
                trade_off=rung.trade_off,
                bpp=rung.bpp,
                tables=[one.to_dict() for one in rung.tables],
            )
            for rung in ladder.rungs
        ],
    )
    write_content(path, "ladder", content, "rungs")


def read_ladder(path: str | Path) -> Ladder:
    """The ladder in the file ``path``, which is read as data alone.

    InputError where there is none, or it is damaged, was changed, or was written by a newer version.
    """
    path = Path(path)
    content, digest = read_content(path, "ladder", _LadderFile)
    try:
        weights = None if content.network_weights is None else np.array(content.network_weights)
        ladder = Ladder(
            content.settings,
            content.learned_on,
            tuple(
                Rung(rung.quality, rung.trade_off, rung.bpp, tuple(map(QuantTables.from_dict, rung.tables)))
                for rung in content.rungs
            ),
            tuple(content.images),
            weights,
            content.qsearch,
            content.created,
            digest,
        )
    except (ValueError, TypeError, OverflowError) as error:  # numpy on what is no table of numbers
        raise InputError(f"{path} is no ladder: {error}") from error
    settings = ladder.settings
    if settings.layout not in LAYOUTS or settings.subsampling not in SUBSAMPLINGS:
        raise InputError(f"{path} is no ladder: its layout or subsampling is one that tables are not learned for.")
    if weights is not None and (weights.shape != (3, 8, 8) or not (weights >= 0).all()):
        raise InputError(f"{path} is no ladder: the network's weights are [3, 8, 8] and at least 0.")
    if any(not rung.tables or (not settings.per_image and len(rung.tables) > 1) for rung in ladder.rungs):
        raise InputError(f"{path} is no ladder: a rung has one table, or one for each image.")
    return ladder
