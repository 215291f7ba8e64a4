"""ReferenceCurve: the measured standard tables as a curve, which gains are stated against."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceCurve:
    """Top-1 over rate, linear between the m >= 1 measured points; or a batch of such curves (bootstrap resamples).

    ``rate`` and ``top1`` are float64 [..., m], given in any order and kept by rising rate. Points of equal rate all
    take the best of their accuracies: a gain counts against the better one.
    Questions broadcast against the leading axes: one curve answers any shape, a batch [b] answers a scalar, [b] or
    [k, 1]. Raises InputError for anything not finite and for shapes that differ.
    """

    rate: Floats
    top1: Floats

    def __post_init__(self) -> None:
        rate, top1 = np.asarray(self.rate, dtype=np.float64), np.asarray(self.top1, dtype=np.float64)
        if rate.shape != top1.shape or rate.ndim < 1 or rate.shape[-1] < 1:
            raise InputError(f"a reference curve is m >= 1 rates and m accuracies, got {rate.shape} and {top1.shape}.")
        if not (np.isfinite(rate).all() and np.isfinite(top1).all()):
            raise InputError("a reference curve is made of finite numbers: leave out what could not be measured.")
        order = np.lexsort((top1, rate), axis=-1)
        rate, top1 = np.take_along_axis(rate, order, -1), np.take_along_axis(top1, order, -1)
        for point in reversed(range(rate.shape[-1] - 1)):
            same = rate[..., point] == rate[..., point + 1]
            top1[..., point] = np.where(same, top1[..., point + 1], top1[..., point])
        rate.flags.writeable = top1.flags.writeable = False
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "top1", top1)

    def top1_at(self, rate: npt.ArrayLike) -> Floats:
        """The curve's top-1 at ``rate``; NaN outside the measured rates, which are never extrapolated."""
        wanted, rates, top1 = self._broadcast(rate)
        lowest, highest = rates[..., :1], rates[..., -1:]
        right = np.minimum(np.maximum((rates <= wanted).sum(axis=-1, keepdims=True), 1), rates.shape[-1] - 1)
        left = np.maximum(right - 1, 0)
        start, end = np.take_along_axis(rates, left, -1), np.take_along_axis(rates, right, -1)
        width = np.where(end > start, end - start, 1.0)
        share = (np.clip(wanted, lowest, highest) - start) / width
        value = (1 - share) * np.take_along_axis(top1, left, -1) + share * np.take_along_axis(top1, right, -1)
        return np.asarray(np.where((wanted >= lowest) & (wanted <= highest), value, np.nan)[..., 0])

    def rate_at(self, top1: npt.ArrayLike) -> Floats:
        """The highest rate at which the curve still reaches ``top1``.

        Measured curves are not monotone; where one falls below ``top1`` and recovers, the recovery counts for the
        standard tables and against the gain. NaN where the curve never reaches ``top1``, and where it has not fallen
        below it at its highest rate: how far it would go on was not measured.
        """
        wanted, rates, accuracies = self._broadcast(top1)
        start, end = accuracies[..., :-1], accuracies[..., 1:]
        falls = (start >= wanted) & (end < wanted)
        drop = np.where(falls, start - end, 1.0)
        crossing = rates[..., :-1] + (start - wanted) / drop * np.diff(rates, axis=-1)
        highest = np.max(crossing, axis=-1, where=falls, initial=-np.inf)
        known = (highest > -np.inf) & (accuracies[..., -1] < wanted[..., 0])
        return np.asarray(np.where(known, highest, np.nan))

    def _broadcast(self, question: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
        """The question as [..., 1] and the curve as [..., m] over common leading axes."""
        asked = np.asarray(question, dtype=np.float64)
        shape = np.broadcast_shapes(asked.shape, self.rate.shape[:-1])
        points = (*shape, self.rate.shape[-1])
        return (
            np.broadcast_to(asked, shape)[..., np.newaxis],
            np.broadcast_to(self.rate, points),
            np.broadcast_to(self.top1, points),
        )
