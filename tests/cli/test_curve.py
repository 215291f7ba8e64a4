"""``qsearch curve``: rate and PSNR on folders of images without labels."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Finished

Cli = Callable[..., Finished]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "deeper").mkdir(parents=True)
    random = np.random.RandomState(0)
    for index, name in enumerate(["a.png", "b.png", "deeper/c.bmp"]):
        pixels = random.normal(128, 40, (40 + 8 * index, 64 - 8 * index, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_curves_and_gains(cli: Cli, images: Path, tmp_path: Path) -> None:
    arguments = ("--tables", "published:luo-2021", "--tables", "standard:50", "--workers", "1", "--bpp", "3")
    finished = cli("curve", *arguments, "--images", str(images), "--out", str(tmp_path / "curve.svg"), "--json")
    assert finished.status == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert [curve["name"] for curve in report["curves"]] == ["standard", "published:luo-2021", "standard:50"]
    for curve in report["curves"]:
        assert [point["quality"] for point in curve["points"]] == list(range(5, 100, 5))
        rates = [point["bpp"] for point in curve["points"]]
        assert rates == sorted(rates)
    # The standard tables at quality 50 are the base that libjpeg scales: scaled, they are the standard curve.
    same = report["gains"][1]
    assert same["gain_db_at_bpp"] == {"3": 0.0}
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")


def test_what_was_not_measured_is_not_guessed(cli: Cli, images: Path) -> None:
    finished = cli("curve", "--tables", "published:luo-2021", "--images", str(images), "--workers", "1", "--bpp", "90")
    assert "at   90 bits per pixel: not measured" in finished.stdout


def test_wrong_input(cli: Cli, tmp_path: Path, images: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, sentence in (("missing", "is no folder"), ("empty", "holds no images")):
        finished = cli("curve", "--tables", "standard:50", "--images", str(tmp_path / folder))
        assert finished.status == 2
        assert sentence in finished.sentence
    finished = cli("curve", "--tables", "published:nobody", "--images", str(images))
    assert finished.status == 2
    assert "nobody" in finished.sentence
