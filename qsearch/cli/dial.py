"""``qsearch dial``: tables for every quality from a ladder or a run, to use in place of the standard ones."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from qsearch.cli import completion
from qsearch.cli.options import dataset_options, settings_of_dataset, trust_command_option
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.cli.run_names import find_run, is_run, runs_option
from qsearch.cli.tables import learned_tables
from qsearch.datasets.base import Dataset, ImageIdentity
from qsearch.errors import InputError
from qsearch.learning.dial import Dial, make_dial, write_dial
from qsearch.learning.ladder import Ladder, drawn
from qsearch.learning.sheets import ladder_origin
from qsearch.run.building import build_codec, build_dataset, usable_cores
from qsearch.run.folder import Run
from qsearch.run.settings import CodecSettings, DatasetSettings
from qsearch.tables import QuantTables

SHOWN = (5, 10, 25, 50, 75, 85, 95)
"""Qualities whose bytes are printed."""
DRAWN = (10, 30, 50, 75, 90, 95)


@dataclass(frozen=True)
class _Source:
    """Rungs with what is known of them."""

    rungs: list[QuantTables]
    title: str
    origin: tuple[str, ...]
    codec: CodecSettings
    images: tuple[ImageIdentity, ...]
    dataset: Dataset


@click.command()
@click.argument("source", metavar="LADDER|RUN", shell_complete=completion.tables)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="DIAL", help="The file to write."
)
@dataset_options
@trust_command_option
@click.option("--workers", type=click.IntRange(min=1), help="Threads.  [default: the cores]")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the tables: a .png, .svg or .pdf file."
)
@runs_option
@click.option("--json", "json_", is_flag=True, help="Qualities and bytes as JSON.")
@click.pass_context
def dial(
    ctx: click.Context,
    /,
    source: str,
    out: Path,
    trust_command: bool,
    workers: int | None,
    plot: Path | None,
    runs: Path,
    json_: bool,
    **given: Any,
) -> None:
    """Make a DIAL: tables for the qualities 1 to 100, each with the bytes of the standard tables at that quality.

    The tables lie on one line through the rungs of LADDER, or the frontier of RUN, and no entry gets coarser as quality
    rises. Bytes are matched on --dataset, by default the images that SOURCE was learned or searched on. Then
    'encode --tables DIAL --quality 85' is what --quality 85 of other encoders is, with better tables.
    """
    found = _source(source, runs, None if given["dataset"] is None else settings_of_dataset(given))
    codec = build_codec(found.codec, trust_command=trust_command)
    try:
        with Progress() as progress:
            made = make_dial(
                found.rungs,
                found.dataset,
                codec,
                title=found.title,
                origin=found.origin,
                images=found.images,
                workers=workers or usable_cores(),
                on_progress=progress,
            )
    except KeyboardInterrupt:
        click.echo("interrupted: nothing is written.", err=True)
        ctx.exit(INTERRUPTED)
    write_dial(made, out)
    if plot is not None:
        _draw(made, plot)
    click.echo(_as_json(made) if json_ else _as_text(made, out))


def _source(source: str, runs: Path, dataset: DatasetSettings | None) -> _Source:
    learned = learned_tables(source)
    if learned is not None and isinstance(learned.content, Ladder):
        if learned.chosen:
            raise InputError(f"a dial is made of all rungs: name the ladder itself, {learned.path}.")
        return _of_ladder(learned.content, dataset)
    if learned is not None:
        raise InputError(f"{learned.path} is a dial already: name a ladder or a run.")
    if not is_run(source, runs):
        raise InputError(f"a dial is made of a ladder or a run, and {source} is neither.")
    return _of_run(find_run(source, runs), dataset)


def _of_ladder(ladder: Ladder, dataset: DatasetSettings | None) -> _Source:
    codec = CodecSettings(subsampling=ladder.settings.subsampling)
    rungs = list(ladder.tables)
    own = dataset is None
    built = build_dataset(ladder.settings.dataset if dataset is None else dataset)
    return _Source(
        rungs,
        f"dial of a ladder: {ladder.title}",
        ladder_origin(ladder),
        codec,
        ladder.images,
        drawn(built, ladder.settings) if own else built,
    )


def _of_run(run: Run, dataset: DatasetSettings | None) -> _Source:
    frontier = run.results().frontier
    with run.archive() as archive:
        images = archive.images(all_generations=True)
    return _Source(
        [trial.tables for trial in reversed(frontier)],
        f"dial of the {len(frontier)} tables on the frontier of run {run.name}",
        (f"Searched by qsearch {run.settings.qsearch}, run {run.name} of {run.settings.created}.",),
        run.settings.codec,
        tuple(images),
        build_dataset(run.settings.dataset if dataset is None else dataset),
    )


def _draw(made: Dial, plot: Path) -> None:
    from qsearch.report.plots import save_figure
    from qsearch.report.tables_plot import plot_tables

    tables = {f"quality {quality}": made.tables(quality) for quality in DRAWN}
    save_figure(plot_tables(tables, f"D{made.title[1:]}", "with the bytes of the standard tables"), plot)
    click.echo(f"wrote {plot}", err=True)


def _as_json(made: Dial) -> str:
    settings = [
        {
            "quality": one.quality,
            "size_bytes": one.size_bytes,
            "standard_bytes": one.standard_bytes,
            "tables": one.tables.to_dict(),
        }
        for one in made.settings
    ]
    return json.dumps({"title": made.title, "settings": settings}, indent=2)


def _as_text(made: Dial, out: Path) -> str:
    made_on = made.made_on
    furthest = max(made.settings, key=lambda one: abs(one.size_bytes / one.standard_bytes - 1))
    return "\n".join(
        [
            made.title[:1].upper() + made.title[1:],
            f"Bytes matched on {made_on.images} images {made_on.size} of {made_on.dataset}, JPEG "
            f"{made.encoder.subsampling}",
            f"  {'quality':>7}  {'bytes':>12}  {'standard':>12}",
            *(
                f"  {one.quality:>7}  {one.size_bytes:>12,}  {one.standard_bytes:>12,}"
                for one in made.settings
                if one.quality in SHOWN
            ),
            f"Furthest apart at quality {furthest.quality}: "
            f"{100 * (furthest.size_bytes / furthest.standard_bytes - 1):+.2f} %.",
            f"Use: qsearch encode --tables {out} --quality 85 PICTURES SMALLER",
        ]
    )
