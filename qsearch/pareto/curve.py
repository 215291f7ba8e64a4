"""StandardCurve: the measured standard tables as a curve, which gains are stated against."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Floats = npt.NDArray[np.float64]

NEIGHBOURS = 7
"""Points that a local quadratic is fitted to: wide enough to even out what images tell at random, narrow enough to
follow the bend of a curve of 19 qualities. A curve of fewer points is taken as it was measured."""


@dataclass(frozen=True, eq=False)
class StandardCurve:
    """An objective's value over ratio (larger is better), linear between the m >= 1 measured points.

    Or a batch of such curves: bootstrap resamples.

    ``ratio`` and ``value`` are float64 [..., m], given in any order and kept by rising ratio. Points of equal ratio all
    take the best of their values: a gain counts against the better one.
    Questions broadcast against the leading axes: one curve answers any shape, a batch [b] answers a scalar, [b] or
    [k, 1]. Raises InputError for anything not finite and for shapes that differ.
    smooth: False for points so near to each other, or so little left to chance, that :meth:`ratio_at` takes them as
        they are.
    """

    ratio: Floats
    value: Floats
    smooth: bool = True

    def __post_init__(self) -> None:
        ratio, value = np.asarray(self.ratio, dtype=np.float64), np.asarray(self.value, dtype=np.float64)
        if ratio.shape != value.shape or ratio.ndim < 1 or ratio.shape[-1] < 1:
            raise InputError(f"a standard curve is m >= 1 ratios and m values, got {ratio.shape} and {value.shape}.")
        if not (np.isfinite(ratio).all() and np.isfinite(value).all()):
            raise InputError("a standard curve is made of finite numbers: leave out what could not be measured.")
        order = np.lexsort((value, ratio), axis=-1)
        ratio, value = np.take_along_axis(ratio, order, -1), np.take_along_axis(value, order, -1)
        for point in reversed(range(ratio.shape[-1] - 1)):
            same = ratio[..., point] == ratio[..., point + 1]
            value[..., point] = np.where(same, value[..., point + 1], value[..., point])
        ratio.flags.writeable = value.flags.writeable = False
        object.__setattr__(self, "ratio", ratio)
        object.__setattr__(self, "value", value)

    def value_at(self, ratio: npt.ArrayLike) -> Floats:
        """The curve's value at ``ratio``; NaN outside the measured ratios, which are never extrapolated."""
        wanted, ratios, value = self._broadcast(ratio, self.value)
        lowest, highest = ratios[..., :1], ratios[..., -1:]
        right = np.minimum(np.maximum((ratios <= wanted).sum(axis=-1, keepdims=True), 1), ratios.shape[-1] - 1)
        left = np.maximum(right - 1, 0)
        start, end = np.take_along_axis(ratios, left, -1), np.take_along_axis(ratios, right, -1)
        width = np.where(end > start, end - start, 1.0)
        share = (np.clip(wanted, lowest, highest) - start) / width
        value = (1 - share) * np.take_along_axis(value, left, -1) + share * np.take_along_axis(value, right, -1)
        return np.asarray(np.where((wanted >= lowest) & (wanted <= highest), value, np.nan)[..., 0])

    def ratio_at(self, value: npt.ArrayLike) -> Floats:
        """The ratio at which the curve reaches ``value``; NaN above its highest value, and at its lowest or below.

        Values measured on few images rise and fall along a curve that truly only falls, so that it crosses one
        value several times; to take the first or the last crossing would be biased. Each point is therefore
        replaced by the value of a quadratic in log ratio through its nearest points (Savitzky 1964), and what is not
        monotone even then is rearranged: the answer is as far from the lowest ratio as the curve is long where it
        reaches ``value`` (Chernozhukov 2009).
        """
        smoothed = self._smoothed
        wanted, ratios, values = self._broadcast(value, smoothed)
        start, end = values[..., :-1], values[..., 1:]
        above, below = np.maximum(start, end), np.minimum(start, end)
        height = np.where(above > below, above - below, 1.0)
        share = np.where(above > below, np.clip((above - wanted) / height, 0, 1), start >= wanted)
        reached = ratios[..., 0] + (share * np.diff(ratios, axis=-1)).sum(axis=-1)
        known = (wanted[..., 0] <= values.max(axis=-1)) & (wanted[..., 0] > values.min(axis=-1))
        return np.asarray(np.where(known, reached, np.nan))

    @cached_property
    def _smoothed(self) -> Floats:
        """The values [..., m] as local quadratics in log ratio see them."""
        points = self.ratio.shape[-1]
        if points < NEIGHBOURS or not self.smooth:
            return self.value
        place = np.log(self.ratio)
        # Of sorted points the nearest lie side by side: they begin behind all that are further away than the next one.
        begin = np.zeros(place.shape, dtype=np.int64)
        for first in range(points - NEIGHBOURS):
            begin += place - place[..., first, np.newaxis] > place[..., first + NEIGHBOURS, np.newaxis] - place
        nearest = begin[..., np.newaxis] + np.arange(NEIGHBOURS)
        away = _at(place, nearest) - place[..., np.newaxis]
        away /= np.maximum(np.maximum(-away[..., :1], away[..., -1:]), 1e-300)
        # The value at the point itself is the constant term: what the values have in common with the part of a constant
        # that a line and a parabola do not explain (Frisch 1933). That part is 1 at the point, where both are 0.
        parabola = _beside(away**2, away)
        constant = _beside(_beside(np.ones_like(away), away), parabola)
        weights = constant / constant.sum(axis=-1, keepdims=True)
        values = _at(self.value, nearest) - self.value[..., np.newaxis]  # differences, for less is rounded away
        return np.asarray(self.value + np.einsum("...k,...k->...", weights, values))

    def _broadcast(self, question: npt.ArrayLike, value: Floats) -> tuple[Floats, Floats, Floats]:
        """The question as [..., 1] and the curve as [..., m] over common leading axes."""
        asked = np.asarray(question, dtype=np.float64)
        shape = np.broadcast_shapes(asked.shape, self.ratio.shape[:-1])
        points = (*shape, self.ratio.shape[-1])
        return (
            np.broadcast_to(asked, shape)[..., np.newaxis],
            np.broadcast_to(self.ratio, points),
            np.broadcast_to(value, points),
        )


def _at(points: Floats, which: npt.NDArray[np.int64]) -> Floats:
    """Of the points [..., m] those numbered ``which`` [..., m, k]."""
    flat = which.reshape(*which.shape[:-2], -1)
    return np.asarray(np.take_along_axis(points, flat, -1).reshape(which.shape))


def _beside(vector: Floats, other: Floats) -> Floats:
    """``vector`` [..., k] less what lies along ``other``; where that has no length, itself."""
    length = np.einsum("...k,...k->...", other, other)
    share = np.einsum("...k,...k->...", vector, other) / np.where(length > 1e-10, length, np.inf)
    return np.asarray(vector - share[..., np.newaxis] * other)
