"""``qsearch validate``: a run's tables on images, splits and networks that the search has not seen."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.analysis.results import Results, measured, of_network
from qsearch.analysis.summary import summarize
from qsearch.analysis.transfer import transfer
from qsearch.cli.options import (
    classifier_options,
    dataset_options,
    json_option,
    measured_settings,
    workers_option,
)
from qsearch.cli.progress import measure
from qsearch.cli.runs import find_run, runs_option
from qsearch.cli.summary import measured_on
from qsearch.cli.tables import TABLES_HELP, resolve_tables
from qsearch.datasets.splits import other_half
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.run.building import build_evaluator, default_workers
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded, RunSettings
from qsearch.run.validation import looks, open_validation, validation_settings
from qsearch.tables import QuantTables


@click.command()
@click.argument("run_", metavar="RUN")
@dataset_options
@click.option("--split", is_flag=True, help="The half of the images that 'run --split' left out.")
@classifier_options
@click.option(
    "--tables", multiple=True, metavar="TABLES", help=f"Measure these instead of the frontier: {TABLES_HELP}."
)
@click.option("--top", type=click.IntRange(min=1), help="Of the frontier only so many tables, nearest to --ratio.")
@click.option("--ratio", type=float, help="For --top.  [default: the standard tables' at quality 50]")
@click.option("--name", help="What the validation is called.  [default: from dataset and classifiers]")
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
    run = find_run(run_, runs)
    searched = run.results()
    wanted = _wanted(run, split, given)
    sheets = {spec: resolve_tables(spec, runs) for spec in tables}
    chosen = {spec: sheet.tables for spec, sheet in sheets.items()} or _frontier(searched, top, ratio)
    settings = validation_settings(run, chosen, wanted)
    workers = workers or default_workers(settings)
    evaluator = build_evaluator(settings, workers, trust_pickle=given["trust_pickle"])
    validation = open_validation(
        run,
        name or _name(settings),
        settings,
        evaluator,
        others=[Run.open(path) for path in dict.fromkeys(sheet.run for sheet in sheets.values()) if path is not None],
        on_note=lambda note: click.echo(note, err=True),
    )
    interrupted = measure(validation, evaluator, workers, executor=executor, timeout_s=timeout_s)
    if interrupted:
        click.echo("interrupted; give the same command again to go on.", err=True)
        ctx.exit(interrupted)
    _draw(run, searched, validation)
    report = _report(run, validation)
    click.echo(json.dumps(report, indent=2) if json_ else _as_text(report))


def _draw(run: Run, searched: Results, validation: Run) -> None:
    """Search frontier against validated frontier (Li 2020, Figures 7 to 9), beside the validation's trials."""
    from qsearch.report.plots import save_figure
    from qsearch.report.validation_plot import ValidatedRun, plot_validations

    pair = ValidatedRun(searched, validation.results(), measured_on(validation))
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
    return msgspec.structs.replace(settings, dataset=msgspec.structs.replace(settings.dataset, split=other_half(half)))


def _frontier(results: Results, top: int | None, ratio: float | None) -> dict[str, QuantTables]:
    """The frontier's tables by label; of those, where asked for, the ``top`` nearest to ``ratio``."""
    trials: Sequence[Trial] = results.frontier
    if not trials:
        raise InputError(f"run {results.name} has no frontier yet: resume it first.")
    if top is not None:
        middle = results.standard[50].ratio if ratio is None and 50 in results.standard else ratio
        if middle is None:
            raise click.UsageError("--top needs --ratio: the run has not measured standard quality 50.")
        trials = sorted(trials, key=lambda trial: abs(measured(trial).ratio - middle))[:top]
    elif ratio is not None:
        raise click.UsageError("--ratio goes with --top.")
    return {trial.label: trial.tables for trial in trials}


def _name(settings: RunSettings) -> str:
    parts = [settings.dataset.spec, settings.dataset.split or "", *(each.spec for each in settings.classifiers)]
    short = [Path(part.replace(":", "/")).stem if "/" in part else part.replace(":", "-") for part in parts if part]
    return "-".join(short)


def _report(run: Run, validation: Run) -> dict[str, Any]:
    """What was found, network by network."""
    searched, validated = run.results(), validation.results()
    recorded = validation.settings.recorded or Recorded()
    networks = [str(classifier["name"]) for classifier in recorded.classifiers]
    picks = summarize(searched, run.settings.search.hypervolume_reference)
    headline = {
        "at_ratio": picks.best_at_ratio and picks.best_at_ratio.label,
        "at_accuracy": picks.best_at_accuracy and picks.best_at_accuracy.label,
    }
    same_networks = [each.spec for each in run.settings.classifiers] == [
        each.spec for each in validation.settings.classifiers
    ]
    tables = []
    for index, network in enumerate(networks):
        before = of_network(searched, index, network) if same_networks else searched
        found = transfer(before, of_network(validated, index, network))
        tables.append({"classifier": network, "tables": [asdict(one) for one in found]})
    return {
        "run": run.name,
        "validation": validation.name,
        "measured_on": measured_on(validation),
        "searched_on": measured_on(run),
        "look": looks(run, str(recorded.dataset["digest"])),
        "headline": headline,
        "networks": tables,
    }


def _as_text(report: dict[str, Any]) -> str:
    headline = report["headline"]
    lines = [
        f"Validation {report['validation']} of run {report['run']}",
        f"Measured on {report['measured_on']}",
        f"Chosen on   {report['searched_on']}",
        f"Look {report['look']} at these images"
        + ("." if report["look"] == 1 else ": each look makes the next choice less honest."),
    ]
    for network in report["networks"]:
        tables = network["tables"]
        lines += [
            "",
            f"{network['classifier']}: {len(tables)} tables, gains against the standard curve on these images (95 %)",
        ]
        lines.append(
            f"  {'table':>12}  {'ratio':>6}  {'top-1':>7}  {'gain in points':>24}  {'bytes saved':>24}  "
            "on search images"
        )
        lines += [_row(one, headline) for one in tables]
        above = sum(one["gains"]["gain_points"]["value"] > 0 for one in tables)
        lines.append(f"  {above} of {len(tables)} lie above the standard curve here.")
    lines += [
        "",
        "* what 'qsearch export' takes by default: the best on the search images at the ratio of quality 50",
        "+ the best there at its accuracy",
    ]
    return "\n".join(lines)


def _row(one: dict[str, Any], headline: dict[str, str | None]) -> str:
    marks = ("*" if one["label"] == headline["at_ratio"] else "") + (
        "+" if one["label"] == headline["at_accuracy"] else ""
    )
    searched = one["searched_gain_points"]
    gain = _estimate(one["gains"]["gain_points"], "+.2f", "")
    saving = _estimate(one["gains"]["saving_percent"], "+.1f", " %")
    before = "" if searched is None else f"{searched:+.2f}"
    place = f"{one['label'] + marks:>12}  {one['ratio']:6.2f}  {100 * one['top1']:5.2f} %"
    return f"  {place}  {gain:>24}  {saving:>24}  {before:>16}"


def _estimate(estimate: dict[str, Any], form: str, unit: str) -> str:
    """A number with its interval, as far as they are known."""
    if estimate["value"] is None:
        return "outside the curve"
    ends = [estimate["low"], estimate["high"]]
    interval = " to ".join("?" if end is None else format(end, form) for end in ends)
    return f"{estimate['value']:{form}}{unit} ({interval})"
