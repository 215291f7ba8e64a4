"""Bootstrap: images drawn again with replacement, and the intervals that come of it (Efron 1979)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import TOP1, Objective

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""How often an interval is meant to hold the truth."""
RESAMPLES = 2000
MOST_FURTHER = 100_000
"""More further images than these are not counted: the number is 0 within rounding."""
_BLOCK = 1 << 23
"""Numbers held at once, 64 MB."""
_KEPT = 1 << 27
"""Numbers of resamples that are kept from one interval to the next, a byte each."""
_COLUMNS = 256


@dataclass(frozen=True)
class Estimate:
    """A number and its interval at :data:`LEVEL`.

    value is None where the number is not known. low and high are None where more resamples than an interval leaves
    out at one end (2.5 %) had no known value (``unknown`` of ``resamples``): then an end of it cannot be told.
    """

    value: float | None
    low: float | None
    high: float | None
    resamples: int
    unknown: int = 0

    def further_images(self, images: int) -> int | None:
        """How many more than the ``images`` it is of would tell the number from 0, if it is what it seems.

        As :func:`further_images`; 0 where the interval does not hold 0, None where number or interval is not known.
        """
        if self.value is None or self.low is None or self.high is None:
            return None
        if self.low > 0 or self.high < 0:
            return 0
        return further_images(images, self.value, self.value - (self.low if self.value > 0 else self.high))

    def shifted(self, by: float) -> "Estimate":
        """The same interval, moved."""
        value, low, high = (None if end is None else end + by for end in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.resamples, self.unknown)


def further_images(images: int, value: float, reach: float) -> int | None:
    """How many more than ``images`` would tell ``value`` from 0, which an interval of theirs reaches by ``reach``.

    Intervals shrink with the root of the number of images. At most :data:`MOST_FURTHER` + 1, which stands for more
    than that; None for a value of 0, which no number of images tells from itself.
    """
    if value == 0:
        return None
    return math.ceil(min(max(0.0, images * ((reach / value) ** 2 - 1)), MOST_FURTHER + 1))


def percentile_estimate(value: float, resampled: npt.ArrayLike) -> Estimate:
    """``value`` with the percentile interval of its ``resampled`` values [b]; NaN stands for unknown."""
    values = np.asarray(resampled, dtype=np.float64)
    known = values[~np.isnan(values)]
    unknown = len(values) - len(known)
    low = high = None
    tail = (1 - LEVEL) / 2
    if len(known) and unknown <= tail * len(values):
        low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    return Estimate(None if np.isnan(value) else float(value), low, high, len(values), unknown)


def resample_weights(images: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of ``images`` (N) is drawn in each of ``resamples``, in blocks float64 [b, N]; rows sum to N.

    InputError for fewer than one resample or image.
    """
    if images < 1 or resamples < 1:
        raise InputError(f"a bootstrap has at least one image and one resample, got {images} and {resamples}.")
    rows = max(1, _BLOCK // images)
    blocks = _kept if images * resamples <= _KEPT else _drawn
    for block in blocks(images, resamples, seed, rows):
        yield block.astype(np.float64)


def _drawn(images: int, resamples: int, seed: int, rows: int) -> Iterator[npt.NDArray[np.unsignedinteger[Any]]]:
    """Blocks [b, N] of :func:`resample_weights` in as few bytes as they fit into, b at most ``rows``."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = random.integers(0, images, size=(count, images))
        drawn += np.arange(count)[:, np.newaxis] * images
        times = np.bincount(drawn.ravel(), minlength=count * images).reshape(count, images)
        yield times.astype(np.min_scalar_type(int(times.max())))


@lru_cache(maxsize=2)
def _kept(images: int, resamples: int, seed: int, rows: int) -> list[npt.NDArray[np.unsignedinteger[Any]]]:
    """The same, drawn once: a report asks for hundreds of intervals over the same images."""
    return list(_drawn(images, resamples, seed, rows))


def weighted_totals(
    measurements: Sequence[Measurement], weights: Floats, objective: Objective = TOP1
) -> tuple[Floats, Floats]:
    """Bytes [b, m] and worth [b, m] of m ``measurements`` of the same N images under ``weights`` [b, N].

    Worth is the objective's values summed over images and classifiers: hits for top-1. Bytes and hits are exact while
    they are below 2^53, so that ties are ties.
    """
    size_bytes = np.empty((len(weights), len(measurements)))
    worth = np.empty_like(size_bytes)
    for start in range(0, len(measurements), _COLUMNS):
        some = measurements[start : start + _COLUMNS]
        columns = slice(start, start + len(some))
        size_bytes[:, columns] = weights @ np.stack([each.size_bytes for each in some], axis=1).astype(np.float64)
        worth[:, columns] = weights @ np.stack([objective.worth(each) for each in some], axis=1)
    return size_bytes, worth


def weighted_points(
    measurements: Sequence[Measurement], weights: Floats, objective: Objective = TOP1
) -> tuple[Floats, Floats]:
    """Ratio [b, m] and the objective's value [b, m] of m ``measurements`` of the same N images, ``weights`` [b, N].

    InputError where no classifier was asked. Weights that are all zero have NaN.
    """
    first = measurements[0]
    classifiers = first.networks
    if not classifiers:
        raise InputError("the images were measured without a classifier: there is no accuracy to compare.")
    size_bytes, worth = weighted_totals(measurements, weights, objective)
    images = weights.sum(axis=1, keepdims=True)
    images[images == 0] = np.nan
    pixels = first.pixels * images
    if not first.pixels:  # images differ in size
        pixels = np.where(images > 0, weights @ first["pixels"].astype(np.float64)[:, np.newaxis], np.nan)
    return 3 * pixels / size_bytes, worth / (classifiers * images)
