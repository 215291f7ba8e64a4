"""The headline's data: whose numbers come first, and what is said of runs side by side."""

import shutil
from html import unescape
from pathlib import Path

import pytest

from qsearch.analysis.results import measured
from qsearch.report import wording
from qsearch.report.findings import searched
from qsearch.report.headline import compared, headline
from qsearch.report.page import render_report
from qsearch.report.wording import points, saving, saving_estimate, short_points, short_saving
from qsearch.run.folder import Run
from tests.made_up_confirmations import make, many, standard
from tests.made_up_confirmations import measurement as made_up
from tests.made_up_runs import make_loss_run
from tests.report.conftest import Reported


def test_validated_numbers_come_before_those_of_the_search(reported: Reported) -> None:
    runs = [searched(run) for run in reported.runs]
    groups = headline(runs)
    assert [group.validation for group in groups] == [True, False, False]
    first = runs[0].at_ratio
    assert first is not None
    row = runs[0].validations[0].row(first.label)
    assert row is not None
    assert row.gains.gain_points.value is not None
    stated, at_equal_loss = groups[0].findings[0].figures
    assert (stated.figure, stated.subject) == (points(row.gains.gain_points.value), "top-1 at equal ratio")
    found = row.gains.saving_at_loss_percent
    assert found is not None
    assert at_equal_loss.subject == "bytes saved at equal loss"
    assert at_equal_loss.figure == ("not known" if found.value is None else saving(found.value))
    said = " ".join(" ".join(finding.remarks) for group in groups[1:] for finding in group.findings)
    assert "corrected for selection" in said
    assert "on these same images, which flatters it" in said


def test_it_says_which_measure_picked_and_how_much_that_flatters_each_number(by_loss: Run, reported: Reported) -> None:
    run = searched(by_loss)
    assert run.at_ratio is not None
    assert run.at_ratio.saving is not None
    assert run.at_ratio.saving.corrected is not None
    group = headline([run])[-1]
    assert [finding.pick for finding in group.findings] == [
        "Picked by cross-entropy at the ratio of standard quality 50",
        "Picked by ratio at the cross-entropy of standard quality 50",
    ]
    place, luck, luck_in_bytes = group.findings[0].remarks
    loss = measured(run.trial(run.at_ratio)).mean("loss")
    assert f"cross-entropy {loss:.4f}" in place
    assert "picked by cross-entropy as the best of" in place
    assert luck.startswith("Picking adds about")
    assert luck_in_bytes.startswith("To the bytes at equal loss it adds about")
    assert saving_estimate(run.at_ratio.saving.corrected) in luck_in_bytes
    assert (compared(run).picked_by, compared(searched(reported.runs[0])).picked_by) == ("cross-entropy", "top-1")


def test_runs_side_by_side_state_the_numbers_that_their_cards_state(reported: Reported) -> None:
    runs = [searched(run) for run in reported.runs]
    rows = [compared(run) for run in runs]
    assert [row.run for row in rows] == [run.name for run in reported.runs]
    assert [row.trials for row in rows] == [60, 60]
    for row, run in zip(rows, runs, strict=True):
        assert run.at_ratio is not None
        assert row.pick == f"trial {run.at_ratio.label}: {short_points(run.at_ratio.apparent)}"
    assert rows[0].validations[0].startswith("unseen: ")
    assert rows[0].validations[0].endswith(" at equal loss")
    assert rows[1].validations == ()


@pytest.fixture
def kept_aside(tmp_path: Path) -> Run:
    """A run whose pick was made on 400 images kept aside, beside its validation on the same numbers."""
    run = Run.open(make_loss_run(tmp_path / "demo"))
    found = {"standard": standard(20), **many(0.02), "mean-of-all": made_up(20, 0.1, seed=50)}
    make(run.path / "confirmations" / "4-trials", found)
    make(run.path / "validations" / "others", {"17": made_up(20, 0.02), "an-average": made_up(20, 0.1, seed=50)})
    return run


def test_a_pick_made_on_images_kept_aside_comes_first(kept_aside: Run) -> None:
    run = searched(kept_aside)
    found = run.confirmed
    assert found is not None
    group = headline([run])[0]
    assert (group.confirmed, group.validation) == (True, False)
    assert group.title == "Run demo, on 400 images kept aside from its search"
    (finding,) = group.findings
    assert finding.pick == "Confirmed pick: mean of all"
    saved, errors = finding.figures
    assert found.pick.saving.value is not None
    assert (saved.figure, saved.subject) == (
        saving(found.pick.saving.value),
        "bytes expected to be saved at equal loss",
    )
    assert saved.interval.startswith("95")
    assert saved.verdict == "Better than the standard tables."
    assert (errors.figure, errors.verdict) == (f"{found.standard_errors:.1f}", "")
    assert "what qsearch export takes" in finding.remarks[0]
    assert "Of 10 tables" in finding.remarks[1]
    assert finding.remarks[2].startswith("Next: trial ")
    assert compared(run).confirmed == f"mean of all: {short_saving(found.pick.saving)} at equal loss"
    page = render_report([kept_aside, Run.open(make_loss_run(kept_aside.path.parent / "other"))])
    assert compared(run).confirmed in unescape(page)


def test_what_is_not_told_apart_says_how_many_images_would(kept_aside: Run) -> None:
    hardly = {"standard": standard(20), "7": made_up(20, 0.02, noise=0.5, seed=2)}
    make(kept_aside.path / "confirmations" / "5-trials", hardly)
    found = searched(kept_aside).confirmed
    assert found is not None
    assert found.further_images
    _, errors = headline([searched(kept_aside)])[0].findings[0].figures
    assert errors.verdict == f"A{wording.to_settle(found.further_images)[1:]}."


def test_where_nothing_gains_the_standard_tables_are_the_pick(kept_aside: Run) -> None:
    make(kept_aside.path / "confirmations" / "5-trials", {"standard": standard(20), **many(-0.1)})
    (finding,) = headline([searched(kept_aside)])[0].findings
    assert finding.pick == "Confirmed pick: the standard tables"
    (figure,) = finding.figures
    assert figure.verdict == "No other table is expected to be better."


def test_a_validation_knows_the_confirmed_pick_by_its_tables(kept_aside: Run) -> None:
    run = searched(kept_aside)
    confirmation, validation = Run.open(kept_aside.path / "confirmations" / "4-trials"), run.validations[0]
    assert validation.confirmed is None  # other tables
    pick = confirmation.results().trial("mean-of-all")
    shutil.rmtree(validation.run.path)
    make(validation.run.path, {"an-average": pick.measurement}, tables=[pick.tables])
    run = searched(Run.open(kept_aside.path))
    assert run.validations[0].confirmed == "an-average"
    assert headline([run])[1].findings[0].pick == "Confirmed pick: mean of all"
