"""``qsearch run --race``: what is stopped is told, kept apart, completed on demand, and survives a kill."""

import csv
import io
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from qsearch.archive.store import Archive
from qsearch.evaluation.measurement import Part, Trial
from qsearch.evaluation.task import Task
from qsearch.run.building import build_evaluator
from qsearch.run.folder import Run
from qsearch.run.settings import load_settings
from qsearch.tables import QuantTables
from tests.cli.test_kill import recorded, wait_until
from tests.conftest import Command, Finished

Cli = Callable[..., Finished]
SERIAL = ("--workers", "1", "--executor", "serial")
NETWORK = ("--classifier", "fake")
SEARCH = ("--dataset", "fake-many", "--trials", "40", "--seed", "3", "--confirm", "0")
RACE = ("--race", "--race-chance", "0.4")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """A run of 40 tables that raced, in one process."""
    folder = tmp_path_factory.mktemp("unbroken")
    finished = Command(folder, plugin_folder)("run", "--name", "unbroken", *SEARCH, *NETWORK, *RACE, *SERIAL)
    assert finished.returncode == 0, finished.stderr
    assert " stopped, " in finished.stderr
    assert " % of images saved" in finished.stderr
    return folder / "runs" / "unbroken"


@pytest.fixture
def raced(cli: Cli, tmp_path: Path, unbroken: Path) -> Run:
    """A copy of it, called ``raced``."""
    return Run.open(shutil.copytree(unbroken, tmp_path / "runs" / "raced"))


def of_status(run: Run, status: str) -> list[Trial]:
    return [trial for trial in run.trials()[1] if trial.status == status]


def test_what_was_stopped_is_told_and_stands_in_no_result(cli: Cli, raced: Run) -> None:
    stopped, done = of_status(raced, "stopped"), of_status(raced, "done")
    assert len(stopped) + len(done) == 40
    assert min(len(stopped), len(done)) >= 12
    saved = 1 - sum(trial.measurement.images for trial in [*stopped, *done] if trial.measurement) / (40 * 256)
    line = next(line for line in cli("show", "raced").stdout.splitlines() if line.startswith("Tables: "))
    assert line.startswith(
        f"Tables: {len(done)} of 40 trials done ({len(done)} distinct), {len(stopped)} stopped after a part of the "
        f"images ({100 * saved:.0f} % of the images' evaluations saved), "
    )
    summary = json.loads(cli("show", "raced", "--json").stdout)["summary"]
    assert (summary["trials_done"], summary["trials_stopped"]) == (len(done), len(stopped))
    assert summary["evaluations_saved"] == pytest.approx(saved)
    labels = {trial.label for trial in done}
    assert {point["label"] for point in summary["frontier"]} <= labels
    assert summary["best_at_ratio"]["label"] in labels
    assert {trial.label for trial in raced.results().done} == labels


def test_trials_say_how_many_images_each_saw(cli: Cli, raced: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("trials", "raced", "--csv").stdout)))
    stopped = [row for row in rows if row["status"] == "stopped"]
    assert {int(row["images"]) for row in stopped} <= {32, 64, 128}
    assert all(row["reason"].startswith(f"stopped after {row['images']} of 256 images: ") for row in stopped)
    assert {row["images"] for row in rows if row["status"] == "done"} == {"256"}
    again = json.loads(cli("trials", "raced", "--json").stdout)
    assert [each["images"] for each in again] == [int(row["images"]) for row in rows]


def test_completed_it_is_what_it_would_have_been(cli: Cli, raced: Run) -> None:
    first, second = of_status(raced, "stopped")[:2]
    refused = cli("export", f"raced:{first.label}", "--format", "json")
    assert refused.status == 2
    assert refused.sentence.startswith(f"trial {first.label} was stopped after ")
    assert refused.sentence.endswith(f"'qsearch measure RUN --complete {first.label}'.")

    command = ("measure", "raced", "--complete", first.label, "--complete", second.label, *SERIAL)
    assert cli(*command).stdout == f"{raced.path.relative_to(Path.cwd())}: 2 trials completed\n"
    evaluator = build_evaluator(raced.settings, workers=1)
    for trial in (first, second):
        found = raced.results().trial(trial.label)
        assert found.status == "done"
        assert found.part == trial.part
        assert found.reason == f"{trial.reason}; completed later"
        assert found.measurement == evaluator.evaluate(Task(trial.quantizer))
    assert cli("verify", "raced").stdout == "no problem found\n"
    assert cli("export", f"raced:{first.label}", "--format", "json").status == 0
    assert cli(*command).stdout == f"{raced.path.relative_to(Path.cwd())}: 0 trials completed\n"


