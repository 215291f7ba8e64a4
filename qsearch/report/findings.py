"""Findings: the numbers that the page states, computed from runs and their validations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from qsearch.analysis.choice import measured_baseline
from qsearch.analysis.comparison import Comparison, compare
from qsearch.analysis.gains import Gains, bootstrap_gains
from qsearch.analysis.optimism import SelectedGain, selected_gain
from qsearch.analysis.paper_ttest import PaperTTest, paper_ttest
from qsearch.analysis.results import Results, measured, of_network
from qsearch.analysis.validation import ValidationRow, validation_rows
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import Objective
from qsearch.report.cards import same_tables_in
from qsearch.report.wording import measured_on, network_names
from qsearch.run.confirmation import Confirmed, confirmed
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded
from qsearch.run.validation import uses, validations

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of the page, or the sentence that says why there is none."""

    value: T | None
    missing: str = ""


def part(make: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Part[T]:
    """What ``make`` makes of the arguments, or the sentence of its InputError."""
    try:
        return Part(make(*arguments, **options))
    except InputError as error:
        return Part(None, str(error))


@dataclass(frozen=True)
class Validation:
    """One validation of a run, a run of its own, with what it says of the searched run's tables.

    uses: how often tables of the run were measured on these images.
    rows: every table measured; confirmed: the label there of the pick made on images kept aside, where it was measured.
    by_network: where there are several networks, the gains of the table picked at that ratio as each sees them.
    """

    run: Run
    results: Results
    measured_on: str
    images: int
    uses: int
    rows: tuple[ValidationRow, ...]
    confirmed: str | None
    by_network: tuple[tuple[str, Gains], ...]

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.run.name

    def row(self, label: str | None) -> ValidationRow | None:
        """That of the table ``label``, or None."""
        return next((row for row in self.rows if row.label == label), None)


@dataclass(frozen=True)
class Searched:
    """A run with its results, the tables its search picks with what they gain, and its validations.

    confirmed: the pick made on images kept aside, where some were.
    """

    run: Run
    results: Results
    measured_on: str
    networks: tuple[str, ...]
    at_ratio: SelectedGain | None
    at_accuracy: SelectedGain | None
    confirmed: Confirmed | None
    validations: tuple[Validation, ...]
    incomplete: tuple[str, ...]

    def trial(self, selected: SelectedGain) -> Trial:
        """The table picked."""
        return self.results.trial(selected.label)


@dataclass(frozen=True)
class Significance:
    """Tables of several runs against the standard ones at ``like_quality`` on the same images.

    That is Li 2020, Table 1, done as it should be.

    searched_here: whether the tables were picked on these images; smooth: the objective that is stated beside top-1.
    rows: (run, label, comparison, the paper's own t-test).
    """

    measured_on: str
    networks: tuple[str, ...]
    searched_here: bool
    smooth: Objective
    baseline: Measurement
    rows: tuple[tuple[str, str, Comparison, Part[PaperTTest]], ...]


def searched(run: Run) -> Searched:
    """Everything about ``run``.

    InputError where it has no trial or no standard curve yet, and without a classifier.
    """
    results = run.results()
    if not results.done:
        raise InputError(f"run {results.name} has no finished trial yet: resume it first.")
    if not measured(results.done[0]).ranks.size:
        raise InputError(f"run {results.name} was measured without a classifier, and a report is about accuracy.")
    at_ratio, at_accuracy = selected_gain(results, "ratio"), selected_gain(results, "accuracy")
    pick = confirmed(run)
    found = [part(_validation, run, results, kept, at_ratio, pick) for kept in validations(run)]
    return Searched(
        run=run,
        results=results,
        measured_on=measured_on(run),
        networks=network_names(run),
        at_ratio=at_ratio,
        at_accuracy=at_accuracy,
        confirmed=pick,
        validations=tuple(each.value for each in found if each.value is not None),
        incomplete=tuple(each.missing for each in found if each.value is None),
    )


def _validation(
    run: Run, results: Results, kept: Run, picked: SelectedGain | None, pick: Confirmed | None
) -> Validation:
    again = kept.results()
    confirmed_there = None if pick is None else same_tables_in(again, pick.trial)
    networks = network_names(kept)
    trial = None if picked is None else same_tables_in(again, results.trial(picked.label))
    by_network: tuple[tuple[str, Gains], ...] = ()
    if trial is not None and len(networks) > 1:
        alone = [of_network(again, index, name) for index, name in enumerate(networks)]
        by_network = tuple((each.name, bootstrap_gains(each, each.trial(trial.label))) for each in alone)
    recorded = kept.settings.recorded or Recorded()
    return Validation(
        run=kept,
        results=again,
        measured_on=measured_on(kept),
        images=kept.images,
        uses=uses(run, str(recorded.dataset["digest"])),
        rows=tuple(validation_rows(results, again)),
        confirmed=None if confirmed_there is None else confirmed_there.label,
        by_network=by_network,
    )


def significances(runs: Sequence[Searched]) -> list[Part[Significance]]:
    """The table that each run picks at the ratio of its ``like_quality`` against that quality, validations first."""
    picked = [(each, each.trial(each.at_ratio)) for each in runs if each.at_ratio is not None]
    found = []
    for each, trial in picked:
        for validation in each.validations:
            again = same_tables_in(validation.results, trial)
            if again is not None:
                tables = [(each.results.name, trial.label, again)]
                found.append(part(_significance, validation.run, validation.results, tables, validation.measured_on))
    if picked:
        first = picked[0][0]
        tables = [(each.results.name, trial.label, trial) for each, trial in picked]
        found.append(part(_significance, first.run, first.results, tables, first.measured_on, searched_here=True))
    return found


def _significance(
    run: Run,
    results: Results,
    tables: Sequence[tuple[str, str, Trial]],
    images: str,
    *,
    searched_here: bool = False,
) -> Significance:
    """``tables`` are (the run that picked it, its label there, its trial in ``results`` or in a run measured alike)."""
    baseline = measured_baseline(results)
    measurements, standard = [measured(trial) for _, _, trial in tables], list(results.standard.values())
    with run.archive() as archive:
        classes = [image.class_name for image in archive.images()]
    rows = tuple(
        (name, label, comparison, part(paper_ttest, baseline, measurement, classes))
        for (name, label, _), measurement, comparison in zip(
            tables, measurements, compare(baseline, measurements, standard), strict=True
        )
    )
    return Significance(images, network_names(run), searched_here, results.objective.smooth, baseline, rows)
