"""Results: the trials of one run as points, frontier and standard curve."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import UNCOMPRESSED_NUMBER, Measurement, Trial
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.evaluation.trials import Trials
from qsearch.pareto.curve import StandardCurve
from qsearch.pareto.frontier import frontier
from qsearch.registry import nearest_names

LIKE_QUALITY = 50
"""The standard quality that headlines are stated at, as in Li 2020, unless the user says otherwise."""


class Results:
    """What one run measured: trials in the order of their numbers, and what is derived from them.

    name stands in legends and tables; objective is what picks are made by, and the frontier is of it and the ratio;
    like_quality is the standard quality that headlines are stated at.
    Numbers of many trials are read from their columns, image by image only where that is asked for.
    """

    def __init__(
        self,
        name: str,
        reference: Sequence[Trial],
        search: Sequence[Trial],
        objective: Objective = TOP1,
        like_quality: int = LIKE_QUALITY,
    ) -> None:
        self.name = name
        self.objective = objective
        self.like_quality = like_quality
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

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """[n] values of the objective, larger is better, of :attr:`done`."""
        return self.objective.of_trials(self.done)

    @cached_property
    def frontier(self) -> list[Trial]:
        """The Pareto frontier of :attr:`done`, of ratio and objective, by rising ratio."""
        return [self.done[index] for index in frontier(self.ratio, self.value).tolist()]

    @cached_property
    def standard_trials(self) -> list[Trial]:
        """The standard tables that were measured, by quality."""
        return [trial for trial in self.reference.done() if trial.number != UNCOMPRESSED_NUMBER]

    @cached_property
    def standard(self) -> dict[int, Measurement]:
        """The measurements of the standard tables by quality."""
        return {trial.number: measured(trial) for trial in self.standard_trials}

    @property
    def baseline(self) -> Measurement | None:
        """The standard tables at :attr:`like_quality`, or None where these were not measured."""
        return self.standard.get(self.like_quality)

    @cached_property
    def uncompressed(self) -> Measurement | None:
        """What the networks answer on the images as they are, or None where that was not measured."""
        trial = self.reference.number(UNCOMPRESSED_NUMBER)
        return None if trial is None else trial.measurement

    @cached_property
    def curve(self) -> StandardCurve | None:
        """The standard tables as a curve of top-1, or None before two of its qualities are measured."""
        return self.curve_of(TOP1)

    def curve_of(self, objective: Objective) -> StandardCurve | None:
        """The standard tables as a curve of ``objective``; None before two are measured, or where it was not."""
        if objective not in self._curves:
            points = [point for point in self.standard.values() if np.isfinite(objective.value(point))]
            ratios, values = np.array([(each.ratio, objective.value(each)) for each in points]).reshape(-1, 2).T
            self._curves[objective] = StandardCurve(ratios, values) if len(points) > 1 else None
        return self._curves[objective]

    @cached_property
    def _curves(self) -> dict[Objective, StandardCurve | None]:
        return {}

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
    """The measurement of a done trial; InputError for a failed one, and for one that saw a part of the images only."""
    if trial.measurement is None:
        raise InputError(f"trial {trial.label} failed ({trial.reason}): it has no measurement.")
    if trial.status == "stopped":
        raise InputError(
            f"trial {trial.label} was stopped after {trial.measurement.images} images, and what those say is not what "
            f"all do: see the others with 'qsearch measure RUN --complete {trial.label}'."
        )
    return trial.measurement


def of_network(results: Results, index: int, name: str) -> Results:
    """``results`` as one of several classifiers saw them, called ``name``."""

    def one(trial: Trial) -> Trial:
        if trial.status != "done" or trial.measurement is None:
            return trial
        if index >= trial.measurement.networks:
            raise InputError(f"run {results.name} has {trial.measurement.networks} networks, asked for {index + 1}.")
        return replace(trial, measurement=trial.measurement.of_network(index))

    reference, search = (
        Trials.of([one(trial) for trial in trials], trials.at_hand) for trials in (results.reference, results.search)
    )
    return Results(name, reference, search, results.objective, results.like_quality)
