"""Whatever statement of an archive fails, and whenever the process dies, what is recorded is whole and can go on."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qsearch.archive.store import Archive
from qsearch.evaluation.measurement import Trial
from tests.archive.test_stopped import stopped
from tests.archive.test_store import done, failed, read, read_whole
from tests.faults import Fault, every_fault

TRIALS = (done(0), failed(1), done(2))


def new_archive(folder: Path) -> None:
    Archive.create(folder / "trials.sqlite").close()


def record(folder: Path) -> None:
    """All of the trials that are not recorded yet, as a search that is resumed."""
    with Archive.open(folder / "trials.sqlite") as archive:
        for trial in TRIALS[archive.count("search") :]:
            archive.add(trial)


def recorded(folder: Path) -> list[Trial]:
    with Archive.open(folder / "trials.sqlite", read_only=True) as archive:
        return read_whole(archive.trials("search"))


FAULTS = every_fault(record, prepare=new_archive)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_loses_no_trial_and_the_next_call_ends_as_if_it_never_was(tmp_path: Path, fault: Fault) -> None:
    new_archive(tmp_path)
    fault.strike(lambda: record(tmp_path))
    kept = recorded(tmp_path)
    assert kept == list(TRIALS[: len(kept)])
    record(tmp_path)
    assert recorded(tmp_path) == list(TRIALS)


def without_psnr(trial: Trial) -> Trial:
    assert trial.measurement is not None
    return replace(trial, measurement=trial.measurement.only(["bytes", "rank"]))


UNFINISHED = (without_psnr(done(0)), failed(1), stopped(4))


def unfinished_archive(folder: Path) -> None:
    with Archive.create(folder / "trials.sqlite") as archive:
        archive.add_all(UNFINISHED)


def finish(folder: Path) -> None:
    """A measure added, a failure retried, a trial that a race had stopped completed, as far as they are not yet."""
    with Archive.open(folder / "trials.sqlite") as archive:
        first, second, third = archive.trials("search")
        if first.measurement is not None and "psnr" not in first.measurement.measures:
            whole = done(0).measurement
            assert whole is not None
            archive.add_measure(first, "psnr", whole["psnr"])
        if second.status == "failed":
            archive.add(done(1), retried=True)
        if third.status == "stopped":
            whole = done(4).measurement
            assert whole is not None
            archive.complete(third, whole, 1.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    folder = tmp_path_factory.mktemp("finished")
    unfinished_archive(folder)
    finish(folder)
    return recorded(folder)


CHANGES = every_fault(finish, prepare=unfinished_archive)


@pytest.mark.parametrize("fault", CHANGES, ids=str)
def test_a_fault_leaves_each_trial_as_it_was_or_as_it_is_to_be(
    tmp_path: Path, fault: Fault, finished: list[Trial]
) -> None:
    unfinished_archive(tmp_path)
    before = recorded(tmp_path)
    assert [trial.status for trial in finished] == ["done"] * 3
    fault.strike(lambda: finish(tmp_path))
    for trial, old, new in zip(recorded(tmp_path), before, finished, strict=True):
        assert trial in (old, new)
    finish(tmp_path)
    assert recorded(tmp_path) == finished
    with Archive.open(tmp_path / "trials.sqlite", read_only=True) as archive:
        assert archive.problems() == []


OLDER = Path(__file__).parents[1] / "data" / "format-2"


def older_archive(folder: Path) -> None:
    shutil.copytree(OLDER, folder / "run")


def upgrade(folder: Path) -> None:
    Archive.open(folder / "run" / "trials.sqlite").close()


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    folder = tmp_path_factory.mktemp("upgraded")
    older_archive(folder)
    return read(folder / "run" / "trials.sqlite")


UPGRADES = every_fault(upgrade, prepare=older_archive)


@pytest.mark.parametrize("fault", UPGRADES, ids=str)
def test_a_fault_in_an_upgrade_leaves_an_archive_that_can_be_read(
    tmp_path: Path, fault: Fault, upgraded: list[Trial]
) -> None:
    older_archive(tmp_path)
    there = {path.name for path in (tmp_path / "run").iterdir()} | {"lock", "trials.sqlite-wal", "trials.sqlite-shm"}
    fault.strike(lambda: upgrade(tmp_path))
    assert read(tmp_path / "run" / "trials.sqlite") == upgraded
    assert {path.name for path in (tmp_path / "run").iterdir()} <= there
