"""``qsearch finetune``: whether training on a found table's images gains more than training on the standard one's."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from qsearch.cli import completion
from qsearch.cli.options import (
    network_options,
    preparation_options,
    settings_of_classifier,
    settings_of_prepared_dataset,
    trust_command_option,
)
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.cli.run_names import find_run, like_quality_option, runs_option
from qsearch.cli.tables import RunTable, images_of_learned, run_table
from qsearch.datasets.base import identities
from qsearch.run.validation import learned_sources, refuse_learned

if TYPE_CHECKING:
    from qsearch.finetuning.experiment import FinetuneResult, FinetuneSettings, Parts, Row
    from qsearch.run.folder import Run

EMBEDDED = ("textures:train", "textures:test")
"""What a run on the embedded images trains on, and what it holds out."""


@click.command()
@click.argument("run_", metavar="RUN[:TRIAL]", shell_complete=completion.tables)
@click.option(
    "--trial",
    shell_complete=completion.trials,
    metavar="N",
    help="The found table, as RUN:N.  [default: RUN:best]",
)
@like_quality_option(
    "Compare with the standard tables at this quality, at whose ratio RUN:best is then.  [default: the run's; RUN:best "
    "is the confirmed pick]"
)
@click.option(
    "--dataset",
    shell_complete=completion.registered("datasets"),
    help="Train on these images.  [default: textures:train for a run on textures]",
)
@click.option(
    "--held-out",
    shell_complete=completion.registered("datasets"),
    metavar="DATASET",
    help="Measure on these.  [default: textures:test for a run on textures]",
)
@preparation_options
@click.option(
    "--classifier",
    "spec",
    shell_complete=completion.registered("classifiers"),
    help="textures-cnn, torchvision:NAME or timm:NAME.  [default: the run's]",
)
@network_options
@trust_command_option
@click.option(
    "--train-images",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="So many, drawn; held in memory.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Images of a step.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=0.005,
    show_default=True,
    help="Of SGD with momentum; it falls to 0 along a cosine.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of batches and drawn images.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Of the CPU; fewer are faster where others use it too.  [default: the cores]",
)
@click.option("--name", help="What the experiment is called.  [default: from table and network]")
@runs_option
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_context
def finetune(ctx: click.Context, /, run_: str, name: str | None, runs: Path, json_: bool, **given: Any) -> None:
    """Train a network a little further on images encoded at a table that RUN found.

    The same training at the standard tables of --like-quality is what it is compared with, image by image, on images
    that neither saw nor the search chose on. Interrupted or killed, the same command goes on after the last
    whole epoch.
    """
    from qsearch.finetuning.experiment import open_experiment, run_experiment

    quality = given["like_quality"]
    if given["trial"] is None:
        table = run_table(run_, runs, quality)
    else:
        table = RunTable.of(find_run(run_, runs, quality), given["trial"])
    run = table.run
    settings, parts = _experiment(table, given)
    learned_on = images_of_learned(learned_sources([run]))
    for note in [*parts.notes, *refuse_learned(learned_on, identities(parts.held_out))]:
        click.echo(note, err=True)
    folder, settings = open_experiment(run, name or _name(settings), settings)
    try:
        with Progress() as progress:
            result = run_experiment(folder, settings, parts, progress)
    except KeyboardInterrupt:
        click.echo("interrupted; give the same command again to go on.", err=True)
        ctx.exit(INTERRUPTED)
    if json_:
        click.echo(json.dumps(_as_json(run, folder, settings, result), indent=2))
    else:
        click.echo(_as_text(run, folder, settings, result))


def _experiment(table: RunTable, given: dict[str, Any]) -> tuple["FinetuneSettings", "Parts"]:
    from qsearch.finetuning.preparing import Training, prepare
    from qsearch.run.building import usable_cores

    searched = table.run.settings.dataset
    prepared = {**given, "size": given["size"] or searched.size, "fit": given["fit"] or searched.fit}
    train_on, held_out = (
        settings_of_prepared_dataset({**prepared, "dataset": spec}, "finetune") for spec in _images(table.run, given)
    )
    same_names = ("train_images", "epochs", "batch", "learning_rate", "seed")
    training = Training(threads=given["threads"] or usable_cores(), **{name: given[name] for name in same_names})
    network = _network(table.run, given)
    trusted = {name: given[name] for name in ("trust_pickle", "trust_command")}
    return prepare(table.run, table.choice, network, train_on, held_out, training, **trusted)


def _network(run: "Run", given: dict[str, Any]) -> Any:
    from qsearch.cli.options import with_network_options

    if given["spec"]:
        return settings_of_classifier(given["spec"], given)
    if len(run.settings.classifiers) > 1:
        raise click.UsageError(f"run {run.name} has several networks: say which one with --classifier.")
    return with_network_options(run.settings.classifiers[0], given)


def _images(run: "Run", given: dict[str, Any]) -> tuple[str, str]:
    embedded = run.settings.dataset.spec.partition(":")[0] == "textures"
    train_on = given["dataset"] or (EMBEDDED[0] if embedded else None)
    held_out = given["held_out"] or (EMBEDDED[1] if embedded else None)
    if train_on is None or held_out is None:
        raise click.UsageError("say which images to train on and which to measure on: --dataset D --held-out D.")
    return train_on, held_out


def _name(settings: "FinetuneSettings") -> str:
    return re.sub(r"[^\w.]+", "-", f"{settings.found}-{Path(settings.classifier.spec).name}")


def _as_json(run: "Run", folder: Path, settings: "FinetuneSettings", result: "FinetuneResult") -> dict[str, Any]:
    from qsearch.finetuning.experiment import harm

    return {
        "run": run.name,
        "folder": str(folder),
        "result": {
            **asdict(result),
            "rows": [{**asdict(row), "bpp": row.bpp} for row in result.rows],
            "tuned": {**asdict(result.tuned), "bpp": result.tuned.bpp},
            "as_it_was": {**asdict(result.as_it_was), "bpp": result.as_it_was.bpp},
        },
        "notes": harm(result.rows),
        "settings": msgspec.to_builtins(settings),
    }


def _as_text(run: "Run", folder: Path, settings: "FinetuneSettings", result: "FinetuneResult") -> str:
    from qsearch.finetuning.experiment import harm

    width = max(len(row.tables) for row in result.rows)
    lines = [
        f"Fine-tuning {folder.name} of run {run.name}: {settings.classifier.spec}, {settings.epochs} epochs on "
        f"{result.train_images} images of {settings.dataset.spec}",
        f"Measured on {result.held_out_images} images of {settings.held_out.spec}, encoded as they were for training",
        "",
        *(_line(row, width) for row in result.rows),
        *harm(result.rows),
        "",
        f"{settings.found} against {settings.standard}, image by image, 95 % intervals:",
    ]
    for words, comparison in (("as it was", result.as_it_was), ("fine-tuned", result.tuned)):
        (test,) = comparison.tests
        lines.append(
            f"  {words}: {test.difference_points:+.2f} points ({test.low_points:+.2f} to {test.high_points:+.2f}), "
            f"p = {test.p_value:.2g}; {test.won} images won, {test.lost} lost; "
            f"a difference of {test.detectable_points:.1f} would have shown"
        )
    ratio = result.tuned.byte_ratio
    if ratio.value is not None and ratio.low is not None and ratio.high is not None:
        lines.append(f"  bytes: {100 * ratio.value:.1f} % ({100 * ratio.low:.1f} to {100 * ratio.high:.1f})")
    lines += ["", f"Weights and result are in {folder}"]
    return "\n".join(lines)


def _line(row: "Row", width: int) -> str:
    losses = f", training loss {row.losses[0]:.3f} to {row.losses[-1]:.3f}" if row.losses else ""
    place = f"ratio {row.ratio:6.2f} ({row.bpp:5.2f} bpp), top-1 {100 * row.top1:5.2f} %"
    return f"  {row.network:10}  {row.tables:{width}}  {place}{losses}"
