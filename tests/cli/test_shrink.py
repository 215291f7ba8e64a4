"""``qsearch shrink``: from images at a quality to tables that take fewer bytes, and what is said of them."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.archive.store import Archive
from qsearch.cli import main
from qsearch.codecs.pillow import PillowCodec
from qsearch.export.reading import read_tables
from qsearch.learning.dial import read_dial
from qsearch.tables import QuantTables
from tests.conftest import Finished
from tests.learning.images import waves

Cli = Callable[..., Finished]
ASKED = ("shrink", "--dataset", "images:photos", "--like-quality", "80", "--workers", "1", "--executor", "serial")
WITH_NETWORK = (
    "shrink", "--dataset", "fake-many", "--classifier", "fake", "--like-quality", "60", "--workers", "1",
    "--executor", "serial",
)  # fmt: skip


def make_photos(where: Path) -> Path:
    """80 small images without labels, in ``where``."""
    folder = where / "photos"
    folder.mkdir()
    for number, image in enumerate(waves(80, 32)):
        Image.fromarray(image).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path)


def counts(folder: Path) -> list[int]:
    """How many tables were measured."""
    found = []
    for name in ("chosen-on", "kept-aside"):
        with Archive.open(folder / f"{name}.sqlite", read_only=True) as archive:
            found.append(archive.count("search"))
    return found


@dataclass(frozen=True)
class Found:
    """What one command printed and left in ``folder``, made from ``photos``; to be read only."""

    stdout: str
    folder: Path
    photos: Path


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    where = tmp_path_factory.mktemp("shrink")
    make_photos(where)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(printed):
        patched.chdir(where)
        with pytest.raises(SystemExit) as exit_:
            main(ASKED)
    assert exit_.value.code == 0
    return Found(printed.getvalue(), where / "like-quality-80", where / "photos")


def test_without_a_network_it_saves_bytes_at_equal_psnr(found: Found) -> None:
    first = found.stdout.splitlines()[0]
    assert "fewer bytes than quality 80 at the same PSNR, measured on 40 images 32x32 of images:" in first
    assert "what a network makes of them it does not say" in found.stdout
    report = json.loads((found.folder / "shrink.json").read_text())
    saved = report["bytes_saved_percent"]
    assert 0 < saved["low"] < saved["value"] < saved["high"] < 60
    assert report["is_told"]
    # What is taken home is what was measured: as good as the standard tables, in so many bytes.
    assert report["found"]["psnr_db"] == pytest.approx(report["standard"]["psnr_db"], abs=0.1)
    bytes_saved = 100 * (1 - report["found"]["total_bytes"] / report["standard"]["total_bytes"])
    assert bytes_saved == pytest.approx(saved["value"], abs=1)
    tables = read_tables(found.folder / "tables.json").tables
    assert tables.to_dict().items() <= report["tables"].items()
    assert read_dial(found.folder / "dial.json").images
    assert (found.folder / "shrink.png").stat().st_size > 10_000
    stored = sum(path.stat().st_size for path in found.photos.iterdir())
    assert report["stored_bytes"] == stored
    assert "Your 80 files take " in found.stdout


def test_the_next_commands_run(cli: Cli, found: Found, tmp_path: Path) -> None:
    shutil.copytree(found.folder, tmp_path / "like-quality-80")
    shutil.copytree(found.photos, tmp_path / "PICTURES")
    after = found.stdout[found.stdout.index("Next:") :].splitlines()[1:4]
    for line, word in zip(after, ("look", "export", "encode"), strict=True):
        name, _, command = line.strip().partition("  qsearch ")
        assert name.strip() == word
        finished = cli(*command.partition("    (")[0].split())
        assert finished.status == 0, finished.stderr
    assert len(list((tmp_path / "SMALLER").iterdir())) == 80
    assert (tmp_path / "table.txt").is_file()


def test_asked_again_it_measures_nothing_anew_and_says_the_same(cli: Cli, found: Found, tmp_path: Path) -> None:
    shutil.copytree(found.folder, tmp_path / "like-quality-80")
    before = counts(tmp_path / "like-quality-80")
    asked = [f"images:{found.photos}" if each == "images:photos" else each for each in ASKED]
    again = cli(*asked)
    assert again.stdout == found.stdout
    assert counts(tmp_path / "like-quality-80") == before
    assert "choosing" not in again.stderr


def test_other_settings_and_other_folders_are_refused(cli: Cli, found: Found, tmp_path: Path) -> None:
    shutil.copytree(found.folder, tmp_path / "like-quality-80")
    asked = [f"images:{found.photos}" if each == "images:photos" else each for each in ASKED]
    other = cli(*asked, "--tolerance", "0.5")
    assert other.status == 2
    assert "holds what was found with other settings: choose another folder with --out, or remove it" in other.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    foreign = cli(*asked, "--out", "mine")
    assert foreign.status == 2
    assert "mine is not empty, and not of 'qsearch shrink'" in foreign.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_tolerance_saves_more_and_says_what_a_lower_quality_would(cli: Cli, found: Found, photos: Path) -> None:
    exact = json.loads((found.folder / "shrink.json").read_text())
    within = cli(*ASKED, "--tolerance", "0.7", "--json")
    report = json.loads(within.stdout)
    assert report["allowance"] == 0.7
    assert report["bytes_saved_percent"]["value"] > exact["bytes_saved_percent"]["value"]
    assert report["found"]["psnr_db"] == pytest.approx(report["standard"]["psnr_db"] - 0.7, abs=0.1)
    assert 0 < report["lower_quality_saves_percent"]["value"] < report["bytes_saved_percent"]["value"]


def test_with_a_network_its_answers_stay_as_near(cli: Cli, tmp_path: Path) -> None:
    finished = cli(*WITH_NETWORK, "--out", "found", "--json")
    assert finished.status == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert (report["images_chosen_on"], report["images_aside"]) == (128, 128)
    assert {one["name"] for one in report["followed"]} <= set(report["at_equal_bytes"])
    learned = {f"learned ({objective})" for objective in ("accuracy", "mix", "distortion")}
    assert learned | {"published:luo-2021"} <= set(report["at_equal_bytes"])
    assert counts(tmp_path / "found")[0] <= 60
    assert report["uncompressed"]["top1"] == 1  # as the labels were made
    if report["tables"]["name"] == "standard":
        assert read_tables(tmp_path / "found" / "tables.json").tables == QuantTables.standard(60)
        assert report["bytes_saved_percent"]["value"] == 0
    else:
        assert report["bytes_saved_percent"]["value"] > 0
        divergence = report["standard"]["divergence"]
        assert report["found"]["divergence"] == pytest.approx(divergence, rel=0.3)


def test_images_as_stored_are_measured_as_their_files_are(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    images = [*waves(40, 48), *waves(40, 32)]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number:02d}.png")
    finished = cli(*ASKED, "--size", "24", "--encode-size", "as-stored")
    assert finished.status == 0, finished.stderr
    assert "fewer bytes than quality 80 at the same PSNR, measured on 40 images as stored (32x32 to 48x48 pixels)" in (
        finished.stdout
    )
    assert "--encode-size as-stored" not in finished.stdout  # nothing is left to be asked so
    report = json.loads((tmp_path / "like-quality-80" / "shrink.json").read_text())
    assert report["bytes_saved_percent"]["low"] > 0
    with Archive.open(tmp_path / "like-quality-80" / "kept-aside.sqlite", read_only=True) as archive:
        (standard,) = (each for each in archive.trials("search") if each.quantizer == QuantTables.standard(80))
    assert standard.measurement is not None
    sizes = standard.measurement.size_bytes
    codec = PillowCodec()
    expected = sorted(len(codec.compress(image, QuantTables.standard(80))) for image in images)
    assert set(sizes.tolist()) <= set(expected)
    assert read_dial(tmp_path / "like-quality-80" / "dial.json").made_on.size == "as stored (32x32 to 48x48 pixels)"


def test_a_network_is_shown_what_becomes_of_the_stored_images(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(waves(64, 48)):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number:02d}.png")
    finished = cli(*ASKED, "--size", "24", "--encode-size", "as-stored", "--classifier", "fake:softmax=1", "--json")
    assert finished.status == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert report["compressed_size"] == "as stored (48x48 pixels)"
    assert report["uncompressed"]["divergence"] == 0
    # Bits per pixel are those of the files, not of what the network is shown.
    assert report["standard"]["bpp"] == pytest.approx(8 * report["standard"]["total_bytes"] / (32 * 48 * 48))


def test_a_budget_is_kept_but_for_the_first_family(cli: Cli, photos: Path, tmp_path: Path) -> None:
    report = json.loads(cli(*ASKED, "--budget", "1", "--json").stdout)
    assert len(report["followed"]) == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--by", "loss"), "without a network images are judged by psnr, ms_ssim, got loss"),
        (("--subsampling", "4:2:2"), "tables are learned for JPEG 4:2:0 and 4:4:4, got 4:2:2"),
        (("--confirm", "0.9"), "each part holds 32 or more"),
        (("--classifier", "fake", "--by", "psnr"), "with a network images are judged by divergence, loss, got psnr"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    cli: Cli, photos: Path, tmp_path: Path, more: tuple[str, ...], sentence: str
) -> None:
    finished = cli(*ASKED, *more)
    assert finished.status == 2
    assert sentence in finished.stderr
    assert not (tmp_path / "like-quality-80").exists()


def test_like_quality_and_a_dataset_are_asked_for(cli: Cli) -> None:
    assert "--like-quality" in cli("shrink", "--dataset", "fake-many").stderr
    assert "say which images: --dataset D." in cli("shrink", "--like-quality", "85").stderr


def test_images_without_detail_are_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(64):
        Image.fromarray(np.full((16, 16, 3), number, np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    finished = cli(*ASKED)
    assert finished.status == 2
    assert "the images have too little detail to learn tables from" in finished.stderr


def test_what_was_refused_leaves_no_folder(cli: Cli, photos: Path, tmp_path: Path) -> None:
    finished = cli(*ASKED, "--classifier", "fake", "--labels", "given", "--by", "loss")
    assert finished.status == 2
    assert "the loss needs labels" in finished.stderr
    assert not (tmp_path / "like-quality-80").exists()
