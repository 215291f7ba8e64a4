"""The SQLite file of an archive: its schema, connections to it, and its errors as sentences."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qsearch.errors import DiskError, InputError, QSearchError, RunError
from qsearch.text import one_line

FORMAT = 3
"""What this version writes, kept in ``PRAGMA user_version``; a file with a higher number is refused."""
APPLICATION_ID = 0x71736561  # "qsea": tells an archive from any other SQLite file

SCHEMA = f"""
CREATE TABLE quantizers (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,             -- tables: the same for every image
    digest TEXT NOT NULL UNIQUE,
    data BLOB NOT NULL              -- of tables: luma, Cb, Cr, 192 bytes in raster order
);
CREATE TABLE measures (
    name TEXT PRIMARY KEY,
    unit TEXT NOT NULL,
    dtype TEXT NOT NULL,            -- of the arrays, little-endian
    per_network INTEGER NOT NULL
);
CREATE TABLE trials (
    series TEXT NOT NULL CHECK (series IN ('reference', 'search')),
    number INTEGER NOT NULL,
    strategy TEXT NOT NULL,
    origin TEXT NOT NULL,
    quantizer INTEGER NOT NULL REFERENCES quantizers,
    proposed INTEGER REFERENCES quantizers,  -- the strategy's own where another one was measured in its place
    status TEXT NOT NULL CHECK (status IN ('done', 'failed', 'screened', 'stopped')),
    reason TEXT NOT NULL,
    images INTEGER NOT NULL,        -- N, of a stopped trial those of its part; 0 without a measurement
    pixels INTEGER NOT NULL,        -- height * width of one image; 0 where it differs
    networks INTEGER NOT NULL,      -- K
    measures TEXT NOT NULL,         -- names of those that this trial was first recorded with, in order
    part_images INTEGER NOT NULL,   -- after how many a race stopped it, also where it was completed later; else 0
    part_order TEXT NOT NULL,       -- digest of the order of images that they are the first of; else empty
    decision_s REAL NOT NULL,
    evaluation_s REAL NOT NULL,
    checksum INTEGER NOT NULL,      -- of all of it but the times, totals included
    PRIMARY KEY (series, number)
);                                  -- columns of totals are added with the measures
CREATE TABLE arrays (
    series TEXT NOT NULL,
    number INTEGER NOT NULL,
    measure TEXT NOT NULL REFERENCES measures,
    data BLOB NOT NULL,             -- zlib of [N] or [K, N]
    checksum INTEGER NOT NULL,
    PRIMARY KEY (series, number, measure)
);
CREATE TABLE images (
    generation INTEGER NOT NULL,    -- 0, and one more for every change of the dataset that the user allowed
    position INTEGER NOT NULL,      -- where in the measurements' arrays
    name TEXT NOT NULL,
    class TEXT NOT NULL,
    digest TEXT NOT NULL,           -- SHA-256 of shape and prepared pixels
    file_digest TEXT NOT NULL,      -- SHA-256 of the file; empty where not known
    source_digest TEXT NOT NULL,    -- SHA-256 of shape and decoded pixels before preparation; empty where not known
    perceptual_hash TEXT NOT NULL,  -- 16 hexadecimal digits; empty where not known
    checksum INTEGER NOT NULL,
    PRIMARY KEY (generation, position)
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""


_DAMAGE = (sqlite3.DatabaseError, zlib.error, ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""What SQLite, and reading its rows as what they should be, raise where they are not."""


_FOLDER_REFUSED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""What SQLite says, in the lower eight bits, where it may not make its own files beside the database."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite and of damaged rows as sentences: DiskError about the disk, InputError about the content."""
    try:
        yield
    except QSearchError:
        raise
    except sqlite3.IntegrityError as error:
        raise RunError(f"{path} refuses what it was to record ({error}).") from error
    except _DAMAGE as error:
        # SQLITE_ERROR (no such table, say) and Python's own errors are about the content, others about the disk.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            raise DiskError(
                f"{path} cannot be read or written ({error}): is the disk full or read-only? "
                "All trials recorded so far are kept; make room and resume."
            ) from error
        raise InputError(
            f"{path} is damaged ({one_line(str(error))}): restore it from a copy, or start a new run."
        ) from error


def connect(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    """A connection in SQLite's ``mode`` (ro, rw, rwc). InputError where the file cannot be opened."""
    try:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}{more}", uri=True, timeout=30)
    except sqlite3.OperationalError as error:
        raise InputError(f"{path} cannot be opened ({error}): is its folder there, and may you write to it?") from error


def open_checked(path: Path, read_only: bool) -> sqlite3.Connection:
    """A connection to an archive of a format that this version knows. InputError where it is none."""
    connection = connect(path, "ro" if read_only else "rw")
    try:
        with explained(path):
            try:
                (application,) = connection.execute("PRAGMA application_id").fetchone()
            except sqlite3.OperationalError as error:
                if not read_only or error.sqlite_errorcode & 0xFF not in _FOLDER_REFUSED:
                    raise
                _check_log(path)
                # A WAL archive in a folder that cannot be written is readable only as one that nobody is writing.
                connection.close()
                connection = connect(path, "ro", "&immutable=1")
                (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check(path, application, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_log(path: Path) -> None:
    """DiskError where the latest trials are in a log that SQLite cannot read without writing beside it."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise DiskError(
            f"{path} was not closed, its latest trials are in {log.name}, and those can be read only in a folder that "
            "may be written: copy the run's whole folder to a disk you can write to, and open the copy."
        )


def _check(path: Path, application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise InputError(f"{path} is not an archive of trials: it holds something else, or was cut short.")
    if version > FORMAT:
        raise InputError(
            f"{path} has format {version}, this qsearch reads up to {FORMAT}: install a newer qsearch to open it."
        )
