"""``qsearch shrink``: fewer bytes for images of a quality, at no more harm, in one command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qsearch.analysis.bootstrap import LEVEL, Estimate
from qsearch.cli import completion
from qsearch.cli.declared import given_fields, options_for
from qsearch.cli.options import dataset_options, network_options, settings_of_classifier, settings_of_dataset
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.codecs.base import EncoderOptions
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.executors import EXECUTORS
from qsearch.report import wording
from qsearch.run.settings import CodecSettings
from qsearch.shrink.settings import BYS, ShrinkSettings

if TYPE_CHECKING:
    from qsearch.shrink.shrinking import Shrunk


@click.command()
@dataset_options
@click.option(
    "--classifier",
    shell_complete=completion.registered("classifiers"),
    help="The network that reads the images, as 'qsearch run' takes it.  [default: none; images are judged by PSNR]",
)
@network_options
@click.option(
    "--like-quality",
    type=click.IntRange(1, 100),
    required=True,
    help="Images are to stay as good as at the standard tables of this quality: the one you store them at.",
)
@click.option(
    "--by",
    type=click.Choice(BYS),
    help="What stays as good: divergence, how far the network's answers move from those on the uncompressed images; "
    "loss, its cross-entropy, which needs labels and many images; psnr or ms_ssim, without a network.  [default: "
    "divergence; psnr without a network]",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="What may be lost for fewer bytes: percentage points of top-1; without a network dB, or MS-SSIM.",
)
@click.option(
    "--confirm",
    "kept_aside",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Learn and choose without this share of the images, and tell on them what is saved.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="Tables that are measured at most while choosing.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is drawn.")
@options_for(EncoderOptions)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where tables, dial, picture and measurements go.  [default: like-quality-Q]",
)
@click.option("--workers", type=click.IntRange(min=1), help="Tables at once.  [default: the cores]")
@click.option(
    "--executor", type=click.Choice(EXECUTORS.names()), default=DEFAULT_EXECUTOR, show_default=True,
    help="Where tables are measured; serial: in this process.",
)  # fmt: skip
@click.option("--json", "json_", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def shrink(
    ctx: click.Context,
    /,
    classifier: str | None,
    like_quality: int,
    by: Any,
    tolerance: float,
    kept_aside: float,
    budget: int,
    seed: int,
    out: Path | None,
    workers: int | None,
    executor: str,
    json_: bool,
    trust_pickle: bool,
    **given: Any,
) -> None:
    """Find tables that take fewer bytes than the standard ones at a quality, with images as good for your network.

    On a part of the images tables are learned, published ones tried, and those chosen that need the fewest bytes; what
    they save is then measured on the images kept aside, with its 95 % interval. In FOLDER stand tables.json for
    'qsearch export' and 'qsearch encode', dial.json for other qualities, and a picture. Interrupted, the same command
    goes on.

    \b
    qsearch shrink --dataset folder:PHOTOS --size 224 --encode-size as-stored --classifier NET --like-quality 85
    """
    from qsearch.report.plots import save_figure
    from qsearch.shrink.picture import plot_shrunk
    from qsearch.shrink.shrinking import as_plain
    from qsearch.shrink.shrinking import shrink as find

    if given["dataset"] is None:
        raise click.UsageError("say which images: --dataset D.")
    dataset = settings_of_dataset(given)
    settings = ShrinkSettings(
        like_quality=like_quality,
        by=by or ("psnr" if classifier is None else "divergence"),
        tolerance=tolerance,
        kept_aside=kept_aside,
        budget=budget,
        seed=seed,
        dataset=dataset,
        classifier=None if classifier is None else settings_of_classifier(classifier, given),
        codec=CodecSettings(**given_fields(EncoderOptions, given)),
    )
    folder = out or Path(f"like-quality-{like_quality}")
    try:
        with Progress() as progress:
            shrunk = find(
                settings, folder, workers=workers, executor=executor, trust_pickle=trust_pickle, on_progress=progress,
                on_note=progress.say,
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on where it stopped.", err=True)
        ctx.exit(INTERRUPTED)
    picture = folder / "shrink.png"
    save_figure(plot_shrunk(shrunk, f"On {_aside(shrunk)}"), picture)
    click.echo(json.dumps(as_plain(shrunk), indent=2) if json_ else "\n".join(_lines(shrunk)))


def _aside(shrunk: "Shrunk") -> str:
    return (
        f"{shrunk.images_aside:,} images {shrunk.size} of {wording.short_spec(shrunk.dataset)} that "
        "no table was learned and no family chosen on"
    )


def _lines(shrunk: "Shrunk") -> Iterator[str]:
    settings, confirmed = shrunk.settings, shrunk.confirmed
    yardstick, quality = settings.yardstick, settings.like_quality
    kept = f"the same {yardstick.title}" if not settings.tolerance else f"a {yardstick.title} within the tolerance"
    if confirmed.falls_back:
        yield f"Nothing was found that takes fewer bytes than quality {quality} at {kept}: keep the standard tables."
    else:
        yield (
            f"{_percent(confirmed.saved)} fewer bytes than quality {quality} at {kept}, measured on {_aside(shrunk)}"
        )
    yield ""
    yield from _table(shrunk)
    yield ""
    if not confirmed.falls_back:
        yield "How coarse the tables found are was set on these images, so that they are as good here."
        yield f"Tables: {confirmed.name}. " + " ".join(confirmed.origin)
    for by, saved in confirmed.saved_by.items():
        if by != settings.by:
            yield f"Bytes saved at the same {by}: {_percent(saved)}."
    if settings.tolerance:
        yield from _tolerance(shrunk)
    yield from _doubts(shrunk)
    if shrunk.stored_files and not confirmed.falls_back and confirmed.saved.value is not None:
        yield from _stored(shrunk)
    yield ""
    yield from _next(shrunk)


def _table(shrunk: "Shrunk") -> Iterator[str]:
    from qsearch.analysis.equal_bytes import values_of

    confirmed = shrunk.confirmed
    shown = {"top1": ("top-1", 100, ".2f", " %"), "loss": ("cross-entropy", 1, ".4f", ""),
             "divergence": ("divergence", 1, ".4f", ""), "psnr_db": ("PSNR", 1, ".2f", " dB"),
             "ms_ssim": ("MS-SSIM", 1, ".5f", "")}  # fmt: skip
    there = [name for name in shown if name in values_of(confirmed.standard)]
    if shrunk.settings.by != "loss" and "loss" not in confirmed.saved_by:
        there = [name for name in there if name != "loss"]
    yield f"  {'':>19}  {'KB an image':>11}  {'bpp':>6}" + "".join(f"  {shown[name][0]:>13}" for name in there)
    rows = {f"standard quality {shrunk.settings.like_quality}": confirmed.standard, "found": confirmed.found}
    if confirmed.uncompressed is not None:
        rows["uncompressed"] = confirmed.uncompressed
    for title, measurement in rows.items():
        means = {name: float(values.mean()) for name, values in values_of(measurement).items()}
        cells = []
        for name in there:
            _, factor, form, unit = shown[name]
            known = measurement is not confirmed.uncompressed or name in ("top1", "loss")
            cells.append(f"{factor * means[name]:{form}}{unit}" if known else "")
        place = f"{wording.kilobytes(measurement.kb_per_image):>11}  {measurement.bpp:>6.3f}"
        yield f"  {title:>19}  {place}" + "".join(f"  {cell:>13}" for cell in cells)
    if not confirmed.falls_back:
        for name in there:
            title, factor, form, unit = shown[name]
            change = confirmed.change(name)
            if change.value is not None and change.low is not None and change.high is not None:
                unit = " points" if name == "top1" else unit
                yield (
                    f"  {title}: {factor * change.value:+{form}}{unit} "
                    f"({factor * change.low:+{form}} to {factor * change.high:+{form}})"
                )


def _tolerance(shrunk: "Shrunk") -> Iterator[str]:
    settings = shrunk.settings
    yardstick = settings.yardstick
    if yardstick.of_network:
        yield (
            f"A tolerance of {settings.tolerance:g} points of top-1 is {shrunk.chosen.allowance:.4f} "
            f"{yardstick.unit} of {yardstick.title}, by how both change over lower standard qualities."
        )
    lower = shrunk.confirmed.lower_quality
    if lower is not None and lower.value is not None:
        yield f"Of that a lower standard quality alone saves {_percent(lower)}."


def _doubts(shrunk: "Shrunk") -> Iterator[str]:
    by = shrunk.settings.yardstick
    if not shrunk.confirmed.falls_back and not shrunk.confirmed.is_told:
        settled = wording.to_settle(shrunk.confirmed.saved.further_images(shrunk.images_aside))
        yield f"That anything is saved is not certain: {settled or 'the interval is not known, so take more images'}."
    top1 = None if shrunk.confirmed.uncompressed is None else shrunk.confirmed.change("top1")
    if top1 is not None and top1.value is not None and top1.high is not None and top1.high < 0:
        yield (
            f"Top-1 falls by {-100 * top1.value:.2f} points, and its interval is below zero: at the same {by.title} "
            "this network is not as often right, so ask for a higher --like-quality."
        )
    if not by.of_network:
        yield (
            f"{by.title} says how near pixels are to the uncompressed ones; what a network makes of them it does not "
            "say: name one with --classifier."
        )


def _stored(shrunk: "Shrunk") -> Iterator[str]:
    saved = shrunk.confirmed.saved
    value, low, high = (
        None if each is None else wording.size(each / 100 * shrunk.stored_bytes)
        for each in (saved.value, saved.low, saved.high)
    )
    ends = "" if low is None or high is None else f" ({low} to {high})"
    yield (
        f"Your {shrunk.stored_files:,} files take {wording.size(shrunk.stored_bytes)}: if they are stored at quality "
        f"{shrunk.settings.like_quality}, about {value}{ends} of it."
    )
    if shrunk.settings.dataset.encode_size == "prepared" and shrunk.settings.dataset.size is not None:
        yield (
            f"This holds for images of {shrunk.size}, as they were measured. On files of other sizes tables rank "
            "otherwise: where yours are not stored at this size, shrink them with --encode-size as-stored."
        )


def _next(shrunk: "Shrunk") -> Iterator[str]:
    from qsearch.shrink.shrinking import DIAL, TABLES

    tables = shrunk.folder / TABLES
    yield "Next:"
    yield f"  look    qsearch curve --tables {tables} --images PICTURES    (and {shrunk.folder / 'shrink.png'})"
    yield f"  export  qsearch export {tables} --format cjpeg --out table.txt"
    yield f"  encode  qsearch encode --tables {tables} PICTURES SMALLER"
    if shrunk.has_dial:
        yield f"  dial    qsearch encode --tables {shrunk.folder / DIAL} --quality Q ...    (bytes of quality Q)"


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return "an unknown share (outside what was measured)"
    interval = wording.plain_interval(estimate, ".1f")
    return f"{estimate.value:.1f} % ({f'{100 * LEVEL:.0f} %: {interval}' if interval else 'interval not known'})"
