"""``qsearch validate``: a run's tables on images, splits and networks that the search has not seen."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.plausibility import answers_probabilities, better_normalisation
from qsearch.analysis.results import Results
from qsearch.analysis.validation import ValidationRow
from qsearch.classifiers.base import NetworkOptions
from qsearch.cli import completion
from qsearch.cli.declared import Number, defaults_said, field_names
from qsearch.cli.options import (
    classifier_options,
    dataset_options,
    json_option,
    measured_settings,
    trust_command_option,
    workers_option,
)
from qsearch.cli.progress import measure
from qsearch.cli.run_names import find_run, look_option, runs_option
from qsearch.cli.tables import TABLES_HELP, images_of_learned, resolve_all
from qsearch.datasets.splits import other_half
from qsearch.errors import InputError
from qsearch.evaluation.objective import Objective
from qsearch.export.formats import TableSheet
from qsearch.report import wording
from qsearch.report.wording import measured_on
from qsearch.run.building import build_evaluator, default_workers
from qsearch.run.confirmation import confirmed
from qsearch.run.findings import (
    Picks,
    ValidationFindings,
    smooth_objective,
    tables_to_validate,
    validation_findings,
)
from qsearch.run.folder import Run
from qsearch.run.settings import RunSettings
from qsearch.run.validation import learned_sources, open_validation, validation_settings

UNKNOWN = Estimate(None, None, None, 0)


def _of_the_run(option: str, default: str) -> str:
    """What holds where ``option`` is not given; images and networks are the run's, prepared as the run's are."""
    if option == "dataset":
        return ""
    if option in field_names(NetworkOptions):
        return f"the run's; with --classifier: {default}"
    return "the run's"


@click.command()
@click.argument("run_", metavar="RUN", shell_complete=completion.runs)
@defaults_said(dataset_options, _of_the_run)
@click.option("--split", is_flag=True, help="The half of the images that 'run --split' left out.")
@defaults_said(classifier_options, _of_the_run)
@click.option(
    "--tables",
    shell_complete=completion.tables,
    multiple=True,
    metavar="TABLES",
    help=f"Measure these instead of the frontier: {TABLES_HELP}; DIAL at the qualities of the standard curve, LADDER "
    "with all its rungs.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="Of the frontier only so many tables, nearest to --ratio, and the run's two picks.",
)
@click.option(
    "--ratio",
    type=Number(min=0, min_open=True),
    help="For --top.  [default: the standard tables' at --like-quality]",
)
@click.option("--name", help="What the validation is called.  [default: from dataset and classifiers]")
@look_option
@trust_command_option
@workers_option
@runs_option
@json_option
@click.pass_context
def validate(
    ctx: click.Context,
    /,
    run_: str,
    split: bool,
    tables: tuple[str, ...],
    top: int | None,
    ratio: float | None,
    name: str | None,
    like_quality: int | None,
    workers: int | None,
    executor: str,
    timeout_s: float | None,
    runs: Path,
    json_: bool,
    **given: Any,
) -> None:
    """Measure RUN's frontier and the standard curve on other images or networks, with the same encoder.

    It is kept with the run, goes on where it was stopped when called again, and tells what the tables that the search
    would have taken home gain here, with intervals. Images that the search has seen are refused.
    """
    run = find_run(run_, runs, like_quality)
    if ratio is not None and top is None:
        raise click.UsageError("--ratio goes with --top.")
    searched = run.results()
    wanted = _wanted(run, split, given)
    sheets: dict[str, TableSheet] = {}
    for spec in tables:
        sheets |= resolve_all(spec, runs, run.settings.search.qualities)
    chosen = {spec: sheet.tables for spec, sheet in sheets.items()} or tables_to_validate(searched, top, ratio)
    pick = None if sheets else confirmed(run)
    if pick is not None:
        chosen[pick.trial.label] = pick.trial.tables
    settings = validation_settings(run, chosen, wanted)
    workers = workers or default_workers(settings)
    evaluator = build_evaluator(
        settings, workers, trust_pickle=given["trust_pickle"], trust_command=given["trust_command"]
    )
    doubts = (answers_probabilities, better_normalisation)
    for note in (doubt(each, evaluator.dataset) for each in evaluator.classifiers for doubt in doubts):
        if note is not None:
            click.echo(note, err=True)
    others = [Run.open(path) for path in dict.fromkeys(sheet.run for sheet in sheets.values()) if path is not None]
    learned_on = {spec: sheet.learned_on for spec, sheet in sheets.items() if sheet.learned_on}
    validation = open_validation(
        run,
        name or _name(settings),
        settings,
        evaluator,
        others=others,
        learned_on=images_of_learned(learned_sources([run, *others])) | learned_on,
        on_note=lambda note: click.echo(note, err=True),
    ).looked_at(run.like_quality)
    interrupted = measure(validation, evaluator, workers, executor=executor, timeout_s=timeout_s)
    if interrupted:
        click.echo("interrupted; give the same command again to go on.", err=True)
        ctx.exit(interrupted)
    _draw(run, searched, validation)
    found = validation_findings(run, validation)
    if json_:
        click.echo(json.dumps(_as_json(run, validation, found), indent=2))
    else:
        click.echo(_as_text(run, validation, found))


def _draw(run: Run, searched: Results, validation: Run) -> None:
    """Search against validation (Li 2020, Figures 7 to 9), beside the validation's trials."""
    from qsearch.report.plots import save_figure
    from qsearch.report.validation_plot import ValidationPair, plot_validations

    pair = ValidationPair(searched, validation.results(), measured_on(validation))
    out = validation.path / "validation.png"
    save_figure(plot_validations([pair], f"Searched on {measured_on(run)}"), out)
    click.echo(f"wrote {out}", err=True)


