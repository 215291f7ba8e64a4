"""``qsearch show``: what it calls best, near and saved."""

import json
from collections.abc import Callable
from pathlib import Path

from qsearch.analysis.gains import bootstrap_gains
from qsearch.report.cards import search_card
from qsearch.run.folder import Run
from tests.conftest import FAKE, Finished
from tests.made_up_runs import done, make_run

Cli = Callable[..., Finished]


def test_a_table_far_from_the_ratio_is_not_called_near_it_and_more_bytes_are_not_called_saved(
    cli: Cli, tmp_path: Path
) -> None:
    """Quality 50 has ratio 20 and 70 %: one table is far beyond its ratio, the other more accurate and larger."""
    make_run(tmp_path / "runs/few", [done(0, 23, 0.66), done(1, 18, 0.76)])
    shown = cli("show", "few").stdout
    assert "Best at no lower ratio:   ratio 23.00 (1.04 bpp), top-1 66.00 % (trial 0)" in shown
    assert "no table lies near: within 3 % above quality 50's ratio there is none" in shown
    assert (
        "Best at no lower top-1:   ratio 18.00 (1.33 bpp), top-1 76.00 % (trial 1), but 11.1 % more bytes than "
        "quality 50" in shown
    )
    assert "saved" not in shown
    assert "fewer bytes" not in shown.partition("Frontier")[0]


def test_the_frontier_is_compared_where_both_reach(cli: Cli, tmp_path: Path) -> None:
    """Five points above the standard curve, from its 80 % at ratio 15 to 70 % at 20."""
    make_run(tmp_path / "runs/demo", [done(0, 15, 0.85), done(1, 20, 0.75), done(2, 90, 0.10)])
    shown = cli("show", "demo").stdout
    assert "Frontier against the standard curve: +5.00 points on average over the ratios 15.00 to 20.00" in shown
    assert "from 70.00 to 80.00 %" in shown
    assert "ypervolume" not in shown
    assert "no table lies near" not in shown


def test_it_states_the_gains_that_validations_and_reports_state(cli: Cli, demo: Path) -> None:
    found = json.loads(cli("show", "demo", "--json").stdout)
    selected = found["selected"]["at_ratio"]
    assert selected is not None
    results = Run.open(demo).results()
    trial = results.trial(selected["label"])
    gain = bootstrap_gains(results, trial).gain_points
    assert (selected["apparent"]["low"], selected["apparent"]["high"]) == (gain.low, gain.high)
    rows = dict(search_card(results, trial, ["one"], []).sections[0].rows)
    assert f"{gain.low:+.2f}".replace("-", "\N{MINUS SIGN}") in rows["gain at equal ratio"]


def test_what_is_not_compressed_is_stated_and_nothing_is_said_of_gains_before_the_first_table(
    cli: Cli, tmp_path: Path
) -> None:
    assert cli("run", "--name", "whole", "--trials", "2", *FAKE).status == 0
    uncompressed = Run.open(tmp_path / "runs/whole").results().uncompressed
    assert uncompressed is not None
    assert f"Uncompressed:            top-1 {100 * uncompressed.top1:5.2f} %" in cli("show", "whole").stdout
    make_run(tmp_path / "runs/empty", [])
    shown = cli("show", "empty").stdout
    assert "No table of the search is measured yet." in shown
    assert "luck" not in shown
    assert "hypervolume" not in shown.lower()
    assert "Frontier" not in shown
