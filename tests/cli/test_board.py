"""``qsearch board``: where it writes, how it ends, and what it refuses."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from qsearch.run.settings import CodecSettings
from tests.conftest import FAKE, Command
from tests.made_up_runs import make_run


def test_of_a_run_that_has_ended_it_makes_the_page_and_ends(tmp_path: Path, succeed: Callable[..., str]) -> None:
    succeed("run", "--name", "demo", "--trials", "2", *FAKE)
    said = succeed("board", "demo")
    page = tmp_path / "runs" / "demo" / "board.html"
    assert said == f"open {page.as_uri()}\nall trials are done.\n"
    assert page.is_file()
    assert page.with_name("board-data.js").read_text(encoding="utf-8").startswith("showBoard(")


def test_ctrl_c_ends_watching_and_is_no_failure(tmp_path: Path, qsearch: Command) -> None:
    make_run(tmp_path / "runs" / "demo")
    process = qsearch.start("board", "demo", "--out", "watch.html")
    assert process.stdout is not None
    assert process.stdout.readline() == f"open {(tmp_path / 'watch.html').as_uri()}\n"
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stderr == "no longer watched; the search is not touched.\n"
    assert '"watching":false' in (tmp_path / "watch-data.js").read_text(encoding="utf-8")


def test_runs_measured_otherwise_share_no_board(tmp_path: Path, qsearch: Command) -> None:
    make_run(tmp_path / "runs" / "one")
    make_run(tmp_path / "runs" / "two", codec=CodecSettings(subsampling="4:4:4"))
    refused = qsearch("board", "one", "two")
    assert refused.returncode == 2
    assert "cannot be compared" in refused.stderr
    assert not list(tmp_path.rglob("*.html"))
