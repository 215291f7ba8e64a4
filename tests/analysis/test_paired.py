"""Paired values against the standard tables: each number by hand."""

import numpy as np
import pytest

from qsearch.analysis.paired import above_standard
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import LOSS, TOP1


def measurement(size_bytes: int, losses: list[list[float]], ranks: list[list[int]] | None = None) -> Measurement:
    """Two images of 1,200 raw bytes each."""
    return Measurement.of([size_bytes] * 2, ranks or [[0, 0]] * len(losses), 400, loss=np.array(losses))


STANDARD = (
    measurement(30, [[3.0, 6.0]], [[1, 1]]),  # ratio 40
    measurement(120, [[1.0, 2.0]], [[0, 0]]),  # ratio 10
    measurement(15, [[9.0, 9.0]], [[1, 1]]),  # ratio 80: not next to the table's
)


def test_between_two_qualities_each_image_is_interpolated() -> None:
    # Ratio 20 is a third of the way from 10 to 40: losses of 5/3 and 10/3 are expected.
    found = above_standard(STANDARD, measurement(60, [[1.5, 5.0]]), LOSS)
    np.testing.assert_allclose(found, [1 / 6, -5 / 3])
    found = above_standard(STANDARD, measurement(60, [[1.5, 5.0]], [[0, 3]]), TOP1)
    np.testing.assert_allclose(found, [1 / 3, -2 / 3])


def test_of_several_networks_it_is_the_mean() -> None:
    standard = [measurement(30, [[3.0, 6.0], [5.0, 6.0]]), measurement(120, [[1.0, 2.0], [3.0, 2.0]])]
    # Expected are 5/3 and 10/3 of the first network, 11/3 and 10/3 of the second.
    found = above_standard(standard, measurement(60, [[1.0, 4.0], [4.0, 2.0]]), LOSS)
    np.testing.assert_allclose(found, [1 / 6, 1 / 3])


def test_at_a_measured_ratio_it_is_the_plain_difference() -> None:
    for size_bytes, expected in ((120, [0.5, 1.5]), (30, [2.5, 5.5]), (15, [8.5, 8.5])):
        np.testing.assert_allclose(above_standard(STANDARD, measurement(size_bytes, [[0.5, 0.5]]), LOSS), expected)


@pytest.mark.parametrize("size_bytes", [121, 14])
def test_beyond_the_curve_nothing_is_said(size_bytes: int) -> None:
    with pytest.raises(InputError, match=r"lies outside the standard curve \(10.00 to 80.00\)"):
        above_standard(STANDARD, measurement(size_bytes, [[1.0, 1.0]]), LOSS)
    with pytest.raises(InputError, match="not measured"):
        above_standard([], measurement(60, [[1.0, 1.0]]), LOSS)
