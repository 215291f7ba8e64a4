"""``qsearch learn``: a ladder of tables, learned from images and, for accuracy, from what a network makes of them; and,
in modules of their own, networks that say tables of each image's own."""

import copy
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from qsearch.cli import completion
from qsearch.cli.options import dataset_options, network_options, settings_of_classifier, settings_of_dataset
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.learning.differentiable import ROUNDINGS
from qsearch.learning.ladder import Ladder, Rung, read_ladder
from qsearch.learning.rates import RATES
from qsearch.learning.settings import (
    METHODS,
    OBJECTIVES,
    QUALITIES,
    SENSITIVITIES,
    SUBSAMPLINGS,
    Adam,
    LearningSettings,
)
from qsearch.run.building import build_classifier, build_dataset, usable_cores
from qsearch.space import LAYOUTS

if TYPE_CHECKING:
    from qsearch.classifiers.base import Classifier

DEFAULTS = LearningSettings()
ADAM = Adam()


def gradient_options(command: Any) -> Any:
    """What the method gradient is told; None where it is not given."""
    for option in reversed(
        (
            click.option(
                "--rate",
                type=click.Choice(RATES),
                help="gradient: what tells bits: libjpeg's own, the four densities of Luo 2021, a Laplacian for each "
                f"frequency, or four fitted numbers.  [default: {DEFAULTS.rate}]",
            ),
            click.option(
                "--rounding",
                type=click.Choice(ROUNDINGS),
                help="gradient: what stands for the derivative of rounding; cubic is that of Luo 2021.  "
                f"[default: {ADAM.rounding}]",
            ),
            click.option(
                "--start",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="LADDER",
                help="gradient: each rung starts at that of this ladder.  [default: the standard tables]",
            ),
            click.option(
                "--steps", type=click.IntRange(min=1), help=f"gradient: of Adam, a rung.  [default: {ADAM.steps}]"
            ),
            click.option(
                "--batch", type=click.IntRange(min=1), help=f"gradient: images a step.  [default: {ADAM.batch}]"
            ),
            click.option(
                "--learning-rate",
                type=click.FloatRange(0, 1, min_open=True),
                help="gradient: of the logarithms of the entries; falls to 0 along half a cosine.  "
                f"[default: {ADAM.learning_rate:g}]",
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@dataset_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="LADDER", help="The file to write."
)
@click.option(
    "--classifier",
    shell_complete=completion.registered("classifiers"),
    help="accuracy and mix: the network, as 'qsearch run' takes it.",
)
@network_options
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=DEFAULTS.method,
    show_default=True,
    help="descent counts bits and squared errors exactly, entry by entry; gradient is Adam through JPEG, as in Luo "
    "2021, and through the network itself.",
)
@gradient_options
@click.option(
    "--label-free",
    is_flag=True,
    help="accuracy and mix: learn from the divergence from the network's own answers on the uncompressed images.",
)
@click.option(
    "--sensitivity",
    type=click.Choice(SENSITIVITIES),
    default=DEFAULTS.sensitivity,
    show_default=True,
    help="accuracy and mix: what an error costs the network: by quantization of bands of frequencies or by noise in "
    "them, which any network can be asked, or by its gradients (fisher); auto: by quantization.",
)
@click.option(
    "--quality",
    "qualities",
    type=click.IntRange(1, 100),
    multiple=True,
    help="Repeatable: a rung at the trade-off between bits and errors that the standard tables make at this quality.  "
    f"[default: {', '.join(map(str, QUALITIES))}]",
)
@click.option(
    "--loss-weights",
    nargs=3,
    type=float,
    multiple=True,
    metavar="C_R C_D C_C",
    help="Repeatable, in place of qualities: a rung for these weights of bits, squared error and the network's loss "
    "(Luo 2021).",
)
@click.option(
    "--subsampling",
    type=click.Choice(SUBSAMPLINGS),
    default=DEFAULTS.subsampling,
    show_default=True,
    help="Of the chroma.",
)
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    default=DEFAULTS.layout,
    show_default=True,
    help="One table for all components, two, or three.",
)
@click.option("--per-image", is_flag=True, help="Tables for each image, learned from it alone.")
@click.option("--images", type=click.IntRange(min=1), help="Learn from so many images, drawn.  [default: all]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=DEFAULTS.seed, show_default=True, help="Of all that is drawn."
)
@click.option("--workers", type=click.IntRange(min=1), help="--per-image: images at once.  [default: the cores]")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the tables: a .png, .svg or .pdf file."
)
@click.option("--json", "json_", is_flag=True, help="Print the rungs as JSON.")
@click.pass_context
def learn_tables(
    ctx: click.Context,
    /,
    out: Path,
    classifier: str | None,
    qualities: tuple[int, ...],
    loss_weights: tuple[tuple[float, float, float], ...],
    workers: int | None,
    plot: Path | None,
    json_: bool,
    trust_pickle: bool,
    method: Any,
    rate: Any,
    start: Path | None,
    subsampling: Any,
    layout: str,
    per_image: bool,
    label_free: bool,
    sensitivity: Any,
    images: int | None,
    seed: int,
    **given: Any,
) -> None:
    """Learn quantization tables, a rung for each trade-off between bits and errors, and write them as a LADDER.

    distortion makes the error of the pixels small, accuracy the loss of a network, mix both. Nothing is tried: every
    table entry takes the step that is best by exact counts of bits, until none changes (or, with --method gradient,
    follows gradients). LADDER works where tables are named: LADDER:0 is the coarsest. Interrupted or killed, the same
    command goes on where it stopped.
    """
    from qsearch.learning.learn import check_settings, learn_ladder

    objective: Any = ctx.info_name
    if given["dataset"] is None:
        raise click.UsageError("say which images to learn from: --dataset D.")
    if objective == "distortion" and (classifier is not None or label_free):
        raise click.UsageError("distortion asks no network: leave --classifier and --label-free out.")
    if plot is not None and per_image:
        raise click.UsageError("--plot draws tables for all images, and --per-image learns others: leave one out.")
    if qualities and loss_weights:
        raise click.UsageError("--quality and --loss-weights both say what the rungs are: give one of them.")
    adam = {name: given.pop(name) for name in ADAM.__struct_fields__}
    adam = {name: value for name, value in adam.items() if value is not None}
    if method == "descent" and (adam or rate is not None or start is not None):
        options = ["--rate"] * (rate is not None) + ["--start"] * (start is not None)
        options += [f"--{name.replace('_', '-')}" for name in adam]
        raise click.UsageError(f"the descent has no {', '.join(options)}: say --method gradient too, or leave it out.")
    begin = None if start is None else read_ladder(start)
    network = None if classifier is None else settings_of_classifier(classifier, given)
    settings = LearningSettings(
        objective=objective,
        method=method,
        rate=rate or DEFAULTS.rate,
        adam=None if method == "descent" else Adam(**adam),
        start="" if begin is None else begin.digest,
        qualities=() if loss_weights else tuple(sorted(set(qualities))) or QUALITIES,
        loss_weights=loss_weights,
        subsampling=subsampling,
        layout=layout,
        per_image=per_image,
        label_free=label_free,
        sensitivity=sensitivity,
        images=images,
        seed=seed,
        dataset=settings_of_dataset(given),
        classifier=network,
    )
    check_settings(settings)
    cores = workers or usable_cores()
    built: Classifier | None = None
    if network is not None:
        built = build_classifier(network, cores, trust_pickle=trust_pickle)
    dataset = build_dataset(settings.dataset)
    for note in dataset.notes:
        click.echo(note, err=True)
    try:
        with Progress() as progress:
            ladder = learn_ladder(
                dataset, settings, classifier=built, start=begin, out=out, workers=cores, on_progress=progress
            )
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on where it stopped.", err=True)
        ctx.exit(INTERRUPTED)
    if plot is not None:
        _draw(ladder, plot)
    if json_:
        click.echo(json.dumps([_as_json(rung) for rung in ladder.rungs], indent=2))
    else:
        click.echo("\n".join(_lines(ladder, out)))


