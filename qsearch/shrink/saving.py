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
    blocks = (np.ones((1, standard.images)), *_blocks(standard, resamples, seed))
    drawn = [_saved(standard, family, values, allowance, block) for block in blocks]
    return percentile_estimate(float(drawn[0][0]), np.concatenate(drawn[1:]))


def share_needed(standard: Measurement, family: Sequence[Measurement], values: Values, allowance: float) -> float:
    """Bytes of ``family`` in shares of ``standard``'s where it is as good, less ``allowance``; NaN if it never is."""
    saved = _saved(standard, family, values, allowance, np.ones((1, standard.images)))
    return float(1 - saved[0] / 100)


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
    blocks = (np.ones((1, standard.images)), *_blocks(standard, resamples, seed))
    first, *drawn = (
        _saved(standard, one, values, allowance, block) - _saved(standard, other, values, allowance, block)
        for block in blocks
    )
    more = percentile_estimate(float(first[0]), np.concatenate(drawn))
    return more.low is not None and more.low > 0


def difference(
    first: Measurement, second: Measurement, values: Values, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """By how much the mean of ``second``'s ``values`` lies above ``first``'s, image by image."""
    above = values(second) - values(first)
    drawn = [block @ above / block.sum(axis=1) for block in _blocks(first, resamples, seed)]
    return percentile_estimate(float(above.mean()), np.concatenate(drawn))


def _blocks(measurement: Measurement, resamples: int, seed: int) -> list[Floats]:
    return list(resample_weights(measurement.images, resamples, seed))


def _saved(
    standard: Measurement, family: Sequence[Measurement], values: Values, allowance: float, weights: Floats
) -> Floats:
    """[b], in per cent, NaN where it is not known."""
    if len(family) < 2:
        raise InputError(f"a curve of tables has two points or more, got {len(family)}.")
    images = weights.sum(axis=1)
    standard_bytes = weights @ standard.size_bytes.astype(np.float64)
    target = weights @ values(standard) / images - allowance
    # In place of a ratio any number will do that rises as bytes fall.
    shares = np.stack([weights @ one.size_bytes.astype(np.float64) for one in family], axis=1) / standard_bytes[:, None]
    means = np.stack([weights @ values(one) / images for one in family], axis=1)
    # Near by each other, on the same images: a wide quadratic would bend what is measured.
    curve = StandardCurve(1 / shares, means, smooth=False)
    return np.asarray(100 * (1 - 1 / curve.ratio_at(target)))
