"""What a validation says of a run's tables, on the page and in the terminal."""

from qsearch.run.findings import found_by, picks_of, validation_findings, validation_picks
from qsearch.run.folder import Run
from tests.report.conftest import Reported


def test_a_validation_says_what_each_table_gains_on_its_images(reported: Reported) -> None:
    run = reported.runs[0]
    kept = Run.open(run.path / "validations" / "unseen")
    said = validation_findings(run, kept)
    (network,) = said.networks
    results = kept.results()
    assert [one.ratio for one in network.tables] == sorted(one.ratio for one in network.tables)
    assert {one.label for one in network.tables} == {trial.label for trial in results.done}
    assert said.picks == picks_of(run, run.results())
    assert said.use == 1
    assert results.uncompressed is not None
    assert said.uncompressed_top1 == (results.uncompressed.top1,)
    (row,) = validation_picks(run, found_by(run))
    gains = next(one.gains for one in network.tables if one.label == said.picks.at_ratio)
    assert row.at_ratio == gains
