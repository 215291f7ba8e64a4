"""Mean gain: how much better one curve of (ratio, top-1) is than another on average, in points and in bytes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeanGain:
    """A curve against another one, both linear in log ratio between their points (Bjontegaard 2001).

    points: top-1 above the other's in percentage points, the mean over log ratio from ``ratios[0]`` to ``ratios[1]``,
        the ratios that both cover.
    saving_percent: bytes saved at equal top-1 in per cent, from the mean of log bytes over the accuracies from
        ``top1[0]`` to ``top1[1]`` (0..1), which both reach.
    None where there is nothing in common.
    """

    points: float | None
    ratios: tuple[float, float] | None
    saving_percent: float | None
    top1: tuple[float, float] | None


def mean_gain(
    ratio: npt.ArrayLike, top1: npt.ArrayLike, other_ratio: npt.ArrayLike, other_top1: npt.ArrayLike
) -> MeanGain:
    """The curve ``ratio`` [n], ``top1`` [n] against ``other_ratio`` [m], ``other_top1`` [m], points in any order.

    Bjontegaard fits cubics to four points; measured curves of many points need none, and a cubic would bend between
    them. A curve that is not monotone is rearranged for the saving: at an accuracy it counts with the share of log
    ratios at which it is at least that good (Chernozhukov 2009), and no crossing is preferred to another.
    Raises InputError for what is not finite, for ratios that are not positive and for lengths that differ.
    """
    ours, others = _curve(ratio, top1), _curve(other_ratio, other_top1)
    if ours is None or others is None:
        return MeanGain(None, None, None, None)
    low, high = (float(end) for end in (max(ours[0][0], others[0][0]), min(ours[0][-1], others[0][-1])))
    bottom, top = (float(end) for end in (max(ours[1].min(), others[1].min()), min(ours[1].max(), others[1].max())))
    points = saving = None
    if low < high:
        points = 100 * (_mean_top1(ours, low, high) - _mean_top1(others, low, high))
    if bottom < top:
        saving = 100 * (1 - float(np.exp(_mean_place(others, bottom, top) - _mean_place(ours, bottom, top))))
    return MeanGain(
        points,
        None if points is None else (float(np.exp(low)), float(np.exp(high))),
        saving,
        None if saving is None else (bottom, top),
    )


def _curve(ratio: npt.ArrayLike, top1: npt.ArrayLike) -> tuple[Floats, Floats] | None:
    """Log ratios, rising, and the accuracies; of equal ratios the best counts. None for no points."""
    ratios, accuracies = np.asarray(ratio, dtype=np.float64), np.asarray(top1, dtype=np.float64)
    if ratios.ndim != 1 or ratios.shape != accuracies.shape:
        raise InputError(f"a curve is n ratios and n accuracies, got {ratios.shape} and {accuracies.shape}.")
    if not (np.isfinite(ratios).all() and np.isfinite(accuracies).all() and (ratios > 0).all()):
        raise InputError("a curve is made of positive ratios and finite accuracies: leave out what was not measured.")
    if not len(ratios):
        return None
    order = np.lexsort((accuracies, ratios))
    last = np.append(np.diff(ratios[order]) > 0, True)
    return np.log(ratios[order])[last], accuracies[order][last]


def _mean_top1(curve: tuple[Floats, Floats], low: float, high: float) -> float:
    """The mean accuracy from log ratio ``low`` to ``high``."""
    places = np.concatenate([[low], curve[0][(curve[0] > low) & (curve[0] < high)], [high]])
    return float(np.trapezoid(np.interp(places, *curve), places) / (high - low))


def _mean_place(curve: tuple[Floats, Floats], bottom: float, top: float) -> float:
    """The mean log ratio over the accuracies from ``bottom`` to ``top``.

    It is the first log ratio and the area between ``bottom`` and the curve cut off at ``top``, over their distance:
    the same area, summed along the other axis.
    """
    places, accuracies = curve

    def area_below(value: Floats) -> Floats:
        """An antiderivative of the cut-off accuracy, along a straight piece of the curve."""
        inside = np.clip(value, bottom, top)
        return np.asarray((inside - bottom) ** 2 / 2 + (top - bottom) * np.maximum(value - top, 0))

    start, end = accuracies[:-1], accuracies[1:]
    level = np.abs(end - start) < 1e-12
    rise = np.where(level, 1.0, end - start)
    height = np.where(level, np.clip(start, bottom, top) - bottom, (area_below(end) - area_below(start)) / rise)
    return float(places[0] + (np.diff(places) * height).sum() / (top - bottom))
