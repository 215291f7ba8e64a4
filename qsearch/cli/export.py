"""``qsearch export``: a table of a run, standard tables or published ones as a file for another encoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from qsearch.analysis.choice import (
    Choice,
    choose_at_ratio,
    choose_like_quality,
    choose_no_worse,
    choose_trial,
)
from qsearch.analysis.results import Results, measured
from qsearch.cli import completion
from qsearch.cli.run_names import find_run, is_run, like_quality_option, runs_option
from qsearch.cli.tables import BEST, RunTable, quality_option, resolve_tables, run_table, split_spec
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import DIVERGENCE, LOSS, TOP1, Objective
from qsearch.export.formats import FORMATS, TableSheet, export_tables, format_of, render
from qsearch.export.provenance import sheet_of
from qsearch.report import wording
from qsearch.run.folder import Run
from qsearch.run.real_files import check_files, unchecked

SEARCHED = "on the images of the search, which flatter it"


@click.command()
@click.argument("source", metavar="[RUN|TABLES]", shell_complete=completion.tables, required=False)
@click.option("--trial", shell_complete=completion.trials, metavar="N", help="This trial of the run.")
@click.option("--ratio", type=float, metavar="R", help="The best table, by what the run picks by, of ratio R or more.")
@click.option("--top1", metavar="A", help="The table of highest ratio with a top-1 of A (57% or 0.57) or more.")
@click.option(
    "--loss", type=float, metavar="L", help="The table of highest ratio with a cross-entropy of L nats or less."
)
@click.option("--divergence", type=float, metavar="D", help="That with a divergence of D nats or less.")
@like_quality_option(
    "The best table at the ratio of the standard tables of quality Q.  [default: the confirmed pick, else the run's "
    "quality]"
)
@quality_option
@click.option("--published", metavar="NAME[:Q]", help="Tables that others published, luo-2021 for example.")
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), help="[default: what --out is called]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.  [default: stdout]")
@runs_option
def export(
    source: str | None,
    trial: str | None,
    ratio: float | None,
    top1: str | None,
    loss: float | None,
    divergence: float | None,
    like_quality: int | None,
    quality: int | None,
    published: str | None,
    format_: str | None,
    out: Path | None,
    runs: Path,
) -> None:
    """Write tables as a file for another encoder, with a header that says where they come from and how to use it.

    RUN is a name or a path; its table is picked from the frontier, the tables that no other of the run beats in both
    ratio and its objective (top-1, cross-entropy or divergence). TABLES are standard:Q, published:NAME[:Q],
    RUN:best, RUN:TRIAL, LADDER:RUNG, DIAL:Q, or a file to convert.
    """
    values = {TOP1: None if top1 is None else _share(top1), LOSS: loss, DIVERGENCE: divergence}
    selectors: dict[str, Any] = {"--trial": trial, "--ratio": ratio, "--like-quality": like_quality}
    selectors |= {f"--{objective.name}": value for objective, value in values.items()}
    given = [name for name, value in selectors.items() if value is not None]
    if (source is None) == (published is None):
        raise click.UsageError("say what to export: a run, tables such as standard:50, or --published NAME.")
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} choose differently: give one of them.")
    if format_ is None and out is None:
        raise click.UsageError(f"give --format ({', '.join(FORMATS)}) or --out FILE.")
    format_ = format_ or format_of(out or Path())
    spec = source or f"published:{published}"
    if quality is None and is_run(spec, runs):
        sheet = _chosen(spec, runs, trial, ratio, like_quality, values)
    elif given:
        raise click.UsageError(f"{given[0]} chooses a table of a run, and {spec} is not one.")
    elif quality is None and split_spec(spec, runs) is not None:
        table = run_table(spec, runs)
        _check(table.run, table.choice.trial)
        sheet = table.sheet
        click.echo(sheet.title, err=True)
    else:
        sheet = resolve_tables(spec, runs, quality)
        click.echo(sheet.title, err=True)
    if out is None:
        click.echo(render(sheet, format_), nl=False)
    else:
        export_tables(sheet, format_, out)
        click.echo(f"wrote {out}", err=True)


def _chosen(
    spec: str,
    runs: Path,
    trial: str | None,
    ratio: float | None,
    like_quality: int | None,
    values: Mapping[Objective, float | None],
) -> TableSheet:
    """``values``: the value of an objective that is to be reached, for at most one of them."""
    run = find_run(spec, runs, like_quality)
    results = run.results()
    reached = [(objective, value) for objective, value in values.items() if value is not None]
    if trial is not None:
        choice = choose_trial(results, trial)
    elif ratio is not None:
        choice = choose_at_ratio(results, ratio)
    elif reached:
        choice = choose_no_worse(results, *reached[0])
    elif like_quality is not None:
        choice = choose_like_quality(results)
    else:
        table = RunTable.of(run, BEST)
        where = SEARCHED if table.pick is None else "on the images kept aside, where it was picked"
        click.echo(_explained(run.name, table.results, table.choice, where), err=True)
        _check(table.run, table.choice.trial)
        return table.sheet
    click.echo(_explained(run.name, results, choice, SEARCHED), err=True)
    _check(run, choice.trial)
    return sheet_of(run, results, choice)


def _check(run: Run, trial: Trial) -> None:
    """Pillow's real files at a table that leaves its run; told where the run's images are not there to make them."""
    try:
        if unchecked(run, [trial]):
            check_files(run, [trial])
            click.echo(f"checked with Pillow's files: {wording.called(trial.label)}", err=True)
    except InputError as error:
        click.echo(f"not checked with Pillow's files: {error}", err=True)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise click.UsageError(f"--top1 is a number from 0 to 1 or a percentage, 0.57 or 57%, got {text!r}.")
    return share


def _explained(run: str, results: Results, choice: Choice, where: str) -> str:
    place = wording.place(measured(choice.trial), results.objective)
    return f"{run}:{choice.trial.label}, {choice.reason}: {place} {where}"
