"""``qsearch encode``: image files and folders of them to JPEG files at given tables."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.cli import completion
from qsearch.cli.declared import assignment, given_fields, options_for
from qsearch.cli.options import COMMAND_HELP, codec_called, trust_command_option
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.cli.run_names import runs_option
from qsearch.cli.tables import TABLES_HELP, quality_option, resolve_tables
from qsearch.codecs import CODECS
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.files import FileCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.encode.files import Outcome, Plan, compress_files, plan_files, plan_in_place
from qsearch.encode.image import Tables
from qsearch.errors import InputError
from qsearch.run.building import build_codec, usable_cores
from qsearch.run.settings import CodecSettings

FAILED = 1


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="[DST]", required=False, type=click.Path(path_type=Path))
@click.option("--tables", "spec", shell_complete=completion.tables, metavar="TABLES", help=f"{TABLES_HELP}.")
@quality_option
@click.option(
    "--model",
    "model_spec",
    metavar="MODEL",
    help="Each image at its own tables: a network's FILE, or NAME:LADDER, as 'qsearch evaluate' takes them.",
)
@click.option(
    "--strength",
    type=float,
    help="--model: the standard quality whose trade-off the tables make; low ones compress strongly.",
)
@click.option("--model-option", "model_options", multiple=True, metavar="NAME=VALUE", help="An option of the model.")
@click.option(
    "--codec",
    "codec_spec",
    shell_complete=completion.registered("codecs"),
    help=f"What encodes: pillow, or {COMMAND_HELP}.  [default: for a run's tables the codec that measured them where "
    "it makes files, else pillow]",
)
@trust_command_option
@options_for(EncoderOptions)
@click.option("--strip", is_flag=True, help="Drop EXIF and colour profile; the image is turned upright and made sRGB.")
@click.option("--overwrite", is_flag=True, help="Encode again what is there already.")
@click.option(
    "--in-place",
    is_flag=True,
    help="Replace JPEG files by themselves, encoded at the tables, where that makes them smaller (with --strip, all). "
    "No DST then, and links stay as they are.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Files at once.  [default: the cores]")
@click.option("--json", "json_", is_flag=True, help="Print what came of every file as JSON.")
@runs_option
@click.pass_context
def encode(
    ctx: click.Context,
    /,
    source: Path,
    destination: Path | None,
    spec: str | None,
    quality: int | None,
    model_spec: str | None,
    strength: float | None,
    model_options: tuple[str, ...],
    codec_spec: str | None,
    trust_command: bool,
    strip: bool,
    overwrite: bool,
    in_place: bool,
    workers: int | None,
    json_: bool,
    runs: Path,
    **encoder: Any,
) -> None:
    """Encode SRC, an image or a folder of images, as JPEG files at the tables, or at each image's own, into DST.

    A folder keeps its structure. EXIF and colour profiles are kept; other metadata is not. What is in DST already,
    encoded with these tables and settings and no older than its source, is left as it is; other files in the way are
    not touched without --overwrite. What fails is told as it comes, with exit status 1 in the end. Interrupted or
    killed, the same command goes on where it stopped.
    """
    if in_place == (destination is not None):
        raise click.UsageError("give DST, the file or folder to write, or else --in-place.")
    _check_said(spec, model_spec, in_place, strength is not None or bool(model_options))
    if model_spec is not None:
        chosen = _by_model(model_spec, strength, model_options, quality, encoder)
    else:
        sheet = resolve_tables(str(spec), runs, quality)
        chosen = _Chosen(sheet.tables, sheet.title, sheet.encoder)
    codec = _codec(chosen.encoder, codec_spec, encoder, trust_command)
    plan = plan_files(source, destination) if destination is not None else plan_in_place(source)
    click.echo(f"{_files(plan.count)} with {chosen.title}, JPEG {codec.encoder.subsampling}", err=True)
    found = compress_files(
        plan, chosen.tables, codec, strip=strip, overwrite=overwrite, workers=workers or usable_cores()
    )
    printed = _JSONFiles() if json_ else None
    tally, interrupted = _Tally(), False
    try:
        for outcome in _with_progress(found, plan.count):
            tally.add(outcome)
            if printed is not None:
                printed.add(outcome)
    except KeyboardInterrupt:
        interrupted = True
    if printed is not None:
        printed.end(plan.left_out)
    else:
        click.echo("\n".join(_lines(tally, plan)))
    if interrupted:
        click.echo("interrupted; the same command goes on where it stopped.", err=True)
        ctx.exit(INTERRUPTED)
    if tally.count["failed"]:
        ctx.exit(FAILED)


def _check_said(spec: str | None, model: str | None, in_place: bool, of_model: bool) -> None:
    if in_place and model is not None:
        raise click.UsageError("--in-place goes with one table for all images: give DST with --model.")
    if (spec is None) == (model is None):
        raise click.UsageError("say which tables: --tables TABLES, or --model MODEL with --strength S.")
    if spec is not None and of_model:
        raise click.UsageError("--strength and --model-option are a model's: give --model too, or leave them out.")


@dataclass(frozen=True)
class _Chosen:
    """What to encode at, in one line what that is, and the encoder's settings where users give none."""

    tables: Tables
    title: str
    encoder: CodecSettings


