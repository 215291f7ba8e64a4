"""A lock on a folder: one process at a time works in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qsearch.errors import DiskError, RunError

LOCK_FILE = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds ``folder``'s lock. RunError where another process holds it, DiskError where the folder cannot be written.

    The operating system frees it when its holder ends, however it ends; the file stays and means nothing.
    """
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(f"{folder} is in use by another process: wait for it to end, or stop it.") from error
    except OSError as error:
        raise DiskError(f"{folder} cannot be written to ({error}): check its permissions.") from error
    try:
        yield
    finally:
        lock.release()
