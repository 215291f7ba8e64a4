"""Bad input, each tried: one clear sentence, exit status 2, nothing lost and nothing left behind."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from qsearch.run.folder import Run
from tests.conftest import FAKE, Finished

Cli = Callable[..., Finished]

BAD_RUNS: Mapping[str, tuple[list[str], str]] = {
    "no trials": (["--trials", "0"], "0 is not in the range x>=1"),
    "trials that are no number": (["--trials", "many"], "'many' is not a valid integer"),
    "negative seed": (["--seed", "-1"], "-1 is not in the range x>=0"),
    "no workers": (["--workers", "0"], "0 is not in the range x>=1"),
    "unknown strategy": (
        ["--strategy", "sorted-randon"],
        "unknown strategy 'sorted-randon': did you mean sorted-random",
    ),
    "unknown dataset": (["--dataset", "texture"], "unknown dataset 'texture': did you mean textures?"),
    "unknown split": (["--dataset", "textures:serch"], "textures has no split 'serch': did you mean search?"),
    "unknown classifier": (
        ["--classifier", "texturescnn"],
        "unknown classifier 'texturescnn': did you mean textures-cnn?",
    ),
    "unknown codec": (["--codec", "pilow"], "unknown codec 'pilow': did you mean pillow?"),
    "unknown layout": (["--layout", "rgb"], "'rgb' is not one of 'shared', 'luma-chroma', 'ycbcr'"),
    "unknown subsampling": (["--subsampling", "4:1:1"], "'4:1:1' is not one of"),
    "broken plug-in": (["--strategy", "fake-broken"], "'fake-broken' of qsearch.strategies is registered as"),
    "option of another kind": (
        ["--strategy", "bayesian", "--set", "initial=many"],
        "the option initial takes a whole number, got 'many'",
    ),
    "unknown option": (["--set", "drow=uniform"], "strategy sorted-random has no option 'drow': did you mean draw?"),
    "option of another strategy": (
        ["--strategy", "uniform-random", "--draw", "uniform"],
        "strategy uniform-random has no option 'draw': none is known.",
    ),
    "bad value of an option": (["--set", "draw=normal"], "half-normal or uniform numbers, got draw='normal'"),
    "option without a value": (["--set", "draw"], "--set takes NAME=VALUE, got 'draw'"),
    "layout the strategy cannot search": (
        ["--strategy", "standard", "--layout", "shared"],
        "strategy standard searches the layouts luma-chroma, ycbcr, got shared",
    ),
    "warm-up nobody needs": (["--warm-up", "5"], "leave --warm-up out"),
    "bounds from no run": (["--strategy", "bounded-random", "--from", "dem"], "dem is not a run"),
    "only a warm-up": (
        ["--strategy", "bounded-random", "--trials", "5", "--warm-up", "5"],
        "5 trials leave none after a warm-up of 5",
    ),
    "no such config": (["--config", "nowhere.toml"], "nowhere.toml is not there"),
    "a config that is a folder": (["--config", "."], "cannot be read as TOML"),
    "a config of something else": (["--config", "broken.toml"], "broken.toml cannot be read as TOML"),
    "a newer config": (
        ["--config", "newer.toml"],
        "has format 99, this qsearch reads up to 3: install a newer qsearch",
    ),
    "a misspelt config": (["--config", "misspelt.toml"], "unknown field `trails` - at `$.search`"),
    "a config of no trials": (["--config", "none.toml"], "expected `int` >= 1 - at `$.search.trials`"),
    "a config of a negative seed": (["--config", "negative.toml"], "at `$.search.seed`"),
    "runs in a file": (["--runs", "broken.toml"], "'broken.toml' is a file"),
    "runs where none can be made": (["--runs", "/proc/qsearch"], "/proc/qsearch/new cannot be written"),
    "a timeout that never comes": (["--executor", "processes", "--timeout", "nan"], "nan is no finite number"),
    "a timeout that nobody can keep": (["--timeout", "5"], "serial can stop no evaluation: leave --timeout out"),
    "workers in one process": (["--workers", "2"], "serial has one worker: leave --workers out"),
    "a sigma that is none": (
        ["--strategy", "bounded-random", "--sigma", "nan"],
        "sigma is a number of standard deviations of 0 or more, got nan",
    ),
    "a window upside down": (
        ["--strategy", "bounded-random", "--window", "9", "2"],
        "a window of ratios goes from a lower to a higher number, got 9 to 2",
    ),
    "no such folder of images": (["--dataset", "folder:nowhere"], "nowhere"),
    "no such network": (["--classifier", "nowhere.onnx"], "nowhere.onnx"),
    "a network that is none": (["--classifier", "broken.onnx"], "broken.onnx"),
}


@pytest.fixture
def files(tmp_path: Path) -> None:
    """Files that the arguments name."""
    (tmp_path / "broken.toml").write_text("= 5")
    (tmp_path / "newer.toml").write_text("format = 99\n[future]\nx = 1")
    (tmp_path / "misspelt.toml").write_text("[search]\ntrails = 5")
    (tmp_path / "none.toml").write_text("[search]\ntrials = 0")
    (tmp_path / "negative.toml").write_text("[search]\nseed = -4")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", BAD_RUNS)
def test_a_run_that_cannot_be_is_refused_and_leaves_nothing(cli: Cli, tmp_path: Path, name: str) -> None:
    arguments, sentence = BAD_RUNS[name]
    finished = cli("run", "--name", "new", *FAKE, *arguments)
    assert finished.status == 2, finished.stderr
    assert sentence in finished.sentence
    assert finished.stdout == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "name", ["a/b", "../a", "..", ".hidden", "-x", "a:1", "", " a", "nul\udcff", "a\tb", "x" * 300]
)
def test_a_name_that_no_command_would_find_is_refused_at_once(cli: Cli, tmp_path: Path, name: str) -> None:
    finished = cli("run", "--name", name, *FAKE)
    assert finished.status == 2
    assert finished.sentence.startswith("the name of a run ")
    assert finished.stderr.count("\n") == 1  # said before anything is prepared
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("demo")
def test_a_validation_has_a_name_that_is_found_again(cli: Cli) -> None:
    finished = cli("validate", "demo", "--dataset", "fake", "--name", "a/b")
    assert finished.status == 2
    assert finished.sentence.startswith("the name of a validation has no slash")


def test_an_existing_name_is_refused_and_the_run_kept(cli: Cli, demo: Path) -> None:
    before = {path.name: path.read_bytes() for path in demo.iterdir()}
    finished = cli("run", "--name", "demo", *FAKE)
    assert finished.status == 2
    assert (
        "runs/demo exists already: go on with 'qsearch resume runs/demo', or choose another --name" in finished.sentence
    )
    assert {path.name: path.read_bytes() for path in demo.iterdir()} == before


def test_bounds_that_nobody_needs_are_refused(cli: Cli, demo: Path) -> None:
    finished = cli("run", "--name", "new", *FAKE, "--from", "demo")
    assert finished.status == 2
    assert "strategy sorted-random searches without bounds: leave --from out" in finished.sentence
    assert not demo.with_name("new").exists()


def newer_archive(demo: Path) -> None:
    connection = sqlite3.connect(demo / "trials.sqlite")
    connection.execute("PRAGMA user_version = 9")
    connection.close()


def cut_archive(demo: Path) -> None:
    os.truncate(demo / "trials.sqlite", 6000)


def empty_folder(demo: Path) -> None:
    shutil.rmtree(demo)
    demo.mkdir()


def settings_without_conditions(demo: Path) -> None:
    text = (demo / "run.toml").read_text()
    (demo / "run.toml").write_text(text[: text.index("[recorded")])


def settings_with(old: str, new: str) -> Callable[[Path], object]:
    """Has ``run.toml`` say ``new`` where it first says ``old``."""

    def spoil(demo: Path) -> None:
        text = (demo / "run.toml").read_text()
        assert old in text
        (demo / "run.toml").write_text(text.replace(old, new, 1))

    return spoil


SPOILT: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "newer archive": (newer_archive, "trials.sqlite has format 9, this qsearch reads up to"),
    "archive cut short": (cut_archive, "trials.sqlite is damaged"),
    "empty archive": (
        lambda demo: (demo / "trials.sqlite").write_bytes(b""),
        "trials.sqlite is not an archive of trials",
    ),
    "archive of text": (
        lambda demo: (demo / "trials.sqlite").write_text("trial,ratio\n" * 99),
        "trials.sqlite is damaged",
    ),
    "no archive": (lambda demo: (demo / "trials.sqlite").unlink(), "trials.sqlite is not there"),
    "newer settings": (lambda demo: (demo / "run.toml").write_text("format = 9"), "run.toml has format 9"),
    "settings of something else": (lambda demo: (demo / "run.toml").write_text("}"), "run.toml cannot be read as TOML"),
    "empty settings": (
        lambda demo: (demo / "run.toml").write_text(""),
        "run.toml does not say what the run was measured on",
    ),
    "settings cut short": (settings_without_conditions, "run.toml does not say what the run was measured on"),
    "settings without the dataset": (
        settings_with("[recorded.dataset]", "[recorded.other]"),
        "run.toml does not say what the run was measured on (Object missing required field `name` - at `$.dataset`)",
    ),
    "settings without its name": (
        settings_with('name = "fake"\ndigest', "digest"),
        "run.toml does not say what the run was measured on (Object missing required field `name` - at `$.dataset`)",
    ),
    "settings with a size that is none": (
        settings_with("images = 15", "images = 0"),
        "run.toml does not say what the run was measured on",
    ),
    "settings of no format": (
        settings_with("format = 3", "format = -1"),
        "run.toml: expected `int` >= 1 - at `$.format`",
    ),
    "a number of thousands of digits": (
        settings_with("format = 3", f"format = {'1' * 5000}"),
        "run.toml cannot be read as TOML: Exceeds the limit",
    ),
    "lists in lists": (
        settings_with("format = 3", f"x = {'[' * 50_000}"),
        "run.toml cannot be read as TOML",
    ),
    "no settings": (lambda demo: (demo / "run.toml").unlink(), "is not a run (it has no run.toml)"),
    "a folder of something else": (empty_folder, "is not a run"),
    "no folder": (shutil.rmtree, "runs/demo is not a run (it has no run.toml): did you mean demo2?"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_run_is_refused_by_every_command(cli: Cli, demo: Path, name: str) -> None:
    spoil, sentence = SPOILT[name]
    shutil.copytree(demo, demo.with_name("demo2"))
    spoil(demo)
    before = {path.name: path.read_bytes() for path in demo.glob("*")}
    for command in (["show"], ["show", "--json"], ["trials"], ["plot"], ["resume", "--executor", "serial"], ["bounds"]):
        finished = cli(command[0], "demo", *command[1:])
        assert finished.status == 2, (command, finished.stderr)
        assert sentence in finished.sentence
        assert finished.stdout == ""
    assert cli("list").status == 0
    after = {path.name: path.read_bytes() for path in demo.glob("*")}
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) <= {"trials.sqlite-shm", "trials.sqlite-wal", "lock"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plot", "demo", "--out", "demo.jpg"], "a plot is written as .png, .svg, .pdf, got 'demo.jpg'"),
        (["plot", "demo", "--out", "nowhere/demo.png"], "nowhere/demo.png cannot be written"),
        (["plot", "demo", "--window", "500", "600"], "no point has a ratio from 500 to 600"),
        (["plot", "demo", "--window", "5"], "--window"),
        (["trials", "demo", "--out", "nowhere/t.csv"], "nowhere/t.csv cannot be written"),
        (["trials", "demo", "--json", "--out", "nowhere/t.json"], "nowhere/t.json cannot be written"),
        (["trials", "demo", "--out", "."], "is a directory"),
        (["resume", "demo", "--trials", "0"], "0 is not in the range x>=1"),
        (["resume", "demo", "--trials", "7"], "has 8 trials already: go on to more than 7"),
        (["show", "runs"], "runs/runs is not a run (it has no run.toml): known: demo."),
        (["show", "runs/demo/run.toml"], "runs/demo/run.toml is not a run"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_sentence(
    cli: Cli, demo: Path, arguments: list[str], sentence: str
) -> None:
    finished = cli(*arguments)
    assert finished.status == 2
    assert sentence in finished.sentence
    assert finished.stdout == ""
    assert len(Run.open(demo).trials()[1]) == 8
