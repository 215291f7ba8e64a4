"""Archive: every trial of a run, in one SQLite file; append-only, one transaction per trial."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from qsearch.archive import rows
from qsearch.archive.arrays import ArrayReader
from qsearch.archive.database import FORMAT, SCHEMA, connect, explained, open_checked
from qsearch.archive.rows import DamagedRowError, Row, checksum, text
from qsearch.archive.upgrade import upgraded
from qsearch.datasets.base import ImageIdentity
from qsearch.errors import InputError, QSearchError, RunError
from qsearch.evaluation.measurement import Measurement, Part, Series, Trial
from qsearch.evaluation.measures import MEASURES, Array
from qsearch.evaluation.trials import Trials
from qsearch.quantizer import Quantizer, restore
from qsearch.tables import QuantTables
from qsearch.text import one_line

_COLUMNS = (
    "series", "number", "strategy", "origin", "quantizer", "proposed", "status", "reason", "images", "pixels",
    "networks", "measures", "part_images", "part_order", "decision_s", "evaluation_s", "checksum",
)  # fmt: skip

_BEFORE = " The attempt before failed: "


class Archive:
    """The trials of one run. Readers may read while one process writes; a killed writer loses no finished trial."""

    def __init__(self, connection: sqlite3.Connection, path: Path, reopen: Callable[[], sqlite3.Connection]) -> None:
        """Use :meth:`create`, :meth:`open` or :meth:`in_memory`. ``reopen`` makes another connection to read from."""
        self._connection = connection
        self.path = path
        self._arrays = ArrayReader(path, reopen, connection)

    @classmethod
    def create(cls, path: str | Path, images: Sequence[ImageIdentity] = ()) -> Self:
        """A new archive of measurements of ``images``; InputError where a file is there already or none can be made."""
        path = Path(path)
        if path.exists():
            raise InputError(f"{path} exists already: open it, or choose another name.")
        archive = cls(connect(path, "rwc"), path, lambda: connect(path, "ro"))
        with explained(path):
            # WAL: readers do not wait for the writer, and a killed process leaves whole transactions.
            archive._connection.execute("PRAGMA journal_mode = WAL")
            archive._connection.executescript(SCHEMA)
        archive.add_images(images)
        return archive

    @classmethod
    def in_memory(cls) -> Self:
        """An archive that ends with the process; for tests and experiments."""
        connection = sqlite3.connect(":memory:")
        connection.executescript(SCHEMA)
        return cls(connection, Path(":memory:"), lambda: connection)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False, locked: bool = False) -> Self:
        """The archive at ``path``, brought to today's format where an older version wrote it.

        The old file is replaced by the new one when that is whole; while another process holds the run's lock, or where
        the folder is read-only, a temporary copy is read instead. ``locked``: the caller holds that lock.
        InputError where there is no archive, or one that this version cannot read.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path} is not there: a run's archive was expected.")
        connection = open_checked(path, read_only)
        with explained(path):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == FORMAT:
            return cls(connection, path, lambda: open_checked(path, read_only=True))
        connection.close()
        readable = upgraded(path, version, cls._write, locked=locked)
        return cls(open_checked(readable, read_only), path, lambda: open_checked(readable, read_only=True))

    @classmethod
    def _write(cls, path: Path, images: Sequence[ImageIdentity], trials: Iterable[Trial]) -> None:
        """A new archive at ``path`` of all that another one holds."""
        with cls.create(path, images) as archive:
            archive.add_all(trials)

    def add(self, trial: Trial, *, retried: bool = False) -> Trial:
        """Records ``trial`` for good and returns it as it is read back, its arrays left on the disk.

        retried: it may take the place of a failure of the same number, in one transaction; that, and a stopped trial
        that is completed, is all that is ever replaced, and the reason of the failure is kept with the trial.
        RunError where it is recorded already, or the disk refuses.
        """
        with explained(self.path), self._connection:
            if retried:
                trial = self._take_place_of_failure(trial)
            self._insert(trial)
        return self._lightened(trial)

    def add_all(self, trials: Iterable[Trial]) -> None:
        """Records ``trials`` in one transaction: all of them or none. RunError as :meth:`add`."""
        with explained(self.path), self._connection:
            for trial in trials:
                self._insert(trial)

    def _take_place_of_failure(self, trial: Trial) -> Trial:
        where = "WHERE series = ? AND number = ? AND status = 'failed'"
        key = (trial.series, int(trial.number))
        failed = self._connection.execute(f"SELECT reason FROM trials {where}", key).fetchone()
        if failed is None:
            return trial
        self._connection.execute(f"DELETE FROM trials {where}", key)
        before = failed[0].partition(_BEFORE)[0]
        return replace(trial, reason=f"{trial.reason}{_BEFORE}{before}".strip())

    def _insert(self, trial: Trial) -> None:
        measurement = trial.measurement
        measures = () if measurement is None else measurement.measures
        images, pixels, networks = (
            (0, 0, 0) if measurement is None else (measurement.images, measurement.pixels, measurement.networks)
        )
        totals = [] if measurement is None else rows.totals_row(measurement.totals(), measures)
        values = {
            "series": trial.series,
            "number": int(trial.number),
            "strategy": text(trial.strategy),
            "origin": text(trial.origin),
            "quantizer": self._quantizer(trial.quantizer),
            "proposed": None if trial.proposed is None else self._quantizer(trial.proposed),
            "status": trial.status,
            "reason": text(trial.reason),
            "images": images,
            "pixels": pixels,
            "networks": networks,
            "measures": " ".join(measures),
            "part_images": 0 if trial.part is None else int(trial.part.images),
            "part_order": "" if trial.part is None else trial.part.order,
        }
        names = rows.total_columns(measures, networks)
        self._declare(measures, names)
        times = (float(trial.decision_s), float(trial.evaluation_s))
        row = (*values.values(), *times, checksum(*_signed(values), *totals), *totals)
        columns = ", ".join((*_COLUMNS, *names))
        try:
            self._connection.execute(f"INSERT INTO trials ({columns}) VALUES ({', '.join('?' * len(row))})", row)
            for name in measures:
                assert measurement is not None  # without one there are no measures
                self._insert_array(trial.series, trial.number, name, measurement[name])
        except sqlite3.IntegrityError as error:
            raise RunError(f"{self.path}: {trial.series} trial {trial.number} is recorded already.") from error

    def _insert_array(self, series: Series, number: int, name: str, values: Array) -> None:
        data = rows.pack(name, values)
        row = (series, int(number), name, data, checksum(series, int(number), name, data))
        self._connection.execute("INSERT INTO arrays VALUES (?, ?, ?, ?, ?)", row)

    def _quantizer(self, quantizer: Quantizer) -> int:
        """The row of ``quantizer``, made where it is new."""
        found = self._connection.execute("SELECT id FROM quantizers WHERE digest = ?", (quantizer.digest,)).fetchone()
        if found is not None:
            return int(found[0])
        row = (quantizer.kind, quantizer.digest, quantizer.to_bytes())
        cursor = self._connection.execute("INSERT INTO quantizers (kind, digest, data) VALUES (?, ?, ?)", row)
        assert cursor.lastrowid is not None  # a row was inserted
        return cursor.lastrowid

    def _declare(self, measures: Sequence[str], columns: Sequence[str]) -> None:
        """Measures and columns that the archive does not know yet."""
        known = {name for (name,) in self._connection.execute("SELECT name FROM measures")}
        for name in measures:
            if name not in known:
                measure = MEASURES.get(name)
                row = (name, measure.unit, measure.dtype, int(measure.per_network))
                self._connection.execute("INSERT INTO measures VALUES (?, ?, ?, ?)", row)
        there = {row[1] for row in self._connection.execute("PRAGMA table_info(trials)")}
        for column in columns:
            if column not in there:
                self._connection.execute(f'ALTER TABLE trials ADD COLUMN "{column}" REAL')

    def add_measure(self, trial: Trial, measure: str, values: Array) -> None:
        """One more measure of a trial that is recorded: ``values`` [N] or [K, N].

        InputError where the trial has it already, or is another one than was recorded.
        """
        with explained(self.path), self._connection:
            recorded = self._row(trial.series, trial.number)
            row = dict(recorded)
            if measure in row["measures"].split():
                raise InputError(f"{self.path}: trial {trial.label} has the measure {measure} already.")
            measures = (*row["measures"].split(), measure)
            self._declare([measure], rows.total_columns((measure,), row["networks"]))
            measurement = self._measurement(row).with_measure(measure, values)
            totals = rows.totals_row(measurement.totals(), measures)
            row["measures"] = " ".join(measures)
            names = rows.total_columns(measures, row["networks"])
            changed = {"measures": row["measures"], "checksum": checksum(*_signed(row), *totals)}
            changed |= dict(zip(names, totals, strict=True))
            assignments = ", ".join(f'"{name}" = ?' for name in changed)
            self._connection.execute(
                f"UPDATE trials SET {assignments} WHERE series = ? AND number = ?",
                (*changed.values(), trial.series, int(trial.number)),
            )
            self._insert_array(trial.series, trial.number, measure, measurement[measure])

    def complete(self, trial: Trial, whole: Measurement, evaluation_s: float) -> Trial:
        """The stopped ``trial``, done: ``whole`` is what the same measures say of all images.

        In one transaction; where the race had stopped it is kept. evaluation_s: what the rest took.
        InputError where it is not stopped, or where ``whole`` has other measures.
        """
        with explained(self.path), self._connection:
            row = self._row(trial.series, trial.number)
            recorded = self._measurement(row)
            if row["status"] != "stopped":
                raise InputError(
                    f"{self.path}: trial {trial.label} is {row['status']}: only stopped ones are completed."
                )
            if set(whole.measures) != set(recorded.measures) or whole.images <= recorded.images:
                raise InputError(f"{self.path}: trial {trial.label} is not completed by {whole}.")
            done = replace(
                trial,
                status="done",
                measurement=Measurement(whole.pixels, {name: whole[name] for name in recorded.measures}),
                reason=f"{row['reason']}; completed later",
                evaluation_s=trial.evaluation_s + evaluation_s,
            )
            key = (trial.series, int(trial.number))
            self._connection.execute("DELETE FROM trials WHERE series = ? AND number = ?", key)
            self._connection.execute("DELETE FROM arrays WHERE series = ? AND number = ?", key)
            self._insert(done)
        return self._lightened(done)

    def trials(self, series: Series) -> Trials:
        """The trials of a series by their numbers, of every status; arrays are read where they are asked for."""
        with explained(self.path):
            query = "SELECT count(*) FROM trials WHERE series NOT IN ('reference', 'search')"
            if self._connection.execute(query).fetchone() != (0,):
                raise DamagedRowError("a trial is of no known series")
            found = _rows(self._connection, "SELECT * FROM trials WHERE series = ? ORDER BY number", (series,))
            quantizers = {
                number: (kind, digest, data)
                for number, kind, digest, data in self._connection.execute("SELECT * FROM quantizers")
            }
            for row in found:
                _check_row(row)
            columns = rows.columns_of(found, quantizers)
            return Trials(columns, lambda index: self._trial(found[index], quantizers), at_hand=self._arrays.at_hand)

    def _row(self, series: Series, number: int) -> sqlite3.Row:
        query = "SELECT * FROM trials WHERE series = ? AND number = ?"
        found = _rows(self._connection, query, (series, int(number)))
        if not found:
            raise InputError(f"{self.path} has no {series} trial {number}.")
        _check_row(found[0])
        return found[0]

    def _trial(self, row: Row, quantizers: dict[int, tuple[str, str, bytes]]) -> Trial:
        with explained(self.path):
            proposed = None if row["proposed"] is None else _restored(*quantizers[row["proposed"]])
            return Trial(
                series=row["series"],
                number=row["number"],
                strategy=row["strategy"],
                quantizer=_restored(*quantizers[row["quantizer"]]),
                status=row["status"],
                measurement=self._measurement(row) if row["images"] else None,
                reason=row["reason"],
                origin=row["origin"],
                decision_s=float(row["decision_s"]),
                evaluation_s=float(row["evaluation_s"]),
                proposed=proposed if isinstance(proposed, QuantTables) else None,
                part=Part(row["part_images"], row["part_order"]) if row["part_images"] else None,
            )

    def _measurement(self, row: Row) -> Measurement:
        measures = rows.measures_of(row["measures"])
        series, number, images, networks = row["series"], row["number"], row["images"], row["networks"]

        def load(measure: str) -> Array:
            return self._arrays.read(series, number, measure, images, networks)

        totals = rows.totals_of(row, measures, networks)
        return Measurement.summed_up(row["pixels"], images, networks, measures, totals, load)

    def _lightened(self, trial: Trial) -> Trial:
        """``trial`` without its arrays in memory; those of an archive in memory stay where they are."""
        if trial.measurement is None or self.path == Path(":memory:"):
            return trial
        measurement, arrays = trial.measurement, self._arrays

        def load(measure: str) -> Array:
            return arrays.read(trial.series, trial.number, measure, measurement.images, measurement.networks)

        light = Measurement.summed_up(
            measurement.pixels,
            measurement.images,
            measurement.networks,
            measurement.measures,
            measurement.totals(),
            load,
        )
        return replace(trial, measurement=light)

    def add_images(self, images: Sequence[ImageIdentity]) -> None:
        """Records the images that trials from now on are measured on, as one more generation; nothing where none."""
        if not images:
            return
        with explained(self.path), self._connection:
            (last,) = self._connection.execute("SELECT max(generation) FROM images").fetchone()
            generation = 0 if last is None else last + 1
            for position, image in enumerate(images):
                row = (
                    generation,
                    position,
                    text(image.name),
                    text(image.class_name),
                    image.digest,
                    image.file_digest,
                    image.source_digest,
                    image.perceptual_hash,
                )
                self._connection.execute(
                    "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, checksum(*row))
                )

    def images(self, *, all_generations: bool = False) -> list[ImageIdentity]:
        """The images in the order of the measurements' arrays, the latest ones; empty where they were not recorded.

        all_generations: also those that were measured before the dataset was changed.
        """
        with explained(self.path):
            found = self._connection.execute("SELECT * FROM images ORDER BY generation, position").fetchall()
            for row in found:
                if checksum(*row[:-1]) != row[-1]:
                    raise DamagedRowError(f"image {row[1]} is not what was written")
            last = max((row[0] for row in found), default=0)
            return [ImageIdentity(*row[2:8]) for row in found if all_generations or row[0] == last]

    def count(self, series: Series) -> int:
        """How many trials of a series are recorded; screened proposals are none."""
        with explained(self.path):
            query = "SELECT count(*) FROM trials WHERE series = ? AND status != 'screened'"
            (count,) = self._connection.execute(query, (series,)).fetchone()
        return int(count)

    def problems(self) -> list[str]:
        """Everything that is not as it was written, a phrase each; empty where all is well."""
        try:
            found = [one_line(problem) for problem in self._problems()]
            if not found:  # row by row all is well; what is left are the columns as a whole
                self.trials("reference")
                self.trials("search")
            return found
        except QSearchError as error:  # nothing more can be read
            return [str(error)]

    def _problems(self) -> Iterator[str]:
        with explained(self.path):
            yield from (line for (line,) in self._connection.execute("PRAGMA integrity_check") if line != "ok")
            for row in self._connection.execute("SELECT * FROM images ORDER BY generation, position").fetchall():
                if checksum(*row[:-1]) != row[-1]:
                    yield f"image {row[1]} of generation {row[0]} is not what was written"
            found = _rows(self._connection, "SELECT * FROM trials ORDER BY series, number", ())
            quantizers = {row[0]: row[1:] for row in self._connection.execute("SELECT * FROM quantizers")}
            query = "SELECT DISTINCT series, number FROM arrays EXCEPT SELECT series, number FROM trials"
            yield from (
                f"arrays of {series} trial {number}, which is not there"
                for series, number in self._connection.execute(query)
            )
        for row in found:
            try:
                with explained(self.path):
                    _check_row(row)
                    self._check_trial(self._trial(row, quantizers))
            except QSearchError as error:
                yield f"{row['series']} trial {row['number']}: {error}"

    def _check_trial(self, trial: Trial) -> None:
        """InputError where a total is not that of the images, or one of the arrays cannot be read."""
        if trial.measurement is None:
            return
        arrays = {name: trial.measurement[name] for name in trial.measurement.measures}
        for name, sums in Measurement(trial.measurement.pixels, arrays).totals().items():
            if not np.array_equal(sums, trial.measurement.totals()[name], equal_nan=True):
                raise InputError(f"the total {name} is not that of its images.")

    def close(self) -> None:
        """Frees the file; nothing is lost without it. Trials read from it go on reading their arrays."""
        if self.path != Path(":memory:"):
            self._arrays.connection = None
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
    with closing(connection.cursor()) as cursor:
        cursor.row_factory = sqlite3.Row
        return cursor.execute(query, values).fetchall()


def _restored(kind: str, digest: str, data: bytes) -> Quantizer:
    try:
        return restore(kind, digest, data)
    except InputError as error:
        raise DamagedRowError(str(error)) from error


def _signed(row: Row) -> list[Any]:
    """What the checksum of a trial covers, but for its totals; the part only where it has one, as before format 3."""
    names = _COLUMNS[: _COLUMNS.index("decision_s" if row["part_images"] or row["part_order"] else "part_images")]
    return [row[name] for name in names]


def _check_row(row: Row) -> None:
    columns = rows.total_columns(rows.measures_of(row["measures"]), row["networks"])
    if checksum(*_signed(row), *(row[column] for column in columns)) != row["checksum"]:
        raise DamagedRowError(f"{row['series']} trial {row['number']} is not what was written")
