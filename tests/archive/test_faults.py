"""Whatever statement of an archive fails, and whenever the process dies, what is recorded is whole and can go on."""

from pathlib import Path

import pytest

from qsearch.archive.store import Archive
from qsearch.evaluation.measurement import Trial
from tests.archive.test_store import done, failed, read_whole
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