class LearnGroup(click.Group):
    """A command for each objective of a ladder, and those that are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ladders first."""
        return [*OBJECTIVES, *LATER]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, or None where there is none."""
        if cmd_name in LATER:
            module, _, attribute = LATER[cmd_name].partition(":")
            later: click.Command = getattr(importlib.import_module(module), attribute)
            return later
        if cmd_name not in OBJECTIVES:
            return None
        command = copy.copy(learn_tables)
        command.short_help = PURPOSES[cmd_name]
        return command


LATER = {
    "network": "qsearch.cli.learn_network:network",
    "code-length": "qsearch.cli.learn_network:code_length",
}
PURPOSES = {
    "distortion": "A ladder of tables that make the error of the pixels small.",
    "accuracy": "A ladder of tables that make the loss of a network small.",
    "mix": "A ladder of tables for both.",
}


@click.group(cls=LearnGroup)
def learn() -> None:
    """Learn quantization tables: a ladder of them, or a network that says those of each image.

    \b
    qsearch learn distortion --dataset folder:PHOTOS --out photos.ladder.json
    qsearch learn network --task distortion --ladder photos.ladder.json --strength 30 --dataset folder:PHOTOS ...
    """


def _draw(ladder: Ladder, plot: Path) -> None:
    from qsearch.report.plots import save_figure
    from qsearch.report.tables_plot import plot_tables

    names = [
        f"{'given weights' if rung.quality is None else f'quality {rung.quality}'}, {rung.bpp:.2f} bpp"
        for rung in ladder.rungs
    ]
    tables = dict(zip(names, ladder.tables, strict=True))
    title = "Learned tables, by the standard quality whose trade-off they make"
    save_figure(plot_tables(tables, title, ladder.title), plot)
    click.echo(f"wrote {plot}", err=True)


def _as_json(rung: Rung) -> dict[str, Any]:
    return {
        "quality": rung.quality,
        "trade_off": rung.trade_off,
        "bpp": rung.bpp,
        "tables": [one.to_dict() for one in rung.tables],
    }


def _lines(ladder: Ladder, out: Path) -> list[str]:
    learned_on = ladder.learned_on
    lines = [
        ladder.title,
        f"Learned on {learned_on.images} images {learned_on.size} of {learned_on.dataset}",
        f"  {'rung':>4}  {'trade-off of':>12}  {'bpp':>6}  {'finest to coarsest luma step':>28}",
    ]
    for index, rung in enumerate(ladder.rungs):
        quality = "given weights" if rung.quality is None else f"quality {rung.quality}"
        luma = np.stack([tables.luma for tables in rung.tables])
        steps = f"{luma.min()} to {luma.max()}"
        lines.append(f"  {index:>4}  {quality:>12}  {rung.bpp:6.3f}  {steps:>28}")
    return [
        *lines,
        f"Rungs {out}:0 to {out}:{len(ladder.rungs) - 1} are tables to encode, export, validate and search from.",
    ]
