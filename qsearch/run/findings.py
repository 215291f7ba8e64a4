"""Findings: what a run found, and what its validations say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qsearch.analysis.choice import measured_baseline, pick
from qsearch.analysis.gains import Gains, bootstrap_gains
from qsearch.analysis.optimism import SelectedGain, selected_gain
from qsearch.analysis.results import Results, measured, of_network
from qsearch.analysis.summary import Summary, summarize
from qsearch.analysis.validation import ValidationRow, validation_rows
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import Objective, objective_called
from qsearch.quantizer import Quantizer
from qsearch.run.confirmation import Confirmed, confirmed
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded
from qsearch.run.validation import uses, validations
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class Found:
    """What a run has found so far, and how much of the two headline gains is owed to having picked the best.

    confirmed: the pick, made on images kept aside; None where none were, or before that was measured.

    uncompressed_top1: (0..1) on the images as they are, or None where that was not measured.
    """

    summary: Summary
    at_ratio: SelectedGain | None
    at_accuracy: SelectedGain | None
    uncompressed_top1: float | None
    confirmed: Confirmed | None = None


@dataclass(frozen=True)
class Picks:
    """The labels of a search's picks: its best at no lower ratio and at no worse value of the
    objective than the standard tables at ``like_quality``.

    confirmed: the one that was made on images kept aside; ``export`` takes it, else the first.
    """

    at_ratio: str | None
    at_accuracy: str | None
    confirmed: str | None = None


@dataclass(frozen=True)
class ValidationPicks:
    """What one network says of a run's picks on a validation's images; None for a pick that was not measured there."""

    validation: Run
    classifier: str
    at_ratio: Gains | None
    at_accuracy: Gains | None
    confirmed: Gains | None = None


@dataclass(frozen=True)
class NetworkValidation:
    """The tables of a validation, by rising ratio, as one network sees them."""

    classifier: str
    tables: tuple[ValidationRow, ...]


@dataclass(frozen=True)
class ValidationFindings:
    """What a validation says of a run's tables.

    use: how often tables of the run were measured on these images, this time included.
    uncompressed_top1: by network, top-1 (0..1) on the images as they are; empty where that was not measured.
    """

    picks: Picks
    use: int
    networks: tuple[NetworkValidation, ...]
    uncompressed_top1: tuple[float, ...]


def found_by(run: Run) -> Found:
    """What is recorded so far, summed up."""
    results = run.results()
    summary = summarize(results, run.settings.search.hypervolume_reference)
    uncompressed = results.uncompressed
    uncompressed_top1 = None if uncompressed is None or not uncompressed.networks else uncompressed.top1
    if summary.standard is None or len(results.standard) < 2 or np.isnan(summary.standard.top1):
        return Found(summary, None, None, uncompressed_top1)
    at_ratio, at_accuracy = selected_gain(results, "ratio"), selected_gain(results, "accuracy")
    if at_accuracy is not None:  # which withholds a saving that few resamples know
        summary = replace(summary, saving_percent=at_accuracy.apparent.value)
    return Found(summary, at_ratio, at_accuracy, uncompressed_top1, confirmed(run))


def labels_predicted(run: Run) -> bool:
    """Whether a run's accuracy is agreement of each network with itself."""
    return (run.settings.recorded or Recorded()).dataset.get("labels") == "predicted"


def smooth_objective(run: Run) -> Objective:
    """The objective of a run; for one of top-1 the loss, by which tables can be told apart."""
    return objective_called(run.settings.search.objective).smooth


def picks_of(run: Run, results: Results) -> Picks:
    """The tables that a ``run`` with these ``results`` would take home."""
    kept = confirmed(run)
    chosen = [pick(results, "ratio"), pick(results, "accuracy"), None if kept is None else kept.trial]
    return Picks(*(None if trial is None else trial.label for trial in chosen))


def tables_to_validate(results: Results, top: int | None = None, ratio: float | None = None) -> dict[str, QuantTables]:
    """The frontier's tables by label; with ``top``, so many nearest to ``ratio``, and the run's picks in any case.

    ``ratio`` is by default that of the standard tables at ``like_quality``. InputError where there is no frontier, or
    no such ratio.
    """
    trials: Sequence[Trial] = results.frontier
    if not trials:
        raise InputError(f"run {results.name} has no frontier yet: resume it first.")
    if top is not None:
        middle = measured_baseline(results, ", or --ratio").ratio if ratio is None else ratio
        nearest = sorted(trials, key=lambda trial: abs(measured(trial).ratio - middle))[:top]
        picked = [trial for trial in (pick(results, "ratio"), pick(results, "accuracy")) if trial is not None]
        trials = [*nearest, *picked]
    return {trial.label: trial.tables for trial in trials}


def validation_picks(run: Run, found: Found) -> list[ValidationPicks]:
    """A row per validation kept with ``run`` and network of it; those without a standard curve yet are left out."""
    rows, searched = [], run.results()
    for validation in validations(run):
        results = validation.results()
        if len(results.standard) < 2:
            continue
        recorded = validation.settings.recorded or Recorded()
        for index, classifier in enumerate(recorded.classifiers):
            seen = of_network(results, index, str(classifier["name"]))
            points = (found.summary.best_at_ratio, found.summary.best_at_accuracy)
            picked = [None if point is None else searched.trial(point.label).quantizer for point in points]
            picked.append(None if found.confirmed is None else found.confirmed.trial.quantizer)
            rows.append(ValidationPicks(validation, seen.name, *(_gains(seen, each) for each in picked)))
    return rows


def validation_findings(run: Run, validation: Run) -> ValidationFindings:
    """What ``validation`` says of the tables of ``run``, network by network.

    InputError where the validation has not measured the standard curve yet.
    """
    searched, results = run.results(), validation.results()
    recorded = validation.settings.recorded or Recorded()
    same_networks = [each.spec for each in run.settings.classifiers] == [
        each.spec for each in validation.settings.classifiers
    ]
    networks = []
    for index, network in enumerate(str(classifier["name"]) for classifier in recorded.classifiers):
        before = of_network(searched, index, network) if same_networks else searched
        networks.append(NetworkValidation(network, tuple(validation_rows(before, of_network(results, index, network)))))
    uncompressed = results.uncompressed
    return ValidationFindings(
        picks=picks_of(run, searched),
        use=uses(run, str(recorded.dataset["digest"])),
        networks=tuple(networks),
        uncompressed_top1=()
        if uncompressed is None
        else tuple(uncompressed.of_network(index).top1 for index in range(uncompressed.networks)),
    )


def _gains(results: Results, quantizer: Quantizer | None) -> Gains | None:
    """By what it is, not by its label: an average of more trials has the same label."""
    trial = next((each for each in results.done if each.quantizer == quantizer), None)
    return None if trial is None else bootstrap_gains(results, trial)
