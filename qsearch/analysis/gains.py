"""Gains of a table against the standard curve, with intervals over candidate, curve and interpolation together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

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
from qsearch.pareto.curve import StandardCurve

KNOWN = 0.9
"""A saving is told where so large a share of the resamples know it: near an end of the curve, those that do are a
selection, of those in which the curve happens to reach further."""

_Key = tuple[int, int]
_CURVES: "WeakKeyDictionary[Results, dict[_Key, StandardCurve]]" = WeakKeyDictionary()
_GAINS: "WeakKeyDictionary[Results, dict[tuple[str, str, _Key], Gains]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Gains:
    """What a table gains against the standard curve.

    gain_points: top-1 above the curve's at the table's ratio, in percentage points.
    saving_percent: bytes saved against the curve at the table's top-1, in per cent; not known unless
        :data:`KNOWN` of the resamples know it.
    """

    label: str
    gain_points: Estimate
    saving_percent: Estimate


def gain_points_over(curve: StandardCurve, ratio: npt.ArrayLike, top1: npt.ArrayLike) -> Floats:
    """Top-1 ``top1`` (0..1) above the curve's at ``ratio``, in percentage points; NaN outside the curve."""
    return np.asarray(100 * (np.asarray(top1) - curve.top1_at(ratio)))


def saving_percent_over(curve: StandardCurve, ratio: npt.ArrayLike, top1: npt.ArrayLike) -> Floats:
    """Bytes saved at ``ratio`` against the curve at the same ``top1``, in per cent; NaN outside the curve."""
    return np.asarray(100 * (1 - curve.ratio_at(top1) / np.asarray(ratio)))


def bootstrap_gains(results: Results, trial: Trial, *, resamples: int = RESAMPLES, seed: int = 0) -> Gains:
    """The gains of ``trial``, for a table that was fixed before these images were looked at.

    This is the one place where a gain gets its interval: whatever states it calls this with the same resamples and
    seed, and what was computed of ``results`` is kept.

    Each resample draws images and takes the table's point, every point of the curve and the interpolation between
    them anew; resamples in which the table falls outside the curve are counted as unknown. For the best table of a
    search on these images see :mod:`qsearch.analysis.optimism`.

    InputError where the trial failed, where the curve has fewer than two points, and without a classifier.
    """
    kept = _GAINS.setdefault(results, {})
    key = (trial.label, trial.quantizer.digest, (resamples, seed))
    if key not in kept:
        kept[key] = _gains(results, trial, resamples, seed)
    return kept[key]


def _gains(results: Results, trial: Trial, resamples: int, seed: int) -> Gains:
    table = measured(trial)
    curve = _resampled_curve(results, resamples, seed)
    gain, saving = _against(curve, *_resampled([table], resamples, seed))
    whole = weighted_points([table, *curve_points(results)], np.ones((1, table.images)))
    (true_gain,), (true_saving,) = gains_of_first(*whole)
    return Gains(trial.label, percentile_estimate(true_gain, gain), _told(percentile_estimate(true_saving, saving)))


def _resampled_curve(results: Results, resamples: int, seed: int) -> StandardCurve:
    """The standard curve [resamples] as each resample sees it: the same for every table."""
    kept = _CURVES.setdefault(results, {})
    if (resamples, seed) not in kept:
        kept[resamples, seed] = StandardCurve(*_resampled(curve_points(results), resamples, seed))
    return kept[resamples, seed]


def _told(saving: Estimate) -> Estimate:
    """``saving``, or one that is not known where too few resamples know it."""
    if saving.unknown > (1 - KNOWN) * saving.resamples:
        return replace(saving, value=None, low=None, high=None)
    return saving


def gains_of_first(ratio: Floats, top1: Floats) -> tuple[Floats, Floats]:
    """Gain in points [b] and saving in per cent [b] of the first of points [b, 1 + q] over the curve of the rest."""
    return _against(StandardCurve(ratio[:, 1:], top1[:, 1:]), ratio, top1)


def _against(curve: StandardCurve, ratio: Floats, top1: Floats) -> tuple[Floats, Floats]:
    """Gain and saving [b] of the first of the points [b, m] over ``curve`` [b]."""
    return gain_points_over(curve, ratio[:, 0], top1[:, 0]), saving_percent_over(curve, ratio[:, 0], top1[:, 0])


def curve_points(results: Results) -> list[Measurement]:
    """The measured standard tables; InputError where they are too few for a curve."""
    points = list(results.standard.values())
    if len(points) < 2:
        raise InputError(
            f"run {results.name} has measured {len(points)} standard tables and a curve needs two: resume it first."
        )
    return points


def _resampled(points: Sequence[Measurement], resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Ratio and top-1 [resamples, m] of m measurements, resample by resample."""
    blocks = [weighted_points(points, weights) for weights in resample_weights(points[0].images, resamples, seed)]
    ratio, top1 = zip(*blocks, strict=True)
    return np.concatenate(ratio), np.concatenate(top1)
