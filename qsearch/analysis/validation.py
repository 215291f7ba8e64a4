"""Validation: what a search's tables gain on images they were not chosen on."""

from collections.abc import Sequence
from dataclasses import dataclass

from qsearch.analysis.gains import Gains, bootstrap_gains
from qsearch.analysis.results import Results, measured
from qsearch.analysis.summary import gain_points


@dataclass(frozen=True)
class ValidationRow:
    """One table of a validation: its label, its place on the validation images (bpp: bits per pixel, kb_per_image: of
    1000 bytes), its gains there.

    searched_gain_points: its gain on the images it was chosen on, in points; None where it was not chosen by a search.
    """

    label: str
    ratio: float
    bpp: float
    kb_per_image: float
    top1: float
    gains: Gains
    searched_gain_points: float | None


def validation_rows(searched: Results, validation: Results, labels: Sequence[str] | None = None) -> list[ValidationRow]:
    """The tables of a validation by rising ratio; those of ``labels`` only, where given.

    InputError where the validation has not measured the standard curve yet.
    """
    found = []
    known = {trial.tables: trial for trial in searched.done}
    for trial in sorted(validation.done, key=lambda trial: measured(trial).ratio):
        if labels is None or trial.label in labels:
            origin = known.get(trial.tables)
            found.append(
                ValidationRow(
                    trial.label,
                    measured(trial).ratio,
                    measured(trial).bpp,
                    measured(trial).kb_per_image,
                    measured(trial).top1,
                    bootstrap_gains(validation, trial),
                    None if origin is None else gain_points(searched, origin),
                )
            )
    return found
