"""Which photographs of a test set are used: some classes, some photographs of each, or the other classes."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from qsearch.datasets.imagenetv2.metadata import Photo
from qsearch.errors import InputError


def select(photos: Sequence[Photo], classes: int, per_class: int, seed: int, other_classes: bool) -> list[Photo]:
    """``per_class`` photographs of each of ``classes`` classes drawn with ``seed``, by class and candidate id.

    other_classes: of all the classes that are not drawn instead, so that the two halves share none (Li 2020 searched
    on 5 images of each of 500 classes and cross-validated on other classes). InputError where there are not so many.
    """
    by_class = defaultdict(list)
    for photo in photos:
        by_class[photo.wnid].append(photo)
    wnids = sorted(by_class)
    order = [wnids[index] for index in _rng(seed, 0).permutation(len(wnids))]
    if not 0 < classes <= len(wnids):
        raise InputError(f"--classes is a number from 1 to {len(wnids)}, got {classes}.")
    drawn = order[classes:] if other_classes else order[:classes]
    if len(drawn) < 2:
        raise InputError(
            f"--classes {classes}{' with --other-classes' * other_classes} leaves {len(drawn)} of {len(wnids)} "
            f"classes: accuracy needs two or more."
        )
    return [photo for wnid in sorted(drawn) for photo in _some(by_class[wnid], per_class, seed, 1 + wnids.index(wnid))]


def _some(photos: list[Photo], per_class: int, seed: int, stream: int) -> list[Photo]:
    if not 1 <= per_class <= len(photos):
        raise InputError(
            f"--per-class is a number from 1 to the {len(photos)} photos that class {photos[0].wnid} has, "
            f"got {per_class}."
        )
    photos = sorted(photos, key=lambda photo: photo.candidate)
    drawn = _rng(seed, stream).permutation(len(photos))[:per_class]
    return [photos[index] for index in sorted(drawn)]


def _rng(seed: int, stream: int) -> np.random.RandomState:
    # RandomState, for its streams are frozen: a seed draws the same photographs under every numpy.
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence((seed, stream))))
