"""``qsearch curve``: tables scaled over qualities against the standard ones, as rate and PSNR, on unlabelled images."""

import itertools
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec

from qsearch.analysis.rate_distortion import (
    QUALITIES,
    Family,
    RateDistortion,
    gain_db,
    measure_rate_distortion,
    saving_percent,
)
from qsearch.cli import completion
from qsearch.cli.declared import given_fields, options_for
from qsearch.cli.options import COMMAND_HELP, codec_called
from qsearch.cli.pictures import look_of, look_options
from qsearch.cli.progress import Progress
from qsearch.cli.run_names import runs_option
from qsearch.cli.tables import TABLES_HELP, family
from qsearch.codecs.auto import AUTO
from qsearch.codecs.base import Codec, EncoderOptions
from qsearch.datasets.files import image_suffixes, walk
from qsearch.errors import InputError
from qsearch.report.wording import encoder_called, encoder_flags
from qsearch.run.building import build_codec, codec_note, usable_cores
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables

STANDARD = "standard"


@click.command()
@click.option(
    "--tables",
    shell_complete=completion.tables,
    multiple=True,
    required=True,
    metavar="TABLES",
    help=f"Repeatable: {TABLES_HELP}.",
)
@click.option("--images", type=click.Path(path_type=Path), required=True, help="A folder of images, of any sizes.")
@click.option("--bpp", multiple=True, type=float, default=(0.5, 1.0, 2.0), show_default=True, help="Compare PSNR here.")
@click.option("--psnr", multiple=True, type=float, default=(34.0, 36.0, 38.0), show_default=True, help="Compare rates.")
@click.option(
    "--codec",
    "codec_spec",
    default=AUTO,
    show_default=True,
    shell_complete=completion.registered("codecs"),
    help=f"What encodes and decodes, as 'qsearch run' takes it; {COMMAND_HELP}.",
)
@options_for(EncoderOptions)
@click.option("--workers", type=click.IntRange(min=1), help="Images at once.  [default: the cores]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Draw it: a .png, .svg or .pdf file.")
@look_options
@runs_option
@click.option("--json", "json_", is_flag=True, help="Curves and gains as JSON.")
def curve(
    tables: tuple[str, ...],
    images: Path,
    bpp: tuple[float, ...],
    psnr: tuple[float, ...],
    codec_spec: str,
    workers: int | None,
    out: Path | None,
    size: tuple[float, float] | None,
    title: str | None,
    runs: Path,
    json_: bool,
    **encoder: Any,
) -> None:
    """Compare tables with the standard ones by rate and PSNR, both scaled to qualities 5 to 95 by libjpeg's formula.

    A DIAL has tables of its own for each quality, a LADDER those of its rungs. Bits per pixel and PSNR (over RGB) are
    the images' means at each quality; gains interpolate linearly between qualities, as in Luo 2021.
    """
    look = look_of(out, title, size)
    files = _image_files(images)
    wanted = codec_called(codec_spec, CodecSettings())
    wanted = msgspec.structs.replace(wanted, **given_fields(EncoderOptions, encoder))
    codec, note = build_codec(wanted, trust_command=True), codec_note(wanted)
    if note is not None:
        click.echo(note, err=True)
    families: dict[str, Family] = {STANDARD: QuantTables.standard}
    families.update({spec: family(spec, runs) for spec in tables})
    done = itertools.count(1)
    with Progress() as progress:
        curves = measure_rate_distortion(
            files,
            codec,
            families,
            workers=workers or usable_cores(),
            on_image=lambda: progress("measuring", next(done), len(files)),
        )
    standard, *others = curves
    measured_on = f"{len(files)} images of {images.name}, {_called(codec)}, qualities {QUALITIES[0]} to {QUALITIES[-1]}"
    if out is not None:
        from qsearch.report.plots import save_figure
        from qsearch.report.rate_distortion_plot import plot_rate_distortion

        save_figure(plot_rate_distortion(curves, measured_on, look), out)
    gains = [_gains(each, standard, bpp, psnr) for each in others]
    if json_:
        click.echo(json.dumps({"curves": [asdict(each) for each in curves], "gains": gains}, indent=2))
        return
    click.echo(f"Measured on {measured_on}")
    for each, found in zip(others, gains, strict=True):
        click.echo(f"\n{each.name} against the standard tables:")
        click.echo("\n".join(_lines(found)))


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one that holds images.")
    files = [path for path in walk(folder) if path.suffix.lower() in image_suffixes()]
    if not files:
        raise InputError(f"{folder} holds no images: give a folder that does.")
    return files


def _called(codec: Codec) -> str:
    settings = codec.settings()
    return f"{encoder_called(settings)} {settings['subsampling']}{encoder_flags(settings)}"


def _gains(
    curve: RateDistortion, standard: RateDistortion, bpp: tuple[float, ...], psnr: tuple[float, ...]
) -> dict[str, Any]:
    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "tables": curve.name,
        "gain_db_at_bpp": {f"{at:g}": known(gain_db(curve, standard, at)) for at in bpp},
        "saving_percent_at_psnr_db": {f"{at:g}": known(saving_percent(curve, standard, at)) for at in psnr},
    }


def _lines(gains: dict[str, Any]) -> list[str]:
    lines = []
    for at, value in gains["gain_db_at_bpp"].items():
        lines.append(f"  at {at:>4} bits per pixel: " + ("not measured" if value is None else f"{value:+.3f} dB"))
    for at, value in gains["saving_percent_at_psnr_db"].items():
        said = "not measured" if value is None else f"{value:+.1f} % of bits saved"
        lines.append(f"  at {at:>4} dB PSNR:        {said}")
    return lines
