"""ReferenceCurve: the measured standard tables as a curve, which gains are stated against."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceCurve:
    """Top-1 over ratio, linear between the m >= 1 measured points; or a batch of such curves (bootstrap resamples).

    ``ratio`` and ``top1`` are float64 [..., m], given in any order and kept by rising ratio. Points of equal ratio all
    take the best of their accuracies: a gain counts against the better one.
    Questions broadcast against the leading axes: one curve answers any shape, a batch [b] answers a scalar, [b] or
    [k, 1]. Raises InputError for anything not finite and for shapes that differ.
    """

    ratio: Floats
    top1: Floats

    def __post_init__(self) -> None:
        ratio, top1 = np.asarray(self.ratio, dtype=np.float64), np.asarray(self.top1, dtype=np.float64)
        if ratio.shape != top1.shape or ratio.ndim < 1 or ratio.shape[-1] < 1:
            raise InputError(
                f"a reference curve is m >= 1 ratios and m accuracies, got {ratio.shape} and {top1.shape}."
            )
        if not (np.isfinite(ratio).all() and np.isfinite(top1).all()):
            raise InputError("a reference curve is made of finite numbers: leave out what could not be measured.")
        order = np.lexsort((top1, ratio), axis=-1)
        ratio, top1 = np.take_along_axis(ratio, order, -1), np.take_along_axis(top1, order, -1)
        for point in reversed(range(ratio.shape[-1] - 1)):
            same = ratio[..., point] == ratio[..., point + 1]
            top1[..., point] = np.where(same, top1[..., point + 1], top1[..., point])
        ratio.flags.writeable = top1.flags.writeable = False
        object.__setattr__(self, "ratio", ratio)
        object.__setattr__(self, "top1", top1)

    def top1_at(self, ratio: npt.ArrayLike) -> Floats:
        """The curve's top-1 at ``ratio``; NaN outside the measured ratios, which are never extrapolated."""
        wanted, ratios, top1 = self._broadcast(ratio)
        lowest, highest = ratios[..., :1], ratios[..., -1:]
        right = np.minimum(np.maximum((ratios <= wanted).sum(axis=-1, keepdims=True), 1), ratios.shape[-1] - 1)
        left = np.maximum(right - 1, 0)
        start, end = np.take_along_axis(ratios, left, -1), np.take_along_axis(ratios, right, -1)
        width = np.where(end > start, end - start, 1.0)
        share = (np.clip(wanted, lowest, highest) - start) / width
        value = (1 - share) * np.take_along_axis(top1, left, -1) + share * np.take_along_axis(top1, right, -1)
        return np.asarray(np.where((wanted >= lowest) & (wanted <= highest), value, np.nan)[..., 0])

    def ratio_at(self, top1: npt.ArrayLike) -> Floats:
        """The highest ratio at which the curve still reaches ``top1``.

        Measured curves are not monotone; where one falls below ``top1`` and recovers, the recovery counts for the
        standard tables and against the gain. NaN where the curve never reaches ``top1``, and where it has not fallen
        below it at its highest ratio: how far it would go on was not measured.
        """
        wanted, ratios, accuracies = self._broadcast(top1)
        start, end = accuracies[..., :-1], accuracies[..., 1:]
        falls = (start >= wanted) & (end < wanted)
        drop = np.where(falls, start - end, 1.0)
        crossing = ratios[..., :-1] + (start - wanted) / drop * np.diff(ratios, axis=-1)
        highest = np.max(crossing, axis=-1, where=falls, initial=-np.inf)
        known = (highest > -np.inf) & (accuracies[..., -1] < wanted[..., 0])
        return np.asarray(np.where(known, highest, np.nan))

    def _broadcast(self, question: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
        """The question as [..., 1] and the curve as [..., m] over common leading axes."""
        asked = np.asarray(question, dtype=np.float64)
        shape = np.broadcast_shapes(asked.shape, self.ratio.shape[:-1])
        points = (*shape, self.ratio.shape[-1])
        return (
            np.broadcast_to(asked, shape)[..., np.newaxis],
            np.broadcast_to(self.ratio, points),
            np.broadcast_to(self.top1, points),
        )
