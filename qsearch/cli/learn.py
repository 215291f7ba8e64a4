"""``qsearch learn``: a ladder of tables, learned from images and, for accuracy, from what a network makes of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from qsearch.cli import completion
from qsearch.cli.options import dataset_options, network_options, settings_of_classifier, settings_of_dataset
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.learning.ladder import OBJECTIVES, QUALITIES, SENSITIVITIES, SUBSAMPLINGS, Ladder, LearningSettings, Rung
from qsearch.run.building import build_classifier, build_dataset, usable_cores
from qsearch.space import LAYOUTS

if TYPE_CHECKING:
    from qsearch.classifiers.base import Classifier

DEFAULTS = LearningSettings()


@click.command()
@click.argument("objective", type=click.Choice(OBJECTIVES))
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
    "--label-free",
    is_flag=True,
    help="accuracy and mix: learn from the divergence from the network's own answers on the uncompressed images.",
)
@click.option(
    "--sensitivity",
    type=click.Choice(SENSITIVITIES),
    default=DEFAULTS.sensitivity,
    show_default=True,
    help="accuracy and mix: what an error costs the network, by its gradients (fisher) or by noise in images, which "
    "any network can be asked; auto: gradients where it has them.",
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
def learn(
    ctx: click.Context,
    /,
    objective: Any,
    out: Path,
    classifier: str | None,
    qualities: tuple[int, ...],
    loss_weights: tuple[tuple[float, float, float], ...],
    workers: int | None,
    plot: Path | None,
    json_: bool,
    trust_pickle: bool,
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
    table entry takes the step that is best by exact counts of bits, until none changes. LADDER works where tables are
    named: LADDER:0 is the coarsest. Interrupted or killed, the same command goes on where it stopped.
    """
    from qsearch.learning.learn import check_settings, learn_ladder

    if given["dataset"] is None:
        raise click.UsageError("say which images to learn from: --dataset D.")
    if objective == "distortion" and (classifier is not None or label_free):
        raise click.UsageError("distortion asks no network: leave --classifier and --label-free out.")
    if plot is not None and per_image:
        raise click.UsageError("--plot draws tables for all images, and --per-image learns others: leave one out.")
    if qualities and loss_weights:
        raise click.UsageError("--quality and --loss-weights both say what the rungs are: give one of them.")
    network = None if classifier is None else settings_of_classifier(classifier, given)
    settings = LearningSettings(
        objective=objective,
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
            ladder = learn_ladder(dataset, settings, classifier=built, out=out, workers=cores, on_progress=progress)
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on where it stopped.", err=True)
        ctx.exit(INTERRUPTED)
    if plot is not None:
        _draw(ladder, plot)
    if json_:
        click.echo(json.dumps([_as_json(rung) for rung in ladder.rungs], indent=2))
    else:
        click.echo("\n".join(_lines(ladder, out)))


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
        f"Learned on {learned_on.images} images {learned_on.width}x{learned_on.height} of {learned_on.dataset}",
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
