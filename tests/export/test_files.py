"""Tables from files that others wrote: read where they are tables of baseline JPEG, refused in a sentence elsewhere."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.errors import InputError
from qsearch.export.files import read_tables
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


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_tables(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_tables(tmp_path)
