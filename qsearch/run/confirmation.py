"""Confirmation: a search's most promising tables measured on images kept aside, before one of them is picked."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import msgspec
import numpy as np

from qsearch.analysis.bootstrap import LEVEL, Estimate, further_images
from qsearch.analysis.candidates import LEARNED, PUBLISHED, SCALED, STANDARD, Kind, candidates, kind_of
from qsearch.analysis.gains import Gains, bootstrap_gains, curve_points
from qsearch.analysis.paired import above_standard
from qsearch.analysis.results import Results, measured
from qsearch.analysis.shrinkage import shrunken
from qsearch.datasets.splits import share_of
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import Objective
from qsearch.pareto.curve import StandardCurve
from qsearch.run.building import build_dataset, tables_of_seed
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import RunSettings, SearchSettings
from qsearch.search.steering import Steering, sizes_of
from qsearch.strategies.base import Seed
from qsearch.strategies.listed import Listed
from qsearch.tables import QuantTables

FOLDER = "confirmations"
TRIALS = "-trials"
"""Ends a confirmation's name, after how many done trials candidates were taken of."""
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""So many standard deviations to either side of its mean hold the share LEVEL of a normal distribution."""


@dataclass(frozen=True)
class Considered:
    """A candidate and what it is expected to gain.

    trial: of the confirmation.
    above: the posterior mean of its gain in the objective over the standard tables, deviation its standard deviation;
        both 0 for these themselves. saving: what that means in bytes at an equal value of the objective, in per cent,
        with its 95 % interval.
    """

    trial: Trial
    kind: Kind
    above: float
    deviation: float
    saving: Estimate

    @property
    def label(self) -> str:
        """What the table is called: see :func:`qsearch.analysis.candidates.kind_of`."""
        return self.trial.label

    @property
    def tables(self) -> QuantTables:
        """Scaled to the ratio."""
        return self.trial.tables


@dataclass(frozen=True)
class Confirmed:
    """The pick of a search: the candidate that is expected to gain most on images that the search has not seen.

    It is the standard tables, scaled to the ratio, where no other is expected to gain.

    run: the confirmation, a run of its own, results: what it measured; trials: of how many of the search's done trials
    candidates were taken.
    considered: all candidates, in falling order of what they are expected to gain: the pick first.
    kept: see :class:`qsearch.analysis.shrinkage.Shrunken`.
    """

    run: Run
    results: Results
    objective: Objective
    trials: int
    considered: tuple[Considered, ...]
    kept: float

    @property
    def pick(self) -> Considered:
        """The best candidate."""
        return self.considered[0]

    @property
    def trial(self) -> Trial:
        """The pick as it was measured."""
        return self.pick.trial

    @property
    def gains(self) -> Gains:
        """What the pick was measured to gain on the images kept aside, not corrected for having been picked there."""
        return bootstrap_gains(self.results, self.trial)

    @property
    def ratio(self) -> float:
        """Of the pick on the images kept aside."""
        return measured(self.trial).ratio

    @property
    def images(self) -> int:
        """How many were kept aside."""
        return measured(self.trial).images

    @property
    def falls_back(self) -> bool:
        """Whether the pick is the standard tables."""
        return self.pick.kind == "standard"

    @property
    def standard_errors(self) -> float:
        """By how many standard deviations of what is known the pick lies above the standard tables."""
        return self.pick.above / self.pick.deviation if self.pick.deviation else 0.0

    @property
    def further_images(self) -> int | None:
        """How many more would tell the pick from the standard tables, if it gains what is expected.

        0 where they are told apart already, None where it is not expected to gain.
        """
        if self.falls_back:
            return None
        return further_images(self.images, self.pick.above, Z * self.pick.deviation)


def open_confirmation(
    run: Run, evaluator: Evaluator, learned: Callable[[float], Sequence[Seed]] = lambda ratio: ()
) -> tuple[Run, Evaluator]:
    """The confirmation of ``run`` as far as it is, made where there is none, and what measures it.

    ``evaluator`` is the run's. ``learned`` is asked once the ratio is known: tables learned from the images searched,
    which are candidates too. Each candidate is scaled to the ratio by exact sizes on the images searched; those that
    do not reach it are left out. InputError where the run kept no images aside, or has nothing to confirm.
    """
    settings = run.settings
    if not picks_on_others(settings):
        raise InputError(f"run {run.name} kept no images aside: start one with --confirm.")
    kept = msgspec.structs.replace(settings, dataset=msgspec.structs.replace(settings.dataset, part="kept"))
    results = run.results()
    path = run.path / FOLDER / f"{len(results.done)}{TRIALS}"
    measuring = replace(evaluator, dataset=build_dataset(kept.dataset))
    if (path / SETTINGS_FILE).is_file():
        return Run.open(path), measuring
    chosen = _candidates(run, results, evaluator, learned)
    search = SearchSettings(
        strategy=Listed.name,
        options={"tables": [tables.to_bytes().hex() for tables in chosen.values()], "labels": list(chosen)},
        trials=len(chosen),
        layout="ycbcr",
        like_quality=settings.search.like_quality,
        qualities=settings.search.qualities,
        objective=settings.search.objective,
        hypervolume_reference=settings.search.hypervolume_reference,
    )
    made = msgspec.structs.replace(kept, search=search, recorded=None, changes=())
    return Run.create(path, made, measuring), measuring


def _candidates(
    run: Run, results: Results, evaluator: Evaluator, learned: Callable[[float], Sequence[Seed]]
) -> dict[str, QuantTables]:
    """By label the tables to measure, all of one ratio and the standard ones first; of equal ones the first."""
    wanted = run.settings.search
    ratios = [point.ratio for point in curve_points(results)]
    ratio = wanted.ratio_of_picks(sizes_of(evaluator, QuantTables.standard(wanted.around)).ratio)
    if not min(ratios) <= ratio <= max(ratios):
        raise InputError(
            f"a pick at ratio {ratio:.2f} cannot be confirmed: it lies outside the standard curve of run {run.name}, "
            f"{min(ratios):.2f} to {max(ratios):.2f}."
        )
    if not all(results.objective.measured_in(point) for point in results.standard.values()):
        raise InputError(f"a pick cannot be confirmed: run {run.name} has no network that tells tables apart.")
    steering = Steering(evaluator, ratio)
    chosen = {STANDARD: steering.admit(QuantTables.standard(wanted.around)).tables}
    free = PUBLISHED, LEARNED  # these are candidates anyway, in all their layout
    named = [Seed(each.label, tables_of_seed(each)) for each in wanted.seeds if not each.label.startswith(free)]
    for each in candidates(results, ratio, named, learned(ratio)):
        admission = steering.admit(each.tables)
        if not admission.reason and admission.tables not in chosen.values():
            scaled = kind_of(each.label) == "searched" and admission.tables != each.tables
            chosen[f"{each.label}{SCALED}" if scaled else each.label] = admission.tables
    if len(chosen) == 1:
        raise InputError(f"a pick cannot be confirmed: no table of run {run.name} reaches ratio {ratio:.2f}.")
    return chosen


def confirmed(run: Run) -> Confirmed | None:
    """What the latest finished confirmation of ``run`` says; None where there is none.

    Finished it is when all candidates were tried; those that could not be measured are not considered.
    """
    for found in reversed(confirmations(run)):
        results = found.results()
        if len(results.search) == found.settings.search.trials and len(results.standard) > 1:
            with results.search.at_hand(), results.reference.at_hand():
                return _confirmed(found, results)
    return None


def confirmations(run: Run) -> list[Run]:
    """All confirmations of ``run``, by how many of its done trials candidates were taken of."""
    paths = (run.path / FOLDER).glob(f"*{TRIALS}/{SETTINGS_FILE}")
    found = [Run.open(path.parent).looked_at(run.like_quality) for path in paths]
    return sorted(found, key=_trials)


def kept_aside(settings: RunSettings, evaluator: Evaluator, share: float) -> tuple[RunSettings, Evaluator]:
    """``settings`` and ``evaluator`` of a run that keeps a ``share`` of the images aside; InputError if too few."""
    dataset = msgspec.structs.replace(settings.dataset, kept_aside=share, part="searched")
    searched = share_of(evaluator.dataset, share, "searched")
    return msgspec.structs.replace(settings, dataset=dataset), replace(evaluator, dataset=searched)


def picks_on_others(settings: RunSettings) -> bool:
    """Whether the search keeps images aside to pick on; a confirmation, which is measured on them, does not."""
    return settings.dataset.kept_aside > 0 and settings.dataset.part == "searched"


def owner_of(run: Run) -> Path | None:
    """The folder of the run whose pick is made by ``run``, where that is a confirmation; else None."""
    folder = run.path.resolve().parent
    return folder.parent if folder.name == FOLDER and (folder.parent / SETTINGS_FILE).is_file() else None


def _trials(confirmation: Run) -> int:
    number = confirmation.name.removesuffix(TRIALS)
    return int(number) if number.isdecimal() else 0


def _confirmed(run: Run, results: Results) -> Confirmed | None:
    objective = results.objective
    by_label = {trial.label: trial for trial in results.done}
    standard = by_label.pop(STANDARD, None)
    if standard is None:
        return None
    points = [*results.standard.values(), measured(standard)]  # the last at the ratio itself, so that no gap is bridged
    lowest, *_, highest = sorted(point.ratio for point in points)
    trials = [trial for trial in by_label.values() if lowest <= measured(trial).ratio <= highest]
    fallback = Considered(standard, "standard", 0.0, 0.0, Estimate(0.0, 0.0, 0.0, resamples=0))
    if not trials:
        return None
    above = np.stack([above_standard(points, measured(trial), objective) for trial in trials])
    kinds = [kind_of(trial.label) for trial in trials]
    found = shrunken(above, kinds)
    curve = results.curve_of(objective)
    assert curve is not None  # two standard tables were measured
    considered = [fallback]
    for trial, kind, measured_above, mean, deviation in zip(
        trials, kinds, above.mean(axis=1), found.mean, found.deviation, strict=True
    ):
        level = objective.value(measured(trial)) - float(measured_above)
        saving = _saving(curve, level, float(mean), float(deviation))
        considered.append(Considered(trial, kind, float(mean), float(deviation), saving))
    considered.sort(key=lambda each: -each.above)
    return Confirmed(
        run=run,
        results=results,
        objective=objective,
        trials=_trials(run),
        considered=tuple(considered),
        kept=found.kept,
    )


def _saving(curve: StandardCurve, level: float, above: float, deviation: float) -> Estimate:
    """Bytes saved, in per cent, where the standard tables reach ``level`` of the objective and so much more is gained.

    Both ends are read off the curve, so that what is gained and what is saved agree in their sign.
    """
    here, *reached = curve.ratio_at(level + np.array([0.0, above, above - Z * deviation, above + Z * deviation]))
    savings = (float(100 * (1 - ratio / here)) for ratio in reached)
    value, low, high = (None if math.isnan(each) else each for each in savings)
    return Estimate(value, low, high, resamples=0)
