"""``qsearch run`` and ``resume``: options become settings, and the search ends with its summary."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.executors.base import Executor
from qsearch.executors.serial import SerialExecutor
from qsearch.run.folder import Run
from qsearch.strategies.standard import REFERENCE_QUALITIES
from tests import fakes
from tests.conftest import FAKE, Finished

Cli = Callable[..., Finished]


def trials(path: Path) -> list[Trial]:
    reference, search = Run.open(path).trials()
    return [*reference, *search]


def test_a_run_ends_with_what_it_found(cli: Cli, tmp_path: Path) -> None:
    finished = cli("run", "--name", "demo", "--trials", "12", "--seed", "5", *FAKE)
    assert finished.status == 0
    assert "Run demo: sorted-random, seed 5, layout shared" in finished.stdout
    assert "15 images 24x24 of fake, fake, coefficient 4:2:0" in finished.stdout
    assert "12 of 12 trials done (12 distinct)" in finished.stdout
    place = r"Standard quality 50: +ratio +\d+\.\d\d \(\d+\.\d\d bpp, \d+\.\d\d KB an image\), top-1 +\d+\.\d\d %"
    assert re.search(place, finished.stdout)
    assert "Best at no lower ratio:" in finished.stdout
    assert "Picked by cross-entropy." in finished.stdout
    assert "Best at no higher loss:" in finished.stdout
    assert "the images the search chose on" in finished.stdout
    run = Run.open(tmp_path / "runs" / "demo")
    assert [trial.number for trial in run.trials()[0]] == [0, *REFERENCE_QUALITIES]
    assert len(run.trials()[1]) == 12


def test_the_summary_as_json_says_what_the_trials_say(cli: Cli, tmp_path: Path) -> None:
    found = json.loads(cli("run", "--json", "--name", "demo", "--trials", "20", *FAKE).stdout)
    results = Run.open(tmp_path / "runs" / "demo").results()
    summary, standard = found["summary"], results.standard[50]
    assert summary["standard"]["ratio"] == standard.ratio
    assert summary["standard"]["top1"] == standard.top1
    best = summary["best_at_ratio"]
    assert best["ratio"] >= standard.ratio
    reaching = [
        t for t in results.done if t.measurement and t.measurement.ratio >= standard.ratio
    ]  # all tables that save as much
    assert best["top1"] == max(t.measurement.top1 for t in reaching if t.measurement)
    assert found["settings"]["search"]["trials"] == 20


def test_options_become_the_settings_of_the_run(cli: Cli, tmp_path: Path) -> None:
    options = [
        *("--strategy", "fake-adaptive", "--set", "step=2", "--set", "word=hello", "--layout", "ycbcr"),
        *("--look-ahead", "2", "--subsampling", "4:4:4", "--optimize", "--progressive", "--psnr", "--seed", "9"),
    ]
    assert cli("run", "--name", "a", "--trials", "3", *FAKE, *options).status == 0
    settings = Run.open(tmp_path / "runs" / "a").settings
    assert settings.search.strategy == "fake-adaptive"
    assert settings.search.options == {"step": 2, "word": "hello"}
    assert (settings.search.layout, settings.search.look_ahead, settings.search.seed) == ("ycbcr", 2, 9)
    assert (settings.codec.subsampling, settings.codec.optimize, settings.codec.progressive) == ("4:4:4", True, True)
    assert settings.measures == ("psnr",)
    assert settings.recorded is not None
    assert settings.recorded.codec["subsampling"] == "4:4:4"
    assert all(trial.measurement and trial.measurement.psnr_db is not None for trial in trials(tmp_path / "runs" / "a"))


def test_both_draws_of_sorted_random_can_be_had(cli: Cli, tmp_path: Path) -> None:
    for draw in ("half-normal", "uniform"):
        assert cli("run", "--name", draw, "--trials", "2", *FAKE, "--draw", draw).status == 0
    half_normal, uniform = (trials(tmp_path / "runs" / draw)[-1].tables for draw in ("half-normal", "uniform"))
    assert half_normal != uniform


def test_a_config_makes_the_same_run_again(cli: Cli, tmp_path: Path) -> None:
    options = ["--strategy", "fake-adaptive", "--set", "word=b", "--seed", "4", "--trials", "6", "--optimize"]
    assert cli("run", "--name", "a", *FAKE, *options).status == 0
    config = str(tmp_path / "runs" / "a" / "run.toml")
    assert cli("run", "--name", "b", "--config", config, "--executor", "serial").status == 0
    a, b = (Run.open(tmp_path / "runs" / name) for name in "ab")
    assert trials(a.path) == trials(b.path)
    assert (a.settings.search, a.settings.codec, a.settings.dataset) == (
        b.settings.search,
        b.settings.codec,
        b.settings.dataset,
    )


def test_options_override_a_config(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        "[search]\ntrials = 5\nseed = 7\nqualities = [50]\noptions = {draw = 'uniform'}"
    )
    assert cli("run", "--name", "a", "--config", "mine.toml", *FAKE, "--seed", "8").status == 0
    settings = Run.open(tmp_path / "runs" / "a").settings.search
    assert (settings.trials, settings.seed, settings.options, settings.qualities) == (5, 8, {"draw": "uniform"}, (50,))
    changed = cli("run", "--name", "b", "--config", "mine.toml", *FAKE, "--strategy", "uniform-random")
    assert changed.status == 0  # the options were sorted-random's
    assert Run.open(tmp_path / "runs" / "b").settings.search.options == {}


def test_runs_without_a_name_are_numbered(cli: Cli, tmp_path: Path) -> None:
    for _ in range(3):
        assert cli("run", "--trials", "1", *FAKE).status == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {f"sorted-random{n}" for n in ("", "-2", "-3")}


def test_resume_goes_on_to_more_trials(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", "--name", "a", "--trials", "4", *FAKE).status == 0
    assert cli("run", "--name", "b", "--trials", "9", *FAKE).status == 0
    more = cli("resume", "a", "--trials", "9", "--executor", "serial")
    assert more.status == 0
    assert "9 of 9 trials done" in more.stdout
    assert trials(tmp_path / "runs" / "a") == trials(tmp_path / "runs" / "b")
    nothing = cli("resume", "a", "--executor", "serial")
    assert nothing.status == 0
    assert len(trials(tmp_path / "runs" / "a")) == 10 + len(REFERENCE_QUALITIES)


def test_resume_works_from_any_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset given by a relative path is found again."""
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        noise = np.random.default_rng(len(name)).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / name / "1.png")
    data = ("--dataset", "folder:photos", "--classifier", "fake", "--executor", "serial")
    assert cli("run", "--name", "a", "--trials", "2", *data).status == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli("resume", str(tmp_path / "runs" / "a"), "--trials", "3", "--executor", "serial").status == 0
    assert len(Run.open(tmp_path / "runs" / "a").trials()[1]) == 3


