"""Bytes saved at an equal value: numbers that can be had by hand, and what an interval is of."""

import numpy as np
import pytest

from qsearch.analysis.bootstrap import Floats
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.shrink.saving import bytes_saved, difference, saves_more, share_needed

IMAGES = 50


def measured(size_bytes: float, psnr_db: float, spread: float = 0.0) -> Measurement:
    """Images that differ by ``spread`` dB from one to the next, about ``psnr_db``."""
    around = psnr_db + spread * np.linspace(-1, 1, IMAGES)
    return Measurement.of(np.full(IMAGES, size_bytes), None, 64, around)


def psnr(measurement: Measurement) -> Floats:
    assert measurement.psnr_db is not None
    return measurement.psnr_db.astype(np.float64)


def test_bytes_are_read_where_the_curve_has_the_standards_value() -> None:
    # At 80 % of the bytes the family has 31 dB, at 50 % 29: 30 dB lie halfway in the reciprocal of bytes.
    family = [measured(800, 31), measured(500, 29)]
    share = 1 / ((1 / 0.8 + 1 / 0.5) / 2)
    saved = bytes_saved(measured(1000, 30), family, psnr)
    assert saved.value == pytest.approx(100 * (1 - share))
    assert saved.low == pytest.approx(saved.value)  # no image differs
    assert saved.high == pytest.approx(saved.value)
    assert share_needed(measured(1000, 30), family, psnr, 0.0) == pytest.approx(share)


def test_an_allowance_saves_more() -> None:
    family = [measured(800, 31), measured(500, 29)]
    assert bytes_saved(measured(1000, 30), family, psnr, allowance=0.5).value == pytest.approx(
        100 * (1 - 1 / (1.25 + 0.75 * 0.75))
    )


def test_what_the_family_does_not_reach_is_not_known() -> None:
    saved = bytes_saved(measured(1000, 40), [measured(800, 31), measured(500, 29)], psnr)
    assert (saved.value, saved.low, saved.high) == (None, None, None)
    assert np.isnan(share_needed(measured(1000, 40), [measured(800, 31), measured(500, 29)], psnr, 0.0))


def test_images_that_vary_alike_leave_no_doubt_and_others_do() -> None:
    paired = bytes_saved(
        measured(1000, 30, spread=5), [measured(s, v, spread=5) for s, v in ((900, 32), (700, 31), (400, 28))], psnr
    )
    unpaired = bytes_saved(
        measured(1000, 30, spread=0.5),
        [measured(s, v, spread=-0.5) for s, v in ((900, 32), (700, 31), (400, 28))],
        psnr,
    )
    assert paired.low is not None
    assert paired.high is not None
    assert paired.high - paired.low < 1e-4  # the same images are drawn for both: what they share falls out
    assert unpaired.low is not None
    assert unpaired.high is not None
    assert unpaired.low < unpaired.value < unpaired.high  # type: ignore[operator]


def test_a_difference_is_of_the_same_images() -> None:
    change = difference(measured(1000, 30, spread=5), measured(900, 31, spread=5), psnr)
    assert change.value == pytest.approx(1.0)
    assert change.low == pytest.approx(1.0)


def test_one_point_is_no_curve() -> None:
    with pytest.raises(InputError, match="two points or more, got 1"):
        bytes_saved(measured(1000, 30), [measured(800, 31)], psnr)


def test_a_family_is_told_to_save_more_where_images_agree() -> None:
    standard = measured(1000, 30)
    one, other = [measured(700, 31), measured(400, 28)], [measured(900, 31), measured(600, 28)]
    assert saves_more(one, other, standard, psnr)
    assert not saves_more(other, one, standard, psnr)
    assert not saves_more(one, one, standard, psnr)
    # Where half of the images say one thing and half the other, nothing is told.
    split = [measured(s, v, spread=80) for s, v in ((690, 31), (390, 28))]
    assert not saves_more(split, one, standard, psnr)
