"""Simulated measurements whose truth is known, for statistics that must be right on average."""

import numpy as np
import numpy.typing as npt

from qsearch.analysis.results import Results
from qsearch.evaluation.measurement import Measurement, Series, Trial
from qsearch.tables import QuantTables

PIXELS = 128 * 128
CURVE_RATIO = (10.0, 16.0, 20.0, 24.0, 30.0)
CURVE_TOP1 = (0.85, 0.78, 0.72, 0.65, 0.52)
QUALITIES = (90, 70, 50, 40, 30)
DISCORDANT = 0.08
"""The share of images on which two tables of equal accuracy differ is about twice this."""


FINE_RATIO = (
    3.1,
    5.8,
    8.4,
    10.5,
    12.1,
    13.6,
    14.8,
    15.9,
    17.0,
    18.0,
    18.9,
    19.9,
    21.1,
    22.3,
    24.0,
    26.0,
    28.7,
    32.3,
    37.6,
)
FINE_QUALITIES = tuple(range(100, 5, -5))
"""The standard curve as a run measures it, by quality; it lies densest around quality 50."""


def fine_top1(ratio: float) -> float:
    """A true accuracy that falls ever faster, from 92 % at the ratio 3.1 to 53 % at 37.6."""
    return 0.92 - 0.39 * ((ratio - 3.1) / (37.6 - 3.1)) ** 2


def curve_top1(ratio: float) -> float:
    """The standard tables' true accuracy at ``ratio``."""
    return float(np.interp(ratio, CURVE_RATIO, CURVE_TOP1))


class Images:
    """Images of different ease and size, seen by one imaginary network at any table."""

    def __init__(self, count: int, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.ease = self.random.random(count)
        self.detail = self.random.lognormal(0, 0.5, count)

    def measure(self, ratio: float, top1: float) -> Measurement:
        """One of a table that compresses by about ``ratio`` and has a true accuracy of ``top1``."""
        return Measurement.of(self._sizes(ratio), self._ranks(top1)[np.newaxis], PIXELS)

    def _sizes(self, ratio: float) -> npt.NDArray[np.int64]:
        noise = self.random.lognormal(0, 0.02, len(self.detail))
        size_bytes = np.rint(3 * PIXELS / ratio * self.detail * noise / np.exp(0.125))
        return np.asarray(size_bytes, dtype=np.int64)

    def _ranks(self, top1: float) -> npt.NDArray[np.int32]:
        easy = self.ease < top1
        # Losses and wins balance, whatever the accuracy.
        changed = self.random.random(len(easy)) < DISCORDANT / 2 / np.where(easy, top1, 1 - top1)
        return np.asarray(easy == changed, dtype=np.int32)


def simulated_results(
    seed: int, images: int, gains: npt.ArrayLike, ratios: npt.ArrayLike = 20.4
) -> tuple[Results, npt.NDArray[np.float64]]:
    """A run of tables whose true gains in points over the standard curve are ``gains`` [m], and those gains."""
    seen = Images(images, seed)
    gain, ratio = np.broadcast_arrays(np.atleast_1d(np.asarray(gains, dtype=np.float64)), ratios)
    reference = [
        _trial("reference", quality, seen.measure(*point))
        for quality, *point in zip(QUALITIES, CURVE_RATIO, CURVE_TOP1, strict=True)
    ]
    search = [
        _trial("search", number, seen.measure(one_ratio, curve_top1(one_ratio) + one_gain / 100))
        for number, (one_gain, one_ratio) in enumerate(zip(gain, ratio, strict=True))
    ]
    return Results("simulated", reference, search), np.array(gain)


def with_fine_curve(seed: int, images: int, *ratios: float) -> Results:
    """A run of one table at each of ``ratios`` that is exactly as good as the standard curve of 19 qualities there."""
    seen = Images(images, seed)
    reference = [
        _trial("reference", quality, seen.measure(one, fine_top1(one)))
        for quality, one in zip(FINE_QUALITIES, FINE_RATIO, strict=True)
    ]
    search = [_trial("search", number, seen.measure(one, fine_top1(one))) for number, one in enumerate(ratios)]
    return Results("simulated", reference, search)


def _trial(series: Series, number: int, measurement: Measurement) -> Trial:
    entries = np.ones((8, 8), dtype=np.int64)
    entries[0, :2] += divmod(number, 250)
    tables = QuantTables.shared(entries)
    return Trial(series, number, "sorted-random" if series == "search" else "standard", tables, "done", measurement)