def test_a_run_is_found_beside_a_folder_of_its_name(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    assert cli("run", "--name", "demo", "--trials", "1", *FAKE).status == 0
    assert "Run demo:" in cli("show", "demo").stdout
    os.chdir(tmp_path / "runs" / "demo")
    assert "Run demo:" in cli("show", ".").stdout


def test_the_folder_of_runs_is_an_option_and_a_variable(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("run", "--runs", "a", "--name", "x", "--trials", "1", *FAKE).status == 0
    monkeypatch.setenv("QSEARCH_RUNS", str(tmp_path / "a"))
    assert cli("show", "x").status == 0


def test_failures_are_shown_counted_and_recorded(cli: Cli, tmp_path: Path) -> None:
    finished = cli("run", "--name", "a", "--trials", "30", *FAKE, "--classifier", "fake:fail=5")
    assert finished.status == 0
    failed = [trial for trial in trials(tmp_path / "runs" / "a") if trial.status == "failed"]
    assert failed
    assert {trial.reason for trial in failed} == {"OSError: the network broke down"}
    in_search = [trial for trial in failed if trial.series == "search"]
    assert f", {len(in_search)} failed" in finished.stdout
    for trial in failed:
        assert f"trial {trial.label} failed: OSError: the network" in finished.stderr


def test_ten_failures_in_a_row_end_the_run_with_a_sentence(cli: Cli, tmp_path: Path) -> None:
    finished = cli("run", "--name", "a", "--trials", "30", *FAKE, "--classifier", "fake:fail=1")
    assert finished.status == 1
    assert finished.sentence == (
        "10 evaluations in a row failed, so the run stops here; the last one: OSError: the network broke down"
    )
    assert len(trials(tmp_path / "runs" / "a")) == 10


def test_changed_weights_are_refused_unless_allowed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("run", "--name", "a", "--trials", "2", *FAKE).status == 0
    monkeypatch.setenv("FAKE_WEIGHTS_DIGEST", "1" * 64)
    refused = cli("resume", "a", "--trials", "4", "--executor", "serial")
    assert refused.status == 2
    assert "classifier fake: digest was 000000000000..., is 111111111111..." in refused.sentence
    allowed = cli("resume", "a", "--trials", "4", "--executor", "serial", "--allow-changed")
    assert allowed.status == 0
    assert "Changed at trial 2: classifier fake: digest was" in allowed.stdout
    assert "Changed at trial 2" in cli("show", "a").stdout


def test_several_workers_find_what_one_finds(cli: Cli, tmp_path: Path) -> None:
    options: list[Any] = ["--trials", "10", *FAKE, "--strategy", "fake-adaptive", "--classifier", "fake:fail=9"]
    assert cli("run", "--name", "one", *options).status == 0
    assert cli("run", "--name", "two", *options, "--workers", "2", "--executor", "processes").status == 0
    assert trials(tmp_path / "runs" / "one") == trials(tmp_path / "runs" / "two")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("step=" + "9" * 5000, "the option step takes a whole number, got '9999"),
        ("step=" + "[" * 50_000, "the option step takes a whole number, got '[[[["),
    ],
    ids=["thousands of digits", "lists in lists"],
)
def test_an_option_that_is_no_value_is_one_sentence(cli: Cli, tmp_path: Path, value: str, sentence: str) -> None:
    finished = cli("run", "--name", "a", "--trials", "3", *FAKE, "--strategy", "fake-adaptive", "--set", value)
    assert (finished.status, finished.sentence.startswith(sentence)) == (2, True), finished.sentence
    assert len(finished.sentence) < 200
    assert not list((tmp_path / "runs").glob("*"))


