"""``qsearch run`` and ``qsearch resume``: options to settings, and a search with its progress and summary."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.analysis.plausibility import better_normalisation
from qsearch.cli import completion
from qsearch.cli.options import (
    DEFAULTS,
    bounds_from_options,
    json_option,
    measuring_options,
    search_options,
    settings_of,
    trust_option,
    workers_option,
)
from qsearch.cli.progress import measure
from qsearch.cli.run_names import find_run, runs_option
from qsearch.cli.summary import as_json, as_text
from qsearch.disk import check_folder_name
from qsearch.evaluation.evaluator import Evaluator
from qsearch.pareto.bounds import window_around
from qsearch.run.building import build_evaluator, check_search, default_workers
from qsearch.run.confirmation import confirm
from qsearch.run.findings import Found, found_by
from qsearch.run.folder import Run, with_bounds_from
from qsearch.run.settings import load_settings
from qsearch.search.steering import sizes_of
from qsearch.tables import QuantTables


@click.command()
@search_options
@bounds_from_options
@measuring_options
@workers_option
@click.option("--name", help="The run's name.  [default: the strategy's, numbered]")
@click.option("--config", type=click.Path(path_type=Path), help="A run.toml whose settings to start from.")
@runs_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    name: str | None,
    config: Path | None,
    runs: Path,
    workers: int | None,
    executor: str,
    timeout_s: float | None,
    json_: bool,
    **given: Any,
) -> None:
    """Search quantization tables and record every trial.

    The standard tables at qualities 10 to 100 are measured first, for the standard curve. Ctrl-C ends a run cleanly;
    'qsearch resume' goes on with it, also after a crash.
    """
    if name is not None:
        check_folder_name(name, "a run")
    settings = load_settings(config) if config else DEFAULTS
    sources = [find_run(source, runs) for source in given["from"]]
    if sources and not given["layout"]:
        given["layout"] = sources[0].settings.search.layout
    settings = settings_of(msgspec.structs.replace(settings, recorded=None, changes=()), given)
    path = runs / (name or _free_name(runs, settings.search.strategy))
    if path.exists():
        raise click.UsageError(
            f"{path} exists already: go on with 'qsearch resume {path}', or choose another --name.", ctx
        )
    if not sources:
        check_search(settings.search)  # a misspelt option is told before images are prepared
    if settings.search.warm_up:
        click.echo(
            f"no --from: the first {settings.search.warm_up} trials are sorted random, for bounds and fitness", err=True
        )
    workers = workers or default_workers(settings)
    click.echo(
        f"preparing {settings.dataset.spec} and {', '.join(each.spec for each in settings.classifiers)} ...", err=True
    )
    evaluator = build_evaluator(settings, workers, trust_pickle=given["trust_pickle"])
    for classifier in evaluator.classifiers:
        note = better_normalisation(classifier, evaluator.dataset)
        if note is not None:
            click.echo(note, err=True)
    if sources:
        settings = with_bounds_from(settings, sources, evaluator)
    if given["around"] and not (sources or settings.search.warm_up or given["ratio_window"] or given["ratio"]):
        ratio = sizes_of(evaluator, QuantTables.standard(given["around"])).ratio
        search = msgspec.structs.replace(settings.search, ratio_window=window_around(ratio))
        settings = msgspec.structs.replace(settings, search=search)
    made = Run.create(path, settings, evaluator)
    _search(ctx, made, evaluator, workers, json_, executor=executor, timeout_s=timeout_s)


@click.command()
@click.argument("run_", metavar="RUN", shell_complete=completion.runs)
@click.option("--trials", type=click.IntRange(min=1), help="Go on to so many trials in all.  [default: as set]")
@click.option("--allow-changed", is_flag=True, help="Go on although dataset, classifier or codec changed; recorded.")
@click.option("--retry-failed", is_flag=True, help="Evaluate failed trials again, and replace them.")
@trust_option
@workers_option
@runs_option
@json_option
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    run_: str,
    workers: int | None,
    trust_pickle: bool,
    runs: Path,
    json_: bool,
    **how: Any,
) -> None:
    """Go on with RUN (a name or a path) where it stopped, also to more trials."""
    found = find_run(run_, runs)
    workers = workers or default_workers(found.settings)
    evaluator = build_evaluator(found.settings, workers, trust_pickle=trust_pickle)
    _search(ctx, found, evaluator, workers, json_, **how)


def _search(
    ctx: click.Context,
    run: Run,
    evaluator: Evaluator,
    workers: int,
    json_: bool,
    **how: Any,
) -> None:
    interrupted = measure(run, evaluator, workers, **how)
    found = found_by(run)
    _confirm_picks(run, found, evaluator)
    click.echo(json.dumps(as_json(run, found), indent=2) if json_ else "\n" + as_text(run, found))
    if interrupted:
        click.echo(f"interrupted; go on with: qsearch resume {run.path}", err=True)
        ctx.exit(interrupted)


def _confirm_picks(run: Run, found: Found, evaluator: Evaluator) -> None:
    """The tables that the summary names, through Pillow's real files, before it names them."""
    picked = {pick.label for pick in (found.summary.best_at_ratio, found.summary.best_at_accuracy) if pick is not None}
    results = run.results()
    if confirm(run, [results.trial(label) for label in sorted(picked)], evaluator.dataset):
        click.echo(f"confirmed by Pillow's files: {', '.join(f'trial {label}' for label in sorted(picked))}", err=True)


def _free_name(runs: Path, strategy: str) -> str:
    name, number = strategy, 1
    while (runs / name).exists():
        number += 1
        name = f"{strategy}-{number}"
    return name
