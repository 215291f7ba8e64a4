"""Racing: tables begin on a part of the images, and only those that may still be among the best see more of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import numpy as np

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.measures import Floats
from qsearch.evaluation.objective import Objective, ObjectiveName, objective_called
from qsearch.evaluation.parts import NestedOrder
from qsearch.pareto.paired_curve import PairedCurve
from qsearch.strategies.base import Strategy

Count = Annotated[int, msgspec.Meta(ge=1)]

DEFAULT_CHANCE = 0.3
MEANS_KEPT = 64


class RaceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How tables race; recorded with a run, for all of it decides who is stopped.

    chance: a table is stopped where the chance that it is better than the elite on average is lower. The default was
        set on 300 tables and 300 photographs, where it saves two thirds of the evaluations and the best tables left
        gain on other images as much as without a race (benchmarks/racing.py); 0.5 stops whatever is behind.
    by: what tables are compared in. Of a part of the images the divergence says more than any other objective of how
        tables of one ratio rank on other images, by cross-entropy too (benchmarks/racing.py).
    elite: so many of the best tables so far are the elite; the first trials, as many, are never stopped.
    lag: the elite of trial n is taken from those before n - lag, so that n need not wait for the ones just before it.
    """

    by: ObjectiveName = "divergence"
    chance: Annotated[float, msgspec.Meta(gt=0, lt=1)] = DEFAULT_CHANCE
    elite: Count = 12
    lag: Count = 4


def check_raceable(strategy: Strategy) -> None:
    """InputError where the tables of ``strategy`` cannot race: it learns from all of them, or somebody chose them."""
    if strategy.adaptive or strategy.trial_limit() is not None:
        raise InputError(
            "--race is for strategies that draw tables and learn nothing from them, as sorted-random does: leave it "
            f"out with {strategy.name}."
        )


@dataclass(frozen=True)
class Verdict:
    """What a part of the images says of a table. ``stays``: whether it sees more; reason: why not, else empty."""

    stays: bool
    reason: str = ""


def chance_of_more(differences: Floats, images: int) -> float | None:
    """The chance (0..1) that a difference is above 0 on average over all ``images``, after ``differences`` [n] of them.

    Student's posterior under a flat prior, with the correction for a finite population: what the images seen have
    said is settled, only the others are open (Cochran 1977, section 2.6). None where n < 2.
    """
    seen = len(differences)
    if seen < 2:
        return None
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) * math.sqrt(1 / seen - 1 / images)
    if error == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    from scipy.special import stdtr

    return float(stdtr(seen - 1, mean / error))


@dataclass(eq=False)
class Race:
    """Who stays, for the trials of one search, told by their places: 0, 1, ... without the screened proposals.

    A decision rests upon the standard tables and upon the trials at lower places only, :meth:`before` says up to which;
    so it is the same whenever it is taken. Feed it with :meth:`set_standard` and :meth:`settle`.
    """

    options: RaceOptions
    order: NestedOrder

    _curves: dict[int, PairedCurve] | None = None
    """The standard tables on the parts, by their sizes, once they are known; empty where they make no curve."""
    _points: tuple[Floats, Floats] = (np.empty(0), np.empty(0))
    """[m] rising ratios and values of the standard tables on all images."""
    _settled: dict[int, Measurement | None] = field(default_factory=dict)
    """Those beyond a place that is still open."""
    _elites: list[tuple[tuple[float, int], ...]] = field(default_factory=lambda: [()])
    """By the number of places settled: of the elite the gain, its sign turned so that the best come first, and place.
    """
    _whole: dict[int, Measurement] = field(default_factory=dict)
    """Of those that have been among the elite."""
    _means: dict[tuple[int, tuple[int, ...]], Floats | None] = field(default_factory=dict)
    """[n] the mean gain of an elite by the size of the part and its places: the elite seldom changes."""

    @property
    def objective(self) -> Objective:
        """What tables are compared in."""
        return objective_called(self.options.by)

    def set_standard(self, standard: Sequence[Measurement]) -> None:
        """The standard tables on all images; with fewer than two nothing is ever stopped."""
        points = [self._read(each) for each in standard if self.objective.measured_in(each)]
        self._curves = {}
        if points:
            whole = PairedCurve.of(points)
            self._points = whole.ratios, whole.values.mean(axis=1)
            self._curves = {size: whole.at(self.order.part(size).positions) for size in self.order.sizes}
        self._advance()

    def settle(self, place: int, whole: Measurement | None) -> None:
        """The trial at ``place`` is over: with a measurement of all images, or without one."""
        self._settled[place] = whole
        self._advance()

    def races(self, place: int) -> bool:
        """Whether the trial at ``place`` may be stopped."""
        return place >= self.options.elite

    def before(self, place: int) -> int:
        """The elite of ``place`` is taken from the trials before this one."""
        return max(self.options.elite, place - self.options.lag)

    def ready(self, place: int) -> bool:
        """Whether all is settled that a decision on ``place`` rests upon."""
        return self._curves is not None and len(self._elites) > self.before(place)

    def verdict(self, place: int, part: Measurement) -> Verdict:
        """What the ``part`` of the images, in the order of their positions, says of the trial at ``place``."""
        rivals = tuple(rival for _, rival in self._elites[self.before(place)])
        elite = self._mean_gains(part.images, rivals)
        mine = self._gains(part)
        if elite is None or mine is None:
            return Verdict(True)
        chance = chance_of_more(mine - elite, len(self.order))
        if chance is None or chance >= self.options.chance:
            return Verdict(True)
        return Verdict(
            False,
            f"stopped after {part.images} of {len(self.order)} images: a chance of {100 * chance:.2g} % to be better "
            f"than the mean of the best {len(rivals)} tables before it",
        )

    def _advance(self) -> None:
        while self._curves is not None and (place := len(self._elites) - 1) in self._settled:
            whole, elite = self._settled.pop(place), self._elites[-1]
            gain = math.nan if whole is None else self._gain(whole)
            if whole is not None and not math.isnan(gain):
                ranked = tuple(sorted((*elite, (-gain, place)))[: self.options.elite])
                if (-gain, place) in ranked:
                    elite, self._whole[place] = ranked, whole
            self._elites.append(elite)

    def _gain(self, whole: Measurement) -> float:
        """By sums alone, so that of most tables no image is read again; NaN outside the curve."""
        ratios, values = self._points
        if len(ratios) < 2:
            return math.nan
        ratio = whole.images / whole.total_bytes
        return float(self.objective.value(whole) - np.interp(ratio, ratios, values, left=math.nan, right=math.nan))

    def _gains(self, part: Measurement) -> Floats | None:
        if not self._curves or not self.objective.measured_in(part):
            return None
        return self._curves[part.images].gains(*self._read(part))

    def _mean_gains(self, size: int, rivals: tuple[int, ...]) -> Floats | None:
        key = (size, rivals)
        if key not in self._means:
            positions = self.order.part(size).positions
            found = [self._gains(self._whole[place].at(positions)) for place in rivals]
            known = [gains for gains in found if gains is not None]
            if len(self._means) >= MEANS_KEPT:
                self._means.clear()
            self._means[key] = np.mean(known, axis=0) if known else None
        return self._means[key]

    def _read(self, measurement: Measurement) -> tuple[Floats, Floats]:
        return self.objective.values(measurement), measurement["bytes"].astype(np.float64)
