"""Archive: every trial of a run, in one SQLite file; append-only, one transaction per trial."""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import ImageIdentity
from qsearch.errors import DiskError, InputError, RunError
from qsearch.evaluation.measurement import Measurement, Series, Trial
from qsearch.tables import QuantTables

FORMAT = 1
"""What this version writes, kept in ``PRAGMA user_version``; a file with a higher number is refused."""
_APPLICATION_ID = 0x71736561  # "qsea": tells an archive from any other SQLite file

_SCHEMA = f"""
CREATE TABLE trials (
    series TEXT NOT NULL CHECK (series IN ('reference', 'search')),
    number INTEGER NOT NULL,
    strategy TEXT NOT NULL,
    origin TEXT NOT NULL,
    tables BLOB NOT NULL,           -- luma, Cb, Cr: 192 bytes in raster order
    status TEXT NOT NULL CHECK (status IN ('done', 'failed')),
    reason TEXT NOT NULL,
    images INTEGER,                 -- N; the columns from here to psnr_db are NULL for failed trials
    pixels INTEGER,                 -- height * width of one image
    size_bytes BLOB,                -- zlib of little-endian int32 [N]
    ranks BLOB,                     -- zlib of little-endian int32 [K, N]
    psnr_db BLOB,                   -- zlib of little-endian float64 [N], NULL where not measured
    decision_s REAL NOT NULL,
    evaluation_s REAL NOT NULL,
    PRIMARY KEY (series, number)
);
CREATE TABLE images (
    position INTEGER PRIMARY KEY,   -- where in the measurements' arrays
    name TEXT NOT NULL,
    class TEXT NOT NULL,
    digest TEXT NOT NULL            -- SHA-256 of shape and pixels
);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""


class Archive:
    """The trials of one run. Readers may read while one process writes; a killed writer loses no finished trial."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Use :meth:`create`, :meth:`open` or :meth:`in_memory`."""
        self._connection = connection
        self.path = path

    @classmethod
    def create(cls, path: str | Path, images: Sequence[ImageIdentity] = ()) -> Self:
        """A new archive of measurements of ``images``; InputError where a file is there already or none can be made."""
        path = Path(path)
        if path.exists():
            raise InputError(f"{path} exists already: open it, or choose another name.")
        archive = cls(_connect(path, "rwc"), path)
        with archive._explained():
            # WAL: readers do not wait for the writer, and a killed process leaves whole transactions.
            archive._connection.execute("PRAGMA journal_mode = WAL")
            archive._connection.executescript(_SCHEMA)
            with archive._connection:
                rows = [(position, *astuple(image)) for position, image in enumerate(images)]
                archive._connection.executemany("INSERT INTO images VALUES (?, ?, ?, ?)", rows)
        return archive

    @classmethod
    def in_memory(cls) -> Self:
        """An archive that ends with the process; for tests and experiments."""
        archive = cls(sqlite3.connect(":memory:"), Path(":memory:"))
        archive._connection.executescript(_SCHEMA)
        return archive

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Self:
        """The archive at ``path``; InputError where there is none, or one that this version cannot read."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path} is not there: a run's archive was expected.")
        archive = cls(_connect(path, "ro" if read_only else "rw"), path)
        with archive._explained():
            try:
                (application,) = archive._connection.execute("PRAGMA application_id").fetchone()
            except sqlite3.OperationalError:
                if not read_only or path.with_name(f"{path.name}-wal").exists():
                    raise
                # A WAL archive in a folder that cannot be written is readable only as one that nobody is writing.
                archive._connection = _connect(path, "ro", "&immutable=1")
                (application,) = archive._connection.execute("PRAGMA application_id").fetchone()
            (version,) = archive._connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            raise InputError(f"{path} is not an archive of trials: it holds something else, or was cut short.")
        if version > FORMAT:
            raise InputError(
                f"{path} has format {version}, this qsearch reads up to {FORMAT}: install a newer qsearch to open it."
            )
        return archive

    def add(self, trial: Trial) -> None:
        """Records ``trial`` for good. RunError where it is recorded already, or the disk refuses."""
        measured: tuple[Any, ...] = (None,) * 5
        if trial.measurement is not None:
            measurement = trial.measurement
            psnr_db = None if measurement.psnr_db is None else _pack(measurement.psnr_db, "<f8")
            measured = (
                measurement.images,
                measurement.pixels,
                _pack(measurement.size_bytes, "<i4"),
                _pack(measurement.ranks, "<i4"),
                psnr_db,
            )
        what = (trial.series, trial.number, trial.strategy, trial.origin, trial.tables.to_bytes())
        row = (*what, trial.status, trial.reason, *measured, trial.decision_s, trial.evaluation_s)
        try:
            with self._explained(), self._connection:
                self._connection.execute(f"INSERT INTO trials VALUES ({', '.join('?' * len(row))})", row)
        except sqlite3.IntegrityError as error:
            raise RunError(f"{self.path}: {trial.series} trial {trial.number} is recorded already.") from error

    def trials(self, series: Series) -> list[Trial]:
        """The trials of a series by their numbers, done and failed."""
        with self._explained(), closing(self._connection.cursor()) as cursor:
            cursor.row_factory = sqlite3.Row
            rows = cursor.execute("SELECT * FROM trials WHERE series = ? ORDER BY number", (series,))
            return [_trial(row) for row in rows]

    def images(self) -> list[ImageIdentity]:
        """The images in the order of the measurements' arrays; empty where they were not recorded."""
        with self._explained():
            rows = self._connection.execute("SELECT name, class, digest FROM images ORDER BY position")
            return [ImageIdentity(*row) for row in rows]

    def count(self, series: Series) -> int:
        """How many trials of a series are recorded."""
        with self._explained():
            (count,) = self._connection.execute("SELECT count(*) FROM trials WHERE series = ?", (series,)).fetchone()
        return int(count)

    def close(self) -> None:
        """Frees the file; nothing is lost without it."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.DatabaseError, zlib.error, ValueError, TypeError) as error:
            # SQLITE_ERROR (no such table, say) and Python's own errors are about the content, others about the disk.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
                raise DiskError(
                    f"{self.path} cannot be read or written ({error}): is the disk full or read-only? "
                    "All trials recorded so far are kept; make room and resume."
                ) from error
            raise InputError(
                f"{self.path} is damaged ({error}): restore it from a copy, or start a new run."
            ) from error


def _connect(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}{more}", uri=True, timeout=30)
    except sqlite3.OperationalError as error:
        raise InputError(f"{path} cannot be opened ({error}): is its folder there, and may you write to it?") from error


def _pack(values: npt.NDArray[Any], dtype: str) -> bytes:
    return zlib.compress(np.ascontiguousarray(values, dtype=dtype).tobytes(), level=1)


def _unpack(data: bytes, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(zlib.decompress(data), dtype=dtype)


def _trial(row: sqlite3.Row) -> Trial:
    measurement = None
    if row["status"] == "done":
        measurement = Measurement(
            _unpack(row["size_bytes"], "<i4").astype(np.int64),
            _unpack(row["ranks"], "<i4").astype(np.int32).reshape(-1, row["images"]),
            row["pixels"],
            None if row["psnr_db"] is None else _unpack(row["psnr_db"], "<f8").astype(np.float64),
        )
    return Trial(
        series=row["series"],
        number=row["number"],
        strategy=row["strategy"],
        tables=QuantTables.from_bytes(row["tables"]),
        status=row["status"],
        measurement=measurement,
        reason=row["reason"],
        origin=row["origin"],
        decision_s=row["decision_s"],
        evaluation_s=row["evaluation_s"],
    )
