"""The headline: what the search found, validations first, each with its interval and its images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.choice import QUALITY
from qsearch.analysis.optimism import SelectedGain
from qsearch.analysis.results import measured
from qsearch.analysis.summary import summarize
from qsearch.analysis.validation import ValidationRow
from qsearch.report import wording
from qsearch.report.findings import Searched, Validation

RULES = {
    "ratio": f"top-1 at equal ratio, of the table picked at the ratio of standard quality {QUALITY}",
    "accuracy": f"bytes saved at equal top-1, of the table picked at the accuracy of standard quality {QUALITY}",
}


@dataclass(frozen=True)
class Finding:
    """One number: ``figure`` of ``subject``, its ``interval``, what that means, and the ``remarks`` it needs."""

    figure: str
    subject: str
    interval: str
    verdict: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """The findings on one set of images. ``validation`` where the tables were not picked on them."""

    title: str
    validation: bool
    measured_on: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Compared:
    """A run among several, in words: what its frontier and its pick at quality 50's ratio gain.

    corrected: the pick's gain less the luck of picking; validations: its gain on each validation's images.
    """

    run: str
    strategy: str
    trials: int
    mean_gain: str
    pick: str
    corrected: str
    validations: tuple[str, ...]


def compared(run: Searched) -> Compared:
    """``run`` as a row of the table that stands before the findings of several runs."""
    mean = summarize(run.results, run.run.settings.search.hypervolume_reference).mean_gain_points
    pick = run.at_ratio
    rows = [(kept, None if pick is None else kept.row(pick.label)) for kept in run.validations]
    return Compared(
        run=run.results.name,
        strategy=run.run.settings.search.strategy,
        trials=len(run.results.done),
        mean_gain="not known" if mean is None else wording.points(mean),
        pick="none" if pick is None else f"trial {pick.label}: {wording.short_points(pick.apparent)}",
        corrected="" if pick is None or pick.corrected is None else wording.short_points(pick.corrected),
        validations=tuple(
            f"{kept.name}: {wording.short_points(row.gains.gain_points)}" for kept, row in rows if row is not None
        ),
    )


def headline(runs: Sequence[Searched]) -> list[Group]:
    """Validations of all runs, then the runs themselves on the images that they searched."""
    groups = [_validation(run, validation) for run in runs for validation in run.validations]
    return [*(group for group in groups if group.findings), *map(_searched, runs)]


def _validation(run: Searched, validation: Validation) -> Group:
    findings = []
    for rule, selected in (("ratio", run.at_ratio), ("accuracy", run.at_accuracy)):
        row = None if selected is None else validation.row(selected.label)
        if row is not None:
            findings.append(_finding(rule, _of_rule(rule, row), tuple(_validation_remarks(row, validation))))
    title = f"Run {run.results.name}, on {wording.count(validation.images, 'image')} that its tables were not picked on"
    return Group(title, True, validation.measured_on, tuple(findings))


def _validation_remarks(row: ValidationRow, validation: Validation) -> Iterator[str]:
    yield f"Trial {row.label}: ratio {wording.ratio(row.ratio)}, top-1 {wording.per_cent(row.top1)} here."
    yield f"Validation {validation.name}, {wording.uses(validation.uses)}."


def _searched(run: Searched) -> Group:
    selected = [("ratio", run.at_ratio), ("accuracy", run.at_accuracy)]
    findings = tuple(
        _finding(rule, each.apparent, tuple(_search_remarks(run, each))) for rule, each in selected if each is not None
    )
    return Group(f"Run {run.results.name}, on the images it searched", False, run.measured_on, findings)


def _search_remarks(run: Searched, selected: SelectedGain) -> Iterator[str]:
    measurement = measured(run.trial(selected))
    place = f"ratio {wording.ratio(measurement.ratio)}, top-1 {wording.per_cent(measurement.top1)}"
    tables = wording.count(selected.candidates, "table")
    yield f"Trial {selected.label}: {place}; picked as the best of {tables} on these same images, which flatters it."
    if selected.corrected is None or selected.optimism is None:
        yield "By how much cannot be told: every resample put a table outside the standard curve."
        return
    in_points = selected.rule == "ratio"
    luck = (wording.points if in_points else wording.saving)(selected.optimism)
    rest = (wording.points_estimate if in_points else wording.saving_estimate)(selected.corrected)
    yield f"Picking adds about {luck}; {wording.CORRECTED}, expected on other images like these: {rest}."


def _of_rule(rule: str, row: ValidationRow) -> Estimate:
    return row.gains.gain_points if rule == "ratio" else row.gains.saving_percent


def _finding(rule: str, estimate: Estimate, remarks: tuple[str, ...]) -> Finding:
    if estimate.value is None:
        return Finding("not known", RULES[rule], "", "It lies outside the measured standard curve.", remarks)
    figure, decimals = (wording.points(estimate.value), 2) if rule == "ratio" else (wording.saving(estimate.value), 1)
    return Finding(figure, RULES[rule], wording.interval(estimate, decimals), wording.verdict(estimate), remarks)
