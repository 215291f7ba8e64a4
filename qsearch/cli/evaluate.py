"""``qsearch evaluate``: a table model's curve over strengths, beside what it is to beat, on images it has not seen."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qsearch.cli import completion
from qsearch.cli.declared import assignment
from qsearch.cli.options import dataset_options, network_options, settings_of_classifier, settings_of_dataset
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.codecs.base import SUBSAMPLINGS
from qsearch.errors import InputError
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.executors import EXECUTORS, executor_for
from qsearch.report import wording
from qsearch.run.building import build_evaluator, default_workers, gpus_for
from qsearch.run.settings import CodecSettings, RunSettings

if TYPE_CHECKING:
    from qsearch.analysis.bootstrap import Estimate
    from qsearch.analysis.equal_bytes import EqualBytes
    from qsearch.evaluation.evaluator import Evaluator
    from qsearch.learning.ladder import Ladder
    from qsearch.models.evaluation import Evaluation, Point
    from qsearch.quantizer import TableModel

COLUMNS = {"psnr_db": ("PSNR", ".2f"), "ms_ssim": ("MS-SSIM", ".4f"), "top1": ("top-1", ".4f"),
           "loss": ("loss", ".4f"), "divergence": ("divergence", ".4f")}  # fmt: skip
"""Totals that the table shows where they were measured: heading and form."""
GAINS = {"psnr_db": ("PSNR in dB", "+.3f"), "ms_ssim": ("MS-SSIM", "+.5f"), "top1": ("top-1", "+.4f"),
         "loss": ("loss in nats", "+.4f"), "divergence": ("divergence in nats", "+.4f")}  # fmt: skip
Gains = dict[float, dict[str, dict[str, "EqualBytes"]]]
"""By strength, curve and total."""


@click.command()
@click.argument("spec", metavar="MODEL")
@click.option("--model-option", "model_options", multiple=True, metavar="NAME=VALUE", help="An option of the model.")
@dataset_options
@click.option(
    "--classifier",
    shell_complete=completion.registered("classifiers"),
    help="The network, as 'qsearch run' takes it.  [default: none, bytes and PSNR alone]",
)
@network_options
@click.option(
    "--strength",
    "strengths",
    type=float,
    multiple=True,
    help="Repeatable: a standard quality whose trade-off the tables make; low ones compress strongly.  [default: the "
    "ladder's within the model's]",
)
@click.option(
    "--ladder",
    "ladder_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="LADDER",
    help="The ladder to beat.  [default: that on which MODEL stands]",
)
@click.option(
    "--subsampling",
    type=click.Choice(SUBSAMPLINGS),
    help="That of the files, which is to be the model's.  [default: the model's]",
)
@click.option("--measure", "measures", multiple=True, metavar="NAME", help="Measure this too, such as ms_ssim.")
@click.option("--workers", type=click.IntRange(min=1), help="Tables at once.  [default: the cores, or one per GPU]")
@click.option(
    "--executor", type=click.Choice(EXECUTORS.names()), default=DEFAULT_EXECUTOR, show_default=True,
    help="Where tables are measured; serial: in this process.",
)  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw it: a .png, .svg or .pdf file.")
@click.option("--json", "json_", is_flag=True, help="Curves and gains as JSON.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    spec: str,
    model_options: tuple[str, ...],
    classifier: str | None,
    strengths: tuple[float, ...],
    ladder_path: Path | None,
    subsampling: str | None,
    measures: tuple[str, ...],
    workers: int | None,
    executor: str,
    plot: Path | None,
    json_: bool,
    trust_pickle: bool,
    **given: Any,
) -> None:
    """Measure MODEL, tables of each image's own, beside a ladder, the standard tables and per-image quality.

    Two gains are told, each with its 95 % interval over images: at equal bytes image by image, which is what the shape
    of the tables is worth, and at equal mean bytes, where a model may also move bytes between images; per-image quality
    does only that. Images that the model or the ladder was made from are refused.
    """
    from qsearch.models import load_model
    from qsearch.models.evaluation import evaluate_model, strengths_of

    if given["dataset"] is None:
        raise click.UsageError("say on which images: --dataset D.")
    model = load_model(spec, dict(map(assignment("--model-option"), model_options)))
    ladder = _ladder(model, ladder_path)
    if subsampling not in (None, model.subsampling):
        raise InputError(
            f"{model.title} was made for JPEG {model.subsampling}, and {subsampling} is wanted: train one for it."
        )
    chosen = sorted(set(strengths)) or strengths_of(model, ladder)
    for strength in chosen:
        model.checked(strength)
    settings = _settings(model, classifier, measures, given)
    evaluator = build_evaluator(settings, workers or default_workers(settings), trust_pickle=trust_pickle)
    for note in (*evaluator.dataset.notes, *_refuse_seen(model, ladder, evaluator)):
        click.echo(note, err=True)
    try:
        with (
            Progress() as progress,
            executor_for(
                evaluator, workers or default_workers(settings), name=executor, gpus=gpus_for(settings)
            ) as executing,
        ):
            found = evaluate_model(model, ladder, chosen, executing, on_progress=progress)
    except KeyboardInterrupt:
        click.echo("interrupted; nothing was kept.", err=True)
        ctx.exit(INTERRUPTED)
    gains = _gains(found)
    measured_on = _measured_on(evaluator, model)
    if plot is not None:
        from qsearch.report.model_plot import plot_model
        from qsearch.report.plots import save_figure

        save_figure(plot_model(_series(found), model.title, measured_on), plot)
        click.echo(f"wrote {plot}", err=True)
    if json_:
        click.echo(json.dumps(_as_json(model, measured_on, found, gains), indent=2))
    else:
        click.echo("\n".join([f"Model {model.title}", f"Measured on {measured_on}", *_lines(found, gains)]))


def _ladder(model: "TableModel", path: Path | None) -> "Ladder":
    from qsearch.learning.ladder import read_ladder

    if path is not None:
        return read_ladder(path)
    found: Ladder | None = getattr(model, "ladder", None)
    if found is None:
        raise InputError(f"{model.title} stands on no ladder in a file: name the one to beat with --ladder LADDER.")
    return found


def _settings(
    model: "TableModel", classifier: str | None, measures: tuple[str, ...], given: dict[str, Any]
) -> RunSettings:
    return RunSettings(
        dataset=settings_of_dataset(given),
        classifiers=() if classifier is None else (settings_of_classifier(classifier, given),),
        # Models stand below codecs, and say a subsampling in words.
        codec=CodecSettings(subsampling=model.subsampling),  # type: ignore[arg-type]
        measures=tuple(dict.fromkeys(("psnr", *measures))),
    )


def _refuse_seen(model: "TableModel", ladder: "Ladder", evaluator: "Evaluator") -> list[str]:
    """InputError where the model or the ladder was made from one of the images; sentences about doubts."""
    from qsearch.datasets.base import identities
    from qsearch.models import images_of
    from qsearch.run.validation import refuse_learned

    seen = {model.title: images_of(model), f"the ladder ({ladder.title})": ladder.images}
    known = {name: images for name, images in seen.items() if images}
    return refuse_learned(known, identities(evaluator.dataset)) if known else []


def _measured_on(evaluator: "Evaluator", model: "TableModel") -> str:
    dataset = evaluator.dataset
    as_stored = "" if dataset.stored is None else f" compressed as stored ({dataset.stored.extent})"
    parts = [
        f"{len(dataset)} images {dataset.width}x{dataset.height}{as_stored} of {dataset.name}",
        *(Path(each.name).name for each in evaluator.classifiers),
        f"{evaluator.codec.name} {model.subsampling}",
    ]
    return ", ".join(parts)


def _gains(found: "Evaluation") -> Gains:
    from qsearch.analysis.equal_bytes import gains_at_equal_bytes
    from qsearch.models.evaluation import BESIDE, MODEL

    return {
        point.strength: {curve: gains_at_equal_bytes(found.measurements(curve), point.measurement) for curve in BESIDE}
        for point in found.curves[MODEL]
    }


def _means(point: "Point") -> dict[str, float]:
    from qsearch.analysis.equal_bytes import values_of

    return {name: float(values.mean()) for name, values in values_of(point.measurement).items()}


def _series(found: "Evaluation") -> dict[str, list[dict[str, float]]]:
    return {
        name: [{"bpp": point.measurement.bpp, **_means(point)} for point in points]
        for name, points in found.curves.items()
    }


def _as_json(model: "TableModel", measured_on: str, found: "Evaluation", gains: Gains) -> dict[str, Any]:
    return {
        "model": model.title,
        "digest": model.digest,
        "measured_on": measured_on,
        "curves": {
            name: [
                {
                    "strength": point.strength,
                    "bytes": point.measurement.total_bytes,
                    "bpp": point.measurement.bpp,
                    **_means(point),
                }
                for point in points
            ]
            for name, points in found.curves.items()
        },
        "gains": [
            {
                "strength": strength,
                "against": curve,
                "of": total,
                "image_by_image": asdict(gain.by_image),
                "images": gain.images,
                "at_equal_mean_bytes": asdict(gain.on_average),
            }
            for strength, by_curve in gains.items()
            for curve, by_total in by_curve.items()
            for total, gain in by_total.items()
        ],
    }


def _lines(found: "Evaluation", gains: Gains) -> Iterator[str]:
    from qsearch.models.evaluation import MODEL

    images = found.curves[MODEL][0].measurement.images
    shown = [name for name in COLUMNS if name in _means(found.curves[MODEL][0])]
    yield ""
    yield f"  {'strength':>8}  {'bytes':>12}  {'bpp':>6}" + "".join(f"  {COLUMNS[name][0]:>10}" for name in shown)
    for point in found.curves[MODEL]:
        means = _means(point)
        yield (
            f"  {point.strength:>8g}  {point.measurement.total_bytes:>12,}  {point.measurement.bpp:>6.3f}"
            + "".join(f"  {means[name]:>10{COLUMNS[name][1]}}" for name in shown)
        )
    for strength, by_curve in gains.items():
        yield ""
        yield f"At strength {strength:g}, gains (95 %) at equal bytes:"
        yield f"  {'against':>17}  {'of':>18}  {'image by image':>32}  {'at equal mean bytes':>32}"
        for curve, by_total in by_curve.items():
            for total, gain in by_total.items():
                if total in GAINS:
                    title, form = GAINS[total]
                    of_images = "" if gain.images == images else f" of {gain.images}"
                    yield (
                        f"  {curve:>17}  {title:>18}  {_estimate(gain.by_image, form) + of_images:>32}"
                        f"  {_estimate(gain.on_average, form):>32}"
                    )


def _estimate(estimate: "Estimate", form: str) -> str:
    """A number with its interval, as far as they are known."""
    if estimate.value is None:
        return "outside the curve"
    return f"{estimate.value:{form}} ({wording.plain_interval(estimate, form) or '?'})"
