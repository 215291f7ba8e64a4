"""Bytes saved: where a family of tables is as good as a standard quality, in bytes, with intervals over images."""

from collections.abc import Callable, Sequence

import numpy as np

from qsearch.analysis.bootstrap import RESAMPLES, Estimate, Floats, percentile_estimate, resample_weights
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.pareto.curve import StandardCurve

Values = Callable[[Measurement], Floats]
"""[N] of a measurement, larger is better."""


def bytes_saved(
    standard: Measurement,
    family: Sequence[Measurement],
    values: Values,
    allowance: float = 0.0,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """By how many per cent fewer bytes ``family`` is as good as ``standard``, on the images of both.

    Each resample draws images and takes the standard tables' bytes and mean value, the family's curve of mean value
    over bytes, and the bytes where it reaches that value less ``allowance``, anew. Unknown where a curve does not reach
    it. InputError for fewer than two measurements of a family.
    """
    saved = _Saved(standard, family, values, allowance)
    return percentile_estimate(saved.of_all(), _resampled(saved, standard.images, resamples, seed))


def share_needed(standard: Measurement, family: Sequence[Measurement], values: Values, allowance: float) -> float:
    """Bytes of ``family`` in shares of ``standard``'s where it is as good, less ``allowance``; NaN if it never is."""
    return 1 - _Saved(standard, family, values, allowance).of_all() / 100


def saves_more(
    one: Sequence[Measurement],
    other: Sequence[Measurement],
    standard: Measurement,
    values: Values,
    allowance: float = 0.0,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> bool:
    """Whether family ``one`` is told to save more bytes than ``other``: the 95 % interval lies above zero."""
    first, second = (_Saved(standard, family, values, allowance) for family in (one, other))
    drawn = (_resampled(saved, standard.images, resamples, seed) for saved in (first, second))
    more = percentile_estimate(first.of_all() - second.of_all(), np.subtract(*drawn))
    return more.low is not None and more.low > 0


def difference(
    first: Measurement, second: Measurement, values: Values, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """By how much the mean of ``second``'s ``values`` lies above ``first``'s, image by image."""
    above = values(second) - values(first)
    drawn = _resampled(lambda weights: weights @ above / weights.sum(axis=1), first.images, resamples, seed)
    return percentile_estimate(float(above.mean()), drawn)


def _resampled(of: Callable[[Floats], Floats], images: int, resamples: int, seed: int) -> Floats:
    """``of`` weights [b, N], resample by resample: [resamples]."""
    return np.concatenate([of(weights) for weights in resample_weights(images, resamples, seed)])


class _Saved:
    """Bytes that a family saves, in per cent [b], under weights of the images [b, N]; NaN where it is not known."""

    def __init__(self, standard: Measurement, family: Sequence[Measurement], values: Values, allowance: float) -> None:
        if len(family) < 2:
            raise InputError(f"a curve of tables has two points or more, got {len(family)}.")
        self._standard_bytes, self._standard_values = standard.size_bytes.astype(np.float64), values(standard)
        self._bytes = np.stack([one.size_bytes for one in family], axis=1).astype(np.float64)
        self._values = np.stack([values(one) for one in family], axis=1)
        self._allowance = allowance

    def __call__(self, weights: Floats) -> Floats:
        images = weights.sum(axis=1)
        target = weights @ self._standard_values / images - self._allowance
        shares = weights @ self._bytes / (weights @ self._standard_bytes)[:, np.newaxis]
        means = weights @ self._values / images[:, np.newaxis]
        # In place of a ratio any number will do that rises as bytes fall. The points are near by each other and of the
        # same images: a wide quadratic would bend what is measured.
        curve = StandardCurve(1 / shares, means, smooth=False)
        return np.asarray(100 * (1 - 1 / curve.ratio_at(target)))

    def of_all(self) -> float:
        """Of the images as they are."""
        return float(self(np.ones((1, len(self._standard_bytes))))[0])
