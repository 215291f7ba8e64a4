"""What a frontier promises at a ratio: top-1 over all its ratios (Parabola), any objective near one (LocalFit)."""

import math
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import TOP1, Objective

Numbers = TypeVar("Numbers", float, npt.NDArray[np.float64])


class Place(Protocol):
    """Where a measurement lies."""

    @property
    def ratio(self) -> float: ...

    @property
    def top1(self) -> float: ...


GOOD_GAP = -0.001
"""A point is good where its gap is above this: a tenth of a percentage point below the fitted frontier (Li 2020)."""


@dataclass(frozen=True)
class Parabola:
    """fitness(ratio) = a ratio^2 + b ratio + c, a top-1 in 0..1 (Li 2020). All methods take numbers or arrays.

    One parabola over all ratios misses a frontier by up to half a point here and there; it is what Li's Table 2 is
    about. Strategies optimise a :class:`LocalFit`.
    """

    a: float
    b: float
    c: float

    @classmethod
    def fit(cls, ratio: npt.ArrayLike, top1: npt.ArrayLike) -> Self:
        """Least squares over the points ``ratio`` [n] and ``top1`` [n], usually a frontier's.

        Raises InputError for fewer than three different ratios and for what is not finite.
        """
        ratios = np.asarray(ratio, dtype=np.float64)
        accuracies = np.asarray(top1, dtype=np.float64)
        if ratios.ndim != 1 or ratios.shape != accuracies.shape:
            raise InputError(
                f"a parabola is fitted to n ratios and n accuracies, got {ratios.shape} and {accuracies.shape}."
            )
        if not (np.isfinite(ratios).all() and np.isfinite(accuracies).all()):
            raise InputError("a parabola is fitted to finite numbers: leave out trials without a ratio or an accuracy.")
        different = len(np.unique(ratios))
        if different < 3:
            raise InputError(
                f"a parabola needs points at three different ratios or more, the frontier has {different}: "
                "search with more trials first."
            )
        c, b, a = np.polynomial.polynomial.polyfit(ratios, accuracies, 2).tolist()
        return cls(a, b, c)

    def at(self, ratio: Numbers) -> Numbers:
        """The top-1 (0..1) expected at ``ratio``."""
        return (self.a * ratio + self.b) * ratio + self.c

    def above(self, ratio: Numbers, top1: Numbers) -> Numbers:
        """Top-1 (0..1) above what is expected at ``ratio``; above :data:`GOOD_GAP` for a good point."""
        return top1 - self.at(ratio)

    def gap(self, measurement: Place) -> float:
        """:meth:`above` of a measurement."""
        return float(self.above(measurement.ratio, measurement.top1))


ENOUGH = 5
"""Different ratios that a local quadratic rests on; through fewer points goes a straight line."""


@dataclass(frozen=True)
class LocalFit:
    """fitness(ratio) = a x^2 + b x + c with x = ln(ratio / center), a value of ``objective``: points near ``center``.

    From ``low`` to ``high`` it is that, beyond them its tangent: a bend that a few points show says nothing of what
    is far from them.
    """

    center: float
    low: float
    high: float
    a: float
    b: float
    c: float
    objective: Objective = TOP1

    @classmethod
    def fit(
        cls,
        ratio: npt.ArrayLike,
        value: npt.ArrayLike,
        window: tuple[float, float],
        objective: Objective = TOP1,
    ) -> Self:
        """Least squares over those of the points ``ratio`` [n], ``value`` [n] that lie in twice the ``window``.

        Twice as wide in log ratio, about the same middle. Where it holds fewer than :data:`ENOUGH` different ratios,
        as many of the nearest points are taken, or all. The line is straight where there are no more even so, and where
        a quadratic would rise somewhere from ``low`` to ``high``, which no frontier does.

        Raises InputError for fewer than two different ratios, for ratios that are not positive, for a window that is
        none, and as :meth:`Parabola.fit`.
        """
        ratios, values = np.asarray(ratio, dtype=np.float64), np.asarray(value, dtype=np.float64)
        if ratios.ndim != 1 or ratios.shape != values.shape:
            raise InputError(f"a fit is to n ratios and n values, got {ratios.shape} and {values.shape}.")
        if not (np.isfinite(ratios).all() and np.isfinite(values).all() and (ratios > 0).all()):
            raise InputError("a fit is to positive ratios and finite values: leave out trials without them.")
        if not (math.isfinite(window[1]) and 0 < window[0] <= window[1]):
            raise InputError(
                f"a window of ratios goes from a lower to a higher number, got {window[0]:g} to {window[1]:g}."
            )
        if len(np.unique(ratios)) < 2:
            raise InputError("a fit near a ratio needs points at two ratios or more: search with more trials first.")
        center = math.sqrt(window[0] * window[1])
        x = np.log(ratios / center)
        reach = math.log(window[1] / window[0])
        nearest = np.sort(np.abs(np.unique(x)))[:ENOUGH]
        within = np.abs(x) <= max(reach, nearest[-1])
        x, values = x[within], values[within]
        low, high = min(-reach, float(x.min())), max(reach, float(x.max()))
        b, c = _straight(x, values)
        a = 0.0
        if len(np.unique(x)) >= ENOUGH:
            bent_c, bent_b, bent_a = np.polynomial.polynomial.polyfit(x, values, 2).tolist()
            if max(2 * bent_a * end + bent_b for end in (low, high)) <= 0:
                a, b, c = bent_a, bent_b, bent_c
        return cls(center, center * math.exp(low), center * math.exp(high), a, b, c, objective)

    def at(self, ratio: Numbers) -> Numbers:
        """The value expected at ``ratio``."""
        x = np.log(np.asarray(ratio) / self.center)
        inside = np.clip(x, math.log(self.low / self.center), math.log(self.high / self.center))
        value = (self.a * inside + self.b) * inside + self.c + (2 * self.a * inside + self.b) * (x - inside)
        return float(value) if np.ndim(ratio) == 0 else value  # type: ignore[return-value]

    def above(self, ratio: Numbers, value: Numbers) -> Numbers:
        """``value`` above what is expected at ``ratio``."""
        return value - self.at(ratio)

    def gap(self, measurement: Measurement) -> float:
        """:meth:`above` of a measurement: what strategies that learn maximise."""
        return float(self.above(measurement.ratio, self.objective.value(measurement)))


def _straight(x: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Slope and value at 0 of the line of least squares."""
    c, b = np.polynomial.polynomial.polyfit(x, values, 1).tolist()
    return b, c