def test_every_kind_of_table_has_its_measures_added(cli: Cli, raced: Run) -> None:
    """A stopped trial lacks a measure that was added later, and is completed without it."""
    assert cli("measure", "raced", "--add", "psnr", *SERIAL).status == 0
    first = of_status(raced, "stopped")[0]
    assert first.measurement is not None
    assert "psnr" not in first.measurement
    finished = cli("measure", "raced", "--complete", first.label, "--add", "psnr", *SERIAL)
    assert finished.status == 0, finished.stderr
    measurement = raced.results().trial(first.label).measurement
    assert measurement is not None
    assert measurement.images == 256
    assert "psnr" in measurement
    assert cli("verify", "raced").stdout == "no problem found\n"


def test_a_part_of_other_images_is_told(cli: Cli, raced: Run) -> None:
    first = of_status(raced, "stopped")[0]
    assert first.part is not None
    strange = {40: Part(first.part.images, "ab" * 32), 41: Part(33, first.part.order)}
    with Archive.open(raced.path / "trials.sqlite") as archive:
        for number, part in strange.items():
            measurement = raced.results().trial("0").measurement
            assert measurement is not None
            seen = measurement.at(np.arange(part.images))
            archive.add(Trial("search", number, "x", QuantTables.standard(number), "stopped", seen, part=part))
    finished = cli("verify", "raced")
    assert finished.status == 1
    for number in strange:
        assert f"trial {number} was stopped on a part that is none of the 256 images it lists" in finished.stdout
    refused = cli("measure", "raced", "--complete", "40", *SERIAL)
    assert refused.status == 2
    assert "trial 40 was stopped on" in refused.sentence


def test_the_race_is_in_the_settings(cli: Cli, raced: Run) -> None:
    race = load_settings(raced.path / "run.toml").search.race
    assert race is not None
    assert (race.chance, race.elite, race.lag) == (0.4, 12, 4)
    for name, option in (("again", "--race-chance=0.3"), ("plain", "--no-race")):
        config = ("--config", str(raced.path / "run.toml"), "--trials", "1", "--dataset", "fake")
        assert cli("run", "--name", name, *config, option, *SERIAL).status == 0
    again, plain = (load_settings(Path("runs", name, "run.toml")).search.race for name in ("again", "plain"))
    assert plain is None
    assert again == msgspec.structs.replace(race, chance=0.3)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("run", *SEARCH, "--race", "--strategy", "standard"), "leave it out with standard"),
        (("run", *SEARCH, "--race", "--strategy", "fake-adaptive"), "leave it out with fake-adaptive"),
        (("run", *SEARCH, "--race-chance", "0.2"), "give --race too"),
        (("run", *SEARCH, "--race", "--race-chance", "1"), "--race-chance"),
    ],
)
def test_what_cannot_race_is_told_at_once(cli: Cli, arguments: tuple[str, ...], phrase: str) -> None:
    finished = cli(*arguments, *SERIAL)
    assert finished.status == 2
    assert phrase in finished.sentence
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        ((), "say what to measure"),
        (("--complete", "0"), "trial 0 of run raced is done, and no race stopped it"),
        (("--complete", "standard:50"), "trial standard:50 of run raced is done"),
        (("--complete", "400"), "has no trial '400'"),
    ],
)
def test_only_stopped_trials_are_completed(cli: Cli, raced: Run, arguments: tuple[str, ...], phrase: str) -> None:
    finished = cli("measure", "raced", *arguments, *SERIAL)
    assert finished.status == 2
    assert phrase in finished.sentence


def test_a_race_does_not_go_on_with_other_images(cli: Cli, raced: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import fakes

    images = fakes.fake_images(256, seed=9)
    monkeypatch.setattr(fakes, "fake_images", lambda count=15, seed=0: images[:count])
    finished = cli("resume", "raced", "--trials", "50", "--allow-changed", *SERIAL)
    assert finished.status == 2
    assert "is a race, which compares tables image by image, and its images changed" in finished.sentence


def test_killed_in_the_middle_it_ends_as_one_that_never_was(cli: Cli, qsearch: Command, unbroken: Path) -> None:
    path = qsearch.folder / "runs" / "killed"
    slowly = {"FAKE_SLEEP_S": "0.01"}
    process = qsearch.start("run", "--name", "killed", *SEARCH, *NETWORK, *RACE, "--workers", "2", env=slowly)
    wait_until(lambda: recorded(path) >= 40 or process.poll() is not None, "the race to be on its way")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    left = recorded(path)
    resumed = cli("resume", "killed", "--workers", "2")
    assert resumed.status == 0, resumed.stderr
    assert 40 <= left < 60
    assert all_of(path) == all_of(unbroken)


def all_of(path: Path) -> list[Trial]:
    reference, search = Run.open(path).trials()
    return [*reference, *search]
