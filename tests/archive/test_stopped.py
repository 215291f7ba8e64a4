"""Trials that a race stopped: kept with the part that they saw, completed in one transaction, and checked."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qsearch.archive.store import Archive
from qsearch.errors import InputError, QSearchError
from qsearch.evaluation.measurement import Part, Trial
from tests.archive.test_store import done, failed

PART = Part(12, "ab" * 32)
SEEN = np.arange(0, 24, 2)


def stopped(number: int = 4) -> Trial:
    """The trial ``number`` as it stands after 12 of its 30 images."""
    whole = done(number).measurement
    assert whole is not None
    return done(number, status="stopped", measurement=whole.at(SEEN), part=PART, reason="stopped after 12 of 30 images")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive of a done, a stopped and a failed trial."""
    with Archive.create(tmp_path / "trials.sqlite") as archive:
        archive.add_all([done(3), stopped(4), failed(5)])
    return tmp_path / "trials.sqlite"


def read(path: Path) -> list[Trial]:
    with Archive.open(path, read_only=True) as archive:
        found = list(archive.trials("search"))
        for trial in found:
            for name in () if trial.measurement is None else trial.measurement.measures:
                assert trial.measurement is not None
                _ = trial.measurement[name]
        return found


def test_it_is_read_back_with_its_part(path: Path) -> None:
    assert read(path) == [done(3), stopped(4), failed(5)]
    with Archive.open(path, read_only=True) as archive:
        search = archive.trials("search")
        assert search.columns.images.tolist() == [30, 12, 0]
        assert [trial.number for trial in search.done()] == [3]
        assert [search.count(status) for status in ("done", "stopped", "failed", "screened")] == [1, 1, 1, 0]
        assert search.saved == pytest.approx(1 - 42 / 60)
        assert archive.count("search") == 3
        assert archive.problems() == []


def test_completed_it_is_done_and_says_where_it_was_stopped(path: Path) -> None:
    whole = done(4).measurement
    assert whole is not None
    with Archive.open(path) as archive:
        found = archive.complete(archive.trials("search")[1], whole, 2.5)
        expected = replace(stopped(4), status="done", measurement=whole, reason=f"{stopped(4).reason}; completed later")
        assert found == expected
        assert found.evaluation_s == 1.5 + 2.5
        assert archive.problems() == []
    assert read(path) == [done(3), expected, failed(5)]


@pytest.mark.parametrize("number", [3, 5])
def test_what_was_not_stopped_is_not_completed(path: Path, number: int) -> None:
    whole = done(number).measurement
    assert whole is not None
    with Archive.open(path) as archive:
        trial = next(trial for trial in archive.trials("search") if trial.number == number)
        with pytest.raises(InputError, match=rf"trial {number} is {trial.status}"):
            archive.complete(trial, whole, 1)
    assert read(path) == [done(3), stopped(4), failed(5)]


def test_it_is_not_completed_by_less_than_it_has(path: Path) -> None:
    whole = done(4).measurement
    assert whole is not None
    with Archive.open(path) as archive:
        trial = archive.trials("search")[1]
        for other in (whole.at(np.arange(12)), whole.only(["bytes", "rank"])):
            with pytest.raises(InputError, match="trial 4 is not completed by"):
                archive.complete(trial, other, 1)
    assert read(path) == [done(3), stopped(4), failed(5)]


@pytest.mark.parametrize(
    "change",
    [
        "part_images = 13 WHERE number = 4",
        "part_images = 0 WHERE number = 4",
        "part_order = 'cd' WHERE number = 4",
        "part_images = 12 WHERE number = 3",
        "part_order = 'ab' WHERE number = 3",
        "status = 'done' WHERE number = 4",
        "status = 'stopped' WHERE number = 3",
        "images = 30 WHERE number = 4",
    ],
)
def test_a_part_that_is_not_what_was_written_is_told(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(f"UPDATE trials SET {change}").rowcount == 1
    number = change[-1]
    with pytest.raises(QSearchError, match=f"search trial {number} is not what was written"):
        read(path)
    with Archive.open(path) as archive:
        assert len(archive.problems()) == 1


def test_a_stopped_trial_has_seen_its_part() -> None:
    with pytest.raises(InputError, match="trial 4 is stopped"):
        replace(stopped(), part=None)
    with pytest.raises(InputError, match="trial 4 is stopped"):
        replace(stopped(), part=Part(13, PART.order))
    with pytest.raises(InputError, match="trial 1 is failed: only races"):
        replace(failed(), part=PART)
