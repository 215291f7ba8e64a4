"""Progress on a terminal: what a failed trial says is shown as it is."""

import sys
from pathlib import Path

import pytest

from qsearch.cli.progress import SearchProgress
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
