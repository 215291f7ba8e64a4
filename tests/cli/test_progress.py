"""Progress: what is said of how far work is, on a terminal and elsewhere."""

import sys
from pathlib import Path

import pytest

from qsearch.cli.progress import Progress, SearchProgress
from qsearch.evaluation.measurement import Trial
from qsearch.run.folder import Run
from qsearch.tables import QuantTables


def test_a_reason_with_brackets_is_no_markup(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trial = Trial("search", 9, "s", QuantTables.standard(50), "failed", reason="ValueError: [/red] [bold]x[/bold]")
    with SearchProgress(Run.open(demo), 10) as progress:
        progress(trial)
    assert "trial 9 failed: ValueError: [/red] [bold]x[/bold]" in capsys.readouterr().err


def test_a_file_gets_the_beginning_and_the_end_of_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        for done in range(1, 101):
            progress("encoding", done, 100, "" if done < 100 else "3 kept")
        progress("unpacking", 0, 0)
        progress("unpacking", 7, 0)
    first, last, unknown = capsys.readouterr().err.splitlines()
    assert first == "encoding: 1 of 100"
    assert last == "encoding: 100 of 100, 3 kept"
    assert unknown == "unpacking ..."


def test_a_search_says_what_is_counted(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.open(demo)
    with SearchProgress(run, 60):
        pass
    standard = len(run.settings.search.qualities)
    said = capsys.readouterr().err
    recorded = sum(len(trials) for trials in run.trials())
    assert f"tables to measure: 1 uncompressed + {standard} standard + 60 trials" in said
    assert f"tables: {recorded} of {61 + standard}" in said
