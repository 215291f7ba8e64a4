"""Archives of older formats, read: each format's reader stays as it was when the format was today's."""

import sqlite3
import zlib
from collections.abc import Callable

import numpy as np

from qsearch.datasets.base import ImageIdentity
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.tables import QuantTables

Content = tuple[list[ImageIdentity], list[Trial]]


def read_format_1(connection: sqlite3.Connection) -> Content:
    """Format 1: a row per trial with its tables, sizes, ranks and PSNR; no checksums."""
    query = "SELECT name, class, digest FROM images ORDER BY position"
    images = [ImageIdentity(*row) for row in connection.execute(query)]
    query = (
        "SELECT series, number, strategy, origin, tables, status, reason, images, pixels, size_bytes, ranks, psnr_db, "
        "decision_s, evaluation_s FROM trials ORDER BY series, number"
    )
    trials = []
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
        trials.append(
            Trial(
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
        )
    return images, trials


READERS: dict[int, Callable[[sqlite3.Connection], Content]] = {1: read_format_1}
"""The readers by format."""
