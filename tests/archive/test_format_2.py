"""Archives of format 2: a run of it, frozen as it was written, is read, upgraded in a copy and resumed."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.archive.database import FORMAT
from qsearch.archive.store import Archive
from qsearch.disk import PARTIALS, locked
from qsearch.errors import DiskError, InputError
from qsearch.evaluation.measurement import Series, Trial
from qsearch.run.folder import Run
from tests.conftest import Finished

FROZEN = Path(__file__).parents[1] / "data" / "format-2"
WRITTEN: dict[str, dict[str, Any]] = json.loads((FROZEN / "trials.json").read_text())
"""What the version that wrote the archives read in them."""
SERIES: tuple[Series, ...] = ("reference", "search")


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """A copy of the frozen run, called ``old``."""
    shutil.copytree(FROZEN, tmp_path / "runs" / "old")
    return tmp_path / "runs" / "old"


def read(path: Path) -> list[Trial]:
    with Archive.open(path / "trials.sqlite", read_only=True) as archive:
        return [trial for name in SERIES for trial in archive.trials(name)]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path / "trials.sqlite")) as connection:
        return connection.execute(query).fetchall()


def is_as_written(trial: Trial, written: dict[str, Any]) -> bool:
    said = {name: getattr(trial, name) for name in ("series", "number", "status", "strategy", "origin", "reason")}
    said |= {"kind": trial.quantizer.kind, "digest": trial.quantizer.digest}
    arrays = written["arrays"]
    if said != {name: written[name] for name in said} or trial.part is not None:
        return False
    if trial.measurement is None or arrays is None:
        return trial.measurement is None and arrays is None
    same = [np.allclose(trial.measurement[name].ravel(), arrays[name], rtol=1e-8) for name in arrays]
    return all(same) and list(arrays) == list(trial.measurement.measures)


@pytest.mark.parametrize("part", list(WRITTEN))
def test_it_holds_the_same_trials_and_images(frozen: Path, part: str) -> None:
    found, written = read(frozen / part), WRITTEN[part]
    assert len(found) == len(written["trials"])
    assert all(is_as_written(trial, each) for trial, each in zip(found, written["trials"], strict=True))
    with Archive.open(frozen / part / "trials.sqlite") as archive:
        images = archive.images(all_generations=True)
        assert [len(images), len(archive.images())] == written["generations"]
        assert [image.digest for image in images[:3]] == written["digests"]
        assert archive.problems() == []


def test_it_is_replaced_by_one_of_todays_format_with_its_checksums(frozen: Path) -> None:
    checksums = "SELECT series, number, checksum FROM trials ORDER BY series, number"
    arrays = "SELECT * FROM arrays ORDER BY series, number, measure"
    before = rows(frozen, checksums), rows(frozen, arrays)
    assert rows(frozen, "PRAGMA user_version") == [(2,)]
    found = read(frozen)
    assert rows(frozen, "PRAGMA user_version") == [(FORMAT,)]
    assert (rows(frozen, checksums), rows(frozen, arrays)) == before
    assert rows(frozen, "SELECT DISTINCT part_images, part_order FROM trials") == [(0, "")]
    assert read(frozen) == found
    assert not list(frozen.glob(f"{PARTIALS}*"))


def test_todays_statuses_can_be_recorded_in_it_and_no_others(frozen: Path) -> None:
    read(frozen)
    with closing(sqlite3.connect(frozen / "trials.sqlite")) as connection:
        connection.execute("UPDATE trials SET status = 'stopped' WHERE series = 'search' AND number = 1")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE trials SET status = 'paused' WHERE series = 'search' AND number = 1")


def test_damage_done_before_the_upgrade_is_told_after_it(frozen: Path) -> None:
    with sqlite3.connect(frozen / "trials.sqlite") as connection:
        connection.execute("UPDATE trials SET total_bytes = total_bytes + 1 WHERE series = 'search' AND number = 4")
        connection.execute("UPDATE arrays SET data = x'00' WHERE series = 'search' AND number = 5 AND measure = 'loss'")
    connection.close()
    with pytest.raises(InputError, match="search trial 4 is not what was written"):
        read(frozen)
    with Archive.open(frozen / "trials.sqlite") as archive:
        problems = archive.problems()
    assert [problem[:14] for problem in problems] == ["search trial 4", "search trial 5"]


def test_while_another_process_works_with_it_a_copy_is_read(frozen: Path) -> None:
    whole = (frozen / "trials.sqlite").read_bytes()
    with locked(frozen):
        assert len(read(frozen)) == len(WRITTEN["."]["trials"])
    assert (frozen / "trials.sqlite").read_bytes() == whole


def test_an_upgrade_that_fails_leaves_the_old_archive(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (frozen / "trials.sqlite").read_bytes()

    def refuse(path: Path, target: Path) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(DiskError, match="no space"):
            read(frozen)
    assert (frozen / "trials.sqlite").read_bytes() == whole
    assert len(read(frozen)) == len(WRITTEN["."]["trials"])


def test_a_table_of_trials_that_is_none_is_told(frozen: Path) -> None:
    with sqlite3.connect(frozen / "trials.sqlite") as connection:
        connection.execute("DROP TABLE trials")
        connection.execute("CREATE TABLE trials (number INTEGER)")
    connection.close()
    whole = (frozen / "trials.sqlite").read_bytes()
    with pytest.raises(InputError, match="is damaged"):
        read(frozen)
    assert (frozen / "trials.sqlite").read_bytes() == whole


def test_it_is_shown_and_resumed(cli: Callable[..., Finished], frozen: Path) -> None:
    assert "8 of 9 trials done" in cli("show", "old").stdout
    finished = cli("resume", "old", "--trials", "10", "--executor", "serial", "--workers", "1")
    assert finished.status == 0, finished.stderr
    trials = Run.open(frozen).trials()[1]
    written = [each for each in WRITTEN["."]["trials"] if each["series"] == "search"]
    assert all(is_as_written(trial, each) for trial, each in zip(trials, written, strict=False))
    assert trials[-1].status == "done"
    assert len(trials) > len(written)