def test_a_network_that_is_mostly_wrong_uncompressed_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--class-names" not in cli("run", "--name", "right", "--trials", "2", *FAKE).stderr
    answer = fakes.FakeClassifier.logits
    monkeypatch.setattr(fakes.FakeClassifier, "logits", lambda self, images: -answer(self, images))
    wrong = cli("run", "--name", "wrong", "--trials", "2", *FAKE).stderr
    assert re.search(r"fake is right on \d+\.\d % of the uncompressed images only: .*--class-names.*--mean", wrong)


def test_a_timeout_reaches_what_evaluates(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    def made(evaluator: Evaluator, workers: int, *, timeout_s: float | None, **how: Any) -> Executor:
        asked.append(timeout_s)
        return SerialExecutor(evaluator)

    monkeypatch.setattr("qsearch.run.folder.executor_for", made)
    workers = ("--dataset", "fake", "--classifier", "fake", "--workers", "1")
    assert cli("run", "--name", "a", "--trials", "2", *workers, "--timeout", "7").status == 0
    assert cli("resume", "a", "--trials", "3", "--workers", "1", "--timeout", "8").status == 0
    assert cli("validate", "a", "--dataset", "fake:7", "--workers", "1").status == 0
    assert asked == [7, 8, None]


def test_trust_is_given_each_time_and_never_kept(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", "--name", "a", "--trials", "2", *FAKE, "--trust-pickle").status == 0
    for path in (tmp_path / "runs" / "a").glob("*.*"):
        assert b"trust" not in path.read_bytes()


def test_failed_trials_are_tried_again(cli: Cli, tmp_path: Path) -> None:
    serial = ("--workers", "1", "--executor", "serial")
    cli("run", "--name", "half", "--trials", "20", "--dataset", "fake", "--classifier", "fake:fail=4", *serial)
    run = tmp_path / "runs" / "half"
    failed = [trial.label for trial in trials(run) if trial.status == "failed"]
    assert failed
    settings = run / "run.toml"
    settings.write_text(settings.read_text().replace("fake:fail=4", "fake"))
    finished = cli("resume", "half", "--retry-failed", *serial)
    assert finished.status == 0, finished.stderr
    assert {trial.status for trial in trials(run)} == {"done"}
    assert [trial.label for trial in trials(run) if "The attempt before failed" in trial.reason] == failed
