"""``qsearch dataset show``: what it says in words and as JSON, and the contact sheet."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Finished

Cli = Callable[..., Finished]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four JPEG files of two classes, one of them in both, and a PNG."""
    for name, seed in (("cat/a.jpg", 0), ("cat/b.jpg", 1), ("dog/a.jpg", 0), ("dog/c.jpg", 2), ("dog/d.png", 3)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def show(cli: Cli, *arguments: str) -> str:
    finished = cli("dataset", "show", *arguments)
    assert finished.status == 0, finished.stderr
    return finished.stdout


def test_in_words(cli: Cli, photos: Path) -> None:
    text = show(cli, "folder:photos")
    assert "Images:  5 of 32x24 pixels" in text
    assert "Classes: 2, 2 to 3 images each, median 2" in text
    assert "1 image repeats another (cat/a.jpg = dog/a.jpg); the labels of 1 of 1 groups contradict" in text
    assert "Files:   4 JPEG, 1 PNG, 0.0 MB, 32 pixels wide, 24 high" in text
    assert "4 of 5 files were JPEG before: what is measured on these is double compression, with 4 at their own" in text


def test_scaled_images_blur_the_first_compression(cli: Cli, photos: Path) -> None:
    text = show(cli, "folder:photos", "--size", "16", "--fit", "stretch", "--per-class", "2")
    assert "Classes: 2, 2 images each" in text
    assert "double compression, though at another size" in text


def test_many_copies_are_counted_not_listed(cli: Cli, photos: Path) -> None:
    for index in range(9):
        shutil.copy(photos / "dog" / "c.jpg", photos / "dog" / f"c{index}.jpg")
    text = show(cli, "folder:photos")
    assert "10 images repeat others (cat/a.jpg = dog/a.jpg; dog/c.jpg = dog/c0.jpg" in text
    assert "dog/c3.jpg and 5 more); the labels of 1 of 2 groups contradict" in text


def test_as_json(cli: Cli, photos: Path) -> None:
    found = json.loads(show(cli, "folder:photos", "--json"))
    assert found["images_per_class"] == {"cat": 2, "dog": 3}
    assert found["sources"]["jpeg"] == 4
    assert found["copies"][0]["images"] == ["cat/a.jpg", "dog/a.jpg"]


def test_without_labels_or_files(cli: Cli, photos: Path) -> None:
    assert "none, the images have no labels: search on them with --labels predicted" in show(cli, "images:photos")
    text = show(cli, "fake")
    assert "Files:   not known" in text
    assert "none, no two images have equal pixels" in text


def test_a_contact_sheet(cli: Cli, photos: Path, tmp_path: Path) -> None:
    show(cli, "folder:photos", "--sheet", "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
    finished = cli("dataset", "show", "folder:photos", "--sheet", "sheet.txt")
    assert (finished.status, finished.stdout) == (2, "")
    assert finished.sentence == "a contact sheet is written as .png, got 'sheet.txt'."


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["folders:photos"], "unknown dataset 'folders': did you mean folder?"),
        (["folder:nowhere"], "the dataset folder nowhere is missing: give folder:PATH."),
        (["folder:photos", "--per-class", "3"], "(cat has 2): ask for fewer with --per-class"),
        (["images:photos", "--per-class", "3"], "images has no classes to draw from"),
        (["fake", "--per-class", "1"], "fake draws no images of a class"),
        (["imagenet:photos"], "photos holds no images"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(
    arguments: list[str], expected: str, cli: Cli, photos: Path
) -> None:
    finished = cli("dataset", "show", *arguments)
    assert finished.status == 2
    assert expected in finished.sentence
