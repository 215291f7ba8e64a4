"""Gains at equal bytes: image by image, and on average."""

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.analysis.equal_bytes import gains_at_equal_bytes, values_of
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement

IMAGES = 12


def measurement(size_bytes: npt.ArrayLike, psnr_db: npt.ArrayLike) -> Measurement:
    sizes = np.broadcast_to(np.asarray(size_bytes), (IMAGES,))
    return Measurement.of(sizes, None, 64, psnr_db=np.broadcast_to(np.asarray(psnr_db, np.float32), (IMAGES,)))


def curve(slope_db: npt.ArrayLike) -> list[Measurement]:
    """Of sizes 100, 200 and 400; each doubling is worth ``slope_db``."""
    slopes = np.broadcast_to(np.asarray(slope_db, float), (IMAGES,))
    return [measurement(100 * 2**step, 30 + step * slopes) for step in range(3)]


def test_a_point_of_the_curve_gains_nothing() -> None:
    points = curve(np.arange(IMAGES))
    found = gains_at_equal_bytes(points, points[1])["psnr_db"]
    for estimate in (found.by_image, found.on_average):
        assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
    assert found.images == IMAGES


def test_between_points_values_are_linear_in_the_logarithm_of_bytes() -> None:
    found = gains_at_equal_bytes(curve(6.0), measurement(round(200 * 2**0.5), 40.0))["psnr_db"]
    assert found.by_image.value == pytest.approx(40 - 39, abs=0.01)
    assert found.on_average.value == pytest.approx(40 - 39, abs=0.01)


def test_moving_bytes_is_a_gain_on_average_alone() -> None:
    """Half of the images gain 8 dB by a doubling, the others nothing; all bytes go where they count."""
    slopes = np.arange(IMAGES) % 2 * 8.0
    moved = measurement(np.where(slopes > 0, 300, 100), np.where(slopes > 0, 30 + 8 * np.log2(3), 30.0))
    found = gains_at_equal_bytes(curve(slopes), moved)["psnr_db"]
    assert found.by_image.value == pytest.approx(0, abs=1e-4)
    assert found.on_average.value == pytest.approx(4 * np.log2(3) - 4, abs=1e-4)


def test_images_outside_their_curve_are_left_out_and_counted() -> None:
    sizes = np.where(np.arange(IMAGES) < 9, 200, 900)
    found = gains_at_equal_bytes(curve(6.0), measurement(sizes, np.where(sizes == 200, 37.0, 60.0)))["psnr_db"]
    assert found.images == 9
    assert found.by_image.value == pytest.approx(1.0)


def test_the_interval_is_that_of_the_mean_over_images() -> None:
    """Gains of 0 and 2, half of each: the standard error of the mean of twelve is 1/sqrt(12)."""
    found = gains_at_equal_bytes(curve(6.0), measurement(200, 36.0 + np.arange(IMAGES) % 2 * 2))["psnr_db"]
    for estimate in (found.by_image, found.on_average):
        assert estimate.value == pytest.approx(1.0)
        assert estimate.low is not None
        assert estimate.high is not None
        assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 / np.sqrt(IMAGES), rel=0.15)


def test_an_image_that_lost_nothing_has_a_finite_psnr() -> None:
    assert values_of(measurement(100, np.inf))["psnr_db"].max() == 100


def test_values_of_several_networks_are_their_means() -> None:
    sizes, ranks = np.full(IMAGES, 9), np.stack([np.zeros(IMAGES), np.ones(IMAGES)]).astype(np.int32)
    assert values_of(Measurement.of(sizes, ranks, 64))["top1"].tolist() == [0.5] * IMAGES


def test_a_curve_has_two_points_of_the_same_images() -> None:
    with pytest.raises(InputError, match="two measurements or more of the same 12 images"):
        gains_at_equal_bytes(curve(6.0)[:1], measurement(200, 36.0))
