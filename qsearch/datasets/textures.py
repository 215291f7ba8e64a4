"""The embedded dataset: procedural photographs of twelve textures, made from a seed, in four disjoint splits."""

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.cache import PreparedImages, cached_pixels
from qsearch.datasets.texture_patterns import PATTERNS
from qsearch.datasets.texture_scenes import SIDE, TRAINING, Difficulty, photograph
from qsearch.errors import InputError
from qsearch.registry import nearest_names

VERSION = 3
"""Changes whenever the pixels do; the weights of the classifier belong to one version."""

CLASS_NAMES = tuple(PATTERNS)

SPLITS = {"train": 12000, "search": 600, "validate": 600, "test": 600}
"""Images of each split."""


def load(argument: str, options: DatasetOptions) -> Dataset:
    """textures[:SPLIT], the embedded images: procedural photographs; splits search, validate, test and train.

    They are rendered once and cached; the split is ``search`` where none is named. InputError for an unknown split or
    for a size other than 128.
    """
    split = argument or "search"
    if split not in SPLITS:
        raise InputError(f"textures has no split {split!r}: {nearest_names(split, SPLITS)}")
    if options.size not in (None, SIDE):
        raise InputError(f"textures are {SIDE}x{SIDE} pixels and cannot be had at size {options.size}: leave it out.")
    count = SPLITS[split]
    prepared = cached_pixels(f"textures-{VERSION}-{split}-{count}", lambda: prepare(split, count))
    return prepared.named(f"textures:{split}")


def prepare(split: str, count: int) -> PreparedImages:
    """The first ``count`` images of a split; image i is of class i modulo 12."""
    images = np.stack([render(split, index) for index in range(count)])
    names = tuple(f"{split}-{index:06d}" for index in range(count))
    return PreparedImages(images, np.arange(count) % len(CLASS_NAMES), CLASS_NAMES, names)


def render(split: str, index: int) -> npt.NDArray[np.uint8]:
    """Image ``index`` of a split, uint8 [128, 128, 3]; it depends on these two and the version alone."""
    seed = np.random.SeedSequence((VERSION, list(SPLITS).index(split), index))
    # The stream of RandomState is frozen; that of Generator may change with numpy.
    random = np.random.RandomState(np.random.MT19937(seed))
    return photograph(
        PATTERNS[CLASS_NAMES[index % len(CLASS_NAMES)]], random, TRAINING if split == "train" else Difficulty()
    )
