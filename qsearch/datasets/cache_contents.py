"""What the cache holds, entry by entry, and what of it can go: what is missing is made or fetched again."""

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from qsearch.datasets.cache import (
    DOWNLOADS_FOLDER,
    IMAGES_FOLDER,
    KEY,
    METADATA_FOLDER,
    NETWORKS_FOLDER,
    STORED_SUFFIX,
    cache_folder,
)
from qsearch.disk import partial_path, unused, writing

KINDS = {
    IMAGES_FOLDER: "prepared images of datasets",
    NETWORKS_FOLDER: "networks converted for this machine",
    DOWNLOADS_FOLDER: "public tarballs as they are",
    METADATA_FOLDER: "public metadata of ImageNetV2",
}
"""The kinds of entries by the names of their folders, and what they are. Whatever else lies there is left alone."""
DAY_S = 86_400


@dataclass(frozen=True)
class Entry:
    """One thing in the cache: the files or folders it consists of, which processes may mark as in use.

    lock: what its writer locks, where it does so by a file.
    """

    kind: str
    name: str
    paths: tuple[Path, ...]
    lock: Path | None = None

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(status.st_size for status in self._statuses())

    @property
    def used_at(self) -> float:
        """Seconds since 1970 when one of its files was last read, as far as the disk keeps that, or written."""
        return max((max(status.st_atime, status.st_mtime) for status in self._statuses()), default=0.0)

    def _statuses(self) -> Iterator[os.stat_result]:
        for path in self.paths:
            for file in (path, *path.rglob("*")):
                with suppress(FileNotFoundError):  # its process may be at work on it
                    status = file.stat()
                    if not stat.S_ISDIR(status.st_mode):
                        yield status

    def remove(self) -> bool:
        """Removes it; False where a process writes or uses it. DiskError where the disk refuses."""
        with ExitStack() as stack:
            stack.enter_context(writing(self.paths[0]))
            if self.lock is not None:
                try:
                    stack.enter_context(FileLock(self.lock, timeout=0))
                except Timeout:
                    return False
            if not all(stack.enter_context(unused(path)) for path in self.paths):
                return False
            for path in self.paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            if self.lock is not None:
                self.lock.unlink(missing_ok=True)
        return True


@dataclass(frozen=True)
class Cleared:
    """What clearing did: how much was removed, and how many entries are in use and stayed."""

    entries: int
    size_bytes: int
    in_use: int


def cache_entries() -> list[Entry]:
    """Everything in the cache, by kind and name, what killed processes left unfinished included."""
    folder = cache_folder()
    finders: dict[str, Callable[[Path], Iterable[Entry]]] = {
        IMAGES_FOLDER: _images,
        NETWORKS_FOLDER: _networks,
        DOWNLOADS_FOLDER: _downloads,
        METADATA_FOLDER: _metadata,
    }
    return [entry for kind, find in finders.items() if (folder / kind).is_dir() for entry in find(folder / kind)]


def clear(entries: Iterable[Entry], unused_days: float = 0.0) -> Cleared:
    """Removes those of ``entries`` that nobody used for so many days, but for what is in use now."""
    before = time.time() - unused_days * DAY_S
    count = size_bytes = in_use = 0
    for entry in entries:
        if unused_days and entry.used_at > before:
            continue
        size = entry.size_bytes
        if entry.remove():
            count += 1
            size_bytes += size
        else:
            in_use += 1
    return Cleared(count, size_bytes, in_use)


def _images(folder: Path) -> Iterator[Entry]:
    keys = sorted({_key(path.name.lstrip(".")) for path in folder.iterdir()})
    for key in keys:
        files = (folder / f"{key}.json", folder / f"{key}.npy", folder / f"{key}{STORED_SUFFIX}")
        paths = _there(*(path for file in files for path in (file, partial_path(file))))
        if KEY.fullmatch(key) and paths:
            yield Entry(IMAGES_FOLDER, key, paths, folder / f"{key}.lock")


def _key(name: str) -> str:
    """The key of the images that the file ``name`` belongs to."""
    for suffix in (STORED_SUFFIX, ".npy", ".json"):
        name = name.partition(suffix)[0]
    return name


def _networks(folder: Path) -> Iterator[Entry]:
    for key in sorted(
        {match[1] for path in folder.iterdir() if (match := re.match(r"\.?([0-9a-f]{64})\b", path.name))}
    ):
        paths = _there(folder / key, partial_path(folder / key))
        if paths:
            yield Entry(NETWORKS_FOLDER, key, paths, folder / f"{key}.lock")


def _downloads(folder: Path) -> Iterator[Entry]:
    for name in sorted({path.name.lstrip(".").partition(".tar.gz")[0] for path in folder.glob("*.tar.gz*")}):
        tarball = folder / f"{name}.tar.gz"
        unfinished = partial_path(tarball)
        paths = _there(tarball, unfinished, unfinished.with_name(f"{unfinished.name}-etag"))
        if paths:
            yield Entry(DOWNLOADS_FOLDER, tarball.name, paths, folder / f".{tarball.name}.lock")


def _metadata(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and re.fullmatch(r"[0-9a-f]{40}", path.name):
            yield Entry(METADATA_FOLDER, path.name, (path,))


def _there(*paths: Path) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.exists())
