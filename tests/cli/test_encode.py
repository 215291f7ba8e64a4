"""``qsearch encode``: from a folder of images to a folder of JPEG files, with a summary that can be trusted."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.codecs.markers import read_frame
from qsearch.disk import partial_path
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables
from tests.cli.conftest import Call
from tests.conftest import Command
from tests.made_up_runs import make_run, tables


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos" / "cats"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels).save(folder / "b.jpg", quality=95)
    (folder / "notes.txt").touch()
    return folder.parent


def test_a_folder_with_the_table_of_a_run(call: Call, photos: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "demo", codec=CodecSettings(subsampling="4:2:2", progressive=True))
    finished = call("encode", "--tables", "demo:3", "photos", "out")
    assert finished.returncode == 0, finished.stderr
    frame = read_frame((tmp_path / "out" / "cats" / "a.jpg").read_bytes())
    assert (frame.tables, frame.subsampling, frame.sof) == (tables(3), "4:2:2", 2)
    before = sum(path.stat().st_size for path in photos.rglob("*.*g"))
    after = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.jpg"))
    assert f"encoded: 2 files, {before:,} bytes before, {after:,} bytes after" in finished.stdout
    assert "left out: 1 file of other kinds than images" in finished.stdout
    assert "recompressed: 1 file of JPEG" in finished.stdout
    again = call("encode", "--tables", "demo:3", "photos", "out")
    assert "there already: 2 files" in again.stdout
    assert again.returncode == 0


def test_options_go_before_the_settings_of_the_run(call: Call, photos: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "demo", codec=CodecSettings(progressive=True))
    finished = call(
        "encode", "--tables", "demo:3", "photos/cats/a.png", "a.jpg", "--subsampling", "4:4:4", "--no-progressive"
    )
    assert finished.returncode == 0, finished.stderr
    frame = read_frame((tmp_path / "a.jpg").read_bytes())
    assert (frame.subsampling, frame.sof) == ("4:4:4", 0)


def test_in_place_a_file_that_would_grow_is_kept_and_told(call: Call, photos: Path) -> None:
    small = photos / "cats" / "b.jpg"
    with Image.open(photos / "cats" / "a.png") as image:
        image.save(small, quality=5)
    before = small.read_bytes()
    arguments = ("encode", "--tables", "standard:90", "--in-place", "photos")
    finished = call(*arguments)
    assert finished.returncode == 0, finished.stderr
    assert "encoded: 0 files\nkept: 1 file that would not become smaller, left as they are" in finished.stdout
    (entry,) = json.loads(call(*arguments, "--json").stdout)["files"]
    assert (entry["status"], entry["bytes_after"]) == ("kept", 0)
    assert f"bytes for {len(before):,}" in entry["reason"]
    assert small.read_bytes() == before


def test_failures_are_told_with_status_1_and_the_rest_is_done(call: Call, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"no")
    finished = call("encode", "--tables", "standard:40", "photos", "out", "--json")
    assert finished.returncode == 1
    assert "failed: photos/broken.png: not an image" in finished.stderr.splitlines()
    said = {entry["source"]: entry["status"] for entry in json.loads(finished.stdout)["files"]}
    assert said == {"photos/broken.png": "failed", "photos/cats/a.png": "encoded", "photos/cats/b.jpg": "encoded"}
    assert (tmp_path / "out" / "cats" / "b.jpg").is_file()


def test_in_place_only_when_asked(call: Call, photos: Path) -> None:
    before = (photos / "cats" / "b.jpg").read_bytes()
    for arguments in (["photos"], ["photos", "out", "--in-place"], ["photos", "photos"]):
        refused = call("encode", "--tables", "standard:40", *arguments)
        assert refused.returncode == 2
        assert "--in-place" in refused.stderr
        assert (photos / "cats" / "b.jpg").read_bytes() == before
    finished = call("encode", "--tables", "standard:40", "--in-place", "photos")
    assert finished.returncode == 0, finished.stderr
    assert "left out: 2 files of other kinds than JPEG" in finished.stdout
    assert read_frame((photos / "cats" / "b.jpg").read_bytes()).tables == QuantTables.standard(40)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--tables", "demo", "photos", "out"), "RUN:TRIAL"),
        (("--tables", "standard:40", "photos", "photos/out"), "one inside the other"),
        (("--tables", "standard:40", "nothing", "out"), "is not there"),
        (("--tables", "photos/cats/a.png", "photos", "out"), "a file of tables was expected"),
    ],
)
def test_bad_input_is_one_sentence(
    call: Call, photos: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    finished = call("encode", *arguments)
    assert finished.returncode == 2
    assert sentence in finished.stderr
    assert not (tmp_path / "out").exists()


def test_interrupted_it_says_so_and_goes_on_where_it_stopped(call: Call, qsearch: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    for index in range(120):
        Image.fromarray(pixels).save(tmp_path / "in" / f"{index:03}.bmp")
    arguments = ("encode", "--tables", "standard:60", "in", "out", "--workers", "1")
    process = qsearch.start(*arguments)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    there = list((tmp_path / "out").iterdir())
    assert 0 < len(there) < 120
    assert {path.suffix for path in there} == {".jpg"}
    finished = call(*arguments)
    assert f"encoded: {120 - len(there)} files" in finished.stdout
    assert f"there already: {len(there)} files" in finished.stdout


def test_what_a_killed_call_left_unfinished_the_same_call_clears(call: Call, qsearch: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    for index in range(40):
        Image.fromarray(pixels).save(tmp_path / "in" / f"{index:03}.bmp")
    arguments = ("encode", "--tables", "standard:95", "in", "out", "--workers", "2")
    for _ in range(2):
        before = len(list((tmp_path / "out").glob("*.jpg")))
        process = qsearch.start(*arguments)
        deadline = time.monotonic() + 60
        while len(list((tmp_path / "out").glob("*.jpg"))) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        process.communicate(timeout=60)
        for path in (tmp_path / "out").glob("*.jpg"):
            with Image.open(path) as image:
                image.load()
    partial_path(tmp_path / "out" / "039.jpg").write_bytes(b"half")  # should the kills have come between two files
    finished = call(*arguments)
    assert finished.returncode == 0, finished.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{index:03}.jpg" for index in range(40)]
