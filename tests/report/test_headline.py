"""The headline's data: whose numbers come first, and what is said of runs side by side."""

from qsearch.report.findings import searched
from qsearch.report.headline import compared, headline
from qsearch.report.wording import points, short_points
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
    assert groups[0].findings[0].figure == points(row.gains.gain_points.value)
    said = " ".join(" ".join(finding.remarks) for group in groups[1:] for finding in group.findings)
    assert "corrected for selection" in said
    assert "on these same images, which flatters it" in said


def test_runs_side_by_side_state_the_numbers_that_their_cards_state(reported: Reported) -> None:
    runs = [searched(run) for run in reported.runs]
    rows = [compared(run) for run in runs]
    assert [row.run for row in rows] == [run.name for run in reported.runs]
    assert [row.trials for row in rows] == [60, 60]
    for row, run in zip(rows, runs, strict=True):
        assert run.at_ratio is not None
        assert row.pick == f"trial {run.at_ratio.label}: {short_points(run.at_ratio.apparent)}"
    assert rows[0].validations[0].startswith("unseen: ")
    assert rows[1].validations == ()
