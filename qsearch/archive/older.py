"""Archives of older formats: the first is read and written anew, the others are changed step by step in a copy.

A reader, and a step, stays as it was when it led to the format that was today's.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from qsearch.datasets.base import ImageIdentity
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.tables import QuantTables

Content = tuple[list[ImageIdentity], Iterator[Trial]]
"""The images, and the trials one after the other, as the connection reads them."""


def read_format_1(connection: sqlite3.Connection) -> Content:
    """Format 1: a row per trial with its tables, sizes, ranks and PSNR; no checksums."""
    query = "SELECT name, class, digest FROM images ORDER BY position"
    return [ImageIdentity(*row) for row in connection.execute(query)], _trials_of_format_1(connection)


def _trials_of_format_1(connection: sqlite3.Connection) -> Iterator[Trial]:
    query = (
        "SELECT series, number, strategy, origin, tables, status, reason, images, pixels, size_bytes, ranks, psnr_db, "
        "decision_s, evaluation_s FROM trials ORDER BY series, number"
    )
    for row in connection.execute(query):
        series, number, strategy, origin, tables, status, reason, count, pixels, size_bytes, ranks, psnr_db = row[:12]
        measurement = None
        if status == "done":
            measurement = Measurement.of(
                np.frombuffer(zlib.decompress(size_bytes), "<i4"),
                np.frombuffer(zlib.decompress(ranks), "<i4").reshape(-1, count),
                pixels,
                None if psnr_db is None else np.frombuffer(zlib.decompress(psnr_db), "<f8"),
            )
        yield Trial(
            series=series,
            number=number,
            strategy=strategy,
            quantizer=QuantTables.from_bytes(tables),
            status=status,
            measurement=measurement,
            reason=reason,
            origin=origin,
            decision_s=row[12],
            evaluation_s=row[13],
        )


def to_format_3(connection: sqlite3.Connection) -> None:
    """From format 2: trials may be stopped, after a part of the images. Checksums and arrays stay what they were."""
    (schema,) = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'trials'").fetchone()
    before, statuses, after = schema.partition("'done', 'failed', 'screened'")
    if not statuses:
        raise ValueError("trials have other statuses than this format knows")
    connection.execute("ALTER TABLE trials RENAME TO trials_of_format_2")
    connection.execute(f"{before}{statuses}, 'stopped'{after}")  # a table's conditions cannot be changed in place
    connection.execute("INSERT INTO trials SELECT * FROM trials_of_format_2")
    connection.execute("DROP TABLE trials_of_format_2")
    connection.execute("ALTER TABLE trials ADD COLUMN part_images INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE trials ADD COLUMN part_order TEXT NOT NULL DEFAULT ''")


READERS: dict[int, Callable[[sqlite3.Connection], Content]] = {1: read_format_1}
"""The readers by format."""
STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {2: to_format_3}
"""The steps by the format that they lead from, each to the next one."""
