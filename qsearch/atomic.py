"""Files that are there whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def partial_path(path: Path) -> Path:
    """Where the one writer of ``path`` keeps it until it is whole: hidden, beside it."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def replacing(path: Path, *, alone: bool = False) -> Iterator[BinaryIO]:
    """A new file, open for reading and writing, that becomes ``path`` when the block ends without an error.

    Until then, and where the block or the disk fails, whatever is at ``path`` stays as it is and nothing else remains.
    A file that it replaces passes its permissions on. ``alone``: nobody else writes ``path`` now, so the unfinished
    file may be :func:`partial_path`, of which a killed process leaves one at most. OSError where the disk refuses.
    """
    # Not tempfile: its files are private to the user, these get the permissions that any new file would.
    temporary = partial_path(path) if alone else path.with_name(f".qsearch-{secrets.token_hex(8)}.partial")
    try:
        with temporary.open("wb+" if alone else "xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
