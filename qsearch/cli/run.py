"""``qsearch run`` and ``qsearch resume``: options to settings, and a search with its progress and summary."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.analysis.candidates import LEARNED
from qsearch.analysis.plausibility import answers_probabilities, better_normalisation
from qsearch.cli import completion
from qsearch.cli.options import (
    DEFAULTS,
    bounds_from_options,
    json_option,
    measuring_options,
    search_options,
    settings_of,
    trust_command_option,
    trust_option,
    workers_option,
)
from qsearch.cli.progress import measure
from qsearch.cli.run_names import find_run, runs_option
from qsearch.cli.summary import as_json, as_text
from qsearch.cli.tables import TABLES_HELP, images_of_learned, learned_tables, resolve_all
from qsearch.datasets.base import Dataset, identities
from qsearch.datasets.splits import share_of
from qsearch.disk import check_folder_name
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.objective import TOP1
from qsearch.learning.contenders import contenders
from qsearch.pareto.bounds import window_around
from qsearch.report.wording import called
from qsearch.run.building import (
    build_evaluator,
    check_search,
    default_workers,
    objective_for,
    seed_settings,
    strategy_class,
)
from qsearch.run.confirmation import kept_aside, open_confirmation, picks_on_others
from qsearch.run.findings import Found, found_by
from qsearch.run.folder import SETTINGS_FILE, Run, with_bounds_from
from qsearch.run.real_files import check_files
from qsearch.run.settings import RunSettings, SearchSettings, SeedSettings, load_settings, search_settings_named
from qsearch.run.validation import learned_sources, seen_before
from qsearch.search.steering import sizes_of
from qsearch.space.shapes import in_layout
from qsearch.strategies.base import Seed
from qsearch.strategies.listed import Listed
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names

Learned = Callable[[float], Sequence[Seed]]
"""From a ratio to the tables learned beside a search."""
CONFIRM_SHARE = 0.25
CONFIRM_IMAGES = 50
"""Fewer images kept aside would hardly tell one table from another."""


@click.command()
@search_options
@bounds_from_options
@click.option(
    "--seeds",
    shell_complete=completion.tables,
    metavar="TABLES",
    multiple=True,
    help=f"Tables to begin with, beside the best of earlier trials: {TABLES_HELP}; repeatable. A whole LADDER or DIAL "
    "stands for all its tables. local-search measures them first, in a box of shapes other strategies search around "
    "them, and listed measures nothing else.  [default: of local-search, all published ones, and those learned "
    "from the images searched]",
)
@measuring_options
@workers_option
@click.option("--name", help="The run's name.  [default: the strategy's, numbered]")
@click.option("--config", type=click.Path(path_type=Path), help="A run.toml whose settings to start from.")
@trust_command_option
@click.option(
    "--confirm",
    type=click.FloatRange(min=0, max=1, max_open=True),
    metavar="SHARE",
    help="Keep this share of the images out of the search, and pick on them among its best tables, their averages, "
    "published ones, and those learned from the images searched; 0: pick on the images searched.  "
    f"[default: {CONFIRM_SHARE:g}, of {CONFIRM_IMAGES} or more]",
)
@runs_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    name: str | None,
    config: Path | None,
    confirm: float | None,
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
    named = search_settings_named(config) if config else frozenset()
    sources = [find_run(source, runs) for source in given["from"]]
    if sources and not given["layout"]:
        given["layout"] = sources[0].settings.search.layout
    settings = settings_of(msgspec.structs.replace(settings, recorded=None, changes=()), given, named)
    settings = _with_seeds(settings, given["seeds"], named, runs)
    if confirm is None and sources:  # the same images as theirs
        confirm = sources[0].settings.dataset.kept_aside
    if confirm is not None:
        dataset = msgspec.structs.replace(settings.dataset, kept_aside=0.0)
        settings = msgspec.structs.replace(settings, dataset=dataset)
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
    evaluator = build_evaluator(
        settings,
        workers,
        trust_pickle=given["trust_pickle"],
        trust_command=given["trust_command"] or given["codec"] is not None,
    )
    settings, evaluator = _aside(settings, evaluator, confirm)
    for classifier in evaluator.classifiers:
        note = better_normalisation(classifier, evaluator.dataset)
        if note is not None:
            click.echo(note, err=True)
    chosen = given["objective"] or (settings.search.objective if "objective" in named else None)
    search = msgspec.structs.replace(settings.search, objective=objective_for(evaluator, chosen))
    settings = msgspec.structs.replace(settings, search=search)
    _check_logits(evaluator, search.objective)
    if sources:
        settings = with_bounds_from(settings, sources, evaluator)
    if given["around"] and not (sources or settings.search.warm_up or given["ratio_window"] or given["ratio"]):
        ratio = sizes_of(evaluator, QuantTables.standard(given["around"])).ratio
        search = msgspec.structs.replace(settings.search, ratio_window=window_around(ratio))
        settings = msgspec.structs.replace(settings, search=search)
    learned = _learned_beside(settings.search, evaluator)
    again = any(each.label.startswith(LEARNED) for each in search.seeds)  # a --config, perhaps for other images
    if strategy_class(search.strategy).seeded and not given["seeds"] and (again or "seeds" not in named):
        settings = _with_learned(settings, evaluator, learned)
    made = Run.create(path, settings, evaluator)
    _search(ctx, made, evaluator, learned, workers, json_, executor=executor, timeout_s=timeout_s)


@click.command()
@click.argument("run_", metavar="RUN", shell_complete=completion.runs)
@click.option("--trials", type=click.IntRange(min=1), help="Go on to so many trials in all.  [default: as set]")
@click.option("--allow-changed", is_flag=True, help="Go on although dataset, classifier or codec changed; recorded.")
@click.option("--retry-failed", is_flag=True, help="Evaluate failed trials again, and replace them.")
@trust_option
@trust_command_option
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
    trust_command: bool,
    runs: Path,
    json_: bool,
    **how: Any,
) -> None:
    """Go on with RUN (a name or a path) where it stopped, also to more trials."""
    found = find_run(run_, runs)
    workers = workers or default_workers(found.settings)
    evaluator = build_evaluator(found.settings, workers, trust_pickle=trust_pickle, trust_command=trust_command)
    learned = _learned_beside(found.settings.search, evaluator)
    _search(ctx, found, evaluator, learned, workers, json_, **how)


def _with_seeds(settings: RunSettings, specs: Sequence[str], named: Collection[str], runs: Path) -> RunSettings:
    """``settings`` with the tables that its strategy begins with, beside those of earlier trials."""
    search, strategy = settings.search, strategy_class(settings.search.strategy)
    if strategy is Listed:
        if specs:
            search = _listed(search, *_resolved(specs, settings, runs))
        return msgspec.structs.replace(settings, search=msgspec.structs.replace(search, seeds=()))
    if not (strategy.seeded or (strategy.needs_bounds and search.box == "shape")):
        if specs:
            raise click.UsageError(f"strategy {search.strategy} begins without seeds: leave --seeds out.")
        return msgspec.structs.replace(settings, search=msgspec.structs.replace(search, seeds=(), seeds_from=()))
    if "seeds" in named and not specs:
        return settings
    published = [f"published:{name}" for name in published_names()] if strategy.seeded else []
    seeds = []
    named_tables, sources = _resolved(specs or published, settings, runs)
    for name, tables in named_tables.items():
        seeds.append(_fitting(Seed(name, tables), search.layout))
    search = msgspec.structs.replace(search, seeds=tuple(seeds), seeds_from=sources)
    return msgspec.structs.replace(settings, search=search)


def _fitting(seed: Seed, layout: str) -> SeedSettings:
    """``seed`` as far as ``layout`` can express it."""
    fitting = in_layout(seed.tables, layout)
    label = seed.label if fitting == seed.tables else f"{seed.label}, as {layout}"
    return seed_settings(Seed(label, fitting))


def _resolved(
    specs: Sequence[str], settings: RunSettings, runs: Path
) -> tuple[dict[str, QuantTables], tuple[str, ...]]:
    """The tables called ``specs``, by their names, and the paths of runs, ladders and dials that they come from.

    InputError where a ladder or dial is for another subsampling.
    """
    found: dict[str, QuantTables] = {}
    sources: list[Path] = []
    for spec in specs:
        learned = learned_tables(spec)
        if learned is not None:
            learned.check_subsampling(settings.codec.subsampling)
            sources.append(learned.path)
        sheets = resolve_all(spec, runs, settings.search.qualities)
        found.update({name: sheet.tables for name, sheet in sheets.items()})
        sources += [sheet.run for sheet in sheets.values() if sheet.run is not None]
    return found, tuple(dict.fromkeys(str(path.resolve()) for path in sources))


def _listed(search: SearchSettings, tables: Mapping[str, QuantTables], sources: tuple[str, ...]) -> SearchSettings:
    options = {"tables": [one.to_bytes().hex() for one in tables.values()], "labels": list(tables)}
    return msgspec.structs.replace(
        search, layout=Listed.layouts[0], options=search.options | options, seeds_from=sources
    )


def _search(
    ctx: click.Context,
    run: Run,
    evaluator: Evaluator,
    learned: Learned,
    workers: int,
    json_: bool,
    **how: Any,
) -> None:
    interrupted = measure(run, evaluator, workers, **how) or _confirm(run, evaluator, learned, workers, how)
    found = found_by(run)
    _check_picks(run, found, evaluator)
    click.echo(json.dumps(as_json(run, found), indent=2) if json_ else "\n" + as_text(run, found))
    if interrupted:
        click.echo(f"interrupted; go on with: qsearch resume {run.path}", err=True)
        ctx.exit(interrupted)


def _confirm(run: Run, evaluator: Evaluator, learned: Learned, workers: int, how: Mapping[str, Any]) -> int:
    """Measures the best tables on the images kept aside, where there are any; :data:`INTERRUPTED` or 0."""
    if not picks_on_others(run.settings):
        return 0
    try:
        confirmation, measuring = open_confirmation(run, evaluator, learned)
    except InputError as error:  # the search stands all the same
        click.echo(str(error), err=True)
        return 0
    click.echo(
        "confirming the best tables, their averages, published and learned ones on images kept aside ...", err=True
    )
    return measure(confirmation, measuring, workers, **{name: value for name, value in how.items() if name != "trials"})


def _with_learned(settings: RunSettings, evaluator: Evaluator, learned: Learned) -> RunSettings:
    """``settings`` with the tables ``learned`` from the images searched, and no others that were, among the seeds."""
    search = settings.search
    ratio = search.ratio_of_picks(sizes_of(evaluator, QuantTables.standard(search.around)).ratio)
    named = [each for each in search.seeds if not each.label.startswith(LEARNED)]
    seeds = (*named, *(_fitting(one, search.layout) for one in learned(ratio)))
    return msgspec.structs.replace(settings, search=msgspec.structs.replace(search, seeds=seeds))


def _learned_beside(search: SearchSettings, evaluator: Evaluator) -> Learned:
    """What tables are learned from the images searched at a ratio, once for each, as far as they can be."""

    @cache
    def learned(ratio: float) -> list[Seed]:
        click.echo("learning tables from the images searched ...", err=True)
        found = []
        try:
            for one in contenders(evaluator, ratio, search.trials):
                found.append(one)
        except (InputError, EvaluationError) as error:  # the search has tables of its own
            click.echo(f"no {'more ' if found else ''}tables are learned beside the search: {error}", err=True)
        return found

    return learned


def _check_logits(evaluator: Evaluator, objective: str) -> None:
    """InputError where a network answers what ``objective`` cannot be computed from; else it is told."""
    for classifier in evaluator.classifiers:
        note = answers_probabilities(classifier, evaluator.dataset)
        if note is not None and objective != TOP1.name:
            raise InputError(note)
        if note is not None:
            click.echo(note, err=True)


def _aside(settings: RunSettings, evaluator: Evaluator, share: float | None) -> tuple[RunSettings, Evaluator]:
    """Settings and evaluator of a run that keeps a ``share`` of the images aside, by default where they suffice."""
    if settings.dataset.kept_aside:  # as a --config says
        return settings, evaluator
    by_default = share is None
    if by_default and evaluator.classifiers:
        share = CONFIRM_SHARE if round(CONFIRM_SHARE * len(evaluator.dataset)) >= CONFIRM_IMAGES else 0.0
        if not share:
            click.echo(
                f"{len(evaluator.dataset)} images are too few to keep some aside: the pick will be made on the images "
                "searched, which flatters it",
                err=True,
            )
    if not share:
        return settings, evaluator
    seen = _seeds_saw(settings.search, share_of(evaluator.dataset, share, "kept"))
    if seen and not by_default:
        raise InputError(f"of those to keep aside, {seen}: give --confirm 0, and validate on images it has not seen.")
    if seen:
        click.echo(f"none are kept aside, for {seen}: the pick will be made on the images searched", err=True)
        return settings, evaluator
    return kept_aside(settings, evaluator, share)


def _seeds_saw(search: SearchSettings, kept: Dataset) -> str:
    """How many of the images ``kept`` aside the seeds were made on; empty for none."""
    sources = [Path(source) for source in search.seeds_from]
    runs = [Run.open(source) for source in sources if (source / SETTINGS_FILE).is_file()]
    files = [*learned_sources(runs), *(source for source in sources if source.is_file())]
    return seen_before(runs, images_of_learned(files), identities(kept))


def _check_picks(run: Run, found: Found, evaluator: Evaluator) -> None:
    """The tables that the summary names, through Pillow's real files, before it names them."""
    picked = {pick.label for pick in (found.summary.best_at_ratio, found.summary.best_at_accuracy) if pick is not None}
    results = run.results()
    checked = check_files(run, [results.trial(label) for label in sorted(picked)], evaluator.dataset)
    if found.confirmed is not None:
        checked += check_files(found.confirmed.run, [found.confirmed.trial])
    if checked:
        click.echo(f"checked with Pillow's files: {', '.join(called(trial.label) for trial in checked)}", err=True)


def _free_name(runs: Path, strategy: str) -> str:
    name, number = strategy, 1
    while (runs / name).exists():
        number += 1
        name = f"{strategy}-{number}"
    return name
