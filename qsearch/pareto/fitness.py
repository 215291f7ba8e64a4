"""Parabola: the top-1 a frontier promises at a ratio, against which single-objective strategies measure themselves."""

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

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
    """fitness(ratio) = a ratio^2 + b ratio + c, a top-1 in 0..1 (Li 2020). All methods take numbers or arrays."""

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
        """:meth:`above` of a measurement: what strategies that learn maximise."""
        return float(self.above(measurement.ratio, measurement.top1))
