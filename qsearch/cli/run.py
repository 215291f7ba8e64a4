"""``qsearch run`` and ``qsearch resume``: options to settings, and a search with its progress and summary."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.classifiers.base import DEVICES, PRECISIONS
from qsearch.cli.progress import SearchProgress
from qsearch.cli.runs import find_run, runs_option
from qsearch.cli.summary import as_json, as_text, measured_on, summary_of
from qsearch.codecs.base import SUBSAMPLINGS
from qsearch.evaluator import Evaluator
from qsearch.run import Run, build_evaluator, build_strategy, default_layout, default_workers
from qsearch.settings import ClassifierSettings, RunSettings, load_settings
from qsearch.space import LAYOUTS
from qsearch.strategies.sorted_random import DRAWS

INTERRUPTED = 130
DEFAULTS = RunSettings()


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


search_options = _options(
    click.option("--strategy", help=f"Who proposes tables; see 'qsearch list'.  [default: {DEFAULTS.search.strategy}]"),
    click.option("--trials", type=click.IntRange(min=1), help=f"Tables to try.  [default: {DEFAULTS.search.trials}]"),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        help=f"Trial i of a seed is always the same tables.  [default: {DEFAULTS.search.seed}]",
    ),
    click.option(
        "--layout",
        type=click.Choice(list(LAYOUTS)),
        help="Free entries: 64 for all components, 128, or 192.  [default: the strategy's, mostly shared]",
    ),
    click.option(
        "--draw",
        type=click.Choice(DRAWS),
        help="sorted-random: the authors' generator, or the paper's text.  [default: half-normal]",
    ),
    click.option(
        "--set", "options", metavar="NAME=VALUE", multiple=True, help="An option of the strategy; repeatable."
    ),
    click.option(
        "--look-ahead",
        type=click.IntRange(min=1),
        help=f"Outstanding trials of a strategy that learns.  [default: {DEFAULTS.search.look_ahead}]",
    ),
)
measuring_options = _options(
    click.option(
        "--dataset", help=f"textures[:SPLIT], folder:PATH, ...; see 'qsearch list'.  [default: {DEFAULTS.dataset.spec}]"
    ),
    click.option(
        "--size",
        type=click.IntRange(min=8),
        help="Prepare images as squares of so many pixels.  [default: as they are]",
    ),
    click.option(
        "--fit",
        type=click.Choice(["crop", "stretch"]),
        help="Shorter side to 256/224 of the size and centre crop, or the whole image.  [default: crop]",
    ),
    click.option("--skip-unreadable/--no-skip-unreadable", default=None, help="Leave out files that cannot be read."),
    click.option(
        "--classifier",
        help=f"textures-cnn, torchvision:NAME, FILE.onnx, FILE.pt2.  [default: {DEFAULTS.classifiers[0].spec}]",
    ),
    click.option("--weights", help="torchvision: a weight set's name, or a local file of weights."),
    click.option(
        "--device", type=click.Choice(DEVICES), help="Where the network runs.  [default: auto, a GPU if there is one]"
    ),
    click.option("--precision", type=click.Choice(PRECISIONS), help="On a GPU.  [default: float32]"),
    click.option("--codec", help=f"[default: {DEFAULTS.codec.name}]"),
    click.option(
        "--subsampling",
        type=click.Choice(SUBSAMPLINGS),
        help=f"Chroma subsampling.  [default: {DEFAULTS.codec.subsampling}]",
    ),
    click.option("--optimize/--no-optimize", default=None, help="Huffman tables of each image's own.  [default: no]"),
    click.option("--progressive/--no-progressive", default=None, help="Progressive JPEG.  [default: no]"),
    click.option("--psnr/--no-psnr", default=None, help="Measure PSNR too.  [default: no]"),
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Trials at once.  [default: the cores, or one per GPU]"
)
json_option = click.option("--json", "json_", is_flag=True, help="Print the summary as JSON.")


@click.command()
@search_options
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
    json_: bool,
    **given: Any,
) -> None:
    """Search quantization tables and record every trial.

    The standard tables at qualities 10 to 100 are measured first, as the curve to beat. Ctrl-C ends a run cleanly;
    'qsearch resume' goes on with it, also after a crash.
    """
    settings = load_settings(config) if config else DEFAULTS
    settings = _given(msgspec.structs.replace(settings, recorded=None, changes=()), given)
    path = runs / (name or _free_name(runs, settings.search.strategy))
    if path.exists():
        raise click.UsageError(
            f"{path} exists already: go on with 'qsearch resume {path}', or choose another --name.", ctx
        )
    build_strategy(settings)  # a misspelt option is told before images are prepared
    workers = workers or default_workers(settings)
    click.echo(f"preparing {settings.dataset.spec} and {settings.classifiers[0].spec} ...", err=True)
    evaluator = build_evaluator(settings, workers)
    _search(ctx, Run.create(path, settings, evaluator), evaluator, workers, json_)


@click.command()
@click.argument("run_", metavar="RUN")
@click.option("--trials", type=click.IntRange(min=1), help="Go on to so many trials in all.  [default: as set]")
@click.option("--allow-changed", is_flag=True, help="Go on although dataset, classifier or codec changed; recorded.")
@workers_option
@runs_option
@json_option
@click.pass_context
def resume(
    ctx: click.Context, run_: str, trials: int | None, allow_changed: bool, workers: int | None, runs: Path, json_: bool
) -> None:
    """Go on with RUN (a name or a path) where it stopped, also to more trials."""
    found = find_run(run_, runs)
    workers = workers or default_workers(found.settings)
    evaluator = build_evaluator(found.settings, workers)
    _search(ctx, found, evaluator, workers, json_, trials=trials, allow_changed=allow_changed)


def _search(
    ctx: click.Context,
    run: Run,
    evaluator: Evaluator,
    workers: int,
    json_: bool,
    trials: int | None = None,
    allow_changed: bool = False,
) -> None:
    for note in evaluator.dataset.notes:
        click.echo(note, err=True)
    click.echo(f"{run.path}: {measured_on(run)}, {workers} worker{'s' * (workers > 1)}", err=True)
    interrupted = False
    with SearchProgress(run, trials or run.settings.search.trials) as progress:
        try:
            run.resume(
                workers=workers, trials=trials, allow_changed=allow_changed, evaluator=evaluator, on_trial=progress
            )
        except KeyboardInterrupt:
            interrupted = True
    summary = summary_of(run)
    click.echo(json.dumps(as_json(run, summary), indent=2) if json_ else "\n" + as_text(run, summary))
    if interrupted:
        click.echo(f"interrupted; go on with: qsearch resume {run.path}", err=True)
        ctx.exit(INTERRUPTED)


def _free_name(runs: Path, strategy: str) -> str:
    name, number = strategy, 1
    while (runs / name).exists():
        number += 1
        name = f"{strategy}-{number}"
    return name


def _given(settings: RunSettings, given: Mapping[str, Any]) -> RunSettings:
    """``settings`` with what the user gave on the command line in place of theirs."""

    def replaced(part: Any, **names: str) -> Any:
        chosen = {field: given[option] for field, option in names.items() if given[option] is not None}
        return msgspec.structs.replace(part, **chosen)

    search = replaced(settings.search, strategy="strategy", trials="trials", seed="seed", look_ahead="look_ahead")
    if search.strategy != settings.search.strategy:
        search = msgspec.structs.replace(search, options={})
    options = {**search.options, **dict(map(_assignment, given["options"]))}
    if given["draw"] is not None:
        options["draw"] = given["draw"]
    layout = given["layout"] or default_layout(search.strategy, settings.search.layout)
    dataset = replaced(settings.dataset, spec="dataset", size="size", fit="fit", skip_unreadable="skip_unreadable")
    codec = replaced(
        settings.codec, name="codec", subsampling="subsampling", optimize="optimize", progressive="progressive"
    )
    classifier = ClassifierSettings(spec=given["classifier"]) if given["classifier"] else settings.classifiers[0]
    classifier = replaced(classifier, weights="weights", device="device", precision="precision")
    return msgspec.structs.replace(
        settings,
        search=msgspec.structs.replace(search, options=options, layout=layout),
        dataset=msgspec.structs.replace(dataset, spec=_absolute(dataset.spec)),
        classifiers=(msgspec.structs.replace(classifier, spec=_absolute(classifier.spec)),),
        codec=codec,
        psnr=settings.psnr if given["psnr"] is None else given["psnr"],
    )


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.UsageError(f"--set takes NAME=VALUE, got {text!r}.")
    try:
        return name.replace("-", "_"), json.loads(value)
    except json.JSONDecodeError:
        return name.replace("-", "_"), value


def _absolute(spec: str) -> str:
    """``spec`` with a path in it made absolute, so that a run can be resumed from any folder."""
    name, colon, argument = spec.partition(":")
    if colon and argument and Path(argument).exists():
        return f"{name}:{Path(argument).resolve()}"
    return str(Path(spec).resolve()) if Path(spec).is_file() else spec
