"""``qsearch history``: what is printed, drawn and written of the best so far, and what is refused."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.evaluation.objective import LOSS
from qsearch.report.history_plot import plot_history
from qsearch.run.folder import Run
from qsearch.run.histories import traces
from qsearch.tables import QuantTables
from tests.cli.conftest import Call
from tests.made_up_confirmations import IMAGES, make, measurement, standard
from tests.made_up_runs import REFERENCE_WITH_LOSS, done, make_loss_run, make_run

SAVED = 100 * (1 - 17.5 / 24)
"""By trial 3, the last pick: its loss 0.75 is the standard curve's at ratio 17.5."""


@pytest.fixture
def two_seeds(tmp_path: Path) -> tuple[Path, Path]:
    """Runs ``one`` and ``two`` of five trials, equal but for the seed; the first one's trial 3 is validation."""
    one, two = (make_loss_run(tmp_path / "runs" / name, seed=seed) for seed, name in ((1, "one"), (2, "two")))
    again = replace(done(3, 20, 0.75, loss=0.875), number=0, strategy="listed", origin="3")
    make_loss_run(one / "validations" / "unseen", [again])
    return one, two


def printed(call: Call, *arguments: str) -> str:
    finished = call("history", *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_in_words(call: Call, two_seeds: tuple[Path, Path]) -> None:
    text = printed(call, "one", "two")
    assert "the best by cross-entropy at ratio 20.00 or more" in text
    assert "within 1 % of the best known, +27.1 %: after so many trials." in text
    lines = [line.split() for line in text.splitlines()]
    assert ["one", "1", "5", "1000", "3", "4", "+27.1", "%", "+2.00", "4", "+6.2", "%", "+5.00"] in lines
    assert ["two", "2", "5", "1000", "3", "4", "+27.1", "%", "+2.00", "4"] in lines
    assert "median (quartiles) of 2 seeds after 5 trials: +27.1 % of bytes (+27.1 to +27.1)" in text
    assert "Validation unseen does not say what 1 of the 2 picks of run one gain. To judge all: " in text
    assert text.endswith("qsearch validate one --dataset textures --name picks --tables one:1 --tables one:3\n")
    alone = printed(call, "two", "--by", "evaluations")
    assert "after so many images read by networks" in alone
    assert "validation" not in alone
    assert "median" not in alone
    assert ["two", "2", "5", "1000", "3", "800", "+27.1", "%", "+2.00", "800"] in [
        line.split() for line in alone.splitlines()
    ]


def test_as_json(call: Call, two_seeds: tuple[Path, Path]) -> None:
    found: dict[str, Any] = json.loads(printed(call, "one", "two", "--json", "--by", "evaluations"))
    assert (found["objective"], found["saving_at_equal"], found["by"]) == ("loss", "loss", "evaluations")
    one, two = found["runs"]
    assert (one["run"], one["seed"], one["validation"], two["validation"]) == ("one", 1, "unseen", None)
    assert (one["trials"], one["evaluations"], one["close_after"]) == (5, 1000, 800)
    assert [(pick["trial"], pick["trials"], pick["evaluations"]) for pick in one["picks"]] == [
        ("1", 2, 400),
        ("3", 4, 800),
    ]
    assert one["picks"][1]["saving_percent"] == pytest.approx(SAVED, abs=0.05)
    assert one["picks"][1]["validation_saving_percent"] == pytest.approx(100 * (1 - 18.75 / 20), abs=0.05)
    assert one["picks"][0]["validation_saving_percent"] is None
    assert "validation_saving_percent" not in two["picks"][0]
    (strategy,) = found["strategies"]
    assert (strategy["strategy"], strategy["runs"]) == ("sorted-random", ["one", "two"])
    assert strategy["evaluations"] == [200, 400, 800, 1000]
    assert strategy["saving_percent"]["median"][0] is None
    assert strategy["saving_percent"]["median"][2:] == pytest.approx([SAVED] * 2, abs=0.05)
    assert strategy["validation_gain_points"]["median"] == [None] * 4


def test_the_confirmed_pick_comes_last(call: Call, two_seeds: tuple[Path, Path]) -> None:
    """What is taken home is none of the search's picks, and the validation measured it for one of the two runs."""
    one, _ = two_seeds
    for path in two_seeds:
        make(
            path / "confirmations" / "5-trials",
            {"standard": standard(20), "3": measurement(20, 0.02, seed=3), "learned:accuracy": measurement(20, 0.1)},
            tables=[QuantTables.standard(50), QuantTables.standard(49), QuantTables.standard(33)],
        )
    shutil.rmtree(one / "validations" / "unseen")
    same = replace(done(3, 20, 0.75, loss=0.875), number=0, quantizer=QuantTables.standard(33), origin="accuracy")
    make_loss_run(one / "validations" / "unseen", [same])
    text = printed(call, "one", "two")
    _, _, last = text.partition("Confirmed on images kept aside, which is what 'qsearch export' takes:\n")
    first, second, *_ = last.splitlines()
    assert first.startswith("  one: learned:accuracy, expected to save +")
    assert first.endswith("; validation: +6.2 %, +5.00 points")
    assert second.startswith("  two: learned:accuracy, expected to save +")
    assert "validation" not in second
    judged, unjudged = (run["taken"] for run in json.loads(printed(call, "one", "two", "--json"))["runs"])
    assert (judged["pick"], judged["confirmation"], judged["images"]) == ("learned:accuracy", "5-trials", IMAGES)
    assert judged["validation_saving_percent"] == pytest.approx(100 * (1 - 18.75 / 20), abs=0.05)
    assert judged["expected_saving_percent"]["low"] < judged["expected_saving_percent"]["value"]
    assert "validation_saving_percent" not in unjudged

    saved, _ = plot_history(traces([Run.open(path) for path in two_seeds]), "200 images", LOSS, "trials").axes
    (star,) = [line for line in saved.lines if line.get_marker() == "*"]
    assert np.asarray(star.get_xydata()).tolist() == [[5, pytest.approx(judged["validation_saving_percent"])]]


def test_as_a_row_per_trial(call: Call, two_seeds: tuple[Path, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(call, "two", "one", "--csv"))))
    assert [(row["run"], row["trials"], row["pick"]) for row in rows] == [
        (run, str(trials), pick)
        for run in ("two", "one")
        for trials, pick in enumerate(["", "1", "1", "3", "3"], start=1)
    ]
    assert [row["evaluations"] for row in rows[:5]] == ["200", "400", "600", "800", "1000"]
    assert rows[0]["saving_percent"] == ""
    assert float(rows[4]["saving_percent"]) == pytest.approx(SAVED, abs=0.05)
    assert float(rows[9]["validation_gain_points"]) == pytest.approx(5, abs=0.05)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_as_a_picture(call: Call, tmp_path: Path, two_seeds: tuple[Path, Path], suffix: str, magic: bytes) -> None:
    finished = call("history", "one", "two", "--out", f"history.{suffix}")
    assert finished.returncode == 0, finished.stderr
    assert f"wrote history.{suffix}" in finished.stderr
    assert (tmp_path / f"history.{suffix}").read_bytes().startswith(magic)


