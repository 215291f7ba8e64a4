"""``qsearch encode``: image files and folders of them to JPEG files at given tables."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from qsearch.cli.declared import given_fields, options_for
from qsearch.cli.runs import runs_option
from qsearch.cli.tables import TABLES_HELP, resolve_tables
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.encode.files import Outcome, Plan, compress_files, plan_files, plan_in_place
from qsearch.run.building import usable_cores
from qsearch.run.settings import CodecSettings

FAILED = 1
INTERRUPTED = 130
PLAIN_LINE_EVERY_S = 10.0


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="[DST]", required=False, type=click.Path(path_type=Path))
@click.option("--tables", "spec", metavar="TABLES", required=True, help=f"{TABLES_HELP}.")
@options_for(EncoderOptions)
@click.option("--strip", is_flag=True, help="Drop EXIF and colour profile; the image is turned upright and made sRGB.")
@click.option("--overwrite", is_flag=True, help="Encode again what is there already.")
@click.option("--in-place", is_flag=True, help="Replace JPEG files by themselves, encoded at the tables. No DST then.")
@click.option("--workers", type=click.IntRange(min=1), help="Files at once.  [default: the cores]")
@click.option("--json", "json_", is_flag=True, help="Print what came of every file as JSON.")
@runs_option
@click.pass_context
def encode(
    ctx: click.Context,
    /,
    source: Path,
    destination: Path | None,
    spec: str,
    strip: bool,
    overwrite: bool,
    in_place: bool,
    workers: int | None,
    json_: bool,
    runs: Path,
    **encoder: Any,
) -> None:
    """Encode SRC, an image or a folder of images, as JPEG files at the tables, into DST.

    A folder keeps its structure. EXIF and colour profiles are kept; other metadata is not. What is in DST already,
    encoded with these tables and settings and no older than its source, is left as it is; other files in the way are
    not touched without --overwrite. Failures are listed at the end, with exit status 1.
    """
    if in_place == (destination is not None):
        raise click.UsageError("give DST, the file or folder to write, or else --in-place.")
    sheet = resolve_tables(spec, runs)
    codec = _codec(sheet.encoder, encoder)
    plan = plan_files(source, destination) if destination is not None else plan_in_place(source)
    click.echo(f"{_files(len(plan.jobs))} with {sheet.title}, JPEG {codec.encoder.subsampling}", err=True)
    found = compress_files(
        plan, sheet.tables, codec, strip=strip, overwrite=overwrite, workers=workers or usable_cores()
    )
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        for outcome in _with_progress(found, len(plan.jobs)):
            outcomes.append(outcome)
    except KeyboardInterrupt:
        interrupted = True
    outcomes.sort(key=lambda outcome: outcome.source)
    click.echo(_as_json(outcomes, plan) if json_ else _as_text(outcomes, plan))
    failures = [outcome for outcome in outcomes if outcome.status == "failed"]
    for failure in failures:
        click.echo(f"failed: {failure.source}: {failure.reason}", err=True)
    if interrupted:
        click.echo("interrupted; the same command goes on where it stopped.", err=True)
        ctx.exit(INTERRUPTED)
    if failures:
        ctx.exit(FAILED)


def _codec(default: CodecSettings, given: dict[str, Any]) -> PillowCodec:
    chosen = {name: getattr(default, name) for name in EncoderOptions.__struct_fields__}
    return PillowCodec(EncoderOptions(**{**chosen, **given_fields(EncoderOptions, given)}))


def _with_progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """``outcomes``, with a bar on stderr while they come, or a plain line now and then where that is no terminal."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(outcomes, "encoding", total, console=Console(stderr=True))
        return
    line_at = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        if time.monotonic() - line_at >= PLAIN_LINE_EVERY_S:
            line_at = time.monotonic()
            click.echo(f"{done}/{total} files", err=True)
        yield outcome


def _as_text(outcomes: list[Outcome], plan: Plan) -> str:
    count = Counter(outcome.status for outcome in outcomes)
    before = sum(outcome.bytes_before for outcome in outcomes)
    after = sum(outcome.bytes_after for outcome in outcomes)
    lines = [f"encoded: {_files(count['encoded'])}" + (_change(before, after) if before else "")]
    if count["present"]:
        lines.append(f"there already: {_files(count['present'])}, left as they are")
    if plan.left_out:
        lines.append(f"left out: {_files(plan.left_out)} of other kinds than {'JPEG' if plan.in_place else 'images'}")
    recompressed = sum(outcome.recompressed for outcome in outcomes)
    if recompressed:
        lines.append(
            f"recompressed: {_files(recompressed)} of JPEG, which loses detail a second time; "
            "encode originals where you have them"
        )
    grown = sum(outcome.bytes_after > outcome.bytes_before for outcome in outcomes)
    if grown:
        lines.append(f"larger than before: {_files(grown)}")
    if count["failed"]:
        lines.append(f"failed: {_files(count['failed'])}")
    return "\n".join(lines)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _change(before: int, after: int) -> str:
    return f", {before:,} bytes before, {after:,} bytes after ({100 * (after / before - 1):+.1f} %)"


def _as_json(outcomes: list[Outcome], plan: Plan) -> str:
    files = [
        {
            "source": str(outcome.source),
            "target": str(outcome.target),
            "status": outcome.status,
            "reason": outcome.reason,
            "bytes_before": outcome.bytes_before,
            "bytes_after": outcome.bytes_after,
            "recompressed": outcome.recompressed,
        }
        for outcome in outcomes
    ]
    return json.dumps({"left_out": plan.left_out, "files": files}, indent=2)
