"""``--codec command:...``: runs by one's own encoder; a program that a file names runs only when it is told to."""

import json
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.command import CommandCodec
from qsearch.export.formats import TableSheet, export_tables
from qsearch.run.building import build_codec
from qsearch.run.folder import Run
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables
from tests.conftest import FAKE, Finished
from tests.fakes import fake_images

pytestmark = pytest.mark.skipif(shutil.which("cjpeg") is None, reason="cjpeg is not installed (libjpeg-turbo-progs)")
Cli = Callable[..., Finished]
COMMAND = "cjpeg -optimize -progressive -qtables {tables}"
FEW = ("--trials", "2", "--confirm", "0", *FAKE)
SERIAL = ("--workers", "1", "--executor", "serial")
REFUSED = r"codec command would run a program that a file names \(command=.*add --trust-command"


@pytest.fixture(autouse=True)
def few_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a process: two images, and a dial that is soon content with its bytes, tell as much."""
    monkeypatch.setenv("FAKE_DATASET_IMAGES", "2")
    monkeypatch.setattr("qsearch.learning.family.NEAR", 0.1)


@pytest.fixture
def demo(cli: Cli, tmp_path: Path) -> Run:
    """A run by cjpeg."""
    made = cli("run", "--name", "demo", "--codec", f"command:{COMMAND}", *FEW, "--trials", "5")
    assert made.status == 0, made.stderr
    return Run.open(tmp_path / "runs" / "demo")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of one image."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.fromarray(fake_images(1)[0]).save(folder / "image.png")
    return folder


def test_a_run_measures_what_the_command_wrote(cli: Cli, demo: Run) -> None:
    assert demo.settings.codec == CodecSettings(
        name="command", options={"command": COMMAND}, optimize=True, progressive=True
    )
    assert demo.settings.recorded is not None
    codec = CommandCodec(EncoderOptions(optimize=True, progressive=True), command=COMMAND)
    assert demo.settings.recorded.codec == codec.settings()
    images = fake_images()
    for trial in demo.trials()[1]:
        assert trial.measurement is not None
        sizes = codec.size_bytes(images, trial.quantizer.tables_for(images))
        np.testing.assert_array_equal(trial.measurement.size_bytes, sizes)
    assert "cjpeg 4:2:0, optimize, progressive" in cli("show", "demo").stdout


@pytest.mark.parametrize(
    "command",
    [
        ("resume", "demo", "--trials", "6", *SERIAL),
        ("measure", "demo", "--add", "psnr", *SERIAL),
        ("validate", "demo", "--dataset", "fake:1", *SERIAL),
        ("run", "--name", "again", "--config", "runs/demo/run.toml", *FEW),
        ("dial", "demo", "--out", "dial.json", "--workers", "1"),
        ("encode", "--tables", "demo:0", "photographs", "out"),
    ],
    ids=lambda command: command[0],
)
def test_a_program_that_a_file_names_runs_only_when_it_is_told_to(
    command: tuple[str, ...], cli: Cli, demo: Run, photographs: Path
) -> None:
    refused = cli(*command)
    assert refused.status == 2
    assert re.search(REFUSED, refused.sentence)
    done = cli(*command, "--trust-command")
    assert done.status == 0, done.stderr
    assert "trust" not in (demo.path / "run.toml").read_text()  # it is told each time


def test_only_the_command_of_the_command_line_runs_without_being_trusted(cli: Cli, tmp_path: Path, demo: Run) -> None:
    settings = tmp_path / "stranger.toml"
    made = tmp_path / "made"
    text = (demo.path / "run.toml").read_text()
    settings.write_text(text.replace("cjpeg -opt", f"sh -c 'touch {made}' -opt"))
    mine = cli("run", "--name", "mine", "--config", str(settings), "--codec", "command", *FEW)
    assert mine.status == 0, mine.stderr
    assert Run.open(tmp_path / "runs" / "mine").settings.codec.options == {}
    assert cli("run", "--config", str(settings), "--codec-option", "timeout_s=5", *FEW).status == 2
    assert cli("run", "--config", str(settings), *FEW).status == 2
    assert not made.exists()


def test_tables_from_a_file_bring_no_program(cli: Cli, tmp_path: Path, photographs: Path) -> None:
    export_tables(TableSheet(QuantTables.standard(30), "tables"), "json", tmp_path / "tables.json")
    content = json.loads((tmp_path / "tables.json").read_text())
    content["encoder"] = {"name": "command", "options": {"command": f"touch {tmp_path}/made {{tables}}"}}
    (tmp_path / "tables.json").write_text(json.dumps(content))
    refused = cli("encode", "--tables", "tables.json", "photographs", "out")
    assert refused.status == 2
    assert re.search(REFUSED, refused.sentence)
    assert cli("encode", "--tables", "tables.json", "--codec", "pillow", "photographs", "out").status == 0
    assert not (tmp_path / "made").exists()


def test_what_is_encoded_to_disk_is_what_the_command_wrote(cli: Cli, demo: Run, photographs: Path) -> None:
    tables = demo.results().trial("0").tables
    codec = CommandCodec(EncoderOptions(optimize=True, progressive=True), command=COMMAND)
    (expected,) = codec.files(fake_images(1), [tables])
    by_run = ("--tables", "demo:0", "--trust-command")
    by_name = ("--tables", "demo:0", "--codec", f"command:{COMMAND}")
    for number, how in enumerate([by_run, by_name]):
        finished = cli("encode", *how, "photographs", f"out{number}")
        assert finished.status == 0, finished.stderr
        assert Path(f"out{number}/image.jpg").read_bytes() == expected
        assert "there already" in cli("encode", *how, "photographs", f"out{number}").stdout
    assert (
        "makes no files"
        in cli("encode", "--tables", "standard:50", "--codec", "coefficient", "photographs", "out").sentence
    )


def test_an_encoder_that_changed_is_noticed(cli: Cli, tmp_path: Path) -> None:
    program = tmp_path / "encoder"
    program.write_text('#!/bin/sh\nexec cjpeg "$@"\n')
    program.chmod(stat.S_IRWXU)
    assert cli("run", "--name", "demo", "--codec", f"command:{program} -qtables {{tables}}", *FEW).status == 0
    resume = ("resume", "demo", "--trials", "3", "--trust-command", *SERIAL)
    program.write_text('#!/bin/sh\nexec cjpeg -optimize "$@"\n')
    changed = cli(*resume)
    assert changed.status == 2
    assert re.search(r"codec: files_digest was .*codec: program_digest was ", changed.sentence)
    assert cli(*resume, "--allow-changed").status == 0


def test_a_report_has_pictures_of_what_the_command_writes_where_it_may_run(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "encoder"
    program.write_text('#!/bin/sh\nexec cjpeg "$@"\n')
    program.chmod(stat.S_IRWXU)
    listed = ("--strategy", "listed", "--seeds", "standard:49")
    assert cli("run", "--name", "demo", "--codec", f"command:{program} -qtables {{tables}}", *listed, *FEW).status == 0
    page = tmp_path / "report.html"
    assert cli("report", "demo", "--out", str(page)).status == 0
    assert "data:image/jpeg" not in page.read_text()
    assert "add --trust-command" in page.read_text()
    assert str(folder) not in page.read_text()
    assert cli("report", "demo", "--out", str(page), "--trust-command").status == 0
    assert "data:image/jpeg" in page.read_text()


def test_curves_are_of_the_command(cli: Cli, photographs: Path) -> None:
    how = ("curve", "--tables", "published:luo-2021", "--images", "photographs", "--workers", "1", "--json")
    by_cjpeg = cli(*how, "--codec", "command", "--subsampling", "4:4:4")
    assert by_cjpeg.status == 0, by_cjpeg.stderr
    assert by_cjpeg.stdout == cli(*how, "--subsampling", "4:4:4").stdout
    smaller = cli(*how, "--codec", "command:cjpeg -optimize -sample 1x1 -qtables {tables}")
    first, second = (json.loads(each.stdout)["curves"][0]["points"] for each in (by_cjpeg, smaller))
    for plain, optimized in zip(first, second, strict=True):
        assert optimized["bpp"] < plain["bpp"]
        assert optimized["psnr_db"] == plain["psnr_db"]


@pytest.mark.parametrize("spec", ["pillow:x", "auto:x", "coefficient:x", "no-such:x"])
def test_other_codecs_take_no_argument(spec: str, cli: Cli) -> None:
    refused = cli("run", "--codec", spec, *FEW)
    assert refused.status == 2
    assert "takes no argument" in refused.sentence


def test_python_says_it_too() -> None:
    wanted = CodecSettings(name="command")
    with pytest.raises(ValueError, match="add --trust-command"):
        build_codec(wanted)
    assert build_codec(wanted, trust_command=True) == CommandCodec()
