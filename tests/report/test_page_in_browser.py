"""The report in a real browser: what a reader sees, points at, walks through and prints."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from qsearch.analysis.results import measured
from tests.report.conftest import Reported

CHROMIUM = "/usr/bin/chromium" if Path("/usr/bin/chromium").is_file() else shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian package chromium): the page is not looked at")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def opened(browser: Browser, reported: Reported, **options: Any) -> Page:
    """The report, as a browser with ``options`` shows it."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options})
    page.goto(reported.page.as_uri())
    return page


@pytest.fixture
def page(browser: Browser, reported: Reported) -> Iterator[Page]:
    page = opened(browser, reported)
    yield page
    page.close()


def point(page: Page, words: str) -> Any:
    """The mark of the frontier chart that is called ``words`` (its beginning)."""
    return page.locator(f'#frontier [role="option"][aria-label^="{words}:"]')


def panel(page: Page) -> Any:
    return page.locator("#frontier .panel")


def words_in(element: Any) -> str:
    """What an element says, with common blanks."""
    return " ".join(element.inner_text().split())


def test_pointing_at_a_table_shows_where_it_lies_and_its_entries(page: Page, reported: Reported) -> None:
    run = reported.runs[0]
    for trial in run.results().frontier:
        # A frontier's point may lie under another's; where the mouse goes is what counts.
        point(page, f"trial {trial.label} of {run.name}").hover(force=True)
        measurement = measured(trial)
        words = words_in(panel(page))
        assert f"Trial {trial.label} of {run.name}" in words
        assert f"{measurement.ratio:.2f} (" in words
        assert f"{100 * measurement.top1:.2f} %" in words
        assert "gain at equal ratio" in words
        assert "validation unseen" in words
        cells = panel(page).locator("td").all_inner_texts()
        assert [int(cell) for cell in cells] == trial.tables.luma.ravel().tolist()
        assert trial.tables.digest in words


def test_pointing_at_a_dot_tells_which_table_it_is(page: Page, reported: Reported) -> None:
    run = reported.runs[1]
    lowest = min(run.results().done, key=lambda trial: measured(trial).top1)
    page.locator("#frontier .plot").scroll_into_view_if_needed()
    x, y = page.evaluate(
        """([ratio, top1]) => {
            const chart = charts[0], box = chart.svg.getBoundingClientRect();
            const scale = box.width / chart.width;
            return [box.left + scale * chart.view.toX(ratio), box.top + scale * chart.view.toY(top1)];
        }""",
        [measured(lowest).ratio, measured(lowest).top1],
    )
    page.mouse.move(x, y)
    words = words_in(panel(page))
    assert f"Trial {lowest.label} of {run.name}" in words
    assert f"Ratio {measured(lowest).ratio:.2f}, top-1 {100 * measured(lowest).top1:.2f} %" in words
    assert panel(page).locator("td").count() == 0


def test_the_arrow_keys_walk_along_the_frontier(page: Page, reported: Reported) -> None:
    trials = reported.runs[1].results().frontier
    plot = page.locator("#frontier .plot svg")
    plot.focus()
    page.keyboard.press("ArrowDown")
    while f"of {reported.runs[1].name}" not in words_in(panel(page)):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    walked = [panel(page).locator("h4").inner_text()]
    for _ in trials[1:]:
        page.keyboard.press("ArrowRight")
        walked.append(panel(page).locator("h4").inner_text())
    assert walked == [f"Trial {trial.label} of {reported.runs[1].name}" for trial in trials]
    active = plot.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"


def test_a_click_holds_a_table_until_escape(page: Page, reported: Reported) -> None:
    held, other = (f"trial {run.results().frontier[0].label} of {run.name}" for run in reported.runs)
    point(page, held).click(force=True)
    point(page, other).hover(force=True)
    assert held in words_in(panel(page)).lower()
    page.locator("#frontier .plot svg").press("Escape")
    page.mouse.move(0, 0)
    point(page, other).hover(force=True)
    assert other in words_in(panel(page)).lower()


def test_a_method_is_switched_off_and_on(page: Page, reported: Reported) -> None:
    name = reported.runs[1].name
    button = page.locator("#frontier .legend button", has_text=name)
    marks = page.locator(f'#frontier [role="option"][aria-label*="of {name}:"]')
    assert marks.count() == len(reported.runs[1].results().frontier)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert marks.count() == 0
    button.click()
    assert marks.count() == len(reported.runs[1].results().frontier)


