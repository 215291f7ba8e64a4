"""Splits: two halves of a dataset, by class or by image, or a share of it kept aside; disjoint by construction."""

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset
from qsearch.datasets.cache import PreparedImages, cached_pixels
from qsearch.errors import InputError

KINDS = ("classes", "images")
FEWEST = 32
"""A part of fewer images tells nothing about tables."""
Part = Literal["searched", "kept"]
_SEED = 20201206  # any number would do; it must only never change


def half_of(dataset: Dataset, split: str) -> Dataset:
    """The half of ``dataset`` that ``split`` names: ``classes:1``, ``classes:2``, ``images:1`` or ``images:2``.

    ``classes`` gives one half of the classes to each (Li 2020, section 6), ``images`` one half of every class's
    images. The halves are drawn at random, always the same way; of an odd number the first half gets more. All class
    names are kept, so that labels mean the same in both. InputError for another split, or where a half would be empty.
    """
    kind, _, number = split.partition(":")
    if kind not in KINDS or number not in ("1", "2"):
        raise InputError(f"a split is classes:1, classes:2, images:1 or images:2, got {split!r}.")
    first = _first_by_class(dataset.labels) if kind == "classes" else _first_by_image(dataset.labels)
    chosen = np.flatnonzero(first if number == "1" else ~first)
    if not 0 < len(chosen) < len(dataset):
        raise InputError(f"{dataset.name} cannot be split by {kind}: it has {len(dataset)} images of too few {kind}.")
    return _part(dataset, chosen, f"split-{dataset.digest}-{kind}-{number}", f"half {number} by {kind}")


def share_of(dataset: Dataset, share: float, part: Part) -> Dataset:
    """The images of ``dataset`` that are ``kept`` aside, a ``share`` of each class as nearly as that goes, or the rest.

    Drawn at random, always the same ones. InputError where a part would hold fewer than 32 images.
    """
    count = round(share * len(dataset)) if 0 < share < 1 else 0
    if min(count, len(dataset) - count) < FEWEST:
        raise InputError(
            f"keeping {share:g} of the {len(dataset)} images of {dataset.name} aside leaves {count} and "
            f"{len(dataset) - count}: each part holds {FEWEST} or more, so take another share, or 0."
        )
    laid_out = np.lexsort((_shuffled(np.arange(len(dataset)), 0), dataset.labels))
    kept = np.zeros(len(dataset), dtype=np.bool_)
    kept[laid_out[((np.arange(count) + 0.5) * len(dataset) / count).astype(np.intp)]] = True
    chosen = np.flatnonzero(kept if part == "kept" else ~kept)
    what = f"{'the ' if part == 'kept' else ''}{100 * share:g} % kept aside"
    return _part(dataset, chosen, f"share-{dataset.digest}-{share!r}-{part}", what)


def _part(dataset: Dataset, chosen: npt.NDArray[np.intp], key: str, what: str) -> Dataset:
    """The images ``chosen``, in the cache as ``key``, called ``what``."""
    prepared = cached_pixels(key, lambda: _subset(dataset, chosen))
    # The names are the caller's: a dataset of the same pixels may have others.
    named = PreparedImages(
        prepared.images,
        prepared.labels,
        prepared.class_names,
        tuple(dataset.image_names[index] for index in chosen),
        (*dataset.notes, f"{len(chosen)} of {len(dataset)} images: {what}."),
        prepared.digest,
        tuple(dataset.source_identities[index] for index in chosen) if dataset.source_identities else (),
        None if dataset.stored is None else dataset.stored.at(chosen),  # in the file of the whole
    )
    part = named.named(f"{dataset.name}, {what}")
    sources = tuple(dataset.sources[index] for index in chosen) if dataset.sources else ()
    return replace(part, truth=dataset.truth, sources=sources)


def other_half(split: str) -> str:
    """The split that names the other half."""
    kind, _, number = split.partition(":")
    return f"{kind}:{'2' if number == '1' else '1'}"


def _subset(dataset: Dataset, chosen: npt.NDArray[np.intp]) -> PreparedImages:
    names = tuple(dataset.image_names[index] for index in chosen)
    return PreparedImages(dataset.images[chosen], dataset.labels[chosen], dataset.class_names, names)


def _shuffled(values: npt.NDArray[np.intp], stream: int) -> npt.NDArray[np.intp]:
    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence((_SEED, stream))))
    shuffled: npt.NDArray[np.intp] = random.permutation(values)
    return shuffled


def _first_by_class(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    classes = _shuffled(np.unique(labels), 0)
    return np.isin(labels, classes[: (len(classes) + 1) // 2])


def _first_by_image(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    first = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        images = _shuffled(np.flatnonzero(labels == label), 1 + int(label))
        first[images[: (len(images) + 1) // 2]] = True
    return first