def test_a_run_picked_by_top1_whose_loss_was_not_measured_is_told_in_points(call: Call, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "demo")
    finished = call("history", "demo", "--out", "history.svg")
    assert finished.returncode == 0, finished.stderr
    assert "the best by top-1 at ratio 20.00 or more" in finished.stdout
    assert "not known" in finished.stdout
    assert "bytes saved" not in (tmp_path / "history.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("one", "other"), "cannot be compared: the first picks by cross-entropy, the second by top-1"),
        (("one", "one"), "runs one and one are one search"),
        (("one", "oen"), "did you mean one"),
        (("empty",), "run empty has no finished trial yet"),
        (("one", "--validation", "seen"), "no run has a validation 'seen': did you mean unseen"),
        (("one", "--by", "seconds"), "'seconds' is not one of"),
        (("one", "--out", "history.gif"), "a plot is written as .png, .svg, .pdf"),
        ((), "Missing argument 'RUN...'"),
    ],
)
def test_bad_input_is_one_sentence(
    call: Call, tmp_path: Path, two_seeds: tuple[Path, Path], arguments: tuple[str, ...], sentence: str
) -> None:
    make_run(tmp_path / "runs" / "other", reference=REFERENCE_WITH_LOSS)
    make_loss_run(tmp_path / "runs" / "empty", ())
    finished = call("history", *arguments)
    assert finished.returncode == 2
    assert sentence in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("qsearch: ")
    assert finished.stdout == ""


def test_the_picture_shows_each_strategy_with_its_band_and_its_validation(two_seeds: tuple[Path, Path]) -> None:
    saved, points = plot_history(traces([Run.open(path) for path in two_seeds]), "200 images", LOSS, "trials").axes
    lines = {str(line.get_label()): line for line in saved.lines}
    assert list(lines) == ["standard curve", "sorted-random: median of 2 seeds", "sorted-random, on validation images"]
    assert lines["sorted-random: median of 2 seeds"].get_drawstyle() == "steps-post"
    assert "equal loss" in saved.get_ylabel()
    assert "points" in points.get_ylabel()
