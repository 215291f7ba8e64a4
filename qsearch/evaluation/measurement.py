"""Measurement: what one evaluation saw, image by image; Trial: one proposal of a strategy and what became of it."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.tables import QuantTables


@dataclass(frozen=True, eq=False)
class Measurement:
    """One evaluation of N images under K classifiers. Ratios and accuracies are derived, so comparisons stay paired.

    size_bytes: int64 [N], the JPEG files' sizes.
    ranks: int32 [K, N], how many classes each classifier put before the true one; 0 is a top-1 hit.
    pixels: pixels of one image (height * width); all images have one size.
    psnr_db: float64 [N] or None, RGB peak signal-to-noise ratio in dB (inf where nothing was lost).
    """

    size_bytes: npt.NDArray[np.int64]
    ranks: npt.NDArray[np.int32]
    pixels: int
    psnr_db: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        images = len(self.size_bytes)
        if images == 0 or self.size_bytes.ndim != 1 or self.ranks.ndim != 2 or self.ranks.shape[1] != images:
            raise InputError(
                f"a measurement of N images has sizes [N] and ranks [K, N], N >= 1; "
                f"got {self.size_bytes.shape} and {self.ranks.shape}."
            )
        if not isinstance(self.pixels, int | np.integer) or self.pixels < 1 or self.size_bytes.min() < 1:
            raise InputError(
                f"images have at least one pixel and files at least one byte, got {self.pixels!r} pixels and "
                f"{self.size_bytes.min()} bytes."
            )
        if self.psnr_db is not None and self.psnr_db.shape != (images,):
            raise InputError(f"a measurement of {images} images has PSNR [{images}], got {self.psnr_db.shape}.")
        for array in (self.size_bytes, self.ranks, self.psnr_db):
            if array is not None:
                array.flags.writeable = False

    @property
    def images(self) -> int:
        """How many images were measured."""
        return len(self.size_bytes)

    @property
    def total_bytes(self) -> int:
        """The JPEG bytes of the whole set."""
        return int(self.size_bytes.sum())

    @property
    def ratio(self) -> float:
        """Compression ratio: raw RGB bytes / JPEG bytes, totals over the set (Li 2020)."""
        return 3 * self.pixels * self.images / self.total_bytes

    @property
    def bpp(self) -> float:
        """JPEG bits per pixel over the set."""
        return 8 * self.total_bytes / (self.pixels * self.images)

    @property
    def hits(self) -> npt.NDArray[np.float64]:
        """[N], per image the share of classifiers whose first answer is right (0 or 1 for one classifier)."""
        return np.asarray((self.ranks == 0).mean(axis=0), dtype=np.float64)

    @property
    def top1(self) -> float:
        """Top-1 accuracy in 0..1, the mean over the classifiers; NaN where none classified."""
        return self.top_k(1)

    @property
    def top5(self) -> float:
        """Top-5 accuracy in 0..1, the mean over the classifiers; NaN where none classified."""
        return self.top_k(5)

    def top_k(self, k: int) -> float:
        """Share of (classifier, image) pairs whose true class is among the first ``k`` answers."""
        return float((self.ranks < k).mean()) if self.ranks.size else float("nan")

    @property
    def mean_psnr_db(self) -> float | None:
        """Mean of the images' PSNR in dB, or None where it was not measured."""
        return None if self.psnr_db is None else float(self.psnr_db.mean())

    def of_classifier(self, index: int) -> "Measurement":
        """The same evaluation as one of its classifiers saw it."""
        return replace(self, ranks=self.ranks[index : index + 1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Measurement):
            return NotImplemented
        return (
            self.pixels == other.pixels
            and np.array_equal(self.size_bytes, other.size_bytes)
            and np.array_equal(self.ranks, other.ranks)
            and (self.psnr_db is None) == (other.psnr_db is None)
            and (self.psnr_db is None or np.array_equal(self.psnr_db, other.psnr_db))  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]


Series = Literal["reference", "search"]
"""``reference`` trials are the standard tables, numbered by quality; ``search`` trials a strategy's, from 0."""


@dataclass(frozen=True)
class Trial:
    """One proposal and what became of it. ``done`` trials have a measurement, ``failed`` ones a reason.

    strategy names who proposed the tables; origin says which part of it did (a bandit's arm, say), or is empty.
    Times are in seconds: decision_s is what the strategy took to propose, evaluation_s what the measurement took
    (0 where the same tables had been measured before).
    """

    series: Series
    number: int
    strategy: str
    tables: QuantTables
    status: Literal["done", "failed"]
    measurement: Measurement | None = None
    reason: str = ""
    origin: str = ""
    decision_s: float = field(default=0.0, compare=False)
    evaluation_s: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if (self.status == "done") != (self.measurement is not None):
            raise InputError(
                f"trial {self.number} is {self.status}: a done trial has a measurement, a failed one none."
            )

    @property
    def label(self) -> str:
        """How users name it: ``17`` for a search trial, ``standard:50`` for a reference trial, a listed one's own."""
        if self.series == "reference":
            return f"standard:{self.number}"
        return self.origin if self.strategy == "listed" and self.origin else str(self.number)
