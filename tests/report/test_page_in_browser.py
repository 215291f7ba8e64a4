"""The report in a real browser: what a reader sees, points at, walks through and prints."""

import csv
import re
import shlex
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Browser, Page

from qsearch.analysis.results import measured
from qsearch.cli.main import cli
from tests.report.conftest import Reported

PHONE = {"width": 390, "height": 844}


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


def chosen_point(page: Page, reported: Reported) -> str:
    """The label of a table of the first run's frontier that the page now holds on to."""
    run = reported.runs[0]
    label = run.results().frontier[-1].label
    point(page, f"trial {label} of {run.name}").click(force=True)
    assert f"Trial {label} of {run.name}" in words_in(panel(page))
    return label


def pasted(page: Page) -> str:
    """What the clipboard holds, by way of the keyboard."""
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'pasted' }))")
    page.locator("#pasted").press("Control+v")
    return page.locator("#pasted").input_value()


@pytest.mark.parametrize("clipboard", [True, False], ids=["with a clipboard", "without one"])
def test_the_export_command_is_copied(browser: Browser, reported: Reported, clipboard: bool) -> None:
    page = browser.new_page()
    if not clipboard:
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined });")
    page.goto(reported.page.as_uri())
    label = chosen_point(page, reported)
    button = panel(page).get_by_label("Copy the command")
    button.click()
    panel(page).get_by_text("Copied").wait_for()
    command = f"qsearch export sorted --trial {label} --format cjpeg --out sorted-{label}.txt"
    assert pasted(page) == command == panel(page).locator(".command").text_content()
    page.close()


@pytest.mark.parametrize("format_", ["cjpeg", "json"])
def test_a_download_is_the_file_that_the_command_writes(
    page: Page, reported: Reported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    chosen_point(page, reported)
    panel(page).get_by_label("Form of the table").select_option(label=format_)
    command = shlex.split(panel(page).locator(".command").text_content())
    with page.expect_download() as started:
        panel(page).get_by_label("Download the table").click()
    shutil.copytree(reported.runs[0].path, tmp_path / "runs" / "sorted")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, command[1:]).exit_code == 0
    written = tmp_path / command[-1]
    assert started.value.suggested_filename == written.name
    assert Path(started.value.path()).read_bytes() == written.read_bytes()


def test_the_form_chosen_stays_from_table_to_table(page: Page, reported: Reported) -> None:
    chosen_point(page, reported)
    panel(page).get_by_label("Form of the table").select_option(label="CSV")
    assert not panel(page).locator(".command").is_visible()
    page.locator("#frontier .plot svg").press("Home")
    with page.expect_download() as started:
        panel(page).get_by_label("Download the table").click()
    trial = reported.runs[0].results().frontier[0]
    assert started.value.suggested_filename == f"sorted-{trial.label}.csv"
    header, *rows = csv.reader(Path(started.value.path()).read_text(encoding="utf-8").splitlines())
    assert header == ["table", "row", *"01234567"]
    assert [row[:2] for row in rows] == [["luma and chroma (Y, Cb, Cr)", str(row)] for row in range(8)]
    assert [[int(entry) for entry in row[2:]] for row in rows] == trial.tables.luma.tolist()


def test_a_table_of_results_is_downloaded_row_by_row(page: Page, reported: Reported) -> None:
    with page.expect_download() as started:
        page.get_by_label("Download as CSV: The runs compared").click()
    header, *rows = csv.reader(Path(started.value.path()).read_text(encoding="utf-8").splitlines())
    assert header[:3] == ["Run", "Strategy", "Trials"]
    assert [row[0] for row in rows] == [run.name for run in reported.runs]
    assert {len(row) for row in rows} == {len(header)}


def test_a_chart_is_downloaded_as_it_is_shown_in_light_colours(browser: Browser, reported: Reported) -> None:
    drawings = []
    for scheme in ("light", "dark"):
        page = opened(browser, reported, color_scheme=scheme)
        page.locator("#frontier .legend button", has_text=reported.runs[1].name).click()
        for picture in ("Accuracy against ratio", "sorted: tables of ratios"):
            with page.expect_download() as started:
                page.get_by_label(re.compile(f"^Download as SVG: {picture}")).first.click()
            drawings.append(Path(started.value.path()).read_text(encoding="utf-8"))
        page.close()
    light, dark = drawings[:2], drawings[2:]
    assert light == dark
    chart = ET.fromstring(light[0])
    words = ["".join(text.itertext()) for text in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Accuracy against ratio", "sorted", "standard tables", "top-1 accuracy", "50"} <= set(words)
    assert reported.runs[1].name not in words
    for drawing in drawings:
        assert "var(" not in drawing
        assert "class=" not in drawing


def test_a_chart_is_downloaded_as_a_picture(page: Page) -> None:
    with page.expect_download() as started:
        page.get_by_label("Download as PNG: Accuracy against ratio").click()
    with Image.open(started.value.path()) as picture:
        assert picture.format == "PNG"
        assert picture.width == 2 * 860
        colours = {colour: count for count, colour in picture.convert("RGB").getcolors(1 << 24) or ()}
    assert max(colours, key=colours.__getitem__) == (255, 255, 255)
    assert colours[0, 114, 178] > 100  # the first run's


@pytest.mark.parametrize(("width", "media"), [(390, "screen"), (1280, "screen"), (718, "print")])
def test_no_table_is_cut_off(browser: Browser, reported: Reported, width: int, media: Any) -> None:
    page = opened(browser, reported, viewport={"width": width, "height": 844})
    page.emulate_media(media=media)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    tables = page.locator(".scroll")
    cut = tables.evaluate_all(
        "all => all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.ariaLabel)"
    )
    assert cut == []
    assert tables.count() > 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_on_a_phone_each_number_stands_beside_the_name_of_its_column(browser: Browser, reported: Reported) -> None:
    page = opened(browser, reported, viewport=PHONE)
    table = page.locator("#headline table").first
    cells = table.locator("tbody tr").first.locator("td").all()
    told = [cell.evaluate("cell => getComputedStyle(cell, '::before').content") for cell in cells]
    assert len(told) > 2
    assert told == [f'"{name}"' for name in table.locator("thead th").all_text_contents()[1:]]
    page.close()
