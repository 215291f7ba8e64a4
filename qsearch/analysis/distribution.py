"""Distribution: how the tables at about one ratio fare against the standard curve (Li 2020, Figure 3)."""

from dataclasses import dataclass

import numpy as np

from qsearch.analysis.gains import gain_points_over
from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError


@dataclass(frozen=True)
class Distribution:
    """The tables whose ratio lies in ``window``, both ends included.

    gain_points: of each, in the order of their trials, top-1 above the standard curve's at its ratio, in percentage
        points; labels names them.
    better, tied, worse: how many gain, how many are within half a right answer of the curve, how many lose.
    off_curve: how many more have a ratio that the curve does not reach, and count nowhere else.
    """

    window: tuple[float, float]
    labels: tuple[str, ...]
    gain_points: tuple[float, ...]
    better: int
    tied: int
    worse: int
    off_curve: int


def distribution(results: Results, window: tuple[float, float]) -> Distribution:
    """How the done trials of ``results`` in a ``window`` of ratios fare against the standard curve.

    InputError for a window that is none, where it holds no trial, and where there is no curve yet.
    """
    low, high = window
    if not low <= high:
        raise InputError(f"a window of ratios goes from a lower to a higher number, got {low:g} to {high:g}.")
    if results.curve is None:
        raise InputError(f"run {results.name} has no standard curve yet: resume it first.")
    inside = np.flatnonzero((results.ratio >= low) & (results.ratio <= high))
    if not len(inside):
        ends = (
            f"they go from {results.ratio.min():.2f} to {results.ratio.max():.2f}" if len(results.ratio) else "none yet"
        )
        raise InputError(f"run {results.name} has no trial with a ratio from {low:g} to {high:g}: {ends}.")
    gains = gain_points_over(results.curve, results.ratio[inside], results.top1[inside])
    known = ~np.isnan(gains)
    # One answer more or less is the smallest step that a measured accuracy can take; the curve between points is finer.
    half_step = 50 / measured(results.done[0]).ranks.size
    better, worse = gains > half_step, gains < -half_step
    return Distribution(
        window=window,
        labels=tuple(results.done[index].label for index in inside[known]),
        gain_points=tuple(gains[known].tolist()),
        better=int(better.sum()),
        tied=int((known & ~better & ~worse).sum()),
        worse=int(worse.sum()),
        off_curve=int((~known).sum()),
    )
