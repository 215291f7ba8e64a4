"""Gains of a table against the standard curve, with intervals over candidate, curve and interpolation together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.analysis.bootstrap import (
    RESAMPLES,
    Estimate,
    Floats,
    percentile_estimate,
    resample_weights,
    weighted_points,
)
from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.curve import ReferenceCurve


@dataclass(frozen=True)
class Gains:
    """What a table gains against the standard curve.

    gain_points: top-1 above the curve's at the table's ratio, in percentage points.
    saving_percent: bytes saved against the curve at the table's top-1, in per cent.
    """

    label: str
    gain_points: Estimate
    saving_percent: Estimate


def gain_points_over(curve: ReferenceCurve, ratio: npt.ArrayLike, top1: npt.ArrayLike) -> Floats:
    """Top-1 ``top1`` (0..1) above the curve's at ``ratio``, in percentage points; NaN outside the curve."""
    return np.asarray(100 * (np.asarray(top1) - curve.top1_at(ratio)))


def saving_percent_over(curve: ReferenceCurve, ratio: npt.ArrayLike, top1: npt.ArrayLike) -> Floats:
    """Bytes saved at ``ratio`` against the curve at the same ``top1``, in per cent; NaN outside the curve."""
    return np.asarray(100 * (1 - curve.ratio_at(top1) / np.asarray(ratio)))


def bootstrap_gains(results: Results, trial: Trial, *, resamples: int = RESAMPLES, seed: int = 0) -> Gains:
    """The gains of ``trial``, for a table that was fixed before these images were looked at.

    Each resample draws images and takes the table's point, every point of the curve and the interpolation between
    them anew; resamples in which the table falls outside the curve are counted as unknown. For the best table of a
    search on these images see :mod:`qsearch.analysis.optimism`.

    InputError where the trial failed, where the curve has fewer than two points, and without a classifier.
    """
    points = [measured(trial), *reference_points(results)]
    ratio, top1 = (np.concatenate(parts) for parts in zip(*_resampled(points, resamples, seed), strict=True))
    whole = weighted_points(points, np.ones((1, points[0].images)))
    gain, saving = gains_of_first(ratio, top1)
    (true_gain,), (true_saving,) = gains_of_first(*whole)
    return Gains(trial.label, percentile_estimate(true_gain, gain), percentile_estimate(true_saving, saving))


def gains_of_first(ratio: Floats, top1: Floats) -> tuple[Floats, Floats]:
    """Gain in points [b] and saving in per cent [b] of the first of points [b, 1 + q] over the curve of the rest."""
    curve = ReferenceCurve(ratio[:, 1:], top1[:, 1:])
    return gain_points_over(curve, ratio[:, 0], top1[:, 0]), saving_percent_over(curve, ratio[:, 0], top1[:, 0])


def reference_points(results: Results) -> list[Measurement]:
    """The measured standard tables; InputError where they are too few for a curve."""
    points = list(results.standard.values())
    if len(points) < 2:
        raise InputError(
            f"run {results.name} has measured {len(points)} standard tables and a curve needs two: resume it first."
        )
    return points


def _resampled(points: Sequence[Measurement], resamples: int, seed: int) -> list[tuple[Floats, Floats]]:
    return [weighted_points(points, weights) for weights in resample_weights(points[0].images, resamples, seed)]
