"""``qsearch compare``: tables against one of them, image by image."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from qsearch.analysis.bootstrap import RESAMPLES, Estimate
from qsearch.analysis.comparison import Comparison, PairedTest, SmoothDifference, compare
from qsearch.analysis.paper_ttest import SAMPLES, WARNING, PaperTTest, paper_ttest
from qsearch.analysis.results import measured
from qsearch.analysis.summary import known
from qsearch.cli import completion
from qsearch.cli.run_names import like_quality_option, runs_option
from qsearch.cli.tables import run_table
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import DIVERGENCE, LOSS, Objective
from qsearch.report import wording
from qsearch.report.wording import measured_on, network_names
from qsearch.run.comparable import check_comparable
from qsearch.run.confirmation import owner_of
from qsearch.run.folder import Run

WIDTH = 118


@dataclass(frozen=True)
class _Table:
    name: str
    run: Run
    trial: Trial

    @property
    def measurement(self) -> Measurement:
        return measured(self.trial)


@click.command("compare")
@click.argument("baseline", metavar="BASELINE", shell_complete=completion.tables)
@click.argument("table", metavar="TABLE...", shell_complete=completion.tables, nargs=-1, required=True)
@like_quality_option(
    "RUN and RUN:best are the best table at the ratio of the standard tables of quality Q.  [default: the confirmed "
    "pick, else the run's quality]"
)
@runs_option
@click.option(
    "--paper-ttest", "t_test", is_flag=True, help="Add the t-test of Li 2020, Table 1, for comparison with its numbers."
)
@click.option("--resamples", type=click.IntRange(min=100), default=RESAMPLES, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of resamples and samples.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def compare_(
    baseline: str,
    table: tuple[str, ...],
    like_quality: int | None,
    runs: Path,
    t_test: bool,
    resamples: int,
    seed: int,
    json_: bool,
) -> None:
    """Compare each TABLE with BASELINE on the images that both were measured on, without encoding anything anew.

    A table is called RUN:TRIAL (demo:17, runs/demo:17), RUN or RUN:best (what the run picks, see 'qsearch show'),
    RUN:standard:75, or standard:75 for the first run named. p-values are corrected for all
    tests made.

    \b
    qsearch compare standard:50 demo:17 demo:23
    qsearch compare standard:50 demo:best bounded:best --paper-ttest
    """
    tables = _find_tables([baseline, *table], runs, like_quality)
    check_comparable([each.run for each in tables])
    measurements = [each.measurement for each in tables]
    standard = list(tables[0].run.results().standard.values())
    compared = compare(measurements[0], measurements[1:], standard, resamples=resamples, seed=seed)
    t_tests = _paper_ttests(tables, seed) if t_test else None
    render = _as_json if json_ else _as_text
    click.echo(render(tables, compared, t_tests))


def _find_tables(names: Sequence[str], runs: Path, like_quality: int | None) -> list[_Table]:
    named = [None if name.startswith("standard:") else run_table(name, runs, like_quality) for name in names]
    default = next((each for each in named if each is not None), None)
    if default is None:
        raise InputError(f"none of {', '.join(names)} names a run: say RUN:TRIAL, or RUN:standard:Q.")
    tables = [each or replace(default, label=name) for name, each in zip(names, named, strict=True)]
    return [_Table(each.name, each.run, each.choice.trial) for each in tables]


def _paper_ttests(tables: Sequence[_Table], seed: int) -> list[PaperTTest]:
    with tables[0].run.archive() as archive:
        classes = [image.class_name for image in archive.images()]
    baseline, *others = (each.measurement for each in tables)
    return [paper_ttest(baseline, other, classes, seed=seed) for other in others]


def _as_json(tables: Sequence[_Table], compared: Sequence[Comparison], t_tests: Sequence[PaperTTest] | None) -> str:
    baseline, *others = tables
    rows = [
        {"table": each.name, "trial": each.trial.label, "bpp": comparison.bpp, **asdict(comparison)}
        for each, comparison in zip(others, compared, strict=True)
    ]
    for row, t_test in zip(rows, t_tests or [], strict=False):
        row["paper_ttest"] = {**asdict(t_test), "warning": WARNING}
    measurement = baseline.measurement
    place: dict[str, Any] = {
        "table": baseline.name,
        "trial": baseline.trial.label,
        "ratio": measurement.ratio,
        "bpp": measurement.bpp,
        "kb_per_image": measurement.kb_per_image,
        "top1": measurement.top1,
        **{objective.name: known(measurement.mean(objective.name)) for objective in (LOSS, DIVERGENCE)},
    }
    return json.dumps({"baseline": place, "comparisons": rows, "notes": _notes(tables)}, indent=2)


def _as_text(tables: Sequence[_Table], compared: Sequence[Comparison], t_tests: Sequence[PaperTTest] | None) -> str:
    baseline, *others = tables
    tests = sum(len(comparison.tests) for comparison in compared)
    lines = [f"Measured on {measured_on(baseline.run)}", f"Baseline {_titled(baseline)}"]
    for index, (table, comparison) in enumerate(zip(others, compared, strict=True)):
        lines += ["", _titled(table), f"  top-1     {_points(comparison.difference_points)}"]
        for name, test in zip(network_names(table.run), comparison.tests, strict=True):
            lines += _test(test, name if len(comparison.tests) > 1 else "", tests)
        lines += [
            *_smooth(LOSS, comparison.loss),
            *_smooth(DIVERGENCE, comparison.divergence),
            f"  bytes     {_ratio(comparison.byte_ratio)}",
        ]
        if t_tests is not None:
            lines.append(f"  paper's t {_t_test(t_tests[index])}")
    notes = [*_notes(tables), *([f"The paper's t-test (Li 2020) is {WARNING}."] if t_tests else [])]
    return "\n".join([*lines, *([""] if notes else []), *(click.wrap_text(note, WIDTH) for note in notes)])


def _titled(table: _Table) -> str:
    measurement = table.measurement
    called = "" if table.name.endswith(f":{table.trial.label}") else f" (trial {table.trial.label})"
    return f"{table.name}{called}: {wording.place(measurement)}"


def _points(difference: Estimate) -> str:
    return f"{difference.value:+.2f} points, 95 % interval {difference.low:+.2f} to {difference.high:+.2f}"


def _ratio(ratio: Estimate) -> str:
    ends = wording.plain_interval(ratio, ".4f")
    return f"{ratio.value:.4f} of the baseline's, " + (f"95 % interval {ends}" if ends else "no interval")


def _smooth(objective: Objective, found: SmoothDifference | None) -> list[str]:
    """What a smooth objective says of a table: its mean difference, and bytes where both had an equal value."""
    if found is None:
        return []
    difference, ratio = found.difference, found.byte_ratio
    ends = wording.plain_interval(difference, "+.4f")
    lines = [f"  {objective.name:<9} {difference.value:+.4f} {objective.unit}, 95 % interval {ends} (lower is better)"]
    if ratio is not None and ratio.value is not None:
        lines.append(f"            at equal {objective.name} bytes are {_ratio(ratio)}")
    return lines


def _test(test: PairedTest, network: str, tests: int) -> list[str]:
    corrected = f", {test.p_holm:.2g} corrected for {tests} tests (Holm)" if tests > 1 else ""
    alone = (
        f"{network}: {test.difference_points:+.2f} points ({test.low_points:+.2f} to {test.high_points:+.2f}), "
        if network
        else ""
    )
    return [
        f"  McNemar   {alone}{test.won} images right only with it, {test.lost} only with the baseline: "
        f"p = {test.p_value:.2g}{corrected}",
        f"            {test.images} images, {100 * (test.won + test.lost) / test.images:.1f} % of them changed: enough "
        f"to show a true difference of {test.detectable_points:.2f} points four times in five",
    ]


def _t_test(test: PaperTTest) -> str:
    return (
        f"p = {test.two_sample_p:.2g} two-sample, {test.paired_p:.2g} paired, over {test.samples} samples of "
        f"{test.classes} classes x {test.images_per_class} images"
        + ("" if test.samples == SAMPLES else f" (the paper has {SAMPLES})")
    )


def _notes(tables: Sequence[_Table]) -> list[str]:
    """What the reader should know before believing the numbers."""
    notes = []
    if any(each.trial.series == "search" and each.trial.strategy != "listed" for each in tables):
        notes.append(
            "The search chose on these images: the best of its tables are partly lucky, and no test here knows of the "
            "others it tried. 'qsearch validate' measures them on new images."
        )
    notes += [
        f"Run {owner.name} made its pick on these images, among {each.run.settings.search.trials} tables: that "
        "flatters it, if less. 'qsearch validate' measures it on new images."
        for each in tables
        if each.trial.series == "search" and (owner := owner_of(each.run)) is not None
    ][:1]
    for run in {each.run.path: each.run for each in tables}.values():
        notes += [
            f"Run {run.name} changed at trial {change.at_trial}: {'; '.join(change.differences)}."
            for change in run.settings.changes
        ]
    return notes
