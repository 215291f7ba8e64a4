"""Tables against a baseline, image by image."""

import numpy as np
import pytest

from qsearch.analysis.comparison import compare
from qsearch.analysis.significance import holm, mcnemar_p_value, paired_interval
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from tests.analysis.simulated import Images


def measurement(size_bytes: list[int], *hits: list[int]) -> Measurement:
    return Measurement.of(np.array(size_bytes), 1 - np.array(hits, dtype=np.int32), 1000)


def test_worked_by_hand() -> None:
    baseline = measurement([100, 100, 100, 100, 200, 200, 200, 200], [1, 1, 1, 1, 0, 0, 0, 0])
    table = measurement([50, 50, 50, 50, 100, 100, 100, 100], [1, 1, 1, 0, 1, 1, 1, 0])
    (found,) = compare(baseline, [table], resamples=200)
    (test,) = found.tests
    assert (test.images, test.won, test.lost) == (8, 3, 1)
    assert found.difference_points.value == test.difference_points == 25
    assert test.p_value == test.p_holm == pytest.approx(mcnemar_p_value(1, 3))
    low, high = paired_interval(1, 3, 8)
    assert (test.low_points, test.high_points) == pytest.approx((100 * low, 100 * high))
    assert (found.difference_points.low, found.difference_points.high) == (test.low_points, test.high_points)
    assert (found.byte_ratio.value, found.byte_ratio.low, found.byte_ratio.high) == (0.5, 0.5, 0.5)
    assert (found.ratio, found.top1) == (table.ratio, 0.75)


def test_the_byte_ratio_is_paired() -> None:
    images = Images(500, seed=0)
    baseline, table = images.measure(20, 0.7), images.measure(22, 0.7)
    (found,) = compare(baseline, [table])
    low, high = found.byte_ratio.low, found.byte_ratio.high
    assert low is not None
    assert high is not None
    assert low < 20 / 22 < high
    # Sizes differ by half from image to image and their ratios by 3 %: unpaired, the interval would be 0.1 wide.
    assert high - low < 0.01


def with_loss(size_bytes: int, loss: list[float], *others: list[float]) -> Measurement:
    """Of as many images as there are losses; one classifier for each list of them."""
    losses = np.array([loss, *others])
    return Measurement.of(
        np.full(losses.shape[1], size_bytes), np.zeros(losses.shape, dtype=np.int32), 1000, loss=losses
    )


def test_the_loss_worked_by_hand() -> None:
    """The curve has loss 2 at ratio 30 and 1 at ratio 10, and so 1.5 at ratio 20 and 1.25 at ratio 15.

    Trial and baseline have ratio 20: at its loss the standard tables would take 20 / 15 times the trial's bytes.
    """
    curve = [with_loss(100, [1.5, 2.5]), with_loss(300, [0.5, 1.5])]
    baseline, better, worse = (with_loss(150, losses) for losses in ([1.0, 2.0], [0.75, 1.75], [2.5, 3.5]))
    found = compare(baseline, [better, worse], curve, resamples=200)
    first, second = (each.loss for each in found)
    assert first is not None
    assert second is not None
    assert (first.difference.value, first.difference.low, first.difference.high) == (-0.25, -0.25, -0.25)
    assert second.difference.value == 1.5
    assert first.byte_ratio is not None
    assert first.byte_ratio.value == pytest.approx(0.75)
    assert second.byte_ratio is not None
    assert second.byte_ratio.value is None  # its loss is higher than that of any standard table
    assert [each.divergence for each in found] == [None, None]


def test_without_standard_tables_bytes_at_equal_loss_are_not_known() -> None:
    (found,) = compare(with_loss(150, [1, 2], [3, 4]), [with_loss(150, [0, 2], [3, 3])], resamples=100)
    assert found.loss is not None
    assert found.loss.difference.value == -0.5
    assert found.loss.byte_ratio is None
    (without,) = compare(with_loss(150, [1, 2]), [measurement([150, 150], [1, 1])], resamples=100)
    assert without.loss is None


def test_the_loss_is_paired() -> None:
    random = np.random.default_rng(0)
    hardness = random.exponential(1, 400)
    table = hardness + random.normal(-0.05, 0.05, 400)
    (found,) = compare(with_loss(150, hardness.tolist()), [with_loss(150, table.tolist())])
    assert found.loss is not None
    low, high = found.loss.difference.low, found.loss.difference.high
    assert low is not None
    assert high is not None
    assert low < -0.05 < high < 0
    # Losses differ by 1 from image to image and what the tables make of them by 0.05: unpaired it would be 0.28 wide.
    assert high - low < 0.02


def test_two_classifiers_are_tested_each_and_together() -> None:
    random = np.random.default_rng(0)
    first, second = (random.random((2, 400)) < 0.7).astype(int).tolist(), (random.random((2, 400)) < 0.8).astype(int)
    found = compare(measurement([9] * 400, *first), [measurement([9] * 400, *second.tolist())])[0]
    assert len(found.tests) == 2
    mean = np.mean([test.difference_points for test in found.tests])
    low, value, high = found.difference_points.low, found.difference_points.value, found.difference_points.high
    assert value == pytest.approx(mean)
    assert value is not None
    assert low is not None
    assert high is not None
    assert low < value < high
    narrowest = min(test.high_points - test.low_points for test in found.tests)
    assert high - low < narrowest
    assert [test.p_holm for test in found.tests] == holm([test.p_value for test in found.tests])


def test_holm_goes_over_all_tables() -> None:
    images = Images(600, seed=1)
    baseline = images.measure(20, 0.7)
    found = compare(baseline, [images.measure(20, top1) for top1 in (0.70, 0.74, 0.78)], resamples=100)
    p_values = [each.tests[0].p_value for each in found]
    assert [each.tests[0].p_holm for each in found] == holm(p_values)
    assert found[2].tests[0].p_holm > p_values[2]


def test_a_table_against_itself() -> None:
    itself = Images(100, seed=2).measure(20, 0.7)
    (found,) = compare(itself, [itself], resamples=100)
    assert (found.tests[0].won, found.tests[0].lost, found.tests[0].p_value) == (0, 0, 1)
    assert found.byte_ratio.value == found.byte_ratio.low == found.byte_ratio.high == 1


def test_what_was_measured_otherwise_is_refused() -> None:
    one, other = measurement([1, 1], [1, 0]), measurement([1, 1, 1], [1, 0, 1])
    with pytest.raises(InputError, match="the baseline has 2 images and 1 classifiers, another 3 images"):
        compare(one, [other])
    none = Measurement.of(np.array([1, 1]), np.empty((0, 2), dtype=np.int32), 9)
    with pytest.raises(InputError, match="without a classifier"):
        compare(none, [none])
