"""``qsearch learn network`` and ``code-length``: a network that says each image's tables, and one that tells bits."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qsearch.cli import completion
from qsearch.cli.options import dataset_options, network_options, settings_of_classifier, settings_of_prepared_dataset
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.learning.ladder import read_ladder
from qsearch.models.settings import PRICES, RATES, ROUNDINGS, TASKS, Architecture, NetworkSettings, Training
from qsearch.run.building import build_classifier, build_dataset, usable_cores

if TYPE_CHECKING:
    from qsearch.classifiers.base import Classifier
    from qsearch.models.files import NetworkFile

TRAINING = Training()
file_option = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE", help="The file to write."
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all drawn.")


@click.command()
@click.option(
    "--task",
    type=click.Choice(TASKS),
    required=True,
    help="What is made small, beside bits: the loss of a network, squared errors, 1 - MS-SSIM, or how far a network's "
    "last layer moves.",
)
@dataset_options
@click.option(
    "--ladder",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="LADDER",
    help="Training starts at its tables, as 'qsearch learn' wrote them.",
)
@click.option(
    "--strength",
    "strengths",
    type=click.FloatRange(1, 100),
    multiple=True,
    required=True,
    help="Repeatable: a network for the trade-off that the standard tables make at this quality.",
)
@file_option
@click.option(
    "--classifier",
    shell_complete=completion.registered("classifiers"),
    help="accuracy and features: the network, as 'qsearch run' takes it.",
)
@network_options
@click.option("--label-free", is_flag=True, help="accuracy: the divergence from the answers on uncompressed images.")
@click.option(
    "--rate",
    type=click.Choice(RATES),
    default="exact",
    show_default=True,
    help="What tells bits: libjpeg's own, or the predictor of Choi 2020.",
)
@click.option(
    "--code-length",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="--rate taqn: the predictor, as 'qsearch learn code-length' wrote it.",
)
@click.option(
    "--rounding",
    type=click.Choice(ROUNDINGS),
    default="secant",
    show_default=True,
    help="What stands for the derivative of rounding; straight-through is that of Choi 2020.",
)
@click.option(
    "--price",
    type=click.Choice(PRICES),
    help="What a bit is worth: shared by all images, so that bytes move between them, or each image's own.  [default: "
    "own for distortion, else shared]",
)
@click.option("--attention", is_flag=True, help="Weigh places and channels after the convolutions.")
@click.option("--hint", is_flag=True, help="Tell entries what their steps save and cost at the ladder's tables.")
@click.option("--epochs", type=click.IntRange(min=1), default=TRAINING.epochs, show_default=True)
@click.option(
    "--batch", type=click.IntRange(min=1), default=TRAINING.batch, show_default=True, help="Images of a step."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=TRAINING.learning_rate,
    show_default=True,
    help="Of Adam; falls to 0 along a cosine.",
)
@click.option(
    "--crop",
    type=click.IntRange(min=0),
    default=TRAINING.crop,
    show_default=True,
    help="Train on squares of so many pixels, drawn anew each time, half of them mirrored; 0: on whole images.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=TRAINING.held_out,
    show_default=True,
    help="The share of the images that the best epoch is taken by.",
)
@click.option("--images", type=click.IntRange(min=2), help="So many images, drawn.  [default: all]")
@seed_option
@click.option("--json", "json_", is_flag=True, help="Print how training went as JSON.")
@click.pass_context
def network(
    ctx: click.Context,
    /,
    task: Any,
    ladder: Path,
    strengths: tuple[float, ...],
    out: Path,
    classifier: str | None,
    label_free: bool,
    rate: Any,
    code_length: Path | None,
    rounding: Any,
    price: Any,
    attention: bool,
    hint: bool,
    images: int | None,
    seed: int,
    json_: bool,
    trust_pickle: bool,
    **given: Any,
) -> None:
    """Train a network that looks at an image's DCT coefficients and says its tables (Choi 2020), one per strength.

    It starts at the ladder's tables and is kept in FILE after every epoch, as weights that are data; of all epochs the
    best on images held out is taken, the ladder's own tables among them. Interrupted or killed, the same command goes
    on after the last whole epoch. FILE is a MODEL for 'qsearch evaluate' and 'qsearch encode --model'.
    """
    from qsearch.models.training import train_networks

    if given["dataset"] is None:
        raise click.UsageError("say which images to train on: --dataset D.")
    if given["labels"] == "predicted" and task == "accuracy" and not label_free:
        raise click.UsageError("where a network's own answers stand for labels, train with --label-free.")
    begin = read_ladder(ladder)
    predictor = None
    if code_length is not None:
        from qsearch.models.code_length import read_code_length

        predictor = read_code_length(code_length)
    settings = NetworkSettings(
        task=task,
        strengths=tuple(sorted(set(strengths))),
        ladder=begin.digest,
        rate=rate,
        rounding=rounding,
        code_length="" if predictor is None else predictor.digest,
        price=price or ("own" if task == "distortion" else "shared"),
        label_free=label_free,
        architecture=Architecture(attention=attention, hint=hint),
        training=Training(**{name: given.pop(name) for name in TRAINING.__struct_fields__}),
        subsampling=begin.settings.subsampling,
        images=images,
        seed=seed,
        dataset=settings_of_prepared_dataset(given, "learn network"),
        classifier=None if classifier is None else settings_of_classifier(classifier, given),
    )
    asked: Classifier | None = None
    if settings.classifier is not None:
        asked = build_classifier(settings.classifier, usable_cores(), trust_pickle=trust_pickle)
    dataset = build_dataset(settings.dataset)
    for note in dataset.notes:
        click.echo(note, err=True)
    try:
        with Progress() as progress:
            found = train_networks(
                dataset, settings, begin, out=out, classifier=asked, code_length=predictor, on_progress=progress
            )
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on where it stopped.", err=True)
        ctx.exit(INTERRUPTED)
    if json_:
        click.echo(json.dumps(_as_json(found), indent=2))
    else:
        click.echo("\n".join(_lines(found, out)))


def _as_json(found: "NetworkFile") -> list[dict[str, Any]]:
    return [
        {
            "strength": strength,
            "price": one.price,
            "best_epoch": one.best,
            "costs": list(one.costs),
            "held_out": list(one.held_out),
        }
        for strength, one in zip(found.about.settings.strengths, found.about.progress, strict=True)
    ]


def _lines(found: "NetworkFile", out: Path) -> Iterator[str]:
    about = found.about
    learned_on = about.learned_on
    yield f"{about.settings.task}, rate {about.settings.rate}, {about.settings.rounding}"
    yield f"Trained on {learned_on.images} images {learned_on.width}x{learned_on.height} of {learned_on.dataset}"
    for strength, one in zip(about.settings.strengths, about.progress, strict=True):
        gain = one.held_out[one.best] - one.held_out[0]
        what = "no epoch is better than the ladder's own tables" if one.best == 0 else f"the best epoch is {one.best}"
        yield f"  strength {strength:g}: {what} on the images held out, cost {gain:+.4f} against the ladder's"
    yield f"{out} is a model to evaluate on other images and to encode with."


@click.command("code-length")
@dataset_options
@file_option
@click.option("--steps", type=click.IntRange(min=1), default=3000, show_default=True, help="Of Adam, 256 blocks each.")
@click.option("--subsampling", type=click.Choice(("4:2:0", "4:4:4")), default="4:2:0", show_default=True)
@seed_option
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_context
def code_length(
    ctx: click.Context, /, out: Path, steps: int, subsampling: Any, seed: int, json_: bool, **given: Any
) -> None:
    """Train the predictor of Huffman code lengths of Choi 2020: a bidirectional LSTM over the coefficients of a block.

    It learns from random vectors and from blocks of the images at random standard qualities; a fifth of the images is
    held out, and its error on their whole files is told (SMAPE). Training starts anew each time.
    """
    from qsearch.models.code_length import train_code_length

    if given["dataset"] is None:
        raise click.UsageError("say which images to train on: --dataset D.")
    dataset = build_dataset(settings_of_prepared_dataset(given, "learn code-length"))
    try:
        with Progress() as progress:
            found = train_code_length(
                dataset, out, steps=steps, subsampling=subsampling, seed=seed, on_progress=progress
            )
    except KeyboardInterrupt:
        click.echo("interrupted; nothing was written.", err=True)
        ctx.exit(INTERRUPTED)
    if json_:
        click.echo(json.dumps({"smape_percent": found.about.smape, "images": found.about.held_out}))
    else:
        click.echo(
            f"{out}: SMAPE {found.about.smape:.2f} % of the bits of {found.about.held_out} images held out, at random "
            "standard qualities"
        )
