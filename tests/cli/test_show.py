"""``qsearch show``: what it calls best, near and saved."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.gains import bootstrap_gains
from qsearch.evaluation.measurement import Measurement
from qsearch.report import wording
from qsearch.report.cards import search_card
from qsearch.run.folder import Run
from tests.conftest import FAKE, Finished
from tests.made_up_runs import IMAGES, PIXELS, done, make_loss_run, make_run

Cli = Callable[..., Finished]


def test_a_table_far_from_the_ratio_is_not_called_near_it_and_more_bytes_are_not_called_saved(
    cli: Cli, tmp_path: Path
) -> None:
    """Quality 50 has ratio 20 and 70 %: one table is far beyond its ratio, the other more accurate and larger."""
    make_run(tmp_path / "runs/few", [done(0, 23, 0.66), done(1, 18, 0.76)])
    shown = cli("show", "few").stdout
    assert "Best at no lower ratio:   ratio 23.00 (1.04 bpp, 2.14 KB an image), top-1 66.00 % (trial 0)" in shown
    assert "no table lies near: within 3 % above quality 50's ratio there is none" in shown
    assert (
        "Best at no lower top-1:   ratio 18.00 (1.33 bpp, 2.73 KB an image), top-1 76.00 % (trial 1), but 11.1 % more "
        "bytes than quality 50" in shown
    )
    assert "saved" not in shown
    assert "fewer bytes" not in shown.partition("Frontier")[0]


def test_sizes_are_stated_in_kb_per_image(cli: Cli, tmp_path: Path) -> None:
    """Every file of trial 0 has 3 x 128 x 128 / 18 = 2,731 bytes."""
    make_run(tmp_path / "runs/few", [done(0, 18, 0.76)])
    row = json.loads(cli("trials", "few", "--json").stdout)[-1]
    assert row["kb_per_image"] == 2.731
    found = json.loads(cli("show", "few", "--json").stdout)
    assert found["summary"]["best_at_accuracy"]["kb_per_image"] == 2.731
    assert "2.73 KB an image" in cli("export", "few", "--trial", "0", "--format", "json").stdout


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


def test_an_interval_that_holds_zero_says_how_many_images_would_settle_it(cli: Cli, tmp_path: Path) -> None:
    """Two images more are right than at quality 50, of 40 on which the two differ."""
    ranks = np.ones((1, IMAGES), dtype=np.int32)
    ranks[0, 20:162] = 0
    seen = Measurement.of(np.full(IMAGES, round(3 * PIXELS / 20)), ranks, PIXELS)
    make_run(tmp_path / "runs/hardly", [replace(done(0, 20, 0.71), measurement=seen)])
    found = json.loads(cli("show", "hardly", "--json").stdout)["selected"]["at_ratio"]
    more = Estimate(**found["corrected"]).further_images(IMAGES)
    assert more
    lines = cli("show", "hardly").stdout.splitlines()
    (line,) = [each for each in lines if each.startswith("  corrected for selection:") and each.endswith("it)")]
    assert line.endswith(f"; {wording.to_settle(more)})")
    make_run(tmp_path / "runs/surely", [done(0, 20, 0.90)])
    assert "would settle" not in cli("show", "surely").stdout


def test_the_frontier_as_a_table(cli: Cli, tmp_path: Path) -> None:
    """By loss it is trials 0, 3 and 4; the standard curve has loss 0.5 at ratio 15, 1 at 20 and 2 at 40."""
    run = Run.open(make_loss_run(tmp_path / "runs/demo"))
    found = json.loads(cli("show", "demo", "--frontier", "--json").stdout)
    assert [each["label"] for each in found["frontier"]] == ["0", "3", "4"]
    results = run.results()
    for each in found["frontier"]:
        gains = bootstrap_gains(results, results.trial(each["label"]))
        assert each["gain_points"] == pytest.approx(gains.gain_points.value)
    first, second, third = found["frontier"]
    assert first["saving_percent"] == pytest.approx(100 * (1 - 15 / 18), abs=0.02)
    assert second["saving_percent"] > 0
    assert third["saving_percent"] > 0
    assert found["standard"]["label"] == "standard:50"
    lines = cli("show", "demo", "--frontier", "--like-quality", "75").stdout.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert " ".join(rows["trial"]) == "trial ratio bpp KB top-1 loss points bytes saved at equal loss"
    assert rows["0"][:7] == ["0", "18.00", "1.33", "2.73", "82.00", "%", "0.5000"]
    assert rows["0"][-2:] == [f"{first['saving_percent']:+.1f}", "%"]
    assert rows["standard:75"][1] == "15.00"
    assert "Standard quality" not in "".join(lines)


def test_a_frontier_of_nothing_and_of_tables_outside_the_curve(cli: Cli, tmp_path: Path) -> None:
    make_run(tmp_path / "runs/empty", [])
    assert "0 tables on the frontier" in cli("show", "empty", "--frontier").stdout
    make_run(tmp_path / "runs/far", [done(0, 90, 0.2)])
    assert json.loads(cli("show", "far", "--frontier", "--json").stdout)["frontier"][0]["gain_points"] is None
    assert cli("show", "far", "--frontier").stdout.splitlines()[4].split()[-1] == "?"


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
