"""The options of a picture: what is asked for is drawn, and what is none is told in a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Finished
from tests.made_up_runs import make_loss_run

Cli = Callable[..., Finished]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return make_loss_run(tmp_path / "runs/made")


DISTRIBUTION = ["plot", "made", "--kind", "distribution", "--window", "15", "25"]


@pytest.mark.parametrize("words", [["plot", "made"], DISTRIBUTION, ["history", "made"]])
def test_a_picture_has_the_size_and_title_that_are_given(cli: Cli, made: Path, words: list[str]) -> None:
    finished = cli(*words, "--size", "6.5x4", "--title", "Of my own", "--out", "a.png")
    assert finished.status == 0, finished.stderr
    with Image.open("a.png") as picture:
        assert picture.size == (1040, 640)  # at 160 dots per inch
    assert cli(*words, "--title", "Of my own", "--out", "a.svg").status == 0
    assert ">Of my own<" in Path("a.svg").read_text()


def test_sizes_of_files_are_drawn_as_is_asked(cli: Cli, made: Path) -> None:
    for x, label in {"ratio": "compression ratio", "bpp": "bits per pixel", "bytes": "KB per image"}.items():
        assert cli("plot", "made", "--x", x, "--out", "a.svg").status == 0
        assert label in Path("a.svg").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["plot", "made", "--size", "10cm"],
            "WIDTHxHEIGHT in inches from 1 to 60, 6.5x4 for one; got '10cm'",
        ),
        (["plot", "made", "--size", "0.5x4"], "from 1 to 60"),
        (["plot", "made", "--size", "6.5x400"], "from 1 to 60"),
        (["plot", "made", "--kind", "distribution", "--x", "bpp"], "leave --x out"),
        (["history", "made", "--size", "6x4"], "give --out FILE"),
        (["curve", "--tables", "standard:50", "--images", ".", "--title", "T"], "give --out FILE"),
    ],
)
def test_what_cannot_be_drawn(cli: Cli, made: Path, words: list[str], sentence: str) -> None:
    finished = cli(*words)
    assert finished.status == 2
    assert sentence in finished.sentence
