"""``qsearch efficiency``: the paper's Table 2 of runs, and where its parabola comes from."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qsearch.analysis.efficiency import common_parabola, efficiencies
from qsearch.archive.store import Archive
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE, Run
from qsearch.run.settings import BoundsSettings, CodecSettings, load_settings, save_settings
from tests.conftest import Finished
from tests.made_up_runs import SEARCH, make_run

Cli = Callable[..., Finished]


def run_of(path: Path, strategy: str = "sorted-random", trials: int = len(SEARCH), **search: Any) -> Run:
    """A run of ``trials`` made-up trials of ``strategy``."""
    make_run(path, [replace(trial, strategy=strategy) for trial in SEARCH[:trials]])
    change_search(path, strategy=strategy, **search)
    return Run.open(path)


def change_search(path: Path, **search: Any) -> None:
    settings = load_settings(path / SETTINGS_FILE)
    changed = msgspec.structs.replace(settings.search, **search)
    save_settings(msgspec.structs.replace(settings, search=changed), path / SETTINGS_FILE)


def bounds() -> BoundsSettings:
    box = tuple(range(1, 65))
    return BoundsSettings(
        sources=("elsewhere",), window=(21, 23), sigma=0.5, parabola=(0.0, -0.01, 1.0), lower=box, upper=box
    )


def table(cli: Cli, *runs: str) -> dict[str, Any]:
    finished = cli("efficiency", *runs, "--json")
    assert finished.status == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_json_and_csv_say_what_the_analysis_found(cli: Cli, tmp_path: Path) -> None:
    run = run_of(tmp_path / "runs/demo")
    results = run.results()
    (expected,) = efficiencies([(results, "sorted-random")], common_parabola([results]))
    found = table(cli, "demo")
    assert found["runs"] == [json.loads(msgspec.json.encode(expected))]
    (row,) = csv.DictReader(io.StringIO(cli("efficiency", "demo", "--csv").stdout))
    assert list(row) == list(found["runs"][0])
    assert float(row["hypervolume"]) == pytest.approx(expected.hypervolume or 0)
    assert row["trials_to_good"] == ""


def test_in_words(cli: Cli, tmp_path: Path) -> None:
    run_of(tmp_path / "runs/one")
    run_of(tmp_path / "runs/two", "uniform-random", trials=4)
    printed = cli("efficiency", "one", "two").stdout
    title, one, two = printed.splitlines()[-3:]
    assert "Hypervolume is over the ratios 10.00 to 22.00, which every run's frontier covers." in printed
    assert "hypervolume at 4" in title
    assert one.split()[:3] == ["one", "sorted-random", "6"]
    assert "(1 failed)" in one
    assert "never" in two


def test_a_warm_up_is_mentioned(cli: Cli, tmp_path: Path) -> None:
    path = make_run(tmp_path / "runs/demo", [*SEARCH[:4], replace(SEARCH[4], strategy="bounded-random")])
    change_search(path, strategy="bounded-random", bounds=bounds())
    printed = cli("efficiency", "demo").stdout
    assert "demo: 4 trials of its warm-up before these are not counted." in printed


def test_the_parabola_is_that_of_the_sorted_random_runs(cli: Cli, tmp_path: Path) -> None:
    run_of(tmp_path / "runs/bounded", "bounded-random", bounds=bounds())
    one, two = run_of(tmp_path / "runs/one"), run_of(tmp_path / "runs/two", trials=4)
    found = table(cli, "bounded", "one", "two")["parabola"]
    assert found["source"] == "fitted on the frontier of one, two"
    assert found["c"] == pytest.approx(common_parabola([one.results(), two.results()]).c)


def test_without_one_it_is_the_parabola_of_a_runs_bounds(cli: Cli, tmp_path: Path) -> None:
    run_of(tmp_path / "runs/plain", "uniform-random")
    run_of(tmp_path / "runs/bounded", "bounded-random", bounds=bounds())
    found = table(cli, "plain", "bounded")["parabola"]
    assert found == {"a": 0.0, "b": -0.01, "c": 1.0, "source": "that of the bounds of bounded, from elsewhere"}


def test_else_it_is_that_of_the_first_run(cli: Cli, tmp_path: Path) -> None:
    run = run_of(tmp_path / "runs/plain", "uniform-random")
    found = table(cli, "plain")["parabola"]
    assert found["source"] == "fitted on the frontier of plain"
    assert found["a"] == pytest.approx(common_parabola([run.results()]).a)


def test_runs_under_other_conditions_are_not_compared(cli: Cli, tmp_path: Path) -> None:
    run_of(tmp_path / "runs/one")
    make_run(tmp_path / "runs/two", codec=CodecSettings(subsampling="4:4:4"))
    refused = cli("efficiency", "one", "two")
    assert refused.status == 2
    assert "subsampling was 4:2:0, is 4:4:4" in refused.sentence
    run_of(tmp_path / "runs/three", hypervolume_reference=(2.0, 0.0))
    refused = cli("efficiency", "one", "three")
    assert refused.status == 2
    assert "different reference points" in refused.sentence


@pytest.mark.parametrize(("trials", "sentence"), [(0, "three different ratios or more"), (2, "the frontier has 2")])
def test_too_few_trials_for_a_parabola(cli: Cli, tmp_path: Path, trials: int, sentence: str) -> None:
    run = run_of(tmp_path / "runs/demo", trials=trials)
    with Archive.open(run.path / ARCHIVE_FILE) as archive:
        assert archive.count("search") == trials
    refused = cli("efficiency", "demo")
    assert refused.status == 2
    assert sentence in refused.sentence
