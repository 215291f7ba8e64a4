"""Random fields: smooth noise with the 1/f amplitude spectrum of natural images, and sensor noise."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating]
"""float32, that is; numpy's types lose the precision in mixed arithmetic."""


def octaves(random: np.random.RandomState, side: int, finest: int, channels: int = 1) -> Field:
    """Noise float32 [side, side, channels] of mean 0 and a standard deviation near 1.

    It is a sum of uniform cubic B-splines with random knots, 2, 4, 8, ... ``finest`` to the side and all of one
    variance: in two dimensions that is an amplitude spectrum of 1/f (Field 1987). ``side`` is a multiple of ``finest``,
    a power of two.
    """
    count = 2
    knots = _random_knots(random, count, channels)
    while count < finest:
        # A spline is also a spline of twice as many knots, so all octaves are drawn into the finest.
        count *= 2
        knots = _on_both_axes(_doubled, knots) + _random_knots(random, count, channels)
    field = _on_both_axes(lambda values: _interpolated(values, side), knots)
    return field * (2 / float(np.sqrt(finest.bit_length() - 1)))


def _random_knots(random: np.random.RandomState, count: int, channels: int) -> Field:
    """Knots [count + 3, count + 3, channels]: one before the image, and two behind it, along each axis."""
    return (random.random_sample((count + 3, count + 3, channels)).astype(np.float32) - 0.5) * 3.5


def _on_both_axes(operation: Callable[[Field], Field], values: Field) -> Field:
    return operation(operation(values).swapaxes(0, 1)).swapaxes(0, 1)


def _doubled(knots: Field) -> Field:
    """The same splines along the first axis, [n + 3] knots made [2n + 3]."""
    result = np.empty((2 * len(knots) - 3, *knots.shape[1:]), dtype=np.float32)
    result[0::2] = (knots[:-1] + knots[1:]) / 2
    result[1::2] = (knots[:-2] + 6 * knots[1:-1] + knots[2:]) / 8
    return result


def _interpolated(knots: Field, side: int) -> Field:
    """The splines of [n + 3] knots along the first axis at the middles of ``side`` pixels."""
    intervals = len(knots) - 3
    steps = side // intervals
    t = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    s = 1 - t
    weights = np.stack([s * s * s, 4 - 3 * t * t * (1 + s), 4 - 3 * s * s * (1 + t), t * t * t]) / 6
    parts = [weights[tap][:, None, None] * knots[tap : tap + intervals, None] for tap in range(4)]
    total: Field = parts[0] + parts[1] + parts[2] + parts[3]
    return total.reshape(side, *knots.shape[1:])


def grain(random: np.random.RandomState, shape: tuple[int, ...]) -> Field:
    """White noise float32 of mean 0 and standard deviation 1, close to a normal distribution: sums of four bytes."""
    total = random.randint(0, 256, (4, *shape), dtype=np.uint8).astype(np.int16).sum(axis=0, dtype=np.int16)
    noise: Field = (total.astype(np.float32) - 510) / 147.8
    return noise
