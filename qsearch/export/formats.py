"""Tables for other encoders: files that say where their tables come from and how to use them."""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from qsearch.codecs.command import cjpeg_switches
from qsearch.datasets.base import ImageIdentity
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables, Table


@dataclass(frozen=True)
class TableSheet:
    """Tables with what is known of them.

    title: their name in one line (``trial 17 of run demo``).
    origin: sentences that say where they come from.
    codec: the encoder settings they were measured with or made for; None where nobody said.
    run: the folder of the run that they were taken from, of a confirmed pick the confirmation's; None where it was
        none.
    learned_on: the images that they were learned from, as far as that is known.
    """

    tables: QuantTables
    title: str
    origin: tuple[str, ...] = ()
    codec: CodecSettings | None = None
    run: Path | None = None
    learned_on: tuple[ImageIdentity, ...] = ()

    @property
    def encoder(self) -> CodecSettings:
        """The encoder settings to use them with: :attr:`codec`, or else 4:2:0 baseline."""
        return self.codec or CodecSettings()

    @property
    def parts(self) -> dict[str, Table]:
        """The tables a file carries: ``luma`` and ``chroma``, or ``luma``, ``cb`` and ``cr`` where those differ."""
        tables = self.tables
        if tables.layout == "ycbcr":
            return {"luma": tables.luma, "cb": tables.cb, "cr": tables.cr}
        return {"luma": tables.luma, "chroma": tables.chroma}

    def comments(self, *usage: str) -> list[str]:
        """Title, origin, digest and ``usage``, each line of it one line of printable ASCII."""
        lines = [self.title, *self.origin, f"SHA-256 of the tables: {self.tables.digest}", *usage]
        return [_printable_ascii(" ".join(line.split())) for line in lines]


def render(sheet: TableSheet, format_: str) -> bytes:
    """The file in one of :data:`FORMATS`, the same bytes for the same sheet. InputError for an unknown format."""
    if format_ not in FORMATS:
        raise InputError(f"tables are exported as {', '.join(FORMATS)}, got {format_!r}.")
    return FORMATS[format_].render(sheet)


def export_tables(sheet: TableSheet, format_: str, path: Path) -> None:
    """Writes :func:`render` to ``path``, whole or not at all. DiskError where the disk refuses."""
    data = render(sheet, format_)
    with replacing(path) as file:
        file.write(data)


def format_of(path: Path) -> str:
    """The format whose files are called like ``path``. InputError where none are."""
    for name, format_ in FORMATS.items():
        if path.suffix.lower() == format_.suffix:
            return name
    suffixes = ", ".join(f"{format_.suffix} ({name})" for name, format_ in FORMATS.items())
    raise InputError(f"{path.name} does not tell its format: name it {suffixes}, or give --format.")


def _cjpeg(sheet: TableSheet) -> bytes:
    encoder = sheet.encoder
    slots = ",".join(str(slot) for slot in range(len(sheet.parts)))
    switches = " ".join(cjpeg_switches(encoder))
    usage = (
        f"Use: cjpeg -qtables THIS_FILE -qslots {slots} -baseline {switches} -outfile OUT.jpg IN.ppm",
        "Do not give -quality: it would scale the tables.",
    )
    lines = [f"# {line}" for line in sheet.comments(*usage)]
    for name, table in sheet.parts.items():
        lines += ["", f"# {name}", *_rows(table, " ")]
    return _text(lines)


def _pillow(sheet: TableSheet) -> bytes:
    encoder = sheet.encoder
    options = "".join(f", {name}=True" for name in _switched_on(encoder))
    usage = (
        f"Use: image.save('out.jpg', qtables=qtables, subsampling=subsampling{options})",
        "Do not give quality: it would scale the tables.",
    )
    lines = [f"# {line}" for line in sheet.comments(*usage)]
    lines += ["", f'subsampling = "{encoder.subsampling}"', "qtables = ("]
    for name, table in sheet.parts.items():
        lines += [f"    (  # {name}", *(f"        {row}," for row in _rows(table, ", ")), "    ),"]
    return _text([*lines, ")"])


