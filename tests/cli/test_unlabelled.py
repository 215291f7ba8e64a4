"""Images without labels on the command line: refused for accuracy, measured by agreement, and said so everywhere."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.report.pictures import gallery
from qsearch.run.folder import Run
from tests.conftest import FAKE, Command, Finished
from tests.fakes import FakeClassifier, fake_images

Cli = Callable[..., Finished]
AGREEMENT = "agreement with the network's answer on the uncompressed image"


NETWORK = ("--dataset", "images:photos", "--classifier", "fake", "--executor", "serial")


def save_photos(folder: Path) -> Path:
    """Fifteen images, which the fake network can tell apart, and fifteen others."""
    for seed, name in enumerate(("photos", "others")):
        (folder / name).mkdir()
        for index, pixels in enumerate(fake_images(seed=seed)):
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder / "photos"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return save_photos(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """The folder of a finished run on predicted labels; nobody changes it."""
    command = Command(tmp_path_factory.mktemp("made"), plugin_folder)
    save_photos(command.folder)
    finished = command("run", "--name", "agreed", *NETWORK, "--labels", "predicted", "--trials", "6")
    assert finished.returncode == 0, finished.stderr
    return command.folder / "runs" / "agreed"


@pytest.fixture
def agreed(cli: Cli, photos: Path, made: Path, tmp_path: Path) -> Path:
    """A copy of that run, beside its images."""
    return Path(shutil.copytree(made, tmp_path / "runs" / "agreed"))


def run(cli: Cli, name: str, *options: str) -> Finished:
    return cli("run", "--name", name, *NETWORK, *options)


def test_without_labels_there_is_no_accuracy(cli: Cli, photos: Path) -> None:
    finished = run(cli, "none")
    assert finished.status == 2
    assert "images:" in finished.sentence
    assert "has no labels to classify by" in finished.sentence
    assert "--labels predicted" in finished.sentence
    assert not Path("runs/none").exists()


def test_agreement_is_what_labelled_by_the_network_would_measure(cli: Cli, agreed: Path) -> None:
    """The fake dataset has the same images, labelled with the fake network's answers."""
    finished = cli("run", "--name", "labelled", *FAKE, "--trials", "6")
    assert finished.status == 0, finished.stderr
    reference, search = Run.open("runs/labelled").results().reference, Run.open("runs/labelled").results().search
    found = Run.open(agreed).results()
    by_name = sorted(range(15), key=str)
    for expected, trial in zip([*reference, *search], [*found.reference, *found.search], strict=True):
        assert expected.measurement is not None
        assert trial.measurement is not None
        assert trial.measurement.ranks.tolist() == expected.measurement.ranks[:, by_name].tolist()
    assert found.standard[10].top1 < 1


def test_it_says_so_everywhere(cli: Cli, agreed: Path) -> None:
    settings = tomllib.loads((agreed / "run.toml").read_text())
    assert settings["dataset"]["labels"] == "predicted"
    assert settings["recorded"]["dataset"]["labels"] == "predicted"
    shown = cli("show", "agreed").stdout
    assert AGREEMENT in shown
    assert "Labels are predicted: top-1 is not accuracy" in shown
    assert json.loads(cli("show", "agreed", "--json").stdout)["settings"]["dataset"]["labels"] == "predicted"


def test_a_labelled_run_does_not(cli: Cli, demo: Path) -> None:
    shown = cli("show", "demo").stdout
    assert "agreement" not in shown
    assert "predicted" not in shown
    assert "labels" not in tomllib.loads((demo / "run.toml").read_text())["recorded"]["dataset"]


def test_it_goes_on_and_ends_as_if_never_stopped(cli: Cli, agreed: Path) -> None:
    assert cli("resume", "agreed", "--trials", "9", "--workers", "2").status == 0
    assert run(cli, "whole", "--labels", "predicted", "--trials", "9").status == 0
    assert Run.open(agreed).results().search == Run.open("runs/whole").results().search


def test_other_answers_are_another_dataset(cli: Cli, agreed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = FakeClassifier.logits
    monkeypatch.setattr(FakeClassifier, "logits", lambda self, images: np.roll(logits(self, images), 1, axis=1))
    finished = cli("resume", "agreed", "--trials", "9", "--executor", "serial")
    assert finished.status == 2
    assert "predicted_labels_digest was" in finished.sentence


def test_validation_is_by_agreement_too_and_on_other_images(cli: Cli, agreed: Path) -> None:
    finished = cli("validate", "agreed", "--dataset", "images:others", "--executor", "serial")
    assert finished.status == 0, finished.stderr
    assert finished.stdout.count(AGREEMENT) == 2
    finished = cli("validate", "agreed", "--dataset", "images:photos", "--executor", "serial")
    assert finished.status == 2
    assert "15 of 15 images are among those" in finished.sentence


def test_halves_of_unlabelled_images(cli: Cli, photos: Path) -> None:
    assert run(cli, "half", "--labels", "predicted", "--trials", "3", "--split", "images").status == 0
    finished = cli("validate", "half", "--split", "--executor", "serial")
    assert finished.status == 0, finished.stderr
    assert "7 images" in finished.stdout


def test_copies_in_both_halves_are_refused(cli: Cli, photos: Path) -> None:
    for path in list(photos.iterdir()):
        shutil.copy(path, photos / f"copy-of-{path.name}")
    assert run(cli, "half", "--labels", "predicted", "--trials", "3", "--split", "images").status == 0
    finished = cli("validate", "half", "--split", "--executor", "serial")
    assert finished.status == 2
    assert re.search(r"of 15 images are among those that run half searched on", finished.sentence)
    assert not (Path("runs/half/validations")).exists()


def test_images_of_each_class_are_only_drawn_where_there_are_classes(cli: Cli, photos: Path) -> None:
    assert "images has no classes to draw from" in run(cli, "none", "--per-class", "3").sentence
    finished = cli("run", "--dataset", "fake", "--classifier", "fake", "--per-class", "1", "--trials", "3")
    assert finished.status == 2
    assert "fake draws no images of a class" in finished.sentence


def test_pictures_are_called_what_the_network_took_them_for(agreed: Path) -> None:
    run, images = Run.open(agreed), fake_images()
    shown = gallery(run, run.results(), run.results().done[0], "trial 0", "photos").pictures
    logits = FakeClassifier("fake", {}).logits(images)
    answers = {f"{index}.png": f"class {answer}" for index, answer in enumerate(logits.argmax(axis=1))}
    assert len({picture.true_class for picture in shown}) > 1
    for picture in shown:
        assert picture.true_class == answers[picture.name]
        assert picture.found.right == (picture.found.answer == picture.true_class)


def test_a_network_has_no_accuracy_on_them(cli: Cli, photos: Path) -> None:
    assert "has no labels" in cli("classifier", "show", "fake", "--dataset", "images:photos").sentence
