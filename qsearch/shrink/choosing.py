"""Choosing: the family, and which of its tables, that takes the fewest bytes to be as good as a standard quality."""

from dataclasses import dataclass

import numpy as np

from qsearch.errors import EvaluationError
from qsearch.evaluation.measurement import Measurement
from qsearch.learning.family import Sizes
from qsearch.shrink.candidates import Candidate
from qsearch.shrink.measuring import Measured
from qsearch.shrink.saving import saves_more, share_needed
from qsearch.shrink.settings import ShrinkSettings
from qsearch.tables import QuantTables

SHARES = (0.94, 0.87, 0.80, 0.73, 0.66)
"""Of the standard tables' bytes: where a promising family is measured first."""
_STEP = 0.92
"""Further points lie so far apart."""
SMALLEST_SHARE = 0.1
_BELOW = 5
"""Qualities between those that tell what a point of top-1 is worth, downwards."""
_QUALITIES_BELOW = 6


@dataclass(frozen=True)
class Traced:
    """A candidate as the images chosen on see it.

    points: by share of the standard tables' bytes; share: where it is as good as they are, NaN if nowhere.
    """

    candidate: Candidate
    points: dict[float, Measurement]
    share: float


@dataclass(frozen=True)
class Chosen:
    """What was chosen.

    allowance: what the yardstick may lose. equal_bytes: every candidate at the standard tables' bytes, by its name.
    traced: those that were followed; pick: the one to take, None where none takes fewer bytes.
    """

    allowance: float
    equal_bytes: dict[str, Measurement]
    traced: tuple[Traced, ...]
    pick: Traced | None


def choose(settings: ShrinkSettings, found: list[Candidate], measured: Measured, sizes: Sizes) -> Chosen:
    """Measures all of ``found`` at the standard tables' bytes, follows the best to fewer, and picks one.

    At most ``settings.budget`` tables are measured, but always enough to follow one candidate. EvaluationError where
    something cannot be measured.
    """
    (standard,) = measured.of([QuantTables.standard(settings.like_quality)])
    allowance = _allowance(settings, measured)
    values = settings.yardstick.values
    at_equal = [tables_at(one, sizes, standard.total_bytes, 1.0) for one in found]
    equal = dict(zip((one.name for one in found), measured.of(at_equal), strict=True))
    order = sorted(found, key=lambda one: -float(values(equal[one.name]).mean()))
    target = float(values(standard).mean()) - allowance
    traced: list[Traced] = []
    for candidate in order:
        left = settings.budget - len(measured)
        if (traced and left < len(SHARES)) or float(values(equal[candidate.name]).mean()) < target:
            break
        points = _followed(settings, candidate, {1.0: equal[candidate.name]}, standard, target, measured, sizes)
        share = share_needed(standard, list(points.values()), values, allowance)
        traced.append(Traced(candidate, points, share))
    pick = _pick(settings, found, traced, standard, allowance)
    return Chosen(allowance, equal, tuple(traced), pick)


def _pick(
    settings: ShrinkSettings, found: list[Candidate], traced: list[Traced], standard: Measurement, allowance: float
) -> Traced | None:
    """The first, in the order of ``found``, that is not told to save less than the one that seems to save most.

    Among so many the one that seems best is so partly by luck, and what was learned for these images and this network
    is what is expected to be.
    """
    good = [one for one in traced if not np.isnan(one.share) and one.share < 1]
    if not good:
        return None
    best = min(good, key=lambda one: one.share)
    values, most = settings.yardstick.values, list(best.points.values())
    in_order = sorted(good, key=lambda one: found.index(one.candidate))
    return next(
        one
        for one in in_order
        if one is best or not saves_more(most, list(one.points.values()), standard, values, allowance)
    )


def tables_at(candidate: Candidate, sizes: Sizes, standard_bytes: int, share: float) -> QuantTables:
    """Those of ``candidate`` whose files have nearest to ``share`` of ``standard_bytes``."""
    place, _ = candidate.family.matched(sizes, round(share * standard_bytes))
    return candidate.family.tables(place)


def _followed(
    settings: ShrinkSettings,
    candidate: Candidate,
    points: dict[float, Measurement],
    standard: Measurement,
    target: float,
    measured: Measured,
    sizes: Sizes,
) -> dict[float, Measurement]:
    """``points`` with more of fewer bytes, until one lies below ``target``."""
    following = list(SHARES)
    while True:
        tables = [tables_at(candidate, sizes, standard.total_bytes, share) for share in following]
        points |= dict(zip(following, measured.of(tables), strict=True))
        last = following[-1]
        if float(settings.yardstick.values(points[last]).mean()) < target or last * _STEP**3 < SMALLEST_SHARE:
            return points
        following = [last * _STEP, last * _STEP**2, last * _STEP**3]


def _allowance(settings: ShrinkSettings, measured: Measured) -> float:
    """What the yardstick may lose; points of top-1 become its unit by how both fall with the standard quality.

    Top-1 of single tables is mostly luck on a few hundred images; the line through all the qualities below is not.
    """
    if not settings.tolerance or settings.classifier is None:
        return settings.tolerance
    lowest = max(1, settings.like_quality - _BELOW * _QUALITIES_BELOW)
    qualities = np.unique(np.linspace(lowest, settings.like_quality, _QUALITIES_BELOW + 1).round().astype(int))[::-1]
    points = measured.of([QuantTables.standard(int(quality)) for quality in qualities])
    top1 = np.array([one.top1 for one in points])
    value = np.array([float(settings.yardstick.values(one).mean()) for one in points])
    lost, harm = top1[0] - top1[1:], value[0] - value[1:]
    slope = float((lost * harm).sum() / (harm**2).sum()) if (harm**2).sum() else 0.0
    if slope <= 0:
        raise EvaluationError(
            f"top-1 does not fall with {settings.yardstick.title} below quality {settings.like_quality} on "
            f"{measured.evaluator.dataset.name}, so a tolerance in points means nothing here: take more images, or no "
            "--tolerance."
        )
    return settings.tolerance / 100 / slope
