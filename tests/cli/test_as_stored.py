"""``--encode-size as-stored`` on the command line: recorded, gone on with, inherited, refused where it cannot be."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qsearch.report.pictures import gallery
from qsearch.run.folder import Run
from qsearch.run.settings import load_settings, save_settings
from qsearch.run.validation import validations
from tests.conftest import Command, Finished
from tests.fakes import SIDE
from tests.stored_images import SIDES, photograph, photographs

Cli = Callable[..., Finished]
IMAGES = ("--dataset", "images:photos", "--size", str(SIDE), "--fit", "stretch", "--labels", "predicted")
FAKE_NETWORK = ("--classifier", "fake", "--workers", "1", "--executor", "serial")
AS_STORED = (*IMAGES, "--encode-size", "as-stored")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """The folder of the run ``demo``, beside ``photos`` and ``others``; nobody changes it."""
    command = Command(tmp_path_factory.mktemp("made"), plugin_folder)
    photographs(command.folder / "photos")
    photographs(command.folder / "others", first_seed=50)
    finished = command("run", "--name", "demo", "--trials", "4", *AS_STORED, *FAKE_NETWORK, "--psnr")
    assert finished.returncode == 0, finished.stderr
    assert "Compressed as stored, 1x1 to 101x75 pixels" in finished.stderr
    return command.folder


@pytest.fixture
def demo(cli: Cli, made: Path, tmp_path: Path) -> Path:
    """A copy of that run, with its photographs where they were."""
    for name in ("photos", "others"):
        shutil.copytree(made / name, tmp_path / name)
    path = Path(shutil.copytree(made / "runs" / "demo", tmp_path / "runs" / "demo"))
    settings = (path / "run.toml").read_text().replace(str(made), str(tmp_path))
    (path / "run.toml").write_text(settings)
    return path


def test_the_setting_is_recorded(demo: Path) -> None:
    content = tomllib.loads((demo / "run.toml").read_text())
    assert content["dataset"]["encode_size"] == "as-stored"
    assert content["recorded"]["dataset"]["encode_size"] == "as-stored"
    assert content["recorded"]["dataset"]["stored"] == "1x1 to 101x75 pixels"


def test_runs_of_older_versions_are_of_prepared_images(demo: Path) -> None:
    content = (demo / "run.toml").read_text()
    (demo / "run.toml").write_text("".join(line for line in content.splitlines(True) if "encode_size" not in line))
    assert load_settings(demo / "run.toml").dataset.encode_size == "prepared"


def test_ratios_are_of_the_stored_images(cli: Cli, demo: Path) -> None:
    pixels = sum(width * height for width, height in SIDES)
    rows = [row for row in json.loads(cli("trials", "demo", "--json").stdout) if row["series"] == "search"]
    trials = Run.open(demo).results().done
    for row, trial in zip(rows, trials, strict=True):
        assert trial.measurement is not None
        assert row["ratio"] == trial.measurement.ratio == 3 * pixels / trial.measurement.total_bytes
        assert row["total_pixels"] == pixels
    assert "compressed as stored (1x1 to 101x75 pixels)" in cli("show", "demo").stdout


def test_resuming_goes_on_with_it(cli: Cli, demo: Path, tmp_path: Path) -> None:
    """As if it had never ended, and where the cache is gone too."""
    finished = cli("resume", "demo", "--trials", "7", "--workers", "1", "--executor", "serial")
    assert finished.status == 0, finished.stderr
    assert cli("run", "--name", "whole", "--trials", "7", *AS_STORED, *FAKE_NETWORK, "--psnr").status == 0
    resumed, whole = (list(Run.open(tmp_path / "runs" / name).trials()[1]) for name in ("demo", "whole"))
    assert resumed == whole
    verified = cli("verify", "demo")
    assert verified.status == 0, verified.stderr + verified.stdout


def test_a_stored_pixel_that_changed_is_another_dataset(cli: Cli, demo: Path, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "others" / "07.png", tmp_path / "photos" / "07.png")
    refused = cli("resume", "demo", "--trials", "7", "--workers", "1")
    assert refused.status == 2
    assert "dataset: digest was" in refused.sentence


def test_a_measure_is_added_of_the_stored_images(cli: Cli, demo: Path) -> None:
    before = Run.open(demo).results().done[0].measurement
    added = cli("measure", "demo", "--add", "pixels", "--workers", "1")
    assert added.status == 0, added.stderr
    assert Run.open(demo).results().done[0].measurement == before


def test_a_validation_inherits_it(cli: Cli, demo: Path) -> None:
    finished = cli("validate", "demo", "--dataset", "images:others", "--name", "others", "--workers", "1", "--top", "1")
    assert finished.status == 0, finished.stderr
    (validation,) = validations(Run.open(demo))
    assert validation.settings.dataset.encode_size == "as-stored"
    assert validation.settings.recorded is not None
    assert validation.settings.recorded.dataset["stored"] == "1x1 to 101x75 pixels"
    assert "compressed as stored" in finished.stdout


def test_the_images_are_known_again_as_prepared(cli: Cli, demo: Path) -> None:
    """Their files are those that were searched on, whatever was compressed of them."""
    refused = cli("validate", "demo", "--dataset", "images:photos", "--encode-size", "prepared", "--workers", "1")
    assert refused.status == 2
    assert "10 of 10 images are among those that run demo searched on" in refused.sentence


def test_runs_of_both_kinds_are_not_mixed(cli: Cli, demo: Path) -> None:
    finished = cli("run", "--name", "prepared", "--trials", "4", *IMAGES, *FAKE_NETWORK)
    assert finished.status == 0, finished.stderr
    refused = cli("compare", "demo", "prepared")
    assert refused.status == 2
    assert "dataset: encode_size was as-stored, is absent" in refused.sentence
    refused = cli(
        *("run", "--name", "from", "--strategy", "bounded-random", "--from", "prepared", "--trials", "2"),
        *(*AS_STORED, *FAKE_NETWORK),
    )
    assert refused.status == 2
    assert "dataset: encode_size was absent, is as-stored" in refused.sentence


def test_a_search_is_steered_by_the_sizes_of_stored_images(cli: Cli, demo: Path) -> None:
    ratio = Run.open(demo).results().standard[50].ratio
    finished = cli(*("run", "--name", "steered", "--trials", "3", "--ratio", f"{ratio:.3f}", *AS_STORED, *FAKE_NETWORK))
    assert finished.status == 0, finished.stderr
    for trial in Run.open(demo.parent / "steered").results().done:
        assert trial.measurement is not None
        assert trial.measurement.ratio == pytest.approx(ratio, rel=0.006)


def test_pictures_are_the_files_and_answers_those_on_what_is_shown(cli: Cli, demo: Path) -> None:
    run = Run.open(demo)
    trial = run.results().done[0]
    assert trial.measurement is not None
    shown = gallery(run, run.results(), trial, "it", "these")
    places = {name: index for index, name in enumerate(f"{index:02d}" for index in range(len(SIDES)))}
    assert shown.pictures
    for picture in shown.pictures:
        place = places[picture.name.partition(".")[0]]
        assert picture.found.size_bytes == trial.measurement.size_bytes[place]
        right = picture.found.answer == picture.true_class
        assert picture.found.right == right == (trial.measurement.ranks[0, place] == 0)


def test_the_dataset_says_what_it_compresses(cli: Cli, demo: Path) -> None:
    shown = cli("dataset", "show", "images:photos", *AS_STORED[2:6], "--encode-size", "as-stored")
    assert shown.status == 0, shown.stderr
    assert "Compressed as stored, 1x1 to 101x75 pixels; networks are shown 24x24 of it." in shown.stdout
    assert "1 of 10 files are JPEG already" in shown.stdout


def test_tables_are_learned_for_stored_images_and_a_dial_has_their_bytes(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for index in range(4):
        photograph(40 + 8 * index, 48, index).save(tmp_path / "few" / f"{index}.png")
    stored = ("--dataset", "images:few", "--size", "24", "--encode-size", "as-stored")
    learned = cli("learn", "distortion", *stored, "--quality", "30", "--quality", "70", "--out", "a.ladder.json")
    assert learned.status == 0, learned.stderr
    assert "Learned on 4 images as stored (40x48 to 64x48 pixels) of images:" in learned.stdout
    made = cli("dial", "a.ladder.json", "--out", "a.dial.json", "--workers", "1")
    assert made.status == 0, made.stderr
    assert "Bytes matched on 4 images as stored (40x48 to 64x48 pixels) of images:" in made.stdout


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("code-length", "--out", "code.safetensors"), "compresses the images that networks are shown"),
        (("distortion", "--out", "a.json", "--per-image"), "learning tables for each image compresses the images that"),
        (("distortion", "--out", "a.json", "--method", "gradient"), "learning by gradients compresses the images that"),
        (("distortion", "--out", "a.json"), "images of 1x1 pixels are too small to learn from at 4:2:0"),
    ],
)
def test_learning_that_stored_images_are_not_for_says_so(
    cli: Cli, demo: Path, command: tuple[str, ...], sentence: str
) -> None:
    stored = ("--size", "24", "--fit", "stretch", "--encode-size", "as-stored")
    refused = cli("learn", *command, "--dataset", "images:photos", *stored)
    assert refused.status == 2, refused.stdout
    assert sentence in refused.stderr


def test_a_config_with_another_word_is_refused(demo: Path) -> None:
    settings = load_settings(demo / "run.toml")
    save_settings(settings, demo / "copy.toml")
    assert load_settings(demo / "copy.toml") == settings
    text = (demo / "copy.toml").read_text().replace('encode_size = "as-stored"', 'encode_size = "huge"', 1)
    (demo / "copy.toml").write_text(text)
    with pytest.raises(Exception, match="invalid enum value 'huge'"):
        load_settings(demo / "copy.toml")


def test_labelled_photographs_of_mixed_sizes(cli: Cli, demo: Path, tmp_path: Path) -> None:
    """In class folders, with accuracy by their labels and some kept aside."""
    for label in range(5):
        photographs(tmp_path / "classes" / f"class-{label}", first_seed=10 * label)
        photographs(tmp_path / "classes" / f"class-{label}" / "more", first_seed=100 + 10 * label)
    finished = cli(
        *("run", "--name", "labelled", "--trials", "2", "--dataset", "folder:classes", "--confirm", "0.4"),
        *("--size", str(SIDE), "--fit", "stretch", "--encode-size", "as-stored", *FAKE_NETWORK),
    )
    assert finished.status == 0, finished.stderr
    run = Run.open(tmp_path / "runs" / "labelled")
    results = run.results()
    assert results.done[0].measurement is not None
    assert results.done[0].measurement.images == 60
    assert 0 < np.mean([trial.measurement.top1 for trial in results.done if trial.measurement is not None]) < 1
    assert "of 5 tables" in finished.stdout or "Confirmed on 40 images kept aside" in finished.stdout
