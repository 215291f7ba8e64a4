"""Upgrade: an archive of an older format brought to today's, in its place or in a temporary copy."""

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from qsearch.archive.database import FORMAT, connect, explained, open_checked
from qsearch.archive.older import READERS, STEPS
from qsearch.datasets.base import ImageIdentity
from qsearch.disk import LOCK_FILE, partial_path, writing
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial

Write = Callable[[Path, Sequence[ImageIdentity], Iterable[Trial]], None]


def upgraded(path: Path, version: int, write: Write, *, locked: bool) -> Path:
    """Where the archive ``path`` of format ``version`` can be read in today's: there, or in a temporary copy.

    ``write`` makes an archive of today's format. ``locked``: the caller holds the lock of the run.
    InputError for a format that no version wrote, DiskError where the disk refuses.
    """
    if version not in READERS and version not in STEPS:
        raise InputError(f"{path} has format {version}, which no qsearch wrote: restore it from a copy.")
    lock = FileLock(path.parent / LOCK_FILE, timeout=0)
    try:
        if not locked:
            lock.acquire()
    except (Timeout, OSError):
        with writing(f"a temporary copy of {path}"):
            return _rewritten(path, version, write, _folder_until_the_end() / path.name)
    try:
        with writing(path):
            _replaced(path, version, write)
        return path
    finally:
        lock.release()


def _replaced(path: Path, version: int, write: Write) -> None:
    new = partial_path(path)
    _remove(new)
    try:
        _settled(_rewritten(path, version, write, new))
    except BaseException:
        with suppress(OSError):
            _remove(new)
        raise
    _settled(path)
    new.replace(path)
    for left_over in _companions(path):
        left_over.unlink(missing_ok=True)


def _rewritten(path: Path, version: int, write: Write, new: Path) -> Path:
    with explained(path), closing(open_checked(path, read_only=True)) as connection:
        if version in STEPS:
            _changed(connection, version, new)
            return new
        images, trials = READERS[version](connection)
        write(new, images, _explained(trials, path))
    return new


def _explained(trials: Iterator[Trial], path: Path) -> Iterator[Trial]:
    """``trials`` as they are read, whatever is wrong with them told of the archive ``path`` that they lie in."""
    while True:
        with explained(path):
            trial = next(trials, None)
        if trial is None:
            return
        yield trial


def _changed(connection: sqlite3.Connection, version: int, new: Path) -> None:
    """All that ``connection`` holds, copied to ``new`` and changed there."""
    with closing(connect(new, "rwc")) as copy:
        connection.backup(copy)
        copy.execute("BEGIN IMMEDIATE")
        for step in range(version, FORMAT):
            STEPS[step](copy)
        copy.execute(f"PRAGMA user_version = {FORMAT}")
        copy.commit()


def _folder_until_the_end() -> Path:
    """A folder among the temporary ones that goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="qsearch-upgrade-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _companions(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database while it is open."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _remove(path: Path) -> None:
    """What another attempt left, or this one would."""
    for left_over in (path, *_companions(path)):
        left_over.unlink(missing_ok=True)


def _settled(path: Path) -> None:
    """All of the archive in its one file, and that on the disk."""
    with explained(path), closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
