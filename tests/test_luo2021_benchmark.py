"""The comparison at equal bits per pixel that benchmarks/luo2021 states: a value that can be worked out by hand."""

import numpy as np
import pytest

from benchmarks.luo2021.curves import Curve, difference_at_equal_bpp
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import LOSS

IMAGES, PIXELS = 6, 64 * 64
WEIGHT = np.linspace(0.8, 1.2, IMAGES)
"""Some images weigh more bytes and lose more than others, at all tables alike."""


def measurement(bpp: float, loss: float) -> Measurement:
    size_bytes = np.rint(WEIGHT * bpp * PIXELS / 8)
    losses = (loss * WEIGHT)[None].astype(np.float32)
    return Measurement.of(size_bytes, np.zeros((1, IMAGES), np.int64), PIXELS, loss=losses)


def curve(name: str, shift: float) -> Curve:
    return Curve.of(name, [measurement(bpp, 2 - bpp + shift) for bpp in (2.5, 0.4, 1.0)])


def test_a_loss_that_is_lower_everywhere_is_a_gain_of_as_much() -> None:
    found = difference_at_equal_bpp(curve("ours", -0.25), curve("standard", 0), LOSS, (0.8, 1.6))
    assert found.value == pytest.approx(0.25, abs=1e-3)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.25 < found.high  # the images weigh unlike, and are resampled together
    assert found.high - found.low < 0.3
    same = difference_at_equal_bpp(curve("ours", 0), curve("standard", 0), LOSS, (0.8, 1.6))
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_nothing_is_said_outside_the_curves() -> None:
    found = difference_at_equal_bpp(curve("ours", -0.25), curve("standard", 0), LOSS, (2.0, 3.0))
    assert (found.value, found.low) == (None, None)
