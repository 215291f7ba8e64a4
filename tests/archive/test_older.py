"""Archives of older formats: a run of format 1, frozen as it was written, is read, upgraded and resumed."""

import json
import os
import shutil
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.archive.database import FORMAT
from qsearch.archive.store import Archive
from qsearch.disk import PARTIALS, locked, partial_path
from qsearch.errors import DiskError, InputError
from qsearch.evaluation.measurement import Series, Trial
from qsearch.run.folder import Run
from tests.conftest import Command, Finished

FROZEN = Path(__file__).parents[1] / "data" / "format-1"
WRITTEN: dict[str, list[dict[str, Any]]] = json.loads((FROZEN / "trials.json").read_text())
"""What the version that wrote the archives read in them."""


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """A copy of the frozen run, called ``old``."""
    shutil.copytree(FROZEN, tmp_path / "runs" / "old")
    return tmp_path / "runs" / "old"


def read(path: Path) -> list[Trial]:
    series: tuple[Series, ...] = ("reference", "search")
    with Archive.open(path / "trials.sqlite", read_only=True) as archive:
        return [trial for name in series for trial in archive.trials(name)]


def is_as_written(trial: Trial, written: dict[str, Any]) -> bool:
    same = (trial.series, trial.number, trial.status, trial.strategy, trial.origin, trial.reason) == tuple(
        written[name] for name in ("series", "number", "status", "strategy", "origin", "reason")
    )
    if not same or trial.tables.digest != written["digest"] or trial.measurement is None:
        return same and trial.tables.digest == written["digest"] and written["bytes"] is None
    psnr_db = trial.measurement.psnr_db
    if psnr_db is None or written["psnr"] is None:
        same = psnr_db is None and written["psnr"] is None
    else:
        same = np.allclose(psnr_db, written["psnr"], rtol=1e-6)
    return (
        same
        and trial.measurement.size_bytes.tolist() == written["bytes"]
        and trial.measurement.ranks.tolist() == written["rank"]
    )


@pytest.mark.parametrize("part", list(WRITTEN))
def test_it_holds_the_same_bytes_and_ranks_trial_by_trial(frozen: Path, part: str) -> None:
    found = read(frozen / part)
    assert len(found) == len(WRITTEN[part])
    assert all(is_as_written(trial, written) for trial, written in zip(found, WRITTEN[part], strict=True))


def test_it_is_replaced_by_one_of_todays_format(frozen: Path) -> None:
    before = read(frozen)
    connection = sqlite3.connect(frozen / "trials.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    connection.close()
    assert read(frozen) == before
    assert not [path.name for path in frozen.iterdir() if "partial" in path.name]
    with Archive.open(frozen / "trials.sqlite") as archive:
        assert archive.problems() == []


def test_while_another_process_works_with_it_a_copy_is_read(frozen: Path) -> None:
    whole = (frozen / "trials.sqlite").read_bytes()
    with locked(frozen):
        assert all(is_as_written(trial, written) for trial, written in zip(read(frozen), WRITTEN["."], strict=True))
    assert (frozen / "trials.sqlite").read_bytes() == whole


def test_that_copy_goes_when_the_process_ends(qsearch: Command, frozen: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with locked(frozen):
        shown = qsearch("trials", "old", "--json", env={"TMPDIR": str(temporary)})
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)) == len(WRITTEN["."])
    assert not list(temporary.iterdir())


def test_what_an_interrupted_upgrade_left_is_taken_away(frozen: Path) -> None:
    partial_path(frozen / "trials.sqlite").write_bytes(b"half")
    (frozen / f"{partial_path(frozen / 'trials.sqlite').name}-wal").write_bytes(b"half")
    assert len(read(frozen)) == len(WRITTEN["."])
    assert not list(frozen.glob(f"{PARTIALS}*"))


def test_an_upgrade_that_fails_leaves_the_old_archive(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (frozen / "trials.sqlite").read_bytes()

    def refuse(path: Path, target: Path) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(DiskError, match="no space"):
            read(frozen)
    assert (frozen / "trials.sqlite").read_bytes() == whole
    assert len(read(frozen)) == len(WRITTEN["."])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_in_a_folder_that_cannot_be_written_a_copy_is_read(frozen: Path) -> None:
    frozen.chmod(0o555)
    assert len(read(frozen)) == len(WRITTEN["."])


def test_damage_in_the_midst_is_told_of_the_old_archive_and_leaves_nothing_else(frozen: Path) -> None:
    path = frozen / "trials.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trials SET ranks = x'00' WHERE series = 'search' AND status = 'done'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"{path} is damaged"):
        Archive.open(path)
    assert path.read_bytes() == before
    assert not list(frozen.glob(f"{PARTIALS}*"))


def test_old_trials_are_read_one_by_one(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of many is rewritten in the memory of few."""
    alive, most = 0, 0
    insert = Archive._insert

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def counted(self: Archive, trial: Trial) -> None:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        weakref.finalize(trial, gone)
        insert(self, trial)

    monkeypatch.setattr(Archive, "_insert", counted)
    assert len(read(frozen)) > 10
    assert 1 <= most <= 2


def test_a_format_that_never_was_is_refused(frozen: Path) -> None:
    connection = sqlite3.connect(frozen / "trials.sqlite")
    connection.execute("PRAGMA user_version = 0")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="has format 0, which no qsearch wrote"):
        read(frozen)


def test_its_settings_are_read_as_they_were_meant(frozen: Path) -> None:
    run = Run.open(frozen)
    assert run.settings.measures == ("psnr",)
    assert run.settings.codec.subsampling == "4:2:0"
    assert [each.spec for each in run.settings.classifiers] == ["fake:fail=11", "fake"]


def test_every_command_reads_it_and_it_is_resumed(cli: Callable[..., Finished], frozen: Path) -> None:
    done = sum(each["series"] == "search" and each["status"] == "done" for each in WRITTEN["."])
    assert f"{done} of 12 trials done" in cli("show", "old").stdout
    assert cli("trials", "old", "--json").status == 0
    finished = cli("resume", "old", "--trials", "14", "--executor", "serial", "--workers", "1")
    assert finished.status == 0, finished.stderr
    trials = list(Run.open(frozen).trials()[1])
    assert len(trials) == 14
    assert is_as_written(
        trials[3], next(each for each in WRITTEN["."] if (each["series"], each["number"]) == ("search", 3))
    )
    measurement = trials[-1].measurement
    assert measurement is not None
    assert set(measurement.measures) == {"bytes", "rank", "loss", "divergence", "psnr"}
