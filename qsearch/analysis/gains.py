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
from qsearch.evaluation.objective import DIVERGENCE, LOSS, TOP1, Objective
from qsearch.pareto.curve import StandardCurve

KNOWN = 0.9
"""A saving is told where so large a share of the resamples know it: near an end of the curve, those that do are a
selection, of those in which the curve happens to reach further."""

_Key = tuple[Objective, int, int]
_CURVES: "WeakKeyDictionary[Results, dict[_Key, StandardCurve]]" = WeakKeyDictionary()
_GAINS: "WeakKeyDictionary[Results, dict[tuple[str, str, int, int], Gains]]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Gains:
    """What a table gains against the standard curve.

    gain_points: top-1 above the curve's at the table's ratio, in percentage points.
    saving_percent: bytes saved against the curve at the table's top-1, in per cent; not known unless
        :data:`KNOWN` of the resamples know it.
    saving_at_loss_percent, saving_at_divergence_percent: the same at its loss and at its divergence, which tell tables
        apart with far fewer images; None where these were not measured.
    """

    label: str
    gain_points: Estimate
    saving_percent: Estimate
    saving_at_loss_percent: Estimate | None = None
    saving_at_divergence_percent: Estimate | None = None

    def saving_at(self, objective: Objective) -> Estimate | None:
        """Bytes saved at an equal value of ``objective``, in per cent."""
        at = {
            LOSS: self.saving_at_loss_percent,
            DIVERGENCE: self.saving_at_divergence_percent,
            TOP1: self.saving_percent,
        }
        return at[objective]


def gain_points_over(curve: StandardCurve, ratio: npt.ArrayLike, top1: npt.ArrayLike) -> Floats:
    """Top-1 ``top1`` (0..1) above the curve's at ``ratio``, in percentage points; NaN outside the curve."""
    return np.asarray(100 * (np.asarray(top1) - curve.value_at(ratio)))


def saving_percent_over(curve: StandardCurve, ratio: npt.ArrayLike, value: npt.ArrayLike) -> Floats:
    """Bytes saved at ``ratio`` against the curve at the same ``value``, in per cent; NaN outside the curve."""
    return np.asarray(100 * (1 - curve.ratio_at(value) / np.asarray(ratio)))


def bootstrap_gains(results: Results, trial: Trial, *, resamples: int = RESAMPLES, seed: int = 0) -> Gains:
    """The gains of ``trial``, for a table that was fixed before these images were looked at.

    This is the one place where a gain gets its interval: whatever states it calls this with the same resamples and
    seed, and what was computed of ``results`` is kept.

    Each resample draws images and takes the table's point, every point of the curve and the interpolation between
    them anew, so that every comparison is paired; resamples in which the table falls outside the curve are counted as
    unknown. For the best table of a search on these images see :mod:`qsearch.analysis.optimism`.

    InputError where the trial failed, where the curve has fewer than two points, and without a classifier.
    """
    kept = _GAINS.setdefault(results, {})
    key = (trial.label, trial.quantizer.digest, resamples, seed)
    if key not in kept:
        with results.search.at_hand(), results.reference.at_hand():
            kept[key] = _gains(results, trial, resamples, seed)
    return kept[key]


def _gains(results: Results, trial: Trial, resamples: int, seed: int) -> Gains:
    table, points = measured(trial), curve_points(results)
    found: dict[Objective, tuple[Estimate, Estimate]] = {}
    for objective in (TOP1, LOSS, DIVERGENCE):
        if objective is not TOP1 and not all(objective.measured_in(each) for each in (table, *points)):
            continue
        curve = _resampled_curve(results, objective, resamples, seed)
        gain, saving = _against(curve, *_resampled([table], objective, resamples, seed))
        whole = weighted_points([table, *points], np.ones((1, table.images)), objective)
        (true_gain,), (true_saving,) = gains_of_first(*whole)
        found[objective] = percentile_estimate(true_gain, gain), told(percentile_estimate(true_saving, saving))
    return Gains(
        trial.label,
        *found[TOP1],
        *(found[objective][1] if objective in found else None for objective in (LOSS, DIVERGENCE)),
    )


def _resampled_curve(results: Results, objective: Objective, resamples: int, seed: int) -> StandardCurve:
    """The standard curve [resamples] as each resample sees it: the same for every table."""
    kept = _CURVES.setdefault(results, {})
    key = (objective, resamples, seed)
    if key not in kept:
        kept[key] = StandardCurve(*_resampled(curve_points(results), objective, resamples, seed))
    return kept[key]


def told(saving: Estimate) -> Estimate:
    """``saving``, or one that is not known where too few resamples know it."""
    if saving.unknown > (1 - KNOWN) * saving.resamples:
        return replace(saving, value=None, low=None, high=None)
    return saving


def gains_of_first(ratio: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Gain [b] and saving in per cent [b] of the first of points [b, 1 + q] over the curve of the rest.

    The gain is a hundred times the difference of values at equal ratio: percentage points for top-1.
    """
    return _against(StandardCurve(ratio[:, 1:], value[:, 1:]), ratio, value)


def _against(curve: StandardCurve, ratio: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Gain and saving [b] of the first of the points [b, m] over ``curve`` [b]."""
    return gain_points_over(curve, ratio[:, 0], value[:, 0]), saving_percent_over(curve, ratio[:, 0], value[:, 0])


def curve_points(results: Results) -> list[Measurement]:
    """The measured standard tables; InputError where they are too few for a curve."""
    points = list(results.standard.values())
    if len(points) < 2:
        raise InputError(
            f"run {results.name} has measured {len(points)} standard tables and a curve needs two: resume it first."
        )
    return points


def _resampled(points: Sequence[Measurement], objective: Objective, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Ratio and value [resamples, m] of m measurements, resample by resample."""
    drawn = resample_weights(points[0].images, resamples, seed)
    ratio, value = zip(*(weighted_points(points, weights, objective) for weights in drawn), strict=True)
    return np.concatenate(ratio), np.concatenate(value)
