"""What a build wrote and where it came from: the manifest of a finished build, the journal of one under way."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from qsearch.datasets.download import KEPT_ADVICE
from qsearch.disk import replacing, stays_within
from qsearch.errors import InputError
from qsearch.text import one_line

T = TypeVar("T", bound=msgspec.Struct)

FORMAT = 1
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for what is not JSON of the shape that was asked for."""
SETTINGS_FILE = "build.json"
MANIFEST_FILE = "manifest.jsonl"
ORIGINALS_FOLDER = "originals"


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides which photographs a build holds, and how they are prepared and kept."""

    format: int = FORMAT
    sampling: str = "matched-frequency"
    revision: str = ""
    classes: int = 500
    per_class: int = 5
    seed: int = 0
    other_classes: bool = False
    size: int = 224
    originals: bool = True


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag="image", tag_field="kind"):
    """An image of the build.

    origin: the photograph on Flickr, or the public copy of at most 500 pixels because of ``missing``. address, sha256,
    size_bytes, width, height: of that file, in pixels upright. licence: as Flickr named it, None where it was not
    asked. original, prepared: paths relative to the build, the former None where originals are not kept.
    """

    candidate: str
    wnid: str
    flickr_id: str
    origin: Literal["original", "public"]
    missing: str | None
    address: str
    licence: str | None
    width: int
    height: int
    size_bytes: int
    sha256: str
    original: str | None
    prepared: str
    prepared_bytes: int
    prepared_sha256: str

    def __post_init__(self) -> None:
        for name in (self.original, self.prepared):
            if name is not None and not stays_within(name):
                raise ValueError(f"{name!r} lies outside the build")

    def is_prepared(self, folder: Path) -> bool:
        """Whether its prepared image lies in the build at ``folder``, by its size."""
        return _size_bytes(folder / self.prepared) == self.prepared_bytes

    def is_kept(self, folder: Path) -> bool:
        """Whether all its files lie in the build at ``folder``, by their sizes."""
        original_there = self.original is None or _size_bytes(folder / self.original) == self.size_bytes
        return original_there and self.is_prepared(folder)


class Missing(msgspec.Struct, frozen=True, kw_only=True, tag="missing", tag_field="kind"):
    """A photograph that is not to be had any more, and why."""

    candidate: str
    reason: str


def read_settings(folder: Path) -> BuildSettings:
    """The settings of the build at ``folder``. InputError where it is none, or one of a newer format."""
    path = folder / SETTINGS_FILE
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=BuildSettings)
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} is no rebuilt ImageNetV2: make one with 'qsearch dataset build imagenetv2 --out {folder}'."
        ) from error
    except (OSError, *UNREADABLE) as error:
        raise InputError(
            f"{path} cannot be read ({one_line(str(error))}): build the dataset again in another folder."
        ) from error
    if settings.format > FORMAT:
        raise InputError(f"{path} has format {settings.format}, this qsearch reads {FORMAT}: install a newer qsearch.")
    return settings


def read_manifest(folder: Path) -> list[Entry]:
    """The images of a finished build, by class and candidate id. InputError where it is unfinished or damaged."""
    path = folder / MANIFEST_FILE
    try:
        return msgspec.json.Decoder(Entry).decode_lines(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"the build in {folder} is not finished: give the same build command again.") from error
    except (OSError, *UNREADABLE) as error:
        raise InputError(
            f"{path} cannot be read ({one_line(str(error))}): remove it and give the build command again."
        ) from error


def write_settings(folder: Path, settings: BuildSettings) -> None:
    """Writes the settings, whole or not at all."""
    with replacing(folder / SETTINGS_FILE, KEPT_ADVICE) as file:
        file.write(msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n")


def write_manifest(folder: Path, entries: Iterable[Entry]) -> None:
    """Writes the manifest, whole or not at all."""
    with replacing(folder / MANIFEST_FILE, KEPT_ADVICE) as file:
        file.write(msgspec.json.Encoder().encode_lines(list(entries)))


class Journal:
    """What became of each photograph so far, one JSON line each, the last line of a photograph counts.

    A line that was cut off by a kill is forgotten; its photograph is done again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self.records: dict[str, Entry | Missing] = {}
        if path.exists():
            self._read()
        self._file = path.open("ab")

    def _read(self) -> None:
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            records = msgspec.json.Decoder(Entry | Missing).decode_lines(whole)
        except UNREADABLE as error:
            raise InputError(
                f"{self._path} is damaged ({one_line(str(error))}): remove it, and all images are fetched anew."
            ) from error
        self.records = {record.candidate: record for record in records}
        with self._path.open("r+b") as file:
            file.truncate(len(whole))

    def add(self, record: Entry | Missing) -> None:
        """Remembers a record, also over a kill of this process."""
        self._file.write(self._encoder.encode(record) + b"\n")
        self._file.flush()
        self.records[record.candidate] = record

    def forget(self, candidate: str) -> None:
        """Lets a photograph be done again."""
        del self.records[candidate]

    def close(self) -> None:
        """Nothing can be added any more."""
        self._file.close()


def _size_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
