"""Tables read back from files: those that :mod:`qsearch.export.formats` writes, and the tables of any JPEG file."""

import ast
import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np

from qsearch.codecs.base import SUBSAMPLINGS, Subsampling
from qsearch.codecs.markers import read_frame
from qsearch.errors import InputError
from qsearch.export.formats import TableSheet
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables
from qsearch.text import one_line, reason_of

_LARGEST_TABLE_FILE_BYTES = 1 << 20
_MOST_DIGITS = 9
_PYTHON = re.compile(r"^qtables\s*=", re.MULTILINE)
_C_TABLE = re.compile(r"\[\s*64\s*\]\s*=\s*\{([^{}]*)\}")


def read_tables(path: str | Path) -> TableSheet:
    """The tables in ``path``: JSON, NPZ, cjpeg's text, ImageMagick's XML, a Python or C file, or a JPEG file's own.

    What a file is, its content tells. One table serves all components, as in the encoders; a greyscale JPEG's too.
    InputError where the file cannot be read or holds no tables of baseline JPEG.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_TABLE_FILE_BYTES + 1)
            if data.startswith(b"\xff\xd8"):
                data += file.read()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): a file of tables was expected.") from error
    try:
        return _read(path, data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read(path: Path, data: bytes) -> TableSheet:
    if data.startswith(b"\xff\xd8"):
        return _jpeg(path, data)
    if len(data) > _LARGEST_TABLE_FILE_BYTES:
        raise InputError("a file of tables is small, this one is larger than a megabyte.")
    if data.startswith(b"PK"):
        return _npz(path, data)
    try:
        return _read_text(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            "a file of tables was expected (JSON, NPZ, XML, Python, C, text or JPEG), not this."
        ) from error


def _read_text(path: Path, text: str) -> TableSheet:
    if text.lstrip().startswith("{"):
        return _json(path, text)
    if text.lstrip().startswith("<"):
        return _imagemagick(path, text)
    if path.suffix.lower() == ".py" or _PYTHON.search(text):
        return _pillow(path, text)
    if path.suffix.lower() in (".h", ".c") or _C_TABLE.search(text):
        return _c_header(path, text)
    return _cjpeg(path, text)


def _jpeg(path: Path, data: bytes) -> TableSheet:
    frame = read_frame(data)
    codec = None
    if frame.subsampling is not None:
        codec = CodecSettings(subsampling=cast(Subsampling, frame.subsampling), progressive=frame.sof == 2)
    return TableSheet(frame.tables, f"tables of {path.name}", (f"Read from the JPEG file {path.name}.",), codec)


def _json(path: Path, text: str) -> TableSheet:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON after all ({one_line(str(error))}).") from error
    return _described(path, content)


def _npz(path: Path, data: bytes) -> TableSheet:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
        if unpacked_bytes > _LARGEST_TABLE_FILE_BYTES:
            raise ValueError("larger than a megabyte, unpacked")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            content: dict[str, Any] = dict(arrays)
        about = json.loads(str(content.pop("about", "{}")))
    except Exception as error:  # on damaged files numpy and zipfile raise nearly everything
        raise InputError(f"the NPZ file is damaged, or holds more than arrays ({reason_of(error)}).") from error
    return _described(path, {**about, **content} if isinstance(about, dict) else content)


def _described(path: Path, content: Mapping[str, Any]) -> TableSheet:
    if "luma" not in content:
        raise InputError("luma and chroma, or luma, cb and cr, were expected.")
    try:
        tables = QuantTables.from_dict(content)
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:  # numpy on what is no table of numbers
        raise InputError(f"a table has 8x8 integers ({reason_of(error)}).") from error
    title, origin = content.get("title"), content.get("origin")
    return TableSheet(
        tables,
        one_line(title) if isinstance(title, str) else f"tables of {path.name}",
        tuple(one_line(str(line)) for line in origin) if isinstance(origin, list) else (f"Read from {path.name}.",),
        _codec(content.get("encoder")),
    )


def _codec(encoder: object) -> CodecSettings | None:
    if encoder is None:
        return None
    import msgspec

    try:
        codec = msgspec.convert(encoder, CodecSettings)
    except msgspec.ValidationError as error:
        raise InputError(f"encoder settings that this qsearch does not know: {one_line(str(error))}.") from error
    if codec.subsampling not in SUBSAMPLINGS:
        raise InputError(f"chroma subsampling is one of {', '.join(SUBSAMPLINGS)}, got {codec.subsampling[:20]!r}.")
    return codec


def _pillow(path: Path, text: str) -> TableSheet:
    """The constants ``qtables`` and ``subsampling`` of a Python file, which is not run."""
    found: dict[str, Any] = {}
    try:
        with warnings.catch_warnings(action="ignore"):  # of constants that look like mistakes
            body = ast.parse(text).body
        for node in body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(f"a Python file of constants was expected ({reason_of(error)}).") from error
    if not isinstance(found.get("qtables"), tuple | list):
        raise InputError("a Python file that says qtables = ... was expected.")
    sheet = _listed(path, found["qtables"])
    codec = _codec({"subsampling": found["subsampling"]}) if "subsampling" in found else None
    return TableSheet(sheet.tables, sheet.title, sheet.origin, codec)


def _c_header(path: Path, text: str) -> TableSheet:
    """The arrays of 64 numbers of a C file, in its order."""
    arrays = _C_TABLE.findall(re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL))
    return _listed(path, [_integers(entries.replace(",", " ").split()) for entries in arrays])


def _imagemagick(path: Path, text: str) -> TableSheet:
    try:
        root = ElementTree.fromstring(text)
        by_slot = {int(table.attrib["slot"]): table.findtext("levels") for table in root.iter("table")}
        divisors = [float(levels.attrib.get("divisor", 1)) for levels in root.iter("levels")]
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"ImageMagick's XML of quantization-tables was expected ({reason_of(error)}).") from error
    if any(divisor != 1 for divisor in divisors):
        raise InputError("levels with a divisor of 1 were expected: divide them and round.")
    levels = [by_slot[slot] or "" for slot in sorted(by_slot)]
    return _listed(path, [_integers(entries.replace(",", " ").split()) for entries in levels])


def _cjpeg(path: Path, text: str) -> TableSheet:
    entries = _integers([word for line in text.splitlines() for word in line.split("#")[0].split()])
    return _listed(path, [entries[start : start + 64] for start in range(0, len(entries), 64)])


def _integers(words: Sequence[str]) -> list[int]:
    wrong = next((word for word in words if not word.isdecimal() or len(word) > _MOST_DIGITS), None)
    if wrong is not None:
        raise InputError(f"tables of integers were expected, got {wrong[:20]!r}.")
    return [int(word) for word in words]


def _listed(path: Path, listed: Sequence[Any]) -> TableSheet:
    """One to three lists of 64 entries in raster order, as encoders take them: luma, Cb, Cr; the last one repeats."""
    if not 1 <= len(listed) <= 3:
        raise InputError(f"one to three tables of 64 entries were expected, got {len(listed)}.")
    try:
        luma, cb, cr = (np.array(listed[min(index, len(listed) - 1)]) for index in range(3))
    except (ValueError, TypeError, OverflowError) as error:  # numpy on what is no list of numbers
        raise InputError(f"tables of 64 integers were expected ({reason_of(error)}).") from error
    return TableSheet(QuantTables(luma, cb=cb, cr=cr), f"tables of {path.name}", (f"Read from {path.name}.",))
