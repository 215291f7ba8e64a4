"""Comparison: tables against one of them, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qsearch.analysis.bootstrap import (
    RESAMPLES,
    Estimate,
    Floats,
    percentile_estimate,
    resample_weights,
    weighted_points,
    weighted_totals,
)
from qsearch.analysis.gains import told
from qsearch.analysis.significance import detectable_difference, holm, mcnemar_p_value, paired_interval
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, bpp_of
from qsearch.evaluation.objective import DIVERGENCE, LOSS, Objective
from qsearch.pareto.curve import StandardCurve


@dataclass(frozen=True)
class PairedTest:
    """One classifier's answers under a table against those under the baseline.

    won and lost: images whose class is right only under the table, only under the baseline.
    difference_points: top-1 above the baseline's in percentage points, low and high its interval (Tango 1998).
    p_value: McNemar's exact test; p_holm: the same, corrected for all tests made together.
    detectable_points: the smallest true difference the images would have shown with a power of 80 % (Connor 1987).
    """

    images: int
    won: int
    lost: int
    difference_points: float
    low_points: float
    high_points: float
    p_value: float
    p_holm: float
    detectable_points: float


@dataclass(frozen=True)
class SmoothDifference:
    """A table against the baseline by a smooth objective, which tells tables apart where top-1 does not.

    difference: of the means over images and classifiers in nats, below 0 where the table is better, with the interval
        of the paired bootstrap.
    byte_ratio: the table's bytes over the baseline's where both had an equal value: each one's bytes over those of the
        standard curve at its own value, and these over each other. None without standard tables; its value is not known
        where one lies outside their curve.
    """

    difference: Estimate
    byte_ratio: Estimate | None


@dataclass(frozen=True)
class Comparison:
    """A table against the baseline.

    difference_points: mean over the classifiers. Its interval is that of the only test where there is one; over
        several it is the bootstrap's, for one image's answers go together.
    byte_ratio: the table's bytes over the baseline's, with the interval of the paired bootstrap.
    loss, divergence: what they say; None where one of the two tables lacks it.
    tests: one per classifier.
    """

    ratio: float
    top1: float
    difference_points: Estimate
    byte_ratio: Estimate
    loss: SmoothDifference | None
    divergence: SmoothDifference | None
    tests: tuple[PairedTest, ...]

    @property
    def bpp(self) -> float:
        """JPEG bits per pixel of the table."""
        return bpp_of(self.ratio)

    def of(self, smooth: Objective) -> SmoothDifference | None:
        """What a smooth objective says."""
        return self.divergence if smooth is DIVERGENCE else self.loss


def compare(
    baseline: Measurement,
    tables: Sequence[Measurement],
    standard: Sequence[Measurement] = (),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Each of ``tables`` against ``baseline``, measured on the same images with the same classifiers.

    By the ``standard`` tables on these images bytes are compared at an equal loss, too.
    InputError where numbers of images or classifiers differ, or no classifier was asked.
    """
    for each in tables:
        if each.ranks.shape != baseline.ranks.shape:
            raise InputError(
                f"measurements are compared on the same images and classifiers: the baseline has {_shape(baseline)}, "
                f"another {_shape(each)}."
            )
    if not len(baseline.ranks):
        raise InputError("the images were measured without a classifier: there is no accuracy to compare.")
    tests = _corrected([_tests(baseline, each) for each in tables])
    points, ratios = _resampled([baseline, *tables], resamples, seed)
    loss, divergence = (
        _smooth_differences([baseline, *tables], standard, objective, resamples, seed)
        for objective in (LOSS, DIVERGENCE)
    )
    compared = []
    for index, (each, its_tests) in enumerate(zip(tables, tests, strict=True)):
        difference = percentile_estimate(100 * (each.top1 - baseline.top1), points[:, index])
        if len(its_tests) == 1:
            difference = replace(difference, low=its_tests[0].low_points, high=its_tests[0].high_points)
        ratio = percentile_estimate(each.total_bytes / baseline.total_bytes, ratios[:, index])
        compared.append(Comparison(each.ratio, each.top1, difference, ratio, loss[index], divergence[index], its_tests))
    return compared


