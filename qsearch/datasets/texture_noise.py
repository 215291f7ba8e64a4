"""Random fields: smooth noise with the 1/f amplitude spectrum of natural images, and sensor noise."""

from functools import cache

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating]
"""float32, that is; numpy's types lose the precision in mixed arithmetic."""


def octaves(random: np.random.RandomState, side: int, finest: int, channels: int = 1, coarsest: int = 2) -> Field:
    """Noise float32 [side, side, channels] of mean 0 and a standard deviation near 1.

    It is a sum of fields of ``coarsest``, twice that, ... ``finest`` waves across the image, all of one variance: that
    is an amplitude spectrum of 1/f in two dimensions (Field 1987).
    """
    total = np.zeros((side, side, channels), dtype=np.float32)
    waves, count = coarsest, 0
    while waves <= finest:
        total += _smooth(random, side, waves, channels)
        waves, count = 2 * waves, count + 1
    return total / float(np.sqrt(count))


def _smooth(random: np.random.RandomState, side: int, waves: int, channels: int) -> Field:
    knots = (random.random_sample((waves + 4, waves + 4, channels)).astype(np.float32) - 0.5) * 7
    first, weights = _spline(side, waves)
    rows = sum(weights[tap][:, None, None] * knots[first + tap] for tap in range(4))
    field: Field = sum(weights[tap][:, None] * rows[:, first + tap] for tap in range(4))
    return field


@cache
def _spline(side: int, waves: int) -> tuple[npt.NDArray[np.int64], Field]:
    """First knot [side] and the four weights [4, side] of uniform cubic B-spline interpolation."""
    position = (np.arange(side) + 0.5) * (waves / side)
    first = np.floor(position).astype(np.int64)
    t = position - first
    s = 1 - t
    weights = np.stack([s * s * s, 4 - 3 * t * t * (1 + s), 4 - 3 * s * s * (1 + t), t * t * t]) / 6
    return first, weights.astype(np.float32)


def grain(random: np.random.RandomState, shape: tuple[int, ...]) -> Field:
    """White noise float32 of mean 0 and standard deviation 1, close to a normal distribution: sums of four bytes."""
    total = random.randint(0, 256, (4, *shape), dtype=np.uint8).astype(np.int16).sum(axis=0, dtype=np.int16)
    noise: Field = (total.astype(np.float32) - 510) / 147.8
    return noise
