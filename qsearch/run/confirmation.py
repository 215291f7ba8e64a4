"""Confirmation: a search's most promising tables measured on images kept aside, before one of them is picked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.candidates import MEAN_OF_PUBLISHED, Candidate, Kind, candidates
from qsearch.analysis.choice import QUALITY
from qsearch.analysis.gains import Gains, bootstrap_gains, saving_percent_over
from qsearch.analysis.paired import above_standard
from qsearch.analysis.results import Results, measured
from qsearch.analysis.shrinkage import FEWEST_IMAGES, shrunken
from qsearch.datasets.splits import share_of
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import Objective, objective_called
from qsearch.run.building import build_dataset
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import RunSettings, SearchSettings
from qsearch.search.steering import Steering
from qsearch.strategies.listed import Listed
from qsearch.tables import QuantTables

FOLDER = "confirmations"
STANDARD = "standard"
"""The label of the standard tables, scaled to the ratio, among the candidates."""
Z = 1.959964
"""Standard deviations that hold 95 % of a normal distribution around its mean."""


@dataclass(frozen=True)
class Considered:
    """A candidate and what it is expected to gain.

    above: the posterior mean of its gain in the objective over the standard curve, deviation its standard deviation;
        saving: what that means in bytes at an equal value of the objective, in per cent, with its 95 % interval.
    """

    label: str
    kind: Kind
    tables: QuantTables
    above: float
    deviation: float
    saving: Estimate


@dataclass(frozen=True)
class Confirmed:
    """The pick of a search: the candidate that is expected to gain most on images that the search has not seen.

    run: the confirmation, a run of its own, results: what it measured; ratio: of the pick on the images kept aside.
    pick: of ``considered``, which are in falling order of what they are expected to gain.
    gains: what the pick was measured to gain on the images kept aside, not corrected for having been picked there.
    kept: see :class:`qsearch.analysis.shrinkage.Shrunken`.
    images: how many were kept aside; further_images: how many more would tell the pick from the standard curve, if it
        gains what is expected; 0 where they do already, None where it is not expected to gain.
    """

    run: Run
    results: Results
    ratio: float
    objective: Objective
    trial: Trial
    considered: tuple[Considered, ...]
    gains: Gains
    kept: float
    images: int

    @property
    def pick(self) -> Considered:
        """The best candidate; the standard tables where nothing is expected to be better than they are."""
        best = self.considered[0]
        return next((each for each in self.considered if each.label == self.trial.label), best)

    @property
    def standard_errors(self) -> float:
        """By how many standard deviations of what is known the pick lies above the standard curve."""
        return self.pick.above / self.pick.deviation if self.pick.deviation else math.inf

    @property
    def further_images(self) -> int | None:
        """See the class."""
        if self.pick.above <= 0:
            return None
        return max(0, math.ceil(self.images * ((Z / self.standard_errors) ** 2 - 1)))


def target_ratio(run: Run, results: Results) -> float:
    """The ratio that the pick is for: what the run was steered to, or that of the standard tables it is stated at."""
    wanted = run.settings.search
    if wanted.ratio is not None:
        return wanted.ratio
    standard = results.standard.get(wanted.around) or results.standard.get(QUALITY)
    if standard is None:
        raise InputError(f"run {run.name} has not measured standard quality {wanted.around}: resume it first.")
    return standard.ratio


def open_confirmation(run: Run, evaluator: Evaluator, more: Sequence[Candidate] = ()) -> tuple[Run, Evaluator]:
    """The confirmation of ``run`` at its number of trials, made where there is none, and what measures it.

    ``evaluator`` is the run's; ``more`` are candidates beside those of :func:`qsearch.analysis.candidates.candidates`.
    Each is scaled to the ratio by exact sizes on the images searched; those that do not reach it are left out.
    InputError where the run kept no images aside, or has nothing to confirm.
    """
    settings = run.settings
    if not settings.dataset.kept_aside:
        raise InputError(f"run {run.name} kept no images aside: start one with --confirm.")
    kept = msgspec.structs.replace(settings, dataset=msgspec.structs.replace(settings.dataset, part="kept"))
    measuring = replace(evaluator, dataset=build_dataset(kept.dataset))
    results = run.results()
    path = run.path / FOLDER / f"{len(results.search)}-trials"
    if (path / SETTINGS_FILE).is_file():
        return Run.open(path), measuring
    ratio = target_ratio(run, results)
    standard = Candidate(STANDARD, "standard", QuantTables.standard(QUALITY))
    steering = Steering(evaluator, ratio)
    chosen: dict[QuantTables, tuple[str, Kind]] = {}
    for each in [standard, *more, *candidates(results, ratio)]:
        admission = steering.admit(each.tables)
        if not admission.reason:
            label = each.label if each.kind != "searched" or admission.tables == each.tables else f"{each.label}-scaled"
            chosen.setdefault(admission.tables, (label, each.kind))
    search = SearchSettings(
        strategy=Listed.name,
        options={
            "tables": [tables.to_bytes().hex() for tables in chosen],
            "labels": [label for label, _ in chosen.values()],
        },
        trials=len(chosen),
        layout="ycbcr",
        qualities=settings.search.qualities,
        objective=settings.search.objective,
        hypervolume_reference=settings.search.hypervolume_reference,
    )
    return Run.create(
        path, msgspec.structs.replace(kept, search=search, recorded=None, changes=()), measuring
    ), measuring


def confirmed(run: Run) -> Confirmed | None:
    """What the latest finished confirmation of ``run`` says; None where there is none."""
    for path in sorted((run.path / FOLDER).glob(f"*-trials/{SETTINGS_FILE}"), key=_trials, reverse=True):
        found = Run.open(path.parent)
        results = found.results()
        if len(results.done) == found.settings.search.trials and len(results.standard) > 1:
            return _confirmed(found, results)
    return None


def confirmations(run: Run) -> list[Run]:
    """All confirmations of ``run``, by their numbers of trials."""
    return [Run.open(path.parent) for path in sorted((run.path / FOLDER).glob(f"*/{SETTINGS_FILE}"), key=_trials)]


def kept_aside(settings: RunSettings, evaluator: Evaluator, share: float) -> tuple[RunSettings, Evaluator]:
    """``settings`` and ``evaluator`` of a run that keeps a ``share`` of the images aside; InputError if too few."""
    dataset = msgspec.structs.replace(settings.dataset, kept_aside=share)
    searched = share_of(evaluator.dataset, share, "searched")
    return msgspec.structs.replace(settings, dataset=dataset), replace(evaluator, dataset=searched)


def _trials(path: Path) -> int:
    number = path.parent.name.removesuffix("-trials")
    return int(number) if number.isdecimal() else -1


def _confirmed(run: Run, results: Results) -> Confirmed | None:
    objective = objective_called(run.settings.search.objective)
    trials, standard = list(results.done), list(results.standard.values())
    if measured(trials[0]).images < FEWEST_IMAGES or not objective.measured_in(measured(trials[0])):
        return None
    above = np.stack([above_standard(standard, measured(trial), objective) for trial in trials])
    kinds = [_kind(trial.label) for trial in trials]
    found = shrunken(above, kinds)
    considered = [
        Considered(
            trial.label,
            kind,
            trial.tables,
            float(mean),
            float(deviation),
            _saving(results, trial, objective, float(mean), float(deviation)),
        )
        for trial, kind, mean, deviation in zip(trials, kinds, found.mean, found.deviation, strict=True)
    ]
    order = np.argsort(-found.mean, kind="stable").tolist()
    pick = trials[order[0]]
    if found.mean[order[0]] <= 0:  # nothing is expected to be better than the standard tables
        pick = next((trial for trial in trials if trial.label == STANDARD), pick)
    return Confirmed(
        run=run,
        results=results,
        ratio=measured(pick).ratio,
        objective=objective,
        trial=pick,
        considered=tuple(considered[place] for place in order),
        gains=bootstrap_gains(results, pick),
        kept=found.kept,
        images=measured(pick).images,
    )


def _kind(label: str) -> Kind:
    if label == STANDARD:
        return "standard"
    if label.startswith("mean-of-") and label != MEAN_OF_PUBLISHED:
        return "average"
    return "searched" if label.removesuffix("-scaled").isdecimal() else "published"


def _saving(results: Results, trial: Trial, objective: Objective, mean: float, deviation: float) -> Estimate:
    """Bytes saved at an equal value of the objective where the standard curve is exceeded by so much, in per cent."""
    curve, ratio = results.curve_of(objective), measured(trial).ratio
    assert curve is not None  # two standard tables were measured
    level = float(curve.value_at(ratio))
    ends = saving_percent_over(curve, ratio, level + mean + deviation * np.array([0.0, -Z, Z]))
    value, low, high = (None if np.isnan(end) else float(end) for end in ends)
    return Estimate(value, low, high, resamples=0)
