"""The command as a whole: help at once, one line for an error, pipes and signals."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from qsearch.cli.main import COMMANDS
from tests.conftest import FAKE, Command, Finished
from tests.made_up_runs import make_run

HEAVY = {"torch", "torchvision", "openvino", "pandas", "matplotlib", "skopt", "sklearn", "opentuner", "optuna"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["show", "--help"]])
def test_help_imports_nothing_heavy(qsearch: Command, arguments: list[str]) -> None:
    script = (
        "import sys\nfrom qsearch.cli import main\n"
        "try: main(sys.argv[1:])\nfinally: print('imported', *sorted(sys.modules), file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=qsearch.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = finished.stderr.rpartition("imported ")[2].split()
    assert "click" in imported
    assert not HEAVY & set(imported)


def test_help_lists_every_command_with_its_purpose(cli: Callable[..., Finished]) -> None:
    printed = cli("--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", printed, re.MULTILINE)
        helped = cli(name, "--help")
        assert helped.status == 0
        assert helped.stdout.startswith(f"Usage: qsearch {name}")
        assert "None" not in helped.stdout


@pytest.mark.parametrize("group", [[], ["dataset"], ["classifier"], ["cache"], ["learn"], ["dataset", "build"]])
def test_a_group_alone_is_its_help(cli: Callable[..., Finished], group: list[str]) -> None:
    alone = cli(*group)
    assert (alone.status, alone.stderr) == (0, "")
    assert alone.stdout == cli(*group, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serach"], "No such command 'serach'"),
        (["run", "--trails", "5"], "No such option"),
        (["show"], "Missing argument 'RUN'"),
        (["plot"], "Missing argument 'RUN...'"),
        (["list", "everything"], "'everything' is not one of"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(
    cli: Callable[..., Finished], arguments: list[str], sentence: str
) -> None:
    finished = cli(*arguments)
    assert finished.status == 2
    assert sentence in finished.sentence
    assert finished.stderr.count("\n") == 1
    assert "--help" in finished.stderr
    assert finished.stdout == ""


def test_a_reader_that_goes_away_is_no_error(qsearch: Command) -> None:
    assert qsearch("run", "--name", "a", "--trials", "2", "--dataset", "fake", "--classifier", "fake").returncode == 0
    process = qsearch.start("trials", "a", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 1


def test_what_the_system_refuses_is_a_sentence(cli: Callable[..., Finished], tmp_path: Path) -> None:
    for _ in ("no folder of runs yet", "there is one"):
        finished = cli("run", "--name", "x" * 300, *FAKE)
        assert finished.status == 2
        assert "the name of a run has at most 255 bytes" in finished.sentence
        (tmp_path / "runs").mkdir(exist_ok=True)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["show", "demo"],
        ["trials", "demo", "--csv"],
        ["trials", "demo", "--json"],
        ["export", "demo", "--format", "cjpeg"],
        ["--help"],
    ],
)
def test_a_full_output_is_a_sentence_and_status_2_of_every_command(
    qsearch: Command, arguments: list[str], buffered: str
) -> None:
    make_run(qsearch.folder / "runs" / "demo")
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [sys.executable, "-c", "from qsearch.cli import main; main()", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**qsearch.environment, "PYTHONUNBUFFERED": buffered},
            cwd=qsearch.folder,
            timeout=60,
            check=False,
        )
    *_, last = finished.stderr.splitlines()
    assert last == "qsearch: standard output cannot be written (No space left on device): make room."
    assert finished.returncode == 2


def test_an_output_that_is_closed_is_no_error(qsearch: Command) -> None:
    make_run(qsearch.folder / "runs" / "demo")
    finished = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -c 'from qsearch.cli import main; main()' trials demo >&-"],
        capture_output=True,
        text=True,
        env=qsearch.environment,
        cwd=qsearch.folder,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_caller_keeps_its_signal_handler(cli: Callable[..., Finished]) -> None:
    """A program that calls the command line is not changed by it."""
    before = signal.getsignal(signal.SIGTERM)
    cli("list", "codecs")
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_list_says_what_set_takes_and_holds_no_markup(cli: Callable[..., Finished]) -> None:
    printed = cli("list").stdout
    assert "--set initial=100 candidates=100000 xi=0.001 sweeps=3\n" in printed
    assert "`" not in printed
    options = json.loads(cli("list", "strategies", "--json").stdout)["options"]
    assert options["bayesian"] == {"initial": 100, "candidates": 100_000, "xi": 0.001, "sweeps": 3}


@pytest.mark.parametrize("kind", ["kodak", "folder", "images", "imagenet", "imagenetv2"])
def test_a_dataset_of_a_folder_asks_for_it(cli: Callable[..., Finished], kind: str) -> None:
    finished = cli("dataset", "show", kind)
    assert finished.status == 2
    assert re.fullmatch(rf"{kind} alone does not say where its images lie: .*{kind}:PATH\.", finished.sentence)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
class TestNamesThatAreNotUtf8:
    ODD = os.fsdecode(b"nul\xff")

    def test_a_run_of_such_a_name_is_refused_before_it_begins(self, qsearch: Command, tmp_path: Path) -> None:
        finished = qsearch("run", "--name", self.ODD, *FAKE, "--trials", "2")
        assert (finished.returncode, "Traceback" in finished.stderr) == (2, False)
        assert "has no slash, backslash, colon or control character in it, got 'nul\\udcff'" in finished.stderr
        assert not (tmp_path / "runs").exists()

    def test_a_dataset_of_such_a_name(self, qsearch: Command, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / self.ODD / name).mkdir(parents=True)
            Image.new("RGB", (24, 24)).save(tmp_path / self.ODD / name / "0.png")
        finished = qsearch("run", "--dataset", f"folder:{self.ODD}", "--classifier", "fake", "--trials", "2")
        assert (finished.returncode, "Traceback" in finished.stderr) == (2, False)
        assert "is not UTF-8: rename it" in finished.stderr

    def test_a_folder_of_runs_of_such_a_name_is_shown_escaped(self, qsearch: Command) -> None:
        finished = qsearch("list", "runs", "--runs", self.ODD)
        assert (finished.returncode, finished.stdout) == (0, "runs:\n  none in nul\\udcff\n")
