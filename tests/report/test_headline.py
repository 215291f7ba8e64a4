"""The headline's data: whose numbers come first, and what is said of runs side by side."""

from qsearch.analysis.results import measured
from qsearch.report.findings import searched
from qsearch.report.headline import compared, headline
from qsearch.report.wording import points, saving, saving_estimate, short_points
from qsearch.run.folder import Run
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