def _tests(baseline: Measurement, table: Measurement) -> list[PairedTest]:
    return [_test(*ranks) for ranks in zip(baseline.ranks == 0, table.ranks == 0, strict=True)]


def _test(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> PairedTest:
    images = len(before)
    won, lost = int(np.count_nonzero(after & ~before)), int(np.count_nonzero(before & ~after))
    low, high = paired_interval(lost, won, images)
    p_value = mcnemar_p_value(lost, won)
    return PairedTest(
        images=images,
        won=won,
        lost=lost,
        difference_points=100 * (won - lost) / images,
        low_points=100 * low,
        high_points=100 * high,
        p_value=p_value,
        p_holm=p_value,
        detectable_points=100 * detectable_difference(won + lost, images),
    )


def _corrected(tests: list[list[PairedTest]]) -> list[tuple[PairedTest, ...]]:
    """Holm's correction over the tests of all tables and classifiers."""
    corrected = iter(holm([test.p_value for its_tests in tests for test in its_tests]))
    return [tuple(replace(test, p_holm=next(corrected)) for test in its_tests) for its_tests in tests]


def _resampled(points: Sequence[Measurement], resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Differences in points [b, m] and byte ratios [b, m] of all but the first to the first, resample by resample."""
    classified = points[0].ranks.size
    differences, ratios = [], []
    for weights in resample_weights(points[0].images, resamples, seed):
        size_bytes, hits = weighted_totals(points, weights)
        differences.append(100 * (hits[:, 1:] - hits[:, :1]) / classified)
        ratios.append(size_bytes[:, 1:] / size_bytes[:, :1])
    return np.concatenate(differences), np.concatenate(ratios)


def _smooth_differences(
    points: Sequence[Measurement],
    standard: Sequence[Measurement],
    objective: Objective,
    resamples: int,
    seed: int,
) -> list[SmoothDifference | None]:
    """All but the first of ``points`` against the first."""
    found: list[SmoothDifference | None] = [None] * (len(points) - 1)
    known = [place for place, each in enumerate(points) if objective.measured_in(each)]
    curve = [each for each in standard if objective.measured_in(each)]
    if 0 not in known:
        return found
    every = [*(points[place] for place in known), *(curve if len(curve) > 1 else [])]
    (differences,), (ratios,) = _of_smooth(
        *weighted_points(every, np.ones((1, every[0].images)), objective), len(known)
    )
    blocks = [
        _of_smooth(*weighted_points(every, weights, objective), len(known))
        for weights in resample_weights(every[0].images, resamples, seed)
    ]
    drawn_differences, drawn_ratios = (np.concatenate(each) for each in zip(*blocks, strict=True))
    for index, place in enumerate(known[1:]):
        difference = percentile_estimate(
            objective.sign * differences[index], objective.sign * drawn_differences[:, index]
        )
        ratio = None if len(curve) < 2 else told(percentile_estimate(ratios[index], drawn_ratios[:, index]))
        found[place - 1] = SmoothDifference(difference, ratio)
    return found


def _of_smooth(ratio: Floats, value: Floats, tables: int) -> tuple[Floats, Floats]:
    """Differences in value [b, m] and byte ratios at an equal value [b, m] of m tables to the first.

    Of the points [b, 1 + m + q] the first ``tables``, 1 + m, are the tables, the others those of the standard curve;
    without them byte ratios are not known.
    """
    difference = value[:, 1:tables] - value[:, :1]
    if ratio.shape[1] == tables:
        return difference, np.full_like(difference, np.nan)
    curve = StandardCurve(ratio[:, tables:], value[:, tables:])
    over_curve = curve.ratio_at(value[:, :tables].T).T / ratio[:, :tables]
    return difference, over_curve[:, 1:] / over_curve[:, :1]


def _shape(measurement: Measurement) -> str:
    return f"{measurement.images} images and {len(measurement.ranks)} classifiers"
