"""Parts: one order of a dataset's images, of which the first n stand for all of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset
from qsearch.errors import InputError
from qsearch.evaluation.task import Subset

DIVISORS = (8, 4, 2, 1)
"""The parts that a table passes: an eighth of the images, a quarter, half of them, all."""
FEWEST_IMAGES = 32
"""A smaller part says too little of how much its images differ to decide anything, and is left out."""


@dataclass(frozen=True, eq=False)
class NestedOrder:
    """An order of N images: int64 [N], each position once. The part of n images is its first n: parts are nested."""

    positions: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the positions in their order."""
        return hashlib.sha256(self.positions.astype("<i8").tobytes()).hexdigest()

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many images the parts hold, rising; the last one holds all."""
        sizes = {-(-len(self) // divisor) for divisor in DIVISORS}
        return tuple(sorted(size for size in sizes if size >= min(FEWEST_IMAGES, len(self))))

    def part(self, images: int) -> Subset:
        """The part of so many images."""
        return self.between(0, images)

    def between(self, seen: int, images: int) -> Subset:
        """What the part of ``images`` holds beyond the part of ``seen``. InputError where there is no such part."""
        if not 0 <= seen < images <= len(self):
            raise InputError(f"parts of {len(self)} images hold 1 to {len(self)}, got {seen} and then {images}.")
        if (seen, images) not in self._made:
            name = f"{seen} to {images} of {len(self)}"
            self._made[seen, images] = Subset(name, np.sort(self.positions[seen:images]))
        return self._made[seen, images]

    @cached_property
    def _made(self) -> dict[tuple[int, int], Subset]:
        return {}


def order_of(dataset: Dataset) -> NestedOrder:
    """The :func:`nested_order` of the images of ``dataset``."""
    return nested_order([dataset.class_names[label] for label in dataset.labels.tolist()], dataset.digest)


def nested_order(classes: Sequence[str], digest: str) -> NestedOrder:
    """An order of the images whose classes are ``classes`` [N] and whose dataset has the ``digest``.

    The same for all tables, and stratified: the part of every 2^k-th image, N / 2^k rounded up, holds of a class of m
    images m / 2^k, rounded up or down. Which ones is drawn from the digest alone; images of one class only, as those
    without labels are, are taken evenly as they lie.

    Images are laid out class by class and visited in the order of the bit-reversed numbers (van der Corput 1935).
    """
    images = len(classes)
    if not images:
        raise InputError("an order needs at least one image.")
    names, labels = np.unique(np.array(classes, dtype=np.str_), return_inverse=True)
    drawn = np.arange(images)
    if len(names) > 1:
        seed = int.from_bytes(hashlib.sha256(digest.encode()).digest(), "little")
        drawn = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))).permutation(images)
    laid_out = np.lexsort((drawn, labels)).astype(np.int64)
    return NestedOrder(laid_out[_bit_reversed(images)])


def _bit_reversed(count: int) -> npt.NDArray[np.int64]:
    """0 .. count - 1 in the order of their bits read backwards: every prefix lies evenly among them."""
    bits = (count - 1).bit_length()
    forwards = np.arange(1 << bits, dtype=np.int64)
    backwards = np.zeros_like(forwards)
    for bit in range(bits):
        backwards |= ((forwards >> bit) & 1) << (bits - 1 - bit)
    return backwards[backwards < count]
