"""Files that are there whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, open for reading and writing, that becomes ``path`` when the block ends without an error.

    Until then, and where the block or the disk fails, whatever is at ``path`` stays as it is and nothing else remains.
    A file that it replaces passes its permissions on. OSError where the disk refuses.
    """
    # Not tempfile: its files are private to the user, these get the permissions that any new file would.
    temporary = path.with_name(f".qsearch-{secrets.token_hex(8)}.partial")
    try:
        with temporary.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