def _by_model(
    spec: str, strength: float | None, options: tuple[str, ...], quality: int | None, encoder: dict[str, Any]
) -> _Chosen:
    """InputError for a strength that the model was not made for, and for another subsampling."""
    from qsearch.models import load_model

    if quality is not None:
        raise click.UsageError("--quality chooses from a dial: a model takes --strength.")
    if strength is None:
        raise click.UsageError("say how strongly the model is to compress: --strength S.")
    model = load_model(spec, dict(map(assignment("--model-option"), options)))
    at = model.checked(strength)
    if encoder["subsampling"] not in (None, model.subsampling):
        raise InputError(
            f"{model.title} was made for JPEG {model.subsampling}, and {encoder['subsampling']} is wanted: train one "
            "for it."
        )
    # Models stand below codecs, and say a subsampling in words.
    settings = CodecSettings(subsampling=model.subsampling)  # type: ignore[arg-type]
    return _Chosen(lambda pixels: model.tables(pixels, at), f"{model.title} at strength {at:g}", settings)


def _codec(measured: CodecSettings, spec: str | None, given: dict[str, Any], trust_command: bool) -> FileCodec:
    """What encodes: what ``spec`` names, or else made the files that ``measured`` is of, or else Pillow."""
    makes_files = measured.name in CODECS and issubclass(CODECS.get(measured.name), FileCodec)
    wanted = codec_called(spec or (measured.name if makes_files else PillowCodec.name), measured)
    if spec is None:
        wanted = msgspec.structs.replace(wanted, options=measured.options if makes_files else {})
    wanted = msgspec.structs.replace(wanted, **given_fields(EncoderOptions, given))
    codec = build_codec(wanted, trust_command=trust_command or spec is not None)
    if not isinstance(codec, FileCodec):
        raise InputError(f"the codec {codec.name} makes no files: encode with --codec pillow.")
    return codec


def _with_progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """``outcomes``, failures told on stderr as they come."""
    with Progress() as progress:
        for done, outcome in enumerate(outcomes, start=1):
            if outcome.status == "failed":
                progress.say(_failure(outcome))
            progress("encoding", done, total)
            yield outcome


def _failure(outcome: Outcome) -> str:
    return f"failed: {outcome.source}: {outcome.reason}"


class _Tally:
    """What came of all files so far, in numbers."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.bytes_before = self.bytes_after = self.recompressed = self.grown = 0

    def add(self, outcome: Outcome) -> None:
        self.count[outcome.status] += 1
        self.bytes_before += outcome.bytes_before
        self.bytes_after += outcome.bytes_after
        self.recompressed += outcome.recompressed
        self.grown += outcome.bytes_after > outcome.bytes_before


def _lines(tally: _Tally, plan: Plan) -> Iterator[str]:
    count, before = tally.count, tally.bytes_before
    yield f"encoded: {_files(count['encoded'])}" + (_change(before, tally.bytes_after) if before else "")
    if count["present"]:
        yield f"there already: {_files(count['present'])}, left as they are"
    if count["kept"]:
        yield f"kept: {_files(count['kept'])} that would not become smaller, left as they are"
    if plan.left_out:
        yield f"left out: {_files(plan.left_out)} of other kinds than {'JPEG' if plan.in_place else 'images'}"
    if tally.recompressed:
        yield (
            f"recompressed: {_files(tally.recompressed)} of JPEG, which loses detail a second time; "
            "encode originals where you have them"
        )
    if tally.grown:
        yield f"larger than before: {_files(tally.grown)}"
    if count["failed"]:
        yield f"failed: {_files(count['failed'])}"


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _change(before: int, after: int) -> str:
    return f", {before:,} bytes before, {after:,} bytes after ({100 * (after / before - 1):+.1f} %)"


class _JSONFiles:
    """One JSON object on stdout, printed file by file: nothing of it is kept."""

    def __init__(self) -> None:
        click.echo('{\n  "files": [', nl=False)
        self._between = "\n"

    def add(self, outcome: Outcome) -> None:
        entry = {
            "source": str(outcome.source),
            "target": str(outcome.target),
            "status": outcome.status,
            "reason": outcome.reason,
            "bytes_before": outcome.bytes_before,
            "bytes_after": outcome.bytes_after,
            "recompressed": outcome.recompressed,
        }
        click.echo(f"{self._between}    {json.dumps(entry)}", nl=False)
        self._between = ",\n"

    def end(self, left_out: int) -> None:
        click.echo(f'\n  ],\n  "left_out": {left_out}\n}}')
