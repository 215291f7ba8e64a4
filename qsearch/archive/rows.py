"""Rows: how measurements become columns and blobs of an archive and back, with a checksum for each row."""

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from qsearch.evaluation.measures import MEASURES, Array, Floats
from qsearch.evaluation.trials import Columns, objects

LARGEST_ARRAY_BYTES = 1 << 31
"""No array of an archive is larger: what claims to be is damaged, and would fill the memory."""

MOST_NETWORKS = 1000
"""SQLite has no more than 2,000 columns; more networks than this fill the memory with their names."""


Row = Mapping[str, Any] | sqlite3.Row
"""A trial by its columns; SQLite's own rows take less memory than dictionaries, and there may be very many."""


class DamagedRowError(ValueError):
    """A row does not hold what was written."""


def text(value: str) -> str:
    """``value`` as UTF-8 can hold it: bytes of file names that are none are written as escapes."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def pack(measure: str, values: Array) -> bytes:
    """The array of a measure, compressed."""
    return zlib.compress(np.ascontiguousarray(values, dtype=MEASURES.get(measure).dtype).tobytes(), level=1)


def unpack(measure: str, dtype: str, data: bytes, images: int, networks: int, per_network: bool) -> Array:
    """The array [N] or [K, N] of a measure. DamagedRowError where it has another length."""
    shape = (networks, images) if per_network else (images,)
    expected = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if expected > LARGEST_ARRAY_BYTES:
        raise DamagedRowError(f"{measure} claims {expected} bytes")
    stream = zlib.decompressobj()
    raw = stream.decompress(data, expected + 1)
    if len(raw) != expected or not stream.eof:
        raise DamagedRowError(f"{measure} has not the length of {images} images")
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def checksum(*values: int | float | str | bytes | None) -> int:
    """CRC-32 of the values of a row, written out in ASCII: the same under every version of Python."""
    return zlib.crc32(ascii(values).encode("ascii"))


@lru_cache(maxsize=64)
def total_columns(measures: tuple[str, ...], networks: int) -> tuple[str, ...]:
    """The columns that hold the totals of ``measures``: ``total_bytes``, and per network ``loss_0``, ``loss_1``, ...

    DamagedRowError for a number of networks that no archive holds.
    """
    if not isinstance(networks, int) or not 0 <= networks <= MOST_NETWORKS:
        raise DamagedRowError(f"{networks!r} networks are claimed")
    columns: list[str] = []
    for name in measures:
        measure = MEASURES.get(name)
        for total in measure.totals:
            columns += [f"{total.name}_{row}" for row in range(networks)] if measure.per_network else [total.name]
    return tuple(columns)


def totals_row(totals: Mapping[str, Floats], measures: Sequence[str]) -> list[float]:
    """The numbers of :func:`total_columns`."""
    return [float(value) for name in measures for total in MEASURES.get(name).totals for value in totals[total.name]]


def totals_of(row: Row, measures: Sequence[str], networks: int) -> dict[str, Floats]:
    """The totals by name, from a row of :func:`total_columns`."""
    found: dict[str, Floats] = {}
    for name in measures:
        measure = MEASURES.get(name)
        for total in measure.totals:
            columns = [f"{total.name}_{each}" for each in range(networks)] if measure.per_network else [total.name]
            found[total.name] = np.array([row[column] for column in columns], dtype=np.float64)
    return found


@lru_cache(maxsize=64)
def measures_of(names: str) -> tuple[str, ...]:
    """The measures that a row names. DamagedRowError where no installed package declares one of them."""
    measures = tuple(names.split())
    for name in measures:
        if name not in MEASURES:
            raise DamagedRowError(f"no installed package declares the measure {name!r}")
    return measures


def columns_of(found: Sequence[Row], quantizers: dict[int, tuple[str, str, bytes]]) -> Columns:
    """The rows ``found`` of trials as columns; ``quantizers`` are (kind, digest, data) by their row."""
    totals: dict[str, Any] = {}
    kinds = {(row["measures"], row["networks"]) for row in found}
    names: dict[str, int | None] = {}
    for measures, networks in kinds:
        for measure in measures.split():
            for total in MEASURES.get(measure).totals:
                names[total.name] = networks if MEASURES.get(measure).per_network else None
    for name, networks in names.items():
        columns = [name] if networks is None else [f"{name}_{each}" for each in range(networks)]
        rows_of_name = [[row[column] for column in columns] for row in found]
        totals[name] = np.array(rows_of_name, dtype=np.float64).reshape(len(found), len(columns))
    return Columns(
        numbers=np.array([row["number"] for row in found], dtype=np.int64),
        statuses=np.array([row["status"] for row in found], dtype=np.str_),
        origins=objects([row["origin"] for row in found]),
        quantizers=objects([quantizers[row["quantizer"]][1] for row in found]),
        images=np.array([row["images"] for row in found], dtype=np.int64),
        pixels=np.array([row["pixels"] for row in found], dtype=np.int64),
        totals=totals,
    )
