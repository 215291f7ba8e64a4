"""Arrays of an archive's trials, read from the disk where they are asked for."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from qsearch.archive import rows
from qsearch.archive.database import explained
from qsearch.archive.rows import DamagedRowError, checksum
from qsearch.evaluation.measurement import Series
from qsearch.evaluation.measures import Array


@dataclass
class ArrayReader:
    """Reads the arrays of trials: through the archive's connection while that is open, later through short-lived ones.

    A connection that stayed open would keep SQLite's files beside the archive, and a copy of it incomplete.
    """

    path: Path
    reopen: Callable[[], sqlite3.Connection]
    connection: sqlite3.Connection | None

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """One connection for all that is read in the block."""
        if self.connection is not None:
            yield
            return
        with closing(self.reopen()) as connection:
            self.connection = connection
            try:
                yield
            finally:
                self.connection = None

    def read(self, series: Series, number: int, measure: str, images: int, networks: int) -> Array:
        """The array of one measure of one trial. InputError where it is damaged."""
        with explained(self.path):
            if self.connection is not None:
                return self._read(self.connection, series, number, measure, images, networks)
            with closing(self.reopen()) as connection:
                return self._read(connection, series, number, measure, images, networks)

    def _read(
        self, connection: sqlite3.Connection, series: Series, number: int, measure: str, images: int, networks: int
    ) -> Array:
        row = connection.execute(
            "SELECT data, checksum, dtype, per_network FROM arrays JOIN measures ON name = measure "
            "WHERE series = ? AND number = ? AND measure = ?",
            (series, number, measure),
        ).fetchone()
        if row is None:
            raise DamagedRowError(f"the {measure} of {series} trial {number} is missing")
        data, written, dtype, per_network = row
        if checksum(series, number, measure, data) != written:
            raise DamagedRowError(f"the {measure} of {series} trial {number} is not what was written")
        return rows.unpack(measure, dtype, data, images, networks, bool(per_network))