def _imagemagick(sheet: TableSheet) -> bytes:
    encoder = sheet.encoder
    interlace = " -interlace JPEG" if encoder.progressive else ""
    usage = (
        f"Use: convert IN.png -define jpeg:q-table=THIS_FILE -quality 50 -sampling-factor {encoder.subsampling}"
        f"{interlace} OUT.jpg (ImageMagick 7: magick instead of convert)",
        "Give -quality 50: any other quality would scale the tables.",
    )
    # A comment in XML must not hold two dashes in a row.
    comments = ["  " + line.replace("--", "- -").replace("--", "- -") for line in sheet.comments(*usage)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<!--", *comments, "-->", "<quantization-tables>"]
    for slot, (name, table) in enumerate(sheet.parts.items()):
        lines += [
            f'  <table slot="{slot}" alias="{name}">',
            f"    <description>{escape(f'{name} of {sheet.comments()[0]}')}</description>",
            '    <levels width="8" height="8" divisor="1">',
            ",\n".join(f"      {row}" for row in _rows(table, ", ")),
            "    </levels>",
            "  </table>",
        ]
    return _text([*lines, "</quantization-tables>"])


def _c_header(sheet: TableSheet) -> bytes:
    encoder = sheet.encoder
    horizontal, vertical = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}[encoder.subsampling]
    usage = [
        *(f"jpeg_add_quant_table(&cinfo, {slot}, qsearch_{name}, 100, TRUE);" for slot, name in enumerate(sheet.parts)),
        f"cinfo.comp_info[0].h_samp_factor = {horizontal};",
        f"cinfo.comp_info[0].v_samp_factor = {vertical};",
        *(["cinfo.comp_info[2].quant_tbl_no = 2;"] if len(sheet.parts) == 3 else []),
        *(["cinfo.optimize_coding = TRUE;"] if encoder.optimize else []),
        *(["jpeg_simple_progression(&cinfo);"] if encoder.progressive else []),
    ]
    # Neither a comment nor the start of one may stand in a comment.
    about = [line.replace("*/", "* /").replace("/*", "/ *") for line in sheet.comments()]
    steps = ["Use, with libjpeg, after jpeg_set_defaults(&cinfo):", *(f"  {step}" for step in usage)]
    comments = [f" * {line}" for line in (*about, *steps)]
    lines = ["/*", *comments, " */", "#ifndef QSEARCH_TABLES_H", "#define QSEARCH_TABLES_H", ""]
    for name, table in sheet.parts.items():
        rows = ",\n".join(f"    {row}" for row in _rows(table, ", "))
        lines += [f"static const unsigned int qsearch_{name}[64] = {{", rows, "};", ""]
    return _text([*lines, "#endif"])


def _json(sheet: TableSheet) -> bytes:
    return (json.dumps(_described(sheet) | sheet.tables.to_dict(), indent=1) + "\n").encode()


def _npz(sheet: TableSheet) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"about": np.array(json.dumps(_described(sheet))), **sheet.parts}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _described(sheet: TableSheet) -> dict[str, Any]:
    about: dict[str, Any] = {"title": sheet.title, "origin": list(sheet.origin), "digest": sheet.tables.digest}
    if sheet.codec is not None:
        names = ("subsampling", "optimize", "progressive")
        about["encoder"] = {name: getattr(sheet.codec, name) for name in names}
    return about


def _switched_on(encoder: CodecSettings) -> list[str]:
    return [name for name in ("optimize", "progressive") if getattr(encoder, name)]


def _rows(table: Table, separator: str) -> list[str]:
    return [separator.join(f"{entry:3d}" for entry in row) for row in table.tolist()]


def _printable_ascii(text: str) -> str:
    return (
        "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text).encode("ascii", "backslashreplace").decode()
    )


def _text(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")


@dataclass(frozen=True)
class Format:
    """One kind of file: its suffix, and how a sheet becomes its bytes."""

    suffix: str
    render: Callable[[TableSheet], bytes]


FORMATS = {
    "cjpeg": Format(".txt", _cjpeg),
    "pillow": Format(".py", _pillow),
    "imagemagick": Format(".xml", _imagemagick),
    "json": Format(".json", _json),
    "npz": Format(".npz", _npz),
    "c-header": Format(".h", _c_header),
}
"""The formats by name. All are read back by :func:`qsearch.export.reading.read_tables`, whatever the file is called."""
