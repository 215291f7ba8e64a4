"""Rows of an archive, spoilt in any column: told in one sentence, or without effect on what is read."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.archive.store import Archive
from qsearch.datasets.base import ImageIdentity
from qsearch.errors import QSearchError
from qsearch.evaluation.measurement import Measurement, Part, Trial
from qsearch.quantizer import UNCOMPRESSED, RecordedQuantizer
from qsearch.tables import QuantTables

TABLES = ("trials", "arrays", "quantizers", "images", "measures")
VALUES = st.one_of(
    st.none(),
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**53, -(2**63), 2**63 - 1]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        [
            "done",
            "failed",
            "screened",
            "stopped",
            "search",
            "reference",
            "bytes",
            "bytes rank",
            "tables",
            "<i4",
            "<f8",
            "O",
        ]
    ),
    st.binary(max_size=200),
)


def written() -> tuple[list[Trial], list[ImageIdentity]]:
    measured = Measurement.of([300, 400, 500], [[0, 1, 2], [0, 0, 7]], 64, [30.0, 31.0, np.inf])
    tables = [QuantTables.standard(quality) for quality in (10, 50)]
    return [
        Trial("reference", 0, "uncompressed", UNCOMPRESSED, "done", measured),
        Trial("reference", 50, "standard", tables[1], "done", measured),
        Trial("search", 0, "x", tables[0], "done", measured, decision_s=0.5, proposed=tables[1]),
        Trial("search", 1, "x", tables[1], "failed", reason="as planned"),
        Trial("search", 2, "x", tables[1], "stopped", measured.at(np.array([0, 2])), part=Part(2, "ab")),
    ], [ImageIdentity(f"{index}.png", "cat", f"{index:064x}") for index in range(3)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "trials.sqlite"
    trials, images = written()
    with Archive.create(path, images) as archive:
        archive.add_all(trials)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return path


def read(path: Path) -> Iterator[Any]:
    """All that an archive says, times aside."""
    with Archive.open(path, read_only=True) as archive:
        for series in ("reference", "search"):
            for trial in archive.trials(series):
                assert isinstance(trial.decision_s, float)
                assert isinstance(trial.evaluation_s, float)
                yield trial
                if trial.measurement is not None:
                    yield trial.measurement.totals()
                    yield {name: trial.measurement[name] for name in trial.measurement.measures}
        yield archive.images(all_generations=True)


def test_unspoilt_it_is_what_was_written(sound: Path) -> None:
    trials, images = written()
    found = list(read(sound))
    assert [one for one in found if isinstance(one, Trial)] == trials
    assert found[-1] == images


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_column_of_any_row(sound: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "trials.sqlite"
    shutil.copy(sound, path)
    table = data.draw(st.sampled_from(TABLES))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = data.draw(st.sampled_from(columns))
        rows = [row[0] for row in connection.execute(f"SELECT rowid FROM {table}")]
        try:
            change = f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?'
            connection.execute(change, (data.draw(VALUES), data.draw(st.sampled_from(rows))))
        except sqlite3.Error:  # SQLite itself refuses: nothing is spoilt
            return
    try:
        found = list(read(path))
    except QSearchError as error:
        told = str(error)
        with Archive.open(path, read_only=True) as archive:
            assert archive.problems()
        assert "\n" not in told
        return
    for one in found:
        # Of quantizers that it cannot rebuild an archive has nothing to check kind and content by.
        if isinstance(one, Trial) and isinstance(one.quantizer, RecordedQuantizer):
            with pytest.raises(QSearchError, match="has no one set of tables"):
                _ = one.tables
            return
    assert [_comparable(one) for one in found] == [_comparable(one) for one in read(sound)]


def _comparable(one: Any) -> Any:
    return {name: sums.tolist() for name, sums in one.items()} if isinstance(one, dict) else one
