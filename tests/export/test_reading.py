"""Tables from files that others wrote: read where they are tables of baseline JPEG, refused in a sentence elsewhere."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.errors import InputError
from qsearch.export.reading import read_tables
from qsearch.tables import QuantTables

ENTRIES = " ".join(map(str, range(1, 65)))


def written(folder: Path, content: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_tables_of_a_jpeg_file_with_its_settings(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", quality=30, subsampling="4:2:2", progressive=True)
    sheet = read_tables(written(tmp_path, buffer.getvalue()))
    assert sheet.tables == QuantTables.standard(30)
    assert (sheet.encoder.subsampling, sheet.encoder.progressive) == ("4:2:2", True)


def test_one_table_serves_all_components(tmp_path: Path) -> None:
    sheet = read_tables(written(tmp_path, f"# a comment 7\n{ENTRIES} # and another\n"))
    assert sheet.tables == QuantTables.shared(np.arange(1, 65))


def test_imagemagick_takes_slots_in_any_order(tmp_path: Path) -> None:
    levels = '<levels width="8" height="8" divisor="1">{}</levels>'
    luma, chroma = levels.format(ENTRIES.replace(" ", ",")), levels.format(ENTRIES.replace("64", "99"))
    text = f'<quantization-tables><table slot="1">{chroma}</table><table slot="0">{luma}</table></quantization-tables>'
    tables = read_tables(written(tmp_path, text)).tables
    assert (tables.luma[7, 7], tables.chroma[7, 7]) == (64, 99)


def test_a_c_header_of_any_names_in_its_order(tmp_path: Path) -> None:
    luma = ENTRIES.replace(" ", ", ")
    chroma = luma.replace("64", "99")
    text = f"/* [64] = {{ 7 }} */\nint a [ 64 ] = {{ {luma} }}; // b[64] = {{1}}\nint b[64]={{{chroma}}};\n"
    tables = read_tables(written(tmp_path, text, "anything")).tables
    assert (tables.luma[7, 7], tables.chroma[7, 7]) == (64, 99)


def test_a_python_file_is_read_and_not_run(tmp_path: Path) -> None:
    trap = f"qtables = [[{ENTRIES.replace(' ', ',')}]]\nimport pathlib\npathlib.Path('ran').touch()\n"
    assert read_tables(written(tmp_path, trap, "x.py")).tables == QuantTables.shared(np.arange(1, 65))
    with pytest.raises(InputError, match="Python file of constants"):
        read_tables(written(tmp_path, "qtables = [list(range(64))]", "x.py"))


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("", "x.txt", "got 0"),
        (ENTRIES[:-3], "x.txt", "8x8 entries"),
        (ENTRIES.replace("64", "256"), "x.txt", "from 1 to 255"),
        (ENTRIES.replace("64", "0"), "x.txt", "from 1 to 255"),
        (ENTRIES.replace("64", "6.5"), "x.txt", "integers were expected, got '6.5'"),
        (" ".join([ENTRIES] * 4), "x.txt", "one to three tables"),
        ("a shopping list", "x.txt", "got 'a'"),
        ("{", "x.json", "no JSON"),
        ("{}", "x.json", "luma and chroma"),
        (json.dumps({"luma": [[1, 2], [3]], "chroma": 1}), "x.json", "8x8"),
        (json.dumps({"luma": [16.5] * 64, "chroma": [1] * 64}), "x.json", "round them"),
        (json.dumps({"luma": [1] * 64, "chroma": [1] * 64, "encoder": {"subsampling": "4:1:1"}}), "x.json", "4:1:1"),
        ("<quantization-tables>", "x.xml", "XML"),
        ("<html/>", "x.xml", "got 0"),
        ("x = 1", "x.py", "qtables"),
        ("qtables = {[]: 1}", "x.py", "Python file of constants"),
        (f"qtables = [[{'9' * 5000}]]", "x.py", "Python file of constants"),
        (f"qtables = {'[' * 5000}", "x.py", "Python file of constants"),
        ("qtables = [[None] * 64]", "x.py", "holds integers, got object|Python file of constants"),
        ("qtables = [[1, [2]]]", "x.py", "64 integers"),
        (f"qtables = [[{ENTRIES.replace(' ', ',')}]]; subsampling = 7", "x.py", "encoder settings"),
        ("unsigned q[64] = {1, 2};", "x.h", "8x8 entries"),
        ("unsigned q[64] = {1, x};", "x.h", "got 'x'"),
        ("int x;", "x.h", "got 0"),
        (f"{'9' * 5000} {ENTRIES}", "x.txt", "integers were expected, got '99999999999999999999'"),
        (json.dumps({"luma": [10**400] * 64, "chroma": [1] * 64}), "x.json", "holds integers, got object"),
        (json.dumps({"luma": {"a": 1}, "chroma": None}), "x.json", "no table"),
        (f'{{"luma": {"9" * 5000}}}', "x.json", "no JSON"),
        (f'{{"luma": {"[" * 50_000}', "x.json", "no JSON"),
        (f'<a><table slot="{"9" * 5000}"/></a>', "x.xml", "XML"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "x.xml", "XML|got 0"),
        (b"PK\x03\x04 rubbish", "x.npz", "damaged"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "x.png", "a file of tables was expected"),
        (b"\xff\xd8\xff", "x.jpg", "cut short"),
        ("7 " * 600_000, "x.txt", "larger than a megabyte"),
    ],
    ids=lambda value: None if isinstance(value, bytes) or len(value) > 40 else value,
)
def test_what_holds_no_tables_is_refused_by_name(
    tmp_path: Path, content: str | bytes, name: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=f"{name}.*{sentence}"):
        read_tables(written(tmp_path, content, name))


def test_a_pickle_in_an_npz_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, luma=np.array([print], dtype=object), chroma=np.arange(64))
    with pytest.raises(InputError, match="more than arrays"):
        read_tables(written(tmp_path, buffer.getvalue()))


def npz(**changes: bytes | None) -> bytes:
    """An NPZ file of tables, some of its members with other bytes, or none."""
    buffer = io.BytesIO()
    np.savez(buffer, luma=np.arange(1, 65), chroma=np.arange(1, 65), about=np.array("{}"))
    spoilt = io.BytesIO()
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(spoilt, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in whole.namelist():
            content = changes.get(name.removesuffix(".npy"), whole.read(name))
            if content is not None:
                archive.writestr(name, content)
    return spoilt.getvalue()


def header(described: str) -> bytes:
    """The beginning of a member, whose array is described so."""
    text = described.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        npz(luma=header("{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999,)}")),
        npz(luma=header("{'descr': '<i8', 'fortran_order': False, 'shape': 9}")),
        npz(luma=header("{'descr': 'xyz', 'fortran_order': False, 'shape': (64,)}")),
        npz(luma=header("(((((")),
        npz(luma=b"\x93NUMPY\x09\x00"),
        npz(luma=b""),
        npz(luma=None),
        npz(about=header("{'descr': '<U2', 'fortran_order': False, 'shape': ()}") + "[[".encode("utf-32-le")),
        npz(about=bytes(2 << 20)),
        npz()[:-30],
        npz()[:60] + b"\xff" * 40 + npz()[100:],
    ],
    ids=range(11),
)
def test_a_spoilt_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.npz: (the NPZ file is damaged|luma and chroma|the luma table has)"):
        read_tables(written(tmp_path, content, "x.npz"))


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_tables(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_tables(tmp_path)
