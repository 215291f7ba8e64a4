"""``qsearch validate``: a run's tables on images that it has not seen, and every way in which that may not be."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.choice import pick
from qsearch.report import wording
from qsearch.run.folder import Run
from qsearch.run.validation import uses, validations
from tests.conftest import FAKE, Command, Finished

Cli = Callable[..., Finished]
OTHERS = ("--dataset", "fake:7", "--executor", "serial")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """The folder of a run of eight trials; nobody changes it."""
    command = Command(tmp_path_factory.mktemp("made"), plugin_folder)
    finished = command("run", "--name", "demo", "--trials", "8", *FAKE)
    assert finished.returncode == 0, finished.stderr
    return command.folder / "runs" / "demo"


@pytest.fixture
def demo(cli: Cli, made: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(made, tmp_path / "runs" / "demo"))


def test_the_frontier_is_measured_and_kept_with_the_run(cli: Cli, demo: Path) -> None:
    finished = cli("validate", "demo", *OTHERS, "--name", "others")
    assert finished.status == 0, finished.stderr
    run = Run.open(demo)
    (kept,) = validations(run)
    assert kept.name == "others"
    searched, validated = run.results(), kept.results()
    assert [trial.label for trial in validated.done] == [trial.label for trial in searched.frontier]
    assert [trial.tables for trial in validated.done] == [trial.tables for trial in searched.frontier]
    assert sorted(validated.standard) == sorted(searched.standard)
    assert validated.standard[50] != searched.standard[50]
    assert (kept.path / "validation.png").is_file()
    assert "First use of these images." in finished.stdout


def test_it_is_as_if_the_tables_had_been_searched_there(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", *OTHERS, "--name", "others").status == 0
    assert cli("run", "--name", "there", "--trials", "8", *FAKE, "--dataset", "fake:7").status == 0
    there = {trial.tables: trial.measurement for trial in Run.open("runs/there").results().done}
    for trial in Run.open(demo / "validations" / "others").results().done:
        assert trial.measurement == there[trial.tables]


def test_images_that_the_search_has_seen_are_refused(cli: Cli, demo: Path) -> None:
    finished = cli("validate", "demo", "--dataset", "fake", "--executor", "serial")
    assert finished.status == 2
    assert "15 of 15 images are among those that run demo searched on" in finished.sentence
    assert not validations(Run.open(demo))


def test_every_use_of_the_same_images_counts(cli: Cli, demo: Path) -> None:
    run = Run.open(demo)
    for use in (1, 2):
        report = json.loads(cli("validate", "demo", *OTHERS, "--name", f"use-{use}", "--json").stdout)
        assert report["use"] == use
    again = json.loads(cli("validate", "demo", *OTHERS, "--name", "use-2", "--json").stdout)
    assert again["use"] == 2, "going on with a validation is no new use"
    recorded = validations(run)[0].settings.recorded
    assert recorded is not None
    assert uses(run, recorded.dataset["digest"]) == 2
    assert uses(run, "of other images") == 0


def test_uses_that_an_older_version_wrote_down_count(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", *OTHERS, "--name", "first").status == 0
    (demo / "validations" / "uses.jsonl").rename(demo / "validations" / "looks.jsonl")
    assert json.loads(cli("validate", "demo", *OTHERS, "--name", "second", "--json").stdout)["use"] == 2
    assert len((demo / "validations" / "looks.jsonl").read_text().splitlines()) == 1


def test_a_name_stands_for_one_measurement(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", *OTHERS, "--name", "others").status == 0
    finished = cli("validate", "demo", *OTHERS, "--name", "others", "--tables", "standard:33")
    assert finished.status == 2
    assert "choose another --name" in finished.sentence


def test_tables_that_no_search_found(cli: Cli, demo: Path) -> None:
    finished = cli("validate", "demo", *OTHERS, "--tables", "published:luo-2021", "--tables", "demo:0", "--json")
    (network,) = json.loads(finished.stdout)["networks"]
    by_label = {table["label"]: table for table in network["tables"]}
    assert set(by_label) == {"published:luo-2021", "demo:0"}
    assert by_label["published:luo-2021"]["searched_gain_points"] is None


def test_the_tables_near_a_ratio_and_the_picks(cli: Cli, demo: Path) -> None:
    finished = cli("validate", "demo", *OTHERS, "--top", "1", "--ratio", "2")
    run = Run.open(demo)
    results = run.results()
    nearest = min(results.frontier, key=lambda trial: abs(trial.measurement.ratio - 2 if trial.measurement else 9))
    chosen = [pick(results, "ratio"), pick(results, "accuracy")]
    picked = {trial.label for trial in chosen if trial is not None}
    assert picked
    (kept,) = validations(run)
    assert {trial.label for trial in kept.results().done} == {nearest.label, *picked}
    explained = [line[0] for line in finished.stdout.splitlines() if line[:2] in ("* ", "+ ")]
    for mark in explained:
        assert any(mark in line.split()[0] for line in finished.stdout.splitlines() if line.startswith("  ")), mark


def test_several_networks_each_have_their_gains(cli: Cli, demo: Path) -> None:
    finished = cli("validate", "demo", *OTHERS, "--classifier", "fake", "--classifier", "fake:sleep=0", "--json")
    report = json.loads(finished.stdout)
    assert [network["classifier"] for network in report["networks"]] == ["fake", "fake:sleep=0"]
    assert report["networks"][0]["tables"] == report["networks"][1]["tables"]


def test_tables_named_by_a_validation_are_not_measured_on_its_images(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", *OTHERS, "--name", "others").status == 0
    kept = validations(Run.open(demo))[0]
    label = kept.results().done[0].label
    again = cli("validate", "demo", *OTHERS, "--name", "again", "--tables", f"{kept.path}:{label}")
    assert again.status == 2
    assert "15 of 15 images are among those that validation others measured on" in again.sentence
    unknown = cli("validate", "demo", *OTHERS, "--name", "again", "--tables", f"{kept.path}:nil")
    assert unknown.status == 2
    assert re.search(rf"run others has no trial 'nil': known: .*\b{label}\b", unknown.sentence)


def test_the_other_half_of_the_classes(cli: Cli) -> None:
    made = cli("run", "--name", "half", "--trials", "4", *FAKE, "--split", "classes")
    assert made.status == 0, made.stderr
    finished = cli("validate", "half", "--split", "--executor", "serial")
    assert finished.status == 0, finished.stderr
    run = Run.open("runs/half")
    (kept,) = validations(run)
    with run.archive() as searched, kept.archive() as validation:
        assert not {image.class_name for image in searched.images()} & {
            image.class_name for image in validation.images()
        }


def test_show_tells_what_the_picks_gain_there(cli: Cli, demo: Path) -> None:
    assert "has not seen (95 % intervals)" not in cli("show", "demo").stdout
    for seed in (7, 8):
        networks = ("--classifier", "fake", "--classifier", "fake:sleep=0")
        assert cli("validate", "demo", "--dataset", f"fake:{seed}", "--executor", "serial", *networks).status == 0
    assert "On images the search has not seen (95 % intervals):" in cli("show", "demo").stdout
    rows = json.loads(cli("show", "demo", "--json").stdout)["validations"]
    assert [row["classifier"] for row in rows] == ["fake", "fake:sleep=0"] * 2
    assert len({row["validation"] for row in rows}) == 2


def test_the_pick_says_how_many_images_would_settle_what_these_do_not(cli: Cli, demo: Path) -> None:
    words = ["validate", "demo", *OTHERS, "--name", "others"]
    found = json.loads(cli(*words, "--json").stdout)
    label = found["headline"]["at_ratio"]
    (row,) = [each for each in found["networks"][0]["tables"] if each["label"] == label]
    needs = [
        Estimate(**row["gains"][name]).further_images(Run.open(demo / "validations/others").images)
        for name in ("gain_points", "saving_at_loss_percent")
    ]
    said = [line for line in cli(*words).stdout.splitlines() if "would settle it" in line]
    assert len(said) == any(needs)
    assert all(wording.to_settle(each) in said[0] for each in needs if each)


def test_help_states_the_defaults_that_hold(cli: Cli) -> None:
    said = " ".join(cli("validate", "--help").stdout.split())
    fit = said.partition("--fit")[2].partition("--")[0]
    assert "[default: the run's]" in fit
    assert "[default: textures]" not in said
    assert "textures-cnn]" not in said
    assert "[default: the run's; with --classifier: auto]" in said
    assert "[default: textures]" in " ".join(cli("run", "--help").stdout.split()), "of other commands they stay"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say on which images"),
        (["--dataset", "fake:7", "--split"], "say on which images"),
        (["--split"], "needs a run made with 'run --split'"),
        (["--dataset", "fake:7", "--ratio", "3"], "--ratio goes with --top"),
        (["--dataset", "fake:7", "--top", "2", "--ratio", "nan"], "nan is no finite number"),
        (["--dataset", "fake:7", "--tables", "nothing"], "tables are called"),
    ],
)
def test_wrong_input(cli: Cli, demo: Path, arguments: list[str], sentence: str) -> None:
    finished = cli("validate", "demo", *arguments)
    assert finished.status == 2
    assert sentence in finished.sentence
