"""Hypervolume: one number for how far a frontier reaches."""

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.pareto.frontier import frontier

REFERENCE_POINT = (1.0, 0.0)
"""Ratio of the raw image and a top-1 of nothing: fixed, so that numbers of different runs can be compared."""


def hypervolume(ratio: npt.ArrayLike, top1: npt.ArrayLike, reference: tuple[float, float] = REFERENCE_POINT) -> float:
    """Area of (ratio, top-1) that ``ratio`` [n] and ``top1`` [n] dominate and ``reference`` does not; 0 for no points.

    Points not better than ``reference`` in both add nothing. Raises InputError for NaN, infinity and lengths
    that differ.
    """
    if not np.isfinite(reference).all():
        raise InputError(f"a reference point is two finite numbers, got {reference}.")
    best = frontier(ratio, top1)
    width = np.maximum(np.asarray(ratio, dtype=np.float64)[best] - reference[0], 0.0)
    height = np.maximum(np.asarray(top1, dtype=np.float64)[best] - reference[1], 0.0)
    return float(np.sum(np.diff(width, prepend=0.0) * height))


def hypervolume_within(
    window: tuple[float, float],
    ratio: npt.ArrayLike,
    top1: npt.ArrayLike,
    reference: tuple[float, float] = REFERENCE_POINT,
) -> float:
    """The part of the hypervolume between two ratios, the ``window``: a frontier gains nothing by reaching beyond it.

    Points beyond the window's end count up to it, those before its beginning not at all. Raises as
    :func:`hypervolume`, and InputError for a window that is none.
    """
    low, high = window
    if not (np.isfinite(window).all() and low <= high):
        raise InputError(f"a window of ratios goes from a lower to a higher number, got {low:g} to {high:g}.")
    inside = np.minimum(np.asarray(ratio, dtype=np.float64), high)
    return hypervolume(inside, top1, (max(low, reference[0]), reference[1]))
