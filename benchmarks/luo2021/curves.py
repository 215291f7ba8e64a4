"""Curves of tables from coarse to fine against the standard tables, at equal bits per pixel and at equal loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.analysis.bootstrap import (
    RESAMPLES,
    Estimate,
    Floats,
    percentile_estimate,
    resample_weights,
    weighted_points,
)
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import Objective

PLACES = 9
"""A window of bits per pixel is looked at in so many places, evenly apart."""


@dataclass(frozen=True)
class Curve:
    """One family of tables on N images: its measurements by rising bits per pixel, linear between them."""

    name: str
    measurements: tuple[Measurement, ...]

    @classmethod
    def of(cls, name: str, measurements: Sequence[Measurement]) -> "Curve":
        """In whatever order they come."""
        return cls(name, tuple(sorted(measurements, key=lambda each: -each.ratio)))

    def points(self, objective: Objective, weights: Floats) -> tuple[Floats, Floats]:
        """Bits per pixel and the objective's mean, larger is better, [b, m] each, of images ``weights`` [b, N]."""
        ratio, value = weighted_points(self.measurements, weights, objective)
        return 24 / ratio, value


def difference_at_equal_bpp(
    curve: Curve, standard: Curve, objective: Objective, window: tuple[float, float], *, resamples: int = RESAMPLES
) -> Estimate:
    """The objective of ``curve`` less that of ``standard`` at equal bits per pixel, the mean over ``window``.

    Larger is better: a loss that is lower by 0.1 nats is +0.1. The interval resamples images, both curves together;
    it is not known where either curve does not cover the window.
    """
    images = curve.measurements[0].images

    def of(weights: Floats) -> Floats:
        places = np.linspace(*window, PLACES)
        ours, theirs = (_at(places, *each.points(objective, weights)) for each in (curve, standard))
        return np.asarray((ours - theirs).mean(axis=1))

    resampled = np.concatenate([of(weights) for weights in resample_weights(images, resamples, seed=0)])
    return percentile_estimate(float(of(np.ones((1, images)))[0]), resampled)


def _at(places: Floats, bpp: Floats, value: Floats) -> Floats:
    """[b, p], by lines between the points [b, m] of each row; NaN outside them."""
    return np.array([np.interp(places, *pair, left=np.nan, right=np.nan) for pair in zip(bpp, value, strict=True)])
