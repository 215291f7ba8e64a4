"""Results: the trials of one run as points, frontier and standard curve."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import UNCOMPRESSED_NUMBER, Measurement, Trial
from qsearch.evaluation.trials import Trials
from qsearch.pareto.curve import StandardCurve
from qsearch.pareto.frontier import frontier
from qsearch.registry import nearest_names


class Results:
    """What one run measured: trials in the order of their numbers, and what is derived from them.

    name stands in legends and tables. Numbers of many trials are read from their columns, image by image only where
    that is asked for.
    """

    def __init__(self, name: str, reference: Sequence[Trial], search: Sequence[Trial]) -> None:
        self.name = name
        self.reference = Trials.of(reference)
        self.search = Trials.of(search)

    @cached_property
    def done(self) -> Trials:
        """The search trials that were measured."""
        return self.search.done()

    @property
    def ratio(self) -> npt.NDArray[np.float64]:
        """[n] compression ratios of :attr:`done`."""
        return self.done.ratio

    @property
    def top1(self) -> npt.NDArray[np.float64]:
        """[n] top-1 accuracies (0..1) of :attr:`done`."""
        return self.done.mean("top1")

    @cached_property
    def frontier(self) -> list[Trial]:
        """The Pareto frontier of :attr:`done` by rising ratio."""
        return [self.done[index] for index in frontier(self.ratio, self.top1).tolist()]

    @cached_property
    def standard_trials(self) -> list[Trial]:
        """The standard tables that were measured, by quality."""
        return [trial for trial in self.reference.done() if trial.number != UNCOMPRESSED_NUMBER]

    @cached_property
    def standard(self) -> dict[int, Measurement]:
        """The measurements of the standard tables by quality."""
        return {trial.number: measured(trial) for trial in self.standard_trials}

    @cached_property
    def uncompressed(self) -> Measurement | None:
        """What the networks answer on the images as they are, or None where that was not measured."""
        trial = self.reference.number(UNCOMPRESSED_NUMBER)
        return None if trial is None else trial.measurement

    @cached_property
    def curve(self) -> StandardCurve | None:
        """The standard tables as a curve, or None before two of its qualities are measured."""
        if len(self.standard) < 2:
            return None
        points = list(self.standard.values())
        return StandardCurve(np.array([p.ratio for p in points]), np.array([p.top1 for p in points]))

    def trial(self, label: str) -> Trial:
        """The trial users call ``17`` or ``standard:50``. InputError where there is none."""
        for trial in self._called(label):
            if trial.label == label:
                return trial
        known = [trial.label for trial in (*self.reference, *self.search)]
        raise InputError(f"run {self.name} has no trial {label!r}: {nearest_names(label, known)}")

    def _called(self, label: str) -> Iterator[Trial]:
        """Those that may be called so: all reference trials, the search trial of that number, those of that origin."""
        yield from self.reference
        if label.isdecimal() and len(label) < 19 and (trial := self.search.number(int(label))) is not None:
            yield trial
        yield from self.search.at(np.flatnonzero(self.search.columns.origins == label))


def measured(trial: Trial) -> Measurement:
    """The measurement of a done trial; InputError for a failed one."""
    if trial.measurement is None:
        raise InputError(f"trial {trial.label} failed ({trial.reason}): it has no measurement.")
    return trial.measurement


def of_network(results: Results, index: int, name: str) -> Results:
    """``results`` as one of several classifiers saw them, called ``name``."""

    def one(trial: Trial) -> Trial:
        if trial.measurement is None:
            return trial
        if index >= trial.measurement.networks:
            raise InputError(f"run {results.name} has {trial.measurement.networks} networks, asked for {index + 1}.")
        return replace(trial, measurement=trial.measurement.of_network(index))

    return Results(name, [one(trial) for trial in results.reference], [one(trial) for trial in results.search])