def _wanted(run: Run, split: bool, given: dict[str, Any]) -> RunSettings:
    if split == bool(given["dataset"]):
        raise click.UsageError("say on which images: --dataset D, or --split for the half that the run left out.")
    settings = measured_settings(run.settings, given)
    if not split:
        return settings
    half = run.settings.dataset.split
    if half is None:
        raise InputError(f"run {run.name} searched on all its images: --split needs a run made with 'run --split'.")
    return msgspec.structs.replace(
        settings, dataset=msgspec.structs.replace(settings.dataset, split=other_half(half), kept_aside=0.0)
    )


def _name(settings: RunSettings) -> str:
    parts = [settings.dataset.spec, settings.dataset.split or "", *(each.spec for each in settings.classifiers)]
    short = [Path(part.replace(":", "/")).stem if "/" in part else part.replace(":", "-") for part in parts if part]
    return "-".join(short)


def _as_json(run: Run, validation: Run, found: ValidationFindings) -> dict[str, Any]:
    return {
        "run": run.name,
        "validation": validation.name,
        "like_quality": run.like_quality,
        "measured_on": measured_on(validation),
        "searched_on": measured_on(run),
        "use": found.use,
        "headline": asdict(found.picks),
        "uncompressed_top1": found.uncompressed_top1,
        "networks": [asdict(each) for each in found.networks],
    }


def _as_text(run: Run, validation: Run, found: ValidationFindings) -> str:
    use = wording.uses(found.use)
    lines = [
        f"Validation {validation.name} of run {run.name}",
        f"Measured on {measured_on(validation)}",
        f"Chosen on   {measured_on(run)}",
        f"{use[:1].upper()}{use[1:]}.",
    ]
    objective = smooth_objective(validation)
    labels = {one.label for network in found.networks for one in network.tables}
    width = max(12, *(len(label) + 2 for label in labels))
    for index, network in enumerate(found.networks):
        lines += [
            "",
            f"{network.classifier}: {wording.count(len(network.tables), 'table')}, gains against the standard curve on "
            "these images (95 %)",
            *(f"  uncompressed: top-1 {100 * top1:.2f} %" for top1 in found.uncompressed_top1[index : index + 1]),
            f"  {'':>{width + 32}}  {'':>24}  {'bytes saved at equal':>24}  {'at equal':>24}  gain on the",
            f"  {'table':>{width}}  {'ratio':>6}  {'bpp':>5}  {'KB':>6}  {'top-1':>7}  {'gain in points':>24}  "
            f"{'top-1':>24}  {objective.name:>24}  search images",
            *(_row(one, found.picks, objective, width) for one in network.tables),
        ]
        lines.append(f"  {_above(network.tables, objective)} lie above the standard curve here.")
        lines += _to_settle(network.tables, found.picks, objective, validation.images)
    best = f"the best on the search images, at the ratio of quality {run.like_quality}"
    chosen = best if found.picks.confirmed is None else "confirmed on images kept aside"
    marks = [
        f"* what 'qsearch export' takes by default: {chosen}"
        if (found.picks.confirmed or found.picks.at_ratio) in labels
        else "",
        "+ the best there at its accuracy" if found.picks.at_accuracy in labels else "",
        "KB: of 1000 bytes, an image's file on average",
    ]
    return "\n".join([*lines, "", *filter(None, marks)])


def _above(tables: Sequence[ValidationRow], objective: Objective) -> str:
    """How many of ``tables`` gain, in words."""
    by = {"in top-1": [one.gains.gain_points for one in tables]}
    by[f"in {objective.name}"] = [one.gains.saving_at(objective) or UNKNOWN for one in tables]
    counts = (f"{sum((each.value or 0) > 0 for each in gains)} {what}" for what, gains in by.items())
    return f"Of {len(tables)}, {' and '.join(counts)}"


def _to_settle(tables: Sequence[ValidationRow], picks: Picks, objective: Objective, images: int) -> list[str]:
    """What the first pick needs whose intervals here hold 0; empty where there is none."""
    for one in tables:
        if one.label != (picks.confirmed or picks.at_ratio):
            continue
        stated = {"gain in points": one.gains.gain_points}
        stated[f"bytes saved at equal {objective.name}"] = one.gains.saving_at(objective) or UNKNOWN
        needs = {what: wording.to_settle(each.further_images(images)) for what, each in stated.items()}
        said = [f"{what}: {need}" for what, need in needs.items() if need]
        return [f"  {one.label}*, {'; '.join(said)}."] if said else []
    return []


def _row(one: ValidationRow, picks: Picks, objective: Objective, width: int) -> str:
    marks = ("*" if one.label == (picks.confirmed or picks.at_ratio) else "") + (
        "+" if one.label == picks.at_accuracy else ""
    )
    gain = _estimate(one.gains.gain_points, "+.2f", "")
    saving = _estimate(one.gains.saving_percent, "+.1f", " %")
    before = "" if one.searched_gain_points is None else f"{one.searched_gain_points:+.2f}"
    smooth = one.gains.saving_at(objective)
    at_objective = "not measured" if smooth is None else _estimate(smooth, "+.1f", " %")
    size = f"{one.ratio:6.2f}  {one.bpp:5.2f}  {wording.kilobytes(one.kb_per_image):>6}"
    place = f"{one.label + marks:>{width}}  {size}  {100 * one.top1:5.2f} %"
    return f"  {place}  {gain:>24}  {saving:>24}  {at_objective:>24}  {before:>13}"


def _estimate(estimate: Estimate, form: str, unit: str) -> str:
    """A number with its interval, as far as they are known."""
    if estimate.value is None:
        return "outside the curve"
    return f"{estimate.value:{form}}{unit} ({wording.plain_interval(estimate, form) or '?'})"