def test_dragging_a_box_zooms_in_and_all_zooms_out(page: Page) -> None:
    plot = page.locator("#frontier .plot svg")
    plot.scroll_into_view_if_needed()
    before = plot.inner_html()
    width = "() => charts[0].view.x1 - charts[0].view.x0"
    whole = page.evaluate(width)
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    page.mouse.up()
    assert 0.25 * whole < page.evaluate(width) < 0.45 * whole
    page.locator("#frontier [data-zoom=reset]").click()
    assert page.evaluate(width) == whole
    page.mouse.move(0, 0)
    assert re.findall(r"<text.*?</text>", plot.inner_html()) == re.findall(r"<text.*?</text>", before)


def test_a_slider_uncovers_the_other_version_of_a_picture(page: Page) -> None:
    picture = page.locator(".picture").first
    slider = picture.locator("input")
    uncovered = "element => getComputedStyle(element).clipPath"
    slider.focus()
    page.keyboard.press("Home")
    assert picture.locator(".found").evaluate(uncovered) == "inset(0px 0px 0px 0%)"
    page.keyboard.press("End")
    assert picture.locator(".found").evaluate(uncovered) == "inset(0px 0px 0px 100%)"
    sides = picture.locator("img")
    assert sides.evaluate_all("images => images.map(image => image.naturalWidth)") == [24, 24]


def test_it_asks_for_nothing_and_complains_of_nothing(browser: Browser, reported: Reported) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("data:") else complaints.append(request.url))
    page.goto(reported.page.as_uri())
    page.locator("#frontier .plot svg").hover()
    assert complaints == [reported.page.as_uri()]
    page.close()


def test_it_fits_a_phone(browser: Browser, reported: Reported) -> None:
    page = opened(browser, reported, viewport=PHONE, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    trial = reported.runs[0].results().frontier[-1]
    label = f"trial {trial.label} of {reported.runs[0].name}"
    point(page, label).tap(force=True)
    assert label in words_in(panel(page)).lower()
    page.close()


def test_on_a_phone_the_chart_is_tall_and_no_name_is_cut_or_covers_another(
    browser: Browser, reported: Reported
) -> None:
    page = opened(browser, reported, viewport=PHONE, is_mobile=True, has_touch=True)
    plot = page.locator("#frontier .plot svg").bounding_box()
    assert plot is not None
    assert plot["height"] > plot["width"]
    names = [name.bounding_box() for name in page.locator("#frontier .quality").all()]
    boxes = [box for box in names if box is not None]
    assert len(boxes) > 2
    for index, one in enumerate(boxes):
        assert plot["x"] <= one["x"]
        assert one["x"] + one["width"] <= plot["x"] + plot["width"]
        for other in boxes[:index]:
            apart = abs(one["x"] - other["x"]) >= (one["width"] + other["width"]) / 2 - 3
            assert apart or abs(one["y"] - other["y"]) >= 10
    page.close()


def test_of_several_runs_a_comparing_table_comes_first(page: Page, reported: Reported) -> None:
    table = page.locator("#headline table").first
    rows = table.locator("tbody tr")
    assert [row.locator("th").inner_text() for row in rows.all()] == [run.name for run in reported.runs]
    first_card = page.locator("#headline article").first.bounding_box()
    box = table.bounding_box()
    assert box is not None
    assert first_card is not None
    assert box["y"] + box["height"] <= first_card["y"]


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_follows_the_colours_of_the_system(browser: Browser, reported: Reported, scheme: str, dark: bool) -> None:
    page = opened(browser, reported, color_scheme=scheme)
    paper, ink = page.evaluate(
        "() => { const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]; }"
    )
    assert (lightness(paper) < lightness(ink)) == dark
    page.close()


def lightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_printed_it_shows_everything(browser: Browser, reported: Reported) -> None:
    page = opened(browser, reported)
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    closed = page.locator("details:not([open])").count()
    assert closed > 0
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator("nav").is_visible()
    both = page.locator(".picture").first.locator("img")
    left, right = (both.nth(index).bounding_box() for index in (0, 1))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"] + 0.5
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    page.close()
