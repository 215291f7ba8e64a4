"""Exported tables do in other encoders what their headers promise: proved by encoding and reading the files back."""

import io
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qsearch.codecs.markers import Frame, read_frame
from qsearch.errors import DiskError, InputError
from qsearch.export.formats import FORMATS, TableSheet, export_tables, format_of, render
from qsearch.export.reading import read_tables
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables
from qsearch.text import one_line

LUMA = np.arange(1, 65)
LUMA_CHROMA = QuantTables(LUMA, LUMA[::-1] + 190)
YCBCR = QuantTables(LUMA, cb=LUMA + 100, cr=LUMA + 191)
SHEETS = [
    TableSheet(LUMA_CHROMA, "two tables", codec=CodecSettings(subsampling="4:2:0")),
    TableSheet(LUMA_CHROMA, "progressive", codec=CodecSettings(subsampling="4:2:2", optimize=True, progressive=True)),
    TableSheet(QuantTables.shared(LUMA + 7), "one table", codec=CodecSettings(subsampling="4:4:4")),
    TableSheet(YCBCR, "three tables", ("--a -- comment */ /* <b> & \u00e9 \n that would end early #",)),
]
titles = pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.title)


def image() -> Image.Image:
    """Noise, so that chroma is worth encoding."""
    pixels = np.random.default_rng(3).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def usage(text: str) -> str:
    """The command that a header promises."""
    found = re.search(r"Use: (.*)", text)
    assert found is not None
    return found[1]


def encode_as_promised(command: str, sheet_file: Path, folder: Path, program: str) -> Frame:
    source, target = folder / "in.ppm", folder / "out.jpg"
    image().save(source)
    names = {"THIS_FILE": str(sheet_file), "OUT.jpg": str(target), "IN.ppm": str(source), "IN.png": str(source)}
    words = shlex.split(command)
    for name, path in names.items():
        words = [word.replace(name, path) for word in words]
    subprocess.run([program, *words[1:]], check=True, timeout=60)
    return read_frame(target.read_bytes())


def assert_encoded_with(frame: Frame, sheet: TableSheet) -> None:
    assert frame.tables == sheet.tables
    assert frame.subsampling == sheet.encoder.subsampling
    assert frame.sof == (2 if sheet.encoder.progressive else 0)


def program(*names: str, says: str) -> str:
    """The first of the programs that is what it should be; skips where there is none."""
    for path in filter(None, map(shutil.which, names)):
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False, timeout=60)
        if says in answer.stdout + answer.stderr:
            return path
    pytest.skip(f"none of {', '.join(names)} is installed")


@titles
def test_cjpeg_encodes_with_the_exported_file(sheet: TableSheet, tmp_path: Path) -> None:
    cjpeg = program("cjpeg", says="version")
    export_tables(sheet, "cjpeg", tmp_path / "tables.txt")
    command = usage((tmp_path / "tables.txt").read_text())
    assert_encoded_with(encode_as_promised(command, tmp_path / "tables.txt", tmp_path, cjpeg), sheet)


@titles
def test_imagemagick_encodes_with_the_exported_file(sheet: TableSheet, tmp_path: Path) -> None:
    convert = program("magick", "convert", says="ImageMagick")
    export_tables(sheet, "imagemagick", tmp_path / "tables.xml")
    command = usage((tmp_path / "tables.xml").read_text()).partition(" (")[0]
    assert_encoded_with(encode_as_promised(command, tmp_path / "tables.xml", tmp_path, convert), sheet)


@titles
def test_pillow_encodes_with_the_exported_file(sheet: TableSheet, tmp_path: Path) -> None:
    text = render(sheet, "pillow").decode()
    names: dict[str, object] = {"image": image()}
    exec(text, names)
    for _ in range(2):  # Pillow must not have changed the tables
        exec(usage(text).replace("out.jpg", str(tmp_path / "out.jpg")), names)
        assert_encoded_with(read_frame((tmp_path / "out.jpg").read_bytes()), sheet)


C_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
#include "tables.h"

int main(void)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    JSAMPLE row[40 * 3];
    JSAMPROW rows[1] = { row };
    FILE *file = fopen("out.jpg", "wb");

    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_stdio_dest(&cinfo, file);
    cinfo.image_width = 40;
    cinfo.image_height = 48;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    STEPS
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < cinfo.image_height) {
        for (size_t i = 0; i < sizeof row; i++) row[i] = (JSAMPLE) rand();
        jpeg_write_scanlines(&cinfo, rows, 1);
    }
    jpeg_finish_compress(&cinfo);
    return fclose(file);
}
"""


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@titles
def test_libjpeg_encodes_with_the_exported_header(sheet: TableSheet, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or pytest.skip("cc is not installed")
    (tmp_path / "probe.c").write_text("#include <stdio.h>\n#include <jpeglib.h>\nint main(void) { return 0; }\n")
    if run_in(tmp_path, compiler, "probe.c", "-ljpeg").returncode != 0:
        pytest.skip("libjpeg's header is not installed")
    export_tables(sheet, "c-header", tmp_path / "tables.h")
    steps = re.findall(r"^ \*   (.*;)$", (tmp_path / "tables.h").read_text(), re.MULTILINE)
    (tmp_path / "main.c").write_text(C_PROGRAM.replace("STEPS", "\n    ".join(steps)))
    flags = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
    built = run_in(tmp_path, compiler, *flags, "main.c", "-ljpeg", "-o", "main")
    assert built.returncode == 0, built.stderr
    assert run_in(tmp_path, "./main").returncode == 0
    assert_encoded_with(read_frame((tmp_path / "out.jpg").read_bytes()), sheet)


entries = st.lists(st.integers(1, 255), min_size=64, max_size=64).map(np.array)
any_tables = st.builds(lambda luma, cb, cr: QuantTables(luma, cb=cb, cr=cr), entries, entries, entries)


@settings(max_examples=20, deadline=None)
@given(tables=any_tables, title=st.text(), origin=st.text())
@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_written_is_read_back(
    format_: str, tables: QuantTables, title: str, origin: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("export")
    codec = CodecSettings(subsampling="4:4:4", progressive=True)
    for written in (TableSheet(tables, title, (origin,), codec), TableSheet(QuantTables(tables.cb, tables.cr), title)):
        for path in (folder / f"tables{FORMATS[format_].suffix}", folder / "tables"):
            export_tables(written, format_, path)
            read = read_tables(path)
            assert read.tables == written.tables
            if format_ in ("json", "npz"):
                assert (read.title, read.codec) == (one_line(written.title), written.codec)


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_says_where_its_tables_come_from(format_: str) -> None:
    sheet = TableSheet(LUMA_CHROMA, "trial 17 of run demo", ("Measured on photographs.",))
    data = render(sheet, format_)
    if format_ == "npz":
        with np.load(io.BytesIO(data)) as arrays:
            data = str(arrays["about"]).encode()
    for said in ("trial 17 of run demo", "Measured on photographs.", LUMA_CHROMA.digest):
        assert said.encode() in data


def test_the_suffix_tells_the_format() -> None:
    assert {name: format_of(Path(f"x{format_.suffix}")) for name, format_ in FORMATS.items()} == {
        name: name for name in FORMATS
    }
    with pytest.raises(InputError, match=r"\.xml \(imagemagick\)"):
        format_of(Path("tables.webp"))


def test_a_place_that_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        export_tables(SHEETS[0], "json", tmp_path / "no" / "folder.json")
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(DiskError, match="cannot be written"):
        export_tables(SHEETS[0], "json", tmp_path / "taken.json")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]
