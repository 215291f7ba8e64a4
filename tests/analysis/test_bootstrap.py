"""Resampled images: every draw is a sample of the same size, and sums are those of the images drawn."""

import numpy as np
import pytest

from qsearch.analysis.bootstrap import (
    MOST_FURTHER,
    Estimate,
    further_images,
    percentile_estimate,
    resample_weights,
    weighted_points,
    weighted_totals,
)
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from tests.analysis.simulated import Images

MANY = 300
"""More measurements than are summed at once."""


@pytest.mark.parametrize(
    ("value", "low", "high", "further"),
    [
        (1.0, -1.0, 3.0, 300),  # 2 to the side of 0: four times the images halve it
        (-1.0, -3.0, 1.0, 300),
        (1.0, -1.0, 1.5, 300),  # it is the side of 0 that has to shrink
        (1.0, 0.5, 1.5, 0),
        (-1.0, -1.5, -0.5, 0),
        (1e-9, -1.0, 1.0, MOST_FURTHER + 1),
        (0.0, -1.0, 1.0, None),
        (1.0, None, None, None),
        (None, None, None, None),
    ],
)
def test_so_many_more_images_would_tell_a_number_from_0(
    value: float | None, low: float | None, high: float | None, further: int | None
) -> None:
    assert Estimate(value, low, high, 2000).further_images(100) == further


def test_as_many_images_as_are_said_suffice() -> None:
    """Half as wide an interval takes four times the images; what is sure already takes no more."""
    images, value, reach = 450, 0.7, 1.9
    more = further_images(images, value, reach)
    assert more is not None
    assert reach * (images / (images + more)) ** 0.5 <= value < reach * (images / (images + more - 1)) ** 0.5
    assert further_images(images, value, 0.1) == 0


def test_each_resample_draws_as_many_images_as_there_are() -> None:
    (weights,) = resample_weights(images=50, resamples=400, seed=1)
    assert weights.shape == (400, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.01)


def test_resamples_are_the_same_for_the_same_seed_and_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = resample_weights(20, 30, seed=3)
    (other,) = resample_weights(20, 30, seed=4)
    assert not np.array_equal(whole, other)
    monkeypatch.setattr("qsearch.analysis.bootstrap._BLOCK", 140)
    blocks = list(resample_weights(20, 30, seed=3))
    assert [len(block) for block in blocks] == [7, 7, 7, 7, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_totals_are_those_of_the_images_drawn() -> None:
    images = Images(40, seed=0)
    measurements = [images.measure(20, 0.7) for _ in range(MANY)]
    (weights,) = resample_weights(40, 5, seed=0)
    size_bytes, hits = weighted_totals(measurements, weights)
    for row, weight in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(40), weight)
        for column in (0, 255, 256, MANY - 1):
            assert size_bytes[row, column] == measurements[column].size_bytes[drawn].sum()
            assert hits[row, column] == (measurements[column].ranks[0, drawn] == 0).sum()


def test_equal_weights_give_the_measured_ratio_and_accuracy() -> None:
    ranks = np.array([[0, 3, 0, 1], [0, 0, 0, 2], [1, 0, 0, 4]], dtype=np.int32)
    measurement = Measurement.of(np.array([100, 200, 300, 400]), ranks, 2500)
    ratio, top1 = weighted_points([measurement], np.ones((1, 4)))
    assert ratio[0, 0] == pytest.approx(measurement.ratio)
    assert top1[0, 0] == pytest.approx(measurement.top1) == pytest.approx(7 / 12)


def test_without_a_classifier_there_is_no_accuracy() -> None:
    measurement = Measurement.of(np.array([100]), np.empty((0, 1), dtype=np.int32), 2500)
    with pytest.raises(InputError, match="without a classifier"):
        weighted_points([measurement], np.ones((1, 1)))


def test_an_interval_holds_the_middle_95_per_cent() -> None:
    estimate = percentile_estimate(50.0, np.arange(101.0))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((50.0, 2.5, 97.5))
    assert Estimate(4.0, 2.5, 9.0, 100, 1).shifted(-10) == Estimate(-6.0, -7.5, -1.0, 100, 1)
    assert Estimate(4.0, None, None, 100, 90).shifted(1) == Estimate(5.0, None, None, 100, 90)


@pytest.mark.parametrize(("unknown", "known"), [(2, True), (3, False), (100, False)])
def test_an_end_that_unknown_resamples_could_move_is_not_given(unknown: int, known: bool) -> None:
    values = np.concatenate([np.full(unknown, np.nan), np.arange(100.0 - unknown)])
    estimate = percentile_estimate(5.0, values)
    assert (estimate.low is not None) == (estimate.high is not None) == known
    assert (estimate.unknown, estimate.resamples) == (unknown, 100)


def test_a_value_that_is_not_known_is_none() -> None:
    assert percentile_estimate(float("nan"), np.full(10, np.nan)) == Estimate(None, None, None, 10, 10)


@pytest.mark.parametrize(("images", "resamples"), [(0, 10), (10, 0)])
def test_nothing_cannot_be_resampled(images: int, resamples: int) -> None:
    with pytest.raises(InputError, match="at least one image and one resample"):
        next(resample_weights(images, resamples, 0))
