"""The board: what it writes while runs go on, and in a real browser what stays as it was when trials are added."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from qsearch.archive.store import Archive
from qsearch.errors import InputError
from qsearch.evaluation.measurement import UNCOMPRESSED_NUMBER, Trial
from qsearch.report.board import Board
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE, Run
from qsearch.run.settings import load_settings, save_settings
from tests.made_up_runs import REFERENCE, done, failed, make_run, measurement, tables

UNCOMPRESSED = Trial("reference", UNCOMPRESSED_NUMBER, "uncompressed", tables(0), "done", measurement(1, 0.95))
FIRST = (done(0, 10, 0.90), done(1, 21, 0.72))
BETTER, LAST = done(2, 21.5, 0.75), failed(3)
SETTINGS: dict[str, Any] = {"qualities": (50, 75), "trials": 4}
EVERY_S = 3600.0
"""The page reads again when it is told to, in these tests."""


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def going(path: Path) -> Run:
    """A run at ``path`` of which two of four trials are done."""
    return Run.open(make_run(path, FIRST, reference=(UNCOMPRESSED, *REFERENCE), **SETTINGS))


def add(run: Run, trial: Trial) -> None:
    with Archive.open(run.path / ARCHIVE_FILE) as archive:
        archive.add(trial)


def read(board: Board) -> dict[str, Any]:
    text = board.script.read_text(encoding="utf-8")
    assert text.startswith("showBoard(")
    data: dict[str, Any] = json.loads(text.removeprefix("showBoard(").removesuffix(");\n"))
    return data


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return going(tmp_path / "demo")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(run: Run, tmp_path: Path, clock: Clock) -> Board:
    board = Board([run], tmp_path / "board.html", EVERY_S, clock)
    assert not board.refresh()
    return board


def test_it_writes_when_trials_were_added_and_only_then(board: Board, run: Run, clock: Clock) -> None:
    before = read(board)
    clock.now += 10
    assert not board.refresh()
    assert read(board) == before
    add(run, BETTER)
    assert not board.refresh()
    after = read(board)
    assert after["written_at_s"] == pytest.approx(clock.now)
    assert [before["runs"][0]["done"], after["runs"][0]["done"]] == [5, 6]
    assert len(after["charts"]["frontier"]["series"][0]["points"]) == 3


def test_speed_and_time_left_are_those_of_what_it_watched(board: Board, run: Run, clock: Clock) -> None:
    (row,) = read(board)["runs"]
    assert (row["done"], row["total"], row["per_s"], row["left_s"]) == (5, 7, None, None)
    clock.now += 20
    add(run, BETTER)
    board.refresh()
    (row,) = read(board)["runs"]
    assert (row["per_s"], row["left_s"]) == (pytest.approx(0.05, rel=1e-3), pytest.approx(20.0, rel=1e-3))


def test_the_best_so_far_is_told_without_intervals(board: Board, run: Run) -> None:
    assert "trial 1: ratio 21.00, top-1 72.00" in read(board)["runs"][0]["best"]
    add(run, BETTER)
    board.refresh()
    (row,) = read(board)["runs"]
    assert "trial 2: ratio 21.50, top-1 75.00" in row["best"]
    assert row["frontier"] == 2
    names = [name for name, _ in read(board)["cards"]["demo/2"]["sections"][0]["rows"]]
    assert "ratio" in names
    assert not any("gain" in name for name in names)


def test_it_tells_of_the_quality_that_the_run_is_looked_at(run: Run, tmp_path: Path, clock: Clock) -> None:
    board = Board([run.looked_at(75)], tmp_path / "board.html", EVERY_S, clock)
    board.refresh()
    assert "standard quality 75" in board.path.read_text(encoding="utf-8")
    assert "trial 1: ratio 21.00" in read(board)["runs"][0]["best"]
    add(run, done(2, 16, 0.85))
    board.refresh()
    assert "trial 2: ratio 16.00" in read(board)["runs"][0]["best"]


def test_it_ends_when_all_runs_have(board: Board, run: Run) -> None:
    add(run, BETTER)
    assert not board.refresh()
    add(run, LAST)
    assert board.refresh()
    assert read(board)["runs"][0]["counts"] == "3 trials, 1 failed"


def test_a_run_that_goes_on_to_more_trials_has_more_to_do(board: Board, run: Run) -> None:
    settings = load_settings(run.path / SETTINGS_FILE)
    more = msgspec.structs.replace(settings.search, trials=40)
    save_settings(msgspec.structs.replace(settings, search=more), run.path / SETTINGS_FILE)
    board.refresh()
    assert read(board)["runs"][0]["total"] == 43


def test_a_run_that_has_just_begun_is_followed_too(tmp_path: Path, clock: Clock) -> None:
    begun = Run.open(make_run(tmp_path / "begun", (), reference=(), **SETTINGS))
    board = Board([begun], tmp_path / "board.html", EVERY_S, clock)
    assert not board.refresh()
    (row,) = read(board)["runs"]
    assert (row["done"], row["total"], row["best"]) == (0, 7, "none yet")


def test_it_says_when_nobody_watches_any_more(board: Board) -> None:
    assert read(board)["watching"]
    board.close()
    assert not read(board)["watching"]


def test_names_become_neither_markup_nor_script(tmp_path: Path, clock: Clock) -> None:
    name = "<img src=x onerror=alert(1)>'"
    board = Board([going(tmp_path / name)], tmp_path / "board.html", EVERY_S, clock)
    board.refresh()
    assert "<img" not in board.path.read_text(encoding="utf-8")
    assert "<" not in board.script.read_text(encoding="utf-8")
    assert read(board)["runs"][0]["run"] == name


def test_what_it_cannot_show_is_refused(tmp_path: Path, run: Run) -> None:
    with pytest.raises(InputError, match=r"a board is written as \.html, got 'board\.pdf'"):
        Board([run], tmp_path / "board.pdf", EVERY_S)
    with pytest.raises(InputError, match="2 of the runs are called demo"):
        Board([run, run], tmp_path / "board.html", EVERY_S)
    settings = load_settings(run.path / SETTINGS_FILE)
    assert settings.recorded is not None
    recorded = msgspec.structs.replace(settings.recorded, classifiers=[])
    save_settings(msgspec.structs.replace(settings, classifiers=(), recorded=recorded), run.path / SETTINGS_FILE)
    with pytest.raises(InputError, match="run demo measures without a classifier"):
        Board([Run.open(run.path)], tmp_path / "board.html", EVERY_S)
    assert not (tmp_path / "board.html").exists()


@pytest.fixture
def page(browser: Browser, board: Board) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(board.path.as_uri())
    page.locator("#runs tbody tr").wait_for()
    yield page
    page.close()
    assert complaints == []


def read_again(page: Page) -> None:
    page.evaluate("readAgain()")


def words_in(page: Page, where: str) -> str:
    return " ".join(page.locator(where).first.inner_text().split())


def test_an_added_trial_appears_while_the_page_is_open(page: Page, board: Board, run: Run) -> None:
    assert "5 of 7" in words_in(page, "#runs tbody")
    assert page.locator('[role="option"][aria-label^="trial 2 of demo"]').count() == 0
    add(run, BETTER)
    board.refresh()
    read_again(page)
    assert "6 of 7" in words_in(page, "#runs tbody")
    assert "trial 2: ratio 21.50" in words_in(page, "#runs tbody")
    assert page.locator('[role="option"][aria-label^="trial 2 of demo"]').count() == 1
    assert page.title() == "6 of 7: demo"


def test_zoom_selection_and_what_is_switched_off_stay(page: Page, board: Board, run: Run) -> None:
    page.locator(".legend button", has_text="standard tables").click()
    page.locator(".plot svg").focus()
    page.keyboard.press("Home")
    page.locator("[data-zoom=in]").click()
    shown = "() => { const { x0, x1, y0, y1 } = charts[0].view; return [x0, x1, y0, y1]; }"
    zoomed = page.evaluate(shown)
    assert "Trial 0 of demo" in words_in(page, ".panel")
    add(run, BETTER)
    board.refresh()
    read_again(page)
    assert page.evaluate(shown) == zoomed
    assert "Trial 0 of demo" in words_in(page, ".panel")
    assert page.locator('[aria-label^="standard quality"]').count() == 0
    assert page.locator(".legend button", has_text="standard tables").get_attribute("aria-pressed") == "false"


def test_who_has_chosen_nothing_follows_the_best_and_sees_all(page: Page, board: Board, run: Run) -> None:
    assert "Trial 1 of demo" in words_in(page, ".panel")
    add(run, done(2, 45, 0.75))
    board.refresh()
    read_again(page)
    assert "Trial 2 of demo" in words_in(page, ".panel")
    assert page.evaluate("charts[0].view.x1") > 45


def test_a_selected_table_that_another_beats_stays_selected(page: Page, board: Board, run: Run) -> None:
    page.locator(".plot svg").focus()
    page.keyboard.press("End")
    assert "Trial 1 of demo" in words_in(page, ".panel")
    add(run, BETTER)  # trial 1 is no more on the frontier
    board.refresh()
    read_again(page)
    assert "Trial 1 of demo" in words_in(page, ".panel")


def test_a_run_that_does_not_move_is_told(page: Page, board: Board, run: Run) -> None:
    page.evaluate("board.runs[0].moved_at_s = Date.now() / 1000 - 10; showRuns()")
    assert "running, last table 10 s ago" in words_in(page, "#runs tbody")
    page.evaluate("board.runs[0].moved_at_s = Date.now() / 1000 - 600; showRuns()")
    assert "not moved for 10 min" in words_in(page, "#runs tbody")


def test_the_end_is_told(page: Page, board: Board, run: Run) -> None:
    for trial in (BETTER, LAST):
        add(run, trial)
    assert board.refresh()
    board.close()
    read_again(page)
    assert words_in(page, "#state") == "The search has ended."
    assert "ended: all tables are measured" in words_in(page, "#runs tbody")


def test_that_nobody_watches_is_told(page: Page, board: Board) -> None:
    board.close()
    read_again(page)
    assert "No longer watched" in words_in(page, "#state")


def test_a_missing_script_is_told(browser: Browser, board: Board) -> None:
    board.script.unlink()
    page = browser.new_page()
    page.goto(board.path.as_uri())
    read_again(page)
    assert words_in(page, "#state") == "board-data.js cannot be read: it has to lie beside this page."
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_several_runs_fit_a_phone(browser: Browser, run: Run, tmp_path: Path, clock: Clock, scheme: Any) -> None:
    board = Board([run, going(tmp_path / "other")], tmp_path / "both.html", EVERY_S, clock)
    board.refresh()
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto(board.path.as_uri())
    page.locator("#runs tbody tr").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#runs tbody th").all_inner_texts() == ["demo", "other"]
    page.close()
