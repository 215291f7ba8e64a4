"""Parabola: the top-1 a frontier promises at a rate, against which single-objective strategies measure themselves."""

from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Numbers = TypeVar("Numbers", float, npt.NDArray[np.float64])

GOOD_GAP = -0.001
"""A point is good where its gap is above this: a tenth of a percentage point below the fitted frontier (Li 2020)."""


@dataclass(frozen=True)
class Parabola:
    """fitness(rate) = a rate^2 + b rate + c, a top-1 accuracy in 0..1 (Li 2020). All methods take numbers or arrays."""

    a: float
    b: float
    c: float

    @classmethod
    def fit(cls, rate: npt.ArrayLike, top1: npt.ArrayLike) -> Self:
        """Least squares over the points ``rate`` [n] and ``top1`` [n], usually a frontier's.

        Raises InputError for fewer than three different rates and for what is not finite.
        """
        rates = np.asarray(rate, dtype=np.float64)
        accuracies = np.asarray(top1, dtype=np.float64)
        if rates.ndim != 1 or rates.shape != accuracies.shape:
            raise InputError(
                f"a parabola is fitted to n rates and n accuracies, got {rates.shape} and {accuracies.shape}."
            )
        if not (np.isfinite(rates).all() and np.isfinite(accuracies).all()):
            raise InputError("a parabola is fitted to finite numbers: leave out trials without a rate or an accuracy.")
        different = len(np.unique(rates))
        if different < 3:
            raise InputError(
                f"a parabola needs points at three different rates or more, the frontier has {different}: "
                "search with more trials first."
            )
        c, b, a = np.polynomial.polynomial.polyfit(rates, accuracies, 2).tolist()
        return cls(a, b, c)

    def at(self, rate: Numbers) -> Numbers:
        """The top-1 (0..1) expected at ``rate``."""
        return (self.a * rate + self.b) * rate + self.c

    def gap(self, rate: Numbers, top1: Numbers) -> Numbers:
        """Top-1 (0..1) above what is expected at ``rate``; above :data:`GOOD_GAP` for a good point."""
        return top1 - self.at(rate)
