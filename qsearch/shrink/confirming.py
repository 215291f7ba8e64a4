"""Confirming: the chosen tables beside the standard ones on images that nothing was learned from or chosen by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.equal_bytes import values_of
from qsearch.evaluation.measurement import Measurement
from qsearch.learning.family import Sizes
from qsearch.shrink.candidates import STANDARD
from qsearch.shrink.choosing import Chosen, tables_at
from qsearch.shrink.measuring import Measured
from qsearch.shrink.saving import bytes_saved, difference
from qsearch.shrink.settings import YARDSTICKS, By, ShrinkSettings
from qsearch.tables import QuantTables

AROUND = (0.78, 0.86, 0.93, 1.0, 1.07, 1.15, 1.25)
"""The chosen family is measured at these multiples of the chosen bytes."""
BELOW = (0, 5, 10, 20, 35)
"""The standard tables are measured at so many qualities less, too: for the picture, and for what they save."""


@dataclass(frozen=True)
class Confirmed:
    """What holds on the images kept aside.

    tables: what to take home: those of the chosen family that are as good as the standard tables on these images, for
    on those that they were learned from they seem better; or the standard tables of the quality where these take no
    fewer bytes. name: whose they are. standard, found: measured at the standard tables and at ``tables``.
    saved: bytes saved where the chosen family is as good as the standard tables, in per cent; saved_by: the same by
    each yardstick that was measured. lower_quality: what standard tables of a lower quality save, where something may
    be lost. points: at the standard tables and the family, for the picture.
    """

    tables: QuantTables
    name: str
    origin: tuple[str, ...]
    uncompressed: Measurement | None
    standard: Measurement
    found: Measurement
    saved: Estimate
    saved_by: dict[By, Estimate]
    lower_quality: Estimate | None
    standard_points: tuple[Measurement, ...]
    family_points: tuple[Measurement, ...]

    @property
    def falls_back(self) -> bool:
        """Whether nothing better than the standard tables was found."""
        return self.found is self.standard

    @property
    def is_told(self) -> bool:
        """Whether the interval of what is saved lies above zero."""
        return self.saved.low is not None and self.saved.low > 0

    def change(self, total: str) -> Estimate:
        """By how much the mean of ``total`` is larger at ``tables`` than at the standard ones."""
        return difference(self.standard, self.found, lambda measurement: values_of(measurement)[total])


def confirm(settings: ShrinkSettings, chosen: Chosen, measured: Measured, sizes: Sizes) -> Confirmed:
    """Measures the family picked in ``chosen`` and the standard tables; ``sizes`` are of the same images."""
    quality = settings.like_quality
    qualities = [quality - less for less in BELOW if quality - less >= 1]
    standard_points = measured.of([QuantTables.standard(one) for one in qualities])
    standard = standard_points[0]
    uncompressed = measured.uncompressed() if settings.classifier is not None else None
    kept = Confirmed(
        tables=QuantTables.standard(quality),
        name=STANDARD,
        origin=("The standard tables of ITU-T T.81 Annex K: nothing that takes fewer bytes was found to be as good.",),
        uncompressed=uncompressed,
        standard=standard,
        found=standard,
        saved=Estimate(0.0, 0.0, 0.0, resamples=0),
        saved_by={},
        lower_quality=_lower_quality(settings, standard, standard_points, chosen.allowance),
        standard_points=tuple(standard_points),
        family_points=(),
    )
    if chosen.pick is None:
        return kept
    candidate, share = chosen.pick.candidate, chosen.pick.share
    points = measured.of([tables_at(candidate, sizes, standard.total_bytes, share * each) for each in AROUND])
    saved_by = {
        by: bytes_saved(standard, points, one.values, chosen.allowance if by == settings.by else 0.0)
        for by, one in YARDSTICKS.items()
        if one.measure in standard and (by == settings.by or not settings.tolerance) and _means_something(by, measured)
    }
    kept = replace(kept, saved_by=saved_by, family_points=tuple(points))
    saved = saved_by[settings.by]
    if saved.value is None or saved.value <= 0:
        return kept
    tables = tables_at(candidate, sizes, standard.total_bytes, 1 - saved.value / 100)
    (found,) = measured.of([tables])
    return replace(kept, tables=tables, name=candidate.name, origin=candidate.origin, found=found, saved=saved)


def _means_something(by: By, measured: Measured) -> bool:
    """Against its own answers a network's loss rewards being sure."""
    return by != "loss" or measured.evaluator.dataset.truth == "labels"


def _lower_quality(
    settings: ShrinkSettings, standard: Measurement, points: Sequence[Measurement], allowance: float
) -> Estimate | None:
    if not settings.tolerance or len(points) < 2:
        return None
    return bytes_saved(standard, points, settings.yardstick.values, allowance)
