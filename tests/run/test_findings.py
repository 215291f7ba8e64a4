"""What a run found and what its validations say: which tables are picked, validated and counted."""

import sqlite3
from pathlib import Path

import pytest

from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.results import of_network
from qsearch.archive.database import open_checked
from qsearch.errors import InputError
from qsearch.run.findings import found_by, picks_of, tables_to_validate
from qsearch.run.folder import Run
from tests.made_up_runs import done, make_run, tables


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Its frontier is 0, 1, 3, 5 at ratios 10, 18, 22, 30; quality 50 has ratio 20 and 70 %."""
    return Run.open(make_run(tmp_path / "demo"))


def test_arrays_of_one_network_s_gains_are_read_through_one_connection_to_each_series(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = of_network(run.results(), 0, "one")
    opened: list[Path] = []

    def opening(path: Path, read_only: bool) -> sqlite3.Connection:
        opened.append(path)
        return open_checked(path, read_only)

    monkeypatch.setattr("qsearch.archive.store.open_checked", opening)
    bootstrap_gains(results, results.done[0], resamples=10)
    assert 1 <= len(opened) <= 2


def test_the_frontier_is_validated_by_default(run: Run) -> None:
    assert tables_to_validate(run.results()) == {str(number): tables(number) for number in (0, 1, 3, 5)}


@pytest.mark.parametrize(
    ("top", "ratio", "labels"),
    [(1, None, {"1", "3"}), (1, 29.0, {"5", "3"}), (2, 12.0, {"0", "1", "3"}), (9, None, {"0", "1", "3", "5"})],
)
def test_the_nearest_tables_and_the_picks_in_any_case(
    run: Run, top: int, ratio: float | None, labels: set[str]
) -> None:
    """Trial 3 is both picks: the best at ratio 20 and more, and the smallest of 70 % and more."""
    picks = picks_of(run, run.results())
    assert (picks.at_ratio, picks.at_accuracy) == ("3", "3")
    assert set(tables_to_validate(run.results(), top, ratio)) == labels


def test_what_cannot_be_validated_is_told(tmp_path: Path) -> None:
    empty = Run.open(make_run(tmp_path / "empty", []))
    with pytest.raises(InputError, match="no frontier yet"):
        tables_to_validate(empty.results())


def test_nothing_is_estimated_of_a_run_without_trials_or_of_one_table(tmp_path: Path) -> None:
    found = found_by(Run.open(make_run(tmp_path / "empty", [])))
    assert (found.at_ratio, found.at_accuracy, found.uncompressed_top1) == (None, None, None)
    assert found.summary.standard is not None
    assert found.summary.standard.top1 == 0.70
    worse = found_by(Run.open(make_run(tmp_path / "worse", [done(0, 12, 0.5)])))
    assert (worse.at_ratio, worse.at_accuracy) == (None, None)
