"""Results: the trials of one run as points, frontier and reference curve."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.curve import ReferenceCurve
from qsearch.pareto.frontier import frontier
from qsearch.registry import nearest_names


@dataclass(frozen=True, eq=False)
class Results:
    """What one run measured. ``name`` stands in legends and tables; trials are in the order of their numbers."""

    name: str
    reference: Sequence[Trial]
    search: Sequence[Trial]

    @cached_property
    def done(self) -> list[Trial]:
        """The search trials that have a measurement."""
        return [trial for trial in self.search if trial.measurement is not None]

    @cached_property
    def ratio(self) -> npt.NDArray[np.float64]:
        """[n] compression ratios of :attr:`done`."""
        return np.array([measured(trial).ratio for trial in self.done], dtype=np.float64)

    @cached_property
    def top1(self) -> npt.NDArray[np.float64]:
        """[n] top-1 accuracies (0..1) of :attr:`done`."""
        return np.array([measured(trial).top1 for trial in self.done], dtype=np.float64)

    @cached_property
    def frontier(self) -> list[Trial]:
        """The Pareto frontier of :attr:`done` by rising ratio."""
        return [self.done[index] for index in frontier(self.ratio, self.top1)]

    @cached_property
    def standard(self) -> dict[int, Measurement]:
        """The reference measurements by quality."""
        return {trial.number: trial.measurement for trial in self.reference if trial.measurement is not None}

    @cached_property
    def curve(self) -> ReferenceCurve | None:
        """The standard tables as a curve, or None before two of its qualities are measured."""
        if len(self.standard) < 2:
            return None
        points = list(self.standard.values())
        return ReferenceCurve(np.array([p.ratio for p in points]), np.array([p.top1 for p in points]))

    def trial(self, label: str) -> Trial:
        """The trial users call ``17`` or ``standard:50``. InputError where there is none."""
        known = {trial.label: trial for trial in (*self.reference, *self.search)}
        if label not in known:
            raise InputError(f"run {self.name} has no trial {label!r}: {nearest_names(label, known)}")
        return known[label]


def measured(trial: Trial) -> Measurement:
    """The measurement of a done trial; InputError for a failed one."""
    if trial.measurement is None:
        raise InputError(f"trial {trial.label} failed ({trial.reason}): it has no measurement.")
    return trial.measurement


def of_classifier(results: Results, index: int, name: str) -> Results:
    """``results`` as one of several classifiers saw them, called ``name``."""

    def one(trial: Trial) -> Trial:
        if trial.measurement is None:
            return trial
        if index >= len(trial.measurement.ranks):
            raise InputError(
                f"run {results.name} has {len(trial.measurement.ranks)} classifiers, asked for {index + 1}."
            )
        return replace(trial, measurement=trial.measurement.of_classifier(index))

    return Results(name, [one(trial) for trial in results.reference], [one(trial) for trial in results.search])
