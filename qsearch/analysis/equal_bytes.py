"""Equal bytes: what tables of each image's own gain over a curve of tables for all, image by image and on average."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from qsearch.analysis.bootstrap import RESAMPLES, Estimate, Floats, percentile_estimate, resample_weights
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.measures import MEASURES
from qsearch.pareto.curve import StandardCurve

LARGEST = 100.0
"""dB: what a PSNR without end, of an image that lost nothing, counts as."""


@dataclass(frozen=True)
class EqualBytes:
    """By how much a measurement's value lies above a curve's, in the value's unit.

    by_image: the mean over images, each against the curve of that image alone at its own bytes: what the shape of its
        tables is worth. images: how many have their bytes within their curve.
    on_average: of all images' means against the curve at equal mean bytes: what shape and moving bytes between images
        are worth together.
    """

    by_image: Estimate
    images: int
    on_average: Estimate


def values_of(measurement: Measurement) -> dict[str, Floats]:
    """[N] by the name of each total but bytes, means over networks: psnr_db, top1, loss, divergence and others."""
    found = {}
    for name in measurement.measures:
        for total in MEASURES.get(name).totals if name not in ("bytes", "pixels") else ():
            values = np.asarray(total.of(measurement[name]), dtype=np.float64)
            found[total.name] = np.minimum(values.mean(axis=0) if values.ndim == 2 else values, _largest(name))
    return found


def gains_at_equal_bytes(
    curve: Sequence[Measurement], measurement: Measurement, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, EqualBytes]:
    """What ``measurement`` gains over ``curve``, measurements of the same images, for each of its values.

    Between the curve's points values are linear in the logarithm of bytes. Intervals are percentiles over images drawn
    again, the same for everything. InputError for a curve of fewer than two points, or of other images.
    """
    if len(curve) < 2 or any(one.images != measurement.images for one in curve):
        raise InputError(
            f"a curve is two measurements or more of the same {measurement.images} images, got {len(curve)}."
        )
    own = values_of(measurement)
    shared = [values_of(one) for one in curve]
    size_bytes = measurement.size_bytes.astype(np.float64)
    curve_bytes = np.stack([one.size_bytes for one in curve], axis=1).astype(np.float64)
    found = {}
    for name, values in own.items():
        if all(name in each for each in shared):
            points = np.stack([each[name] for each in shared], axis=1)
            gains = values - StandardCurve(np.log(curve_bytes), points).value_at(np.log(size_bytes))
            known = ~np.isnan(gains)
            ones = np.ones((1, len(values)))
            means, resampled = [], []
            for weights in chain([ones], resample_weights(len(values), resamples, seed)):
                means.append(_mean(gains, known, weights))
                resampled.append(_on_average(curve_bytes, points, size_bytes, values, weights))
            found[name] = EqualBytes(
                percentile_estimate(float(means[0][0]), np.concatenate(means[1:])),
                int(known.sum()),
                percentile_estimate(float(resampled[0][0]), np.concatenate(resampled[1:])),
            )
    return found


def _mean(gains: Floats, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], weights: Floats) -> Floats:
    """[b], over the images that are known."""
    counts = weights @ known.astype(np.float64)
    return np.asarray(weights @ np.where(known, gains, 0.0) / np.where(counts > 0, counts, np.nan))


def _on_average(curve_bytes: Floats, points: Floats, size_bytes: Floats, values: Floats, weights: Floats) -> Floats:
    """[b], of means under ``weights`` [b, N]."""
    images = weights.sum(axis=1)
    curve = StandardCurve(np.log(weights @ curve_bytes / images[:, None]), weights @ points / images[:, None])
    return np.asarray(weights @ values / images - curve.value_at(np.log(weights @ size_bytes / images)))


def _largest(measure: str) -> float:
    return LARGEST if measure == "psnr" else np.inf
