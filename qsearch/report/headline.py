"""The headline: what the search found, validations first, each with its interval and its images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.choice import Rule
from qsearch.analysis.gains import Gains, bootstrap_gains
from qsearch.analysis.optimism import Corrected, SelectedGain
from qsearch.analysis.results import Results, measured
from qsearch.analysis.summary import summarize
from qsearch.analysis.validation import ValidationRow
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.report import wording
from qsearch.report.findings import Searched, Validation
from qsearch.report.wording import measured_on
from qsearch.run.confirmation import Confirmed


@dataclass(frozen=True)
class Figure:
    """One number: ``figure`` of ``subject``, its ``interval`` and what that means."""

    figure: str
    subject: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class Finding:
    """What one picked table gains: ``pick`` says how it was picked, ``remarks`` what the figures need."""

    pick: str
    figures: tuple[Figure, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """The findings on one set of images. ``validation`` where the tables were not picked on them, ``confirmed`` where
    they were picked there and the search has not seen them."""

    title: str
    validation: bool
    confirmed: bool
    measured_on: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Compared:
    """A run among several, in words: what its frontier and its pick at the ratio of ``like_quality`` gain.

    confirmed: what the pick made on images kept aside is expected to save; picked_by: its objective; corrected: the
    pick's gain less the luck of picking; saving: the bytes it saves at equal loss; validations: both on each
    validation's images.
    """

    run: str
    strategy: str
    trials: int
    confirmed: str
    picked_by: str
    mean_gain: str
    pick: str
    corrected: str
    saving: str
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
        confirmed="" if run.confirmed is None else _expected_briefly(run.confirmed),
        picked_by=run.results.objective.title,
        mean_gain="not known" if mean is None else wording.points(mean),
        pick="none" if pick is None else f"trial {pick.label}: {wording.short_points(pick.apparent)}",
        corrected="" if pick is None or pick.corrected is None else wording.short_points(pick.corrected),
        saving="" if pick is None else _saving(bootstrap_gains(run.results, run.trial(pick)), run.results.objective),
        validations=tuple(f"{kept.name}: {_briefly(kept, row)}" for kept, row in rows if row is not None),
    )


def _briefly(kept: Validation, row: ValidationRow) -> str:
    saving = _saving(row.gains, kept.results.objective)
    return f"{wording.short_points(row.gains.gain_points)} points" + (f", {saving}" if saving else "")


def _saving(gains: Gains, objective: Objective) -> str:
    saving = gains.saving_at(objective.smooth)
    return "" if saving is None else f"{wording.short_saving(saving)} at equal {objective.smooth.name}"


def headline(runs: Sequence[Searched]) -> list[Group]:
    """Picks on images kept aside, validations of all runs, then the runs themselves on the images they searched."""
    picks = [_confirmed(run, run.confirmed) for run in runs if run.confirmed is not None]
    groups = [_validation(run, validation) for run in runs for validation in run.validations]
    return [*picks, *(group for group in groups if group.findings), *map(_searched, runs)]


def _confirmed(run: Searched, found: Confirmed) -> Group:
    title = f"Run {run.results.name}, on {wording.count(found.images, 'image')} kept aside from its search"
    subject = f"bytes expected to be saved at equal {_short(found.objective)}"
    saving = found.pick.saving
    expected = (
        Figure("not known", subject, "", "It lies outside the measured standard curve.")
        if saving.value is None
        else Figure(wording.saving(saving.value), subject, _expected_interval(saving), _how_sure(found))
    )
    errors = Figure(f"{found.standard_errors:.1f}", "standard errors above the standard tables", "", _to_settle(found))
    finding = Finding(
        f"Confirmed pick: {wording.called(found.pick.label)}",
        (expected,) if found.falls_back else (expected, errors),
        tuple(_confirmed_remarks(found)),
    )
    return Group(title, False, True, measured_on(found.run), (finding,))


def _how_sure(found: Confirmed) -> str:
    if found.falls_back:
        return "No other table is expected to be better."
    saving = found.pick.saving
    return "" if saving.low is None or saving.high is None else wording.verdict(saving)


def _expected_interval(saving: Estimate) -> str:
    if saving.low is None or saving.high is None:
        return "its interval reaches beyond the measured standard curve"
    return wording.interval(saving, 1)


def _to_settle(found: Confirmed) -> str:
    return _sentence(wording.to_settle(found.further_images))


def _confirmed_remarks(found: Confirmed) -> Iterator[str]:
    yield f"{_capital(_place(found.trial, found.objective.smooth))} here; what qsearch export takes."
    yield (
        f"Of {wording.count(len(found.considered), 'table')} the one that is expected to gain most: the best of "
        f"{wording.count(found.trials, 'trial')}, averages, and tables that were published, learned or "
        "named. What each was measured to gain is drawn towards the mean of its kind, as part of it is luck."
    )
    others = [f"{wording.called(each.label)} {wording.short_saving(each.saving)}" for each in found.considered[1:4]]
    yield f"Next: {', '.join(others)}."


def _expected_briefly(found: Confirmed) -> str:
    saving = wording.short_saving(found.pick.saving)
    return f"{wording.called(found.pick.label)}: {saving} at equal {_short(found.objective)}"


def _sentence(text: str) -> str:
    return f"{_capital(text)}." if text else ""


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _short(objective: Objective) -> str:
    return objective.name.replace("top1", "top-1")


def _validation(run: Searched, validation: Validation) -> Group:
    findings = []
    confirmed = validation.row(validation.confirmed)
    if run.confirmed is not None and confirmed is not None:
        pick = f"Confirmed pick: {wording.called(run.confirmed.pick.label)}"
        figures = _figures("ratio", confirmed.gains, run.results.objective, validation.images)
        findings.append(Finding(pick, figures, tuple(_validation_remarks(confirmed, validation))))
    for selected in (run.at_ratio, run.at_accuracy):
        row = None if selected is None else validation.row(selected.label)
        if selected is not None and row is not None:
            figures = _figures(selected.rule, row.gains, run.results.objective, validation.images)
            findings.append(Finding(_pick(selected, run.results), figures, tuple(_validation_remarks(row, validation))))
    title = f"Run {run.results.name}, on {wording.count(validation.images, 'image')} that its tables were not picked on"
    return Group(title, True, False, validation.measured_on, tuple(findings))


def _validation_remarks(row: ValidationRow, validation: Validation) -> Iterator[str]:
    place = _place(validation.results.trial(row.label), validation.results.objective)
    yield f"{_capital(wording.called(row.label))}: {place} here."
    yield f"Validation {validation.name}, {wording.uses(validation.uses)}."


def _searched(run: Searched) -> Group:
    findings = tuple(
        Finding(
            _pick(each, run.results),
            _figures(each.rule, bootstrap_gains(run.results, run.trial(each)), run.results.objective, run.run.images),
            tuple(_search_remarks(run, each)),
        )
        for each in (run.at_ratio, run.at_accuracy)
        if each is not None
    )
    return Group(f"Run {run.results.name}, on the images it searched", False, False, run.measured_on, findings)


def _search_remarks(run: Searched, selected: SelectedGain) -> Iterator[str]:
    objective = run.results.objective
    tables = wording.count(selected.candidates, "table")
    yield (
        f"Trial {selected.label}: {_place(run.trial(selected), objective)}; picked by {objective.title} as the best of "
        f"{tables} on these same images, which flatters it."
    )
    if selected.corrected is None:
        yield "By how much cannot be told: every resample put a table outside the standard curve."
        return
    in_points = selected.rule == "ratio"
    yield f"Picking adds about {_corrected(selected, in_points=in_points)}."
    if selected.saving is not None and selected.saving.corrected is not None:
        yield f"To the bytes at equal {objective.name} it adds about {_corrected(selected.saving, in_points=False)}."


def _corrected(found: Corrected, *, in_points: bool) -> str:
    """The luck of picking, and what is left without it."""
    assert found.optimism is not None
    assert found.corrected is not None
    luck = (wording.points if in_points else wording.saving)(found.optimism)
    rest = (wording.points_estimate if in_points else wording.saving_estimate)(found.corrected)
    return f"{luck}; {wording.CORRECTED}, expected on other images like these: {rest}"


def _place(trial: Trial, objective: Objective) -> str:
    measurement = measured(trial)
    size = f"ratio {wording.ratio(measurement.ratio)}, {wording.kilobytes(measurement.kb_per_image)} KB per image"
    place = f"{size}, top-1 {wording.per_cent(measurement.top1)}"
    value = "" if objective is TOP1 else wording.value_of(objective, measurement)
    return f"{place}, {objective.title} {value}" if value else place


def _pick(selected: SelectedGain, results: Results) -> str:
    objective, quality = results.objective, results.like_quality
    if selected.rule == "ratio":
        return f"Picked by {objective.title} at the ratio of standard quality {quality}"
    return f"Picked by ratio at the {objective.title} of standard quality {quality}"


def _figures(rule: Rule, gains: Gains, objective: Objective, images: int) -> tuple[Figure, ...]:
    """In top-1, and in bytes at an equal value of a smooth objective, which needs fewer of the ``images`` to tell."""
    smooth = objective.smooth
    saving = gains.saving_at(smooth)
    stated = (
        _figure(gains.gain_points, "top-1 at equal ratio", wording.points, 2, images)
        if rule == "ratio"
        else _figure(gains.saving_percent, "bytes saved at equal top-1", wording.saving, 1, images)
    )
    if saving is None:
        return (stated,)
    return (stated, _figure(saving, f"bytes saved at equal {smooth.name}", wording.saving, 1, images))


def _figure(estimate: Estimate, subject: str, write: Callable[[float], str], decimals: int, images: int) -> Figure:
    if estimate.value is None:
        return Figure("not known", subject, "", "It lies outside the measured standard curve.")
    verdict = f"{wording.verdict(estimate)} {_sentence(wording.to_settle(estimate.further_images(images)))}"
    return Figure(write(estimate.value), subject, wording.interval(estimate, decimals), verdict.rstrip())
