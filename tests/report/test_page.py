"""The report as text: what it says, what it leaves out, and that no name in a run becomes markup."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from qsearch.analysis.comparison import compare
from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.results import measured
from qsearch.analysis.summary import summarize
from qsearch.cli.report import exported
from qsearch.errors import DiskError, InputError
from qsearch.evaluation.objective import LOSS
from qsearch.report import wording
from qsearch.report.page import render_report, write_report
from qsearch.report.templates import as_script_data
from qsearch.run.folder import Run
from tests.made_up_runs import make_run
from tests.report.conftest import Reported

MOST_BYTES = 3_000_000


def text_of(page: str) -> str:
    """What a reader sees, roughly: no scripts, styles and tags, one blank between words."""
    visible = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return plain(unescape(visible))


def plain(text: str) -> str:
    """With common blanks."""
    return " ".join(text.split())


def data_of(page: str) -> dict[str, dict[str, object]]:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    found: dict[str, dict[str, object]] = json.loads(data)
    return found


@pytest.fixture(scope="module")
def page(reported: Reported) -> str:
    return reported.page.read_text(encoding="utf-8")


def test_the_headline_is_the_validated_gain_with_its_interval(page: str, reported: Reported) -> None:
    run = reported.runs[0]
    picked = summarize(run.results(), (1.0, 0.0)).best_at_ratio
    assert picked is not None
    again = Run.open(run.path / "validations" / "unseen").results()
    (trial,) = [trial for trial in again.done if trial.label == picked.label]
    gain = bootstrap_gains(again, trial).gain_points
    assert gain.value is not None
    text = text_of(page)
    first = text.index(f"Run {run.name}, on 15 images that its tables were not picked on")
    assert text.index(plain(wording.points(gain.value))) > first
    assert plain(wording.interval(gain, 2)) in text
    assert first < text.index(f"Run {run.name}, on the images it searched")
    assert "first use of these images" in text
    assert "which flatters it" in text


def test_without_a_validation_it_warns(tmp_path: Path) -> None:
    page = text_of(render_report([Run.open(make_run(tmp_path / "demo"))]))
    assert "None of these tables was measured on images that its search had not seen" in page
    assert "demo has no validation yet" in page
    assert "PSNR against ratio" not in page


def test_a_second_use_is_counted(tmp_path: Path, reported: Reported) -> None:
    shutil.copytree(reported.runs[0].path, tmp_path / "again")
    uses = tmp_path / "again" / "validations" / "uses.jsonl"
    uses.write_text(2 * uses.read_text())
    page = text_of(render_report([Run.open(tmp_path / "again")]))
    assert "use 2 of these images" in page


def test_bits_per_pixel_stand_beside_the_ratio_of_what_is_tested(page: str, reported: Reported) -> None:
    section = page[page.index('<section id="significance">') : page.index('<section id="efficiency">')]
    text = text_of(section)
    for run in reported.runs:
        results = run.results()
        picked = summarize(results, (1.0, 0.0)).best_at_ratio
        assert picked is not None
        place = measured(results.trial(picked.label))
        assert f"{run.name}, {picked.label} {wording.ratio(place.ratio)} {wording.bpp(place.bpp)} " in text


def test_every_frontier_table_is_in_the_page_with_its_entries(page: str, reported: Reported) -> None:
    cards = data_of(page)["cards"]
    for run in reported.runs:
        for trial in run.results().frontier:
            card = cards[f"{run.name}/{trial.label}"]
            assert isinstance(card, dict)
            assert card["digest"] == trial.tables.digest
            assert card["tables"] == [["luma and chroma (Y, Cb, Cr)", trial.tables.luma.ravel().tolist()]]


def test_every_trial_is_a_point(page: str, reported: Reported) -> None:
    charts = data_of(page)["charts"]
    frontier = charts["frontier"]
    assert isinstance(frontier, dict)
    clouds = [each["points"] for each in frontier["series"] if each["kind"] == "cloud"]
    for run, cloud in zip(reported.runs, clouds, strict=True):
        assert [point[:2] for point in cloud] == [
            [measured(trial).ratio, measured(trial).top1] for trial in run.results().done
        ]


def test_bytes_saved_at_equal_loss_stand_beside_points_for_every_table(page: str, reported: Reported) -> None:
    text = text_of(page)
    validated = Run.open(reported.runs[0].path / "validations" / "unseen").results()
    for results in (reported.runs[0].results(), validated):
        tables = results.frontier if results is not validated else results.done
        for trial in tables:
            gains = bootstrap_gains(results, trial)
            assert gains.saving_at_loss_percent is not None
            beside = (
                wording.short_points(gains.gain_points),
                wording.short_saving(gains.saving_percent),
                wording.short_saving(gains.saving_at_loss_percent),
            )
            assert all(plain(each) in text for each in beside)
    assert "picked by top-1" in text
    assert "Cross-entropy against ratio" not in page


def test_a_run_searched_by_loss_has_a_chart_of_it(by_loss: Run) -> None:
    page = render_report([by_loss])
    text, charts = text_of(page), data_of(page)["charts"]
    assert list(charts) == [
        "frontier",
        "frontier/loss",
        "validation/sorted/unseen",
        "validation/sorted/unseen/loss",
        "psnr",
    ]
    assert set(re.findall(r'data-chart="([^"]*)"', page)) == set(charts)
    frontier = by_loss.results().frontier
    kinds = [[each["kind"] for each in charts[name]["series"]] for name in ("frontier", "frontier/loss")]  # type: ignore[index]
    assert kinds == [["cloud", "points", "standard"], ["cloud", "steps", "standard"]]
    steps = charts["frontier/loss"]["series"][1]["points"]  # type: ignore[index]
    assert [point[:2] for point in steps] == [
        [measured(trial).ratio, measured(trial).mean("loss")] for trial in frontier
    ]
    assert "picked by cross-entropy" in text
    assert "The line joins the tables that no other beats in both ratio and cross-entropy" in text
    assert "by which sorted picks: in top-1 it is no staircase" in text
    assert "Cross-entropy, difference" in text
    picked = by_loss.results().trial(str(summarize(by_loss.results(), (1.0, 0.0)).best_at_ratio.label))  # type: ignore[union-attr]
    standard = by_loss.results().standard
    (against,) = compare(standard[50], [measured(picked)], list(standard.values()))
    assert against.loss is not None
    assert plain(wording.short(against.loss.difference, "+.4f")) in text
    card = data_of(page)["cards"][f"sorted/{frontier[0].label}"]
    rows = dict(card["sections"][0]["rows"])  # type: ignore[index]
    assert rows["cross-entropy"] == wording.value_of(LOSS, measured(frontier[0]))
    assert "bytes saved at equal loss" in rows


def test_it_is_stated_at_the_quality_that_the_runs_are_looked_at(reported: Reported) -> None:
    text = text_of(render_report([reported.runs[0].looked_at(75)]))
    assert "Significance against standard quality 75" in text
    assert "standard quality 50" not in text


def test_files_are_those_of_the_command_at_any_quality(reported: Reported) -> None:
    run = reported.runs[0]
    trial = run.results().frontier[0]
    looked_at = run.looked_at(75)
    assert exported(looked_at, looked_at.results(), trial) == exported(run, run.results(), trial)
    assert "standard quality 50" in exported(run, run.results(), trial)[0].text


def test_settings_and_digests_are_listed_but_folders_are_not(tmp_path: Path) -> None:
    page = render_report([Run.open(make_run(tmp_path / "demo"))])
    assert "/home/ann" not in page
    assert "folder:photos" in page
    assert "0" * 64 in page
    assert "recorded.dataset.digest" in page
    assert str(tmp_path) not in page


def test_pictures_that_cannot_be_made_are_said_to_be_missing(tmp_path: Path) -> None:
    page = text_of(render_report([Run.open(make_run(tmp_path / "demo"))]))
    assert "Made without pictures: the weights of textures-cnn are not those that were measured any more." in page


def test_pictures_are_counted_by_what_became_of_them(page: str, reported: Reported) -> None:
    run = reported.runs[0]
    picked = summarize(run.results(), (1.0, 0.0)).best_at_ratio
    assert picked is not None
    again = Run.open(run.path / "validations" / "unseen").results()
    (trial,) = [trial for trial in again.done if trial.label == picked.label]
    before, after = again.standard[50].ranks[0] == 0, measured(trial).ranks[0] == 0
    rescued, lost, kept, neither = (
        int(which.sum()) for which in (after & ~before, before & ~after, before & after, ~before & ~after)
    )
    sentence = (
        f"rescued {rescued} that the standard tables got wrong, lost {lost} that they got right, {kept} were right and "
        f"{neither} wrong both times"
    )
    assert sentence in text_of(page)
    assert page.count("data:image/jpeg;base64,") == 2 * page.count('<figure class="picture')
    assert page.count('<figure class="picture') >= 2


def test_names_never_become_markup(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&\"'"
    page = render_report([Run.open(make_run(tmp_path / name))])
    assert "<img" not in page
    assert name in text_of(page)


def test_data_cannot_end_its_script() -> None:
    hostile = "</script><script>alert(1)</script><!--"
    written = as_script_data({"name": hostile})
    assert "<" not in written
    assert json.loads(written) == {"name": hostile}


def test_it_is_one_small_file_that_asks_for_nothing(page: str) -> None:
    assert len(page.encode()) < MOST_BYTES
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", page)
    assert not re.findall(r"url\((?!#|[`$])[^)]*\)|@import", page)
    assert page.count("</script>") == page.count("<script")


def test_the_same_runs_make_the_same_page(reported: Reported) -> None:
    runs = list(reported.runs)
    assert render_report(runs) == render_report(runs)


def test_a_run_without_trials_has_no_report(tmp_path: Path) -> None:
    run = Run.open(make_run(tmp_path / "empty", search=()))
    with pytest.raises(InputError, match="run empty has no finished trial yet"):
        write_report([run], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_runs_of_one_name_are_refused(reported: Reported) -> None:
    with pytest.raises(InputError, match="2 of the runs are called sorted"):
        render_report([reported.runs[0], reported.runs[1], reported.runs[0]])


def test_places_it_cannot_be_written_to(tmp_path: Path, reported: Reported) -> None:
    with pytest.raises(InputError, match=r"a report is written as \.html, got 'report\.pdf'"):
        write_report(reported.runs, tmp_path / "report.pdf")
    with pytest.raises(DiskError, match="cannot be written"):
        write_report(reported.runs, tmp_path / "nowhere" / "report.html")
