"""The public images of at most 500 pixels: their tarballs, and the images in them by candidate id."""

import hashlib
import lzma
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from qsearch.datasets.cache import DOWNLOADS_FOLDER, cache_folder
from qsearch.datasets.download import DamagedError, Downloader, DownloadError
from qsearch.datasets.imagenetv2.publication import Addresses, Progress, public_set
from qsearch.disk import keep_in_use, writing
from qsearch.errors import InputError, RunError
from qsearch.text import one_line, reason_of

_CANDIDATE = re.compile(r"[0-9a-f]{40}")
_UNREADABLE = (
    *(tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError),
    *(KeyError, ValueError, RecursionError),  # a link to nothing, a number that is none, headers without end
)
_CHUNK_BYTES = 1 << 20


def downloads_folder() -> Path:
    """Where tarballs are kept unless the user says otherwise."""
    return cache_folder() / DOWNLOADS_FOLDER


def fetch_tarball(
    sampling: str,
    folder: Path,
    downloader: Downloader,
    addresses: Addresses,
    progress: Progress = lambda stage, done, total: None,
) -> Path:
    """Downloads the tarball of a test set into ``folder``, unless it is there, and returns its path.

    progress hears of bytes. RunError where it cannot be had, DiskError where it cannot be kept; the next call goes on
    where this one stopped.
    """
    name = public_set(sampling).tarball
    path = folder / name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        downloader.save(
            f"{addresses.hub}/{name}",
            path,
            lambda file: check_tarball(file, addresses.sha256.get(name)),
            lambda done, total: progress("tarball", done, total),
        )
    except DownloadError as error:
        raise RunError(
            f"{name} cannot be downloaded from {addresses.hub} ({error}): try again, which goes on where this stopped, "
            f"or name a mirror with --hub URL."
        ) from error
    keep_in_use(path)
    return path


def check_tarball(path: Path, sha256: str | None = None) -> None:
    """DamagedError where the tarball cannot be read to its end, is not that of ``sha256``, or holds no image.

    Images are named by candidate ids. The end counts: what compresses a tarball keeps its checksum there.
    """
    try:
        if sha256 is not None:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise DamagedError(f"another file than was published, of SHA-256 {found}")
        with tarfile.open(path) as tarball:
            images = sum(_candidate(member.name) is not None for member in tarball)
            while tarball.fileobj is not None and tarball.fileobj.read(_CHUNK_BYTES):
                pass
    except _UNREADABLE as error:
        raise DamagedError(f"a file that is no whole tarball ({reason_of(error)})") from error
    if not images:
        raise DamagedError("a tarball without images named by their ids")


def check_public_images(path: Path) -> None:
    """InputError where ``path`` does not exist."""
    if not path.exists():
        raise InputError(f"{path} is not there: give a tarball of public ImageNetV2 images, or a folder of them.")


def public_images(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes, str]]:
    """Of the wanted candidates those in a tarball, or in a folder it was unpacked to: id, file, where it was.

    InputError where there is neither, or it cannot be read.
    """
    check_public_images(path)
    try:
        if path.is_dir():
            yield from _in_folder(path, wanted)
            return
        check_tarball(path)  # first: no image of a damaged one is to be kept
        yield from _in_tarball(path, wanted)
    except (*_UNREADABLE, DamagedError) as error:
        raise InputError(
            f"{path} cannot be read as a tarball of public ImageNetV2 images ({one_line(str(error))}): get it with "
            f"'qsearch dataset fetch'."
        ) from error


def _in_tarball(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes, str]]:
    with tarfile.open(path) as tarball:
        for member in tarball:
            candidate = _candidate(member.name)
            file = tarball.extractfile(member) if candidate in wanted else None
            if candidate is not None and file is not None:
                yield candidate, file.read(), f"{path.name}/{member.name}"


def _in_folder(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes, str]]:
    for file in sorted(path.rglob("*")):
        candidate = _candidate(file.name)
        if candidate is not None and candidate in wanted:
            yield candidate, file.read_bytes(), f"{path.name}/{file.relative_to(path).as_posix()}"


def _candidate(name: str) -> str | None:
    """The candidate id that a file is named by: the tarballs hold ``FOLDER/CLASS/ID.jpeg``."""
    path = PurePosixPath(name)
    return path.stem if path.suffix in (".jpeg", ".jpg") and _CANDIDATE.fullmatch(path.stem) else None
