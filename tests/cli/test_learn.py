"""``qsearch learn`` and ``qsearch dial``: from images to tables that every command takes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.codecs.markers import read_frame
from qsearch.export.reading import read_tables
from qsearch.learning.dial import read_dial, write_dial
from qsearch.learning.ladder import read_ladder, write_ladder
from qsearch.learning.settings import Adam
from qsearch.run.folder import Run
from qsearch.run.validation import validations
from qsearch.tables import QuantTables
from tests.conftest import FAKE, Finished
from tests.learning.images import waves
from tests.learning.test_dial import made_dial
from tests.learning.test_ladder import made_ladder

Cli = Callable[..., Finished]
RUNGS = ("--quality", "20", "--quality", "70")


@pytest.fixture
def ladder(cli: Cli, tmp_path: Path) -> Path:
    finished = cli("learn", "distortion", "--dataset", "fake", *RUNGS, "--out", "ladder.json")
    assert finished.status == 0, finished.stderr
    return tmp_path / "ladder.json"


@pytest.fixture
def dial(cli: Cli, ladder: Path, tmp_path: Path) -> Path:
    finished = cli("dial", "ladder.json", "--out", "dial.json")
    assert finished.status == 0, finished.stderr
    return tmp_path / "dial.json"


@pytest.fixture
def made_up(tmp_path: Path, plugins: None) -> Path:
    """A ladder and a dial that nobody learned."""
    write_ladder(made_ladder(), tmp_path / "ladder.json")
    write_dial(made_dial(), tmp_path / "dial.json")
    return tmp_path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    Image.fromarray(waves(1, 48)[0]).save(tmp_path / "photos" / "a.png")
    return tmp_path / "photos" / "a.png"


def test_a_ladder_is_told_and_kept(cli: Cli, ladder: Path) -> None:
    again = cli("learn", "distortion", "--dataset", "fake", *RUNGS, "--out", "ladder.json")
    assert "distortion, learned on 15 images, JPEG 4:2:0" in again.stdout
    assert "Rungs ladder.json:0 to ladder.json:1 are tables" in again.stdout
    report = json.loads(
        cli("learn", "distortion", "--dataset", "fake", *RUNGS, "--out", "ladder.json", "--json").stdout
    )
    rungs = read_ladder(ladder).rungs
    assert [one["bpp"] for one in report] == [rung.bpp for rung in rungs]
    assert report[1]["tables"] == [rungs[1].tables[0].to_dict()]


def test_tables_are_drawn(cli: Cli, tmp_path: Path) -> None:
    learned = ("learn", "distortion", "--dataset", "fake", *RUNGS, "--out", "ladder.json")
    assert cli(*learned, "--plot", "rungs.svg").status == 0
    assert cli("dial", "ladder.json", "--out", "dial.json", "--plot", "dial.svg").status == 0
    rungs = read_ladder(tmp_path / "ladder.json")
    drawn = (tmp_path / "rungs.svg").read_text()
    for rung in rungs.rungs:
        assert f"quality {rung.quality}, {rung.bpp:.2f} bpp" in drawn
        assert f">{rung.tables[0].luma[0, 0]}<" in drawn
    assert "Cb, Cr" in drawn
    assert "quality 95" in (tmp_path / "dial.svg").read_text()
    refused = cli(*learned[:-1], "x.json", "--per-image", "--plot", "rungs.svg")
    assert refused.status == 2
    assert "leave one out" in refused.sentence


def test_options_decide_what_is_learned(cli: Cli, tmp_path: Path) -> None:
    options = ("--images", "4", "--seed", "3", "--subsampling", "4:4:4", "--layout", "shared", "--per-image")
    finished = cli("learn", "distortion", "--dataset", "fake", *RUNGS, *options, "--workers", "1", "--out", "own.json")
    assert finished.status == 0, finished.stderr
    found = read_ladder(tmp_path / "own.json")
    assert (found.learned_on.images, found.settings.subsampling, found.settings.seed) == (4, "4:4:4", 3)
    assert [len(rung.tables) for rung in found.rungs] == [4, 4]
    assert all(tables.layout == "shared" for rung in found.rungs for tables in rung.tables)
    weighted = cli("learn", "distortion", "--dataset", "fake", "--loss-weights", "9", "1", "0", "--out", "paper.json")
    assert weighted.status == 0, weighted.stderr
    assert read_ladder(tmp_path / "paper.json").rungs[0].trade_off == 9


def test_gradients_with_every_option_of_theirs(cli: Cli, ladder: Path) -> None:
    options = ("--rate", "laplace", "--rounding", "straight-through", "--steps", "3", "--batch", "5",
               "--learning-rate", "0.1", "--start", "ladder.json")  # fmt: skip
    command = ("learn", "distortion", "--dataset", "fake", *RUNGS, "--method", "gradient", *options)
    finished = cli(*command, "--out", "gradient.json")
    assert finished.status == 0, finished.stderr
    found = read_ladder("gradient.json")
    assert found.settings.adam == Adam(steps=3, batch=5, learning_rate=0.1, rounding="straight-through")
    assert found.settings.start == read_ladder(ladder).digest
    assert found.tables != read_ladder(ladder).tables
    assert cli("export", "gradient.json:0", "--format", "cjpeg", "--out", "table.txt").status == 0
    assert (
        "distortion, gradient, bits laplace, 3 steps of Adam, rounding straight-through"
        in Path("table.txt").read_text()
    )


def test_every_command_takes_what_was_learned(cli: Cli, dial: Path, photo: Path, tmp_path: Path) -> None:
    found, rungs = read_dial(dial), read_ladder("ladder.json").tables
    for name, spec, expected in (
        ("a.jpg", ("dial.json", "--quality", "85"), found.tables(85)),
        ("b.jpg", ("dial.json:20",), found.tables(20)),
        ("c.jpg", ("ladder.json:1",), rungs[1]),
        ("d.jpg", (f"{tmp_path}/ladder.json:0",), rungs[0]),
    ):
        assert cli("encode", "--tables", *spec, "photos/a.png", name).status == 0
        frame = read_frame((tmp_path / name).read_bytes())
        assert (frame.tables, frame.subsampling) == (expected, "4:2:0")
    for format_ in ("cjpeg", "pillow", "imagemagick", "json", "npz", "c-header"):
        out = tmp_path / f"tables.{format_}"
        assert cli("export", "dial.json", "--quality", "85", "--format", format_, "--out", str(out)).status == 0
        assert read_tables(out).tables == found.tables(85)
    story = (tmp_path / "tables.cjpeg").read_text()
    for said in ("quality 85 of dial.json", "distortion, descent, bits exact", "15 images 24x24 of fake", "Dial made"):
        assert said in story


def test_curves_of_a_whole_dial_and_a_whole_ladder(cli: Cli, made_up: Path, photo: Path) -> None:
    finished = cli("curve", "--tables", "dial.json", "--tables", "ladder.json", "--tables", "ladder.json:1", "--images",
                   "photos", "--workers", "1", "--json")  # fmt: skip
    assert finished.status == 0, finished.stderr
    standard, of_dial, of_ladder, scaled = json.loads(finished.stdout)["curves"]
    assert [point["quality"] for point in of_dial["points"]] == [point["quality"] for point in standard["points"]]
    assert [point["quality"] for point in of_ladder["points"]] == [10, 50]
    assert len(scaled["points"]) == len(standard["points"])


@pytest.fixture
def demo(cli: Cli, tmp_path: Path) -> Path:
    made = cli("run", "--name", "demo", "--trials", "8", *FAKE)
    assert made.status == 0, made.stderr
    return tmp_path / "runs" / "demo"


def test_a_validation_measures_the_whole_dial(cli: Cli, made_up: Path, demo: Path) -> None:
    others = ("--dataset", "fake:7", "--workers", "1", "--executor", "serial")
    finished = cli("validate", "demo", *others, "--tables", "dial.json", "--tables", "ladder.json", "--name", "whole")
    assert finished.status == 0, finished.stderr
    (kept,) = validations(Run.open(demo))
    results = kept.results()
    measured = {trial.label: trial.tables for trial in results.done}
    qualities = sorted(results.standard)
    assert list(measured) == [*(f"dial.json:{quality}" for quality in qualities), "ladder.json:0", "ladder.json:1"]
    assert measured["dial.json:50"] == QuantTables.standard(50)


def test_images_that_tables_were_learned_from_are_refused(cli: Cli, dial: Path) -> None:
    assert cli("run", "--name", "other", "--trials", "3", *FAKE[2:], "--dataset", "fake:3").status == 0
    for tables in ("dial.json", "ladder.json:1"):
        finished = cli("validate", "other", "--dataset", "fake", "--executor", "serial", "--tables", tables)
        assert finished.status == 2
        assert f"15 of 15 images are among those that {tables.partition(':')[0]}" in finished.sentence
        assert "was learned from" in finished.sentence


def test_a_dial_of_a_run_has_its_images_and_encoder(cli: Cli, demo: Path, tmp_path: Path) -> None:
    finished = cli("dial", "demo", "--out", "of-run.json", "--dataset", "fake:7", "--json")
    assert finished.status == 0, finished.stderr
    found = read_dial(tmp_path / "of-run.json")
    run = Run.open(demo)
    assert found.title == f"dial of the {len(run.results().frontier)} tables on the frontier of run demo"
    with run.archive() as archive:
        assert list(found.images) == archive.images()
    assert found.made_on.dataset == "fake:7"
    settings = json.loads(finished.stdout)["settings"]
    assert [one["quality"] for one in settings] == list(range(1, 101))
    assert abs(np.array([one["size_bytes"] / one["standard_bytes"] for one in settings]) - 1).max() < 0.02


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("learn", "distortion", "--out", "x.json"), "say which images to learn from: --dataset D"),
        (("learn", "distortion", "--dataset", "fake", "--classifier", "fake", "--out", "x.json"), "asks no network"),
        (("learn", "accuracy", "--dataset", "fake", "--out", "x.json"), "say which one with --classifier"),
        (
            ("learn", "distortion", "--dataset", "fake", *RUNGS, "--loss-weights", "1", "1", "0", "--out", "x.json"),
            "give one of them",
        ),
        (
            ("learn", "distortion", "--dataset", "fake", "--loss-weights", "0", "1", "0", "--out", "x.json"),
            "c_r above 0",
        ),
        (("learn", "distortion", "--dataset", "fake", "--quality", "20", "--out", "ladder.json"), "learned otherwise"),
        (("learn", "distortion", "--dataset", "fake", "--quality", "20", "--out", "dial.json"), "holds a dial"),
        (("learn", "distortion", "--dataset", "fake", "--quality", "20", "--out", "no/x.json"), "cannot be written"),
        (("learn", "distortion", "--dataset", "fake", "--images", "99", "--out", "x.json"), "ask for fewer"),
        (
            ("learn", "distortion", "--dataset", "fake", "--rate", "luo", "--batch", "2", "--out", "x.json"),
            "the descent has no --rate, --batch: say --method gradient too",
        ),
        (
            (
                "learn",
                "distortion",
                "--dataset",
                "fake",
                "--method",
                "gradient",
                "--start",
                "ladder.json",
                "--out",
                "x.json",
            ),
            "has other rungs",
        ),
        (
            (
                "learn",
                "accuracy",
                "--dataset",
                "fake",
                "--classifier",
                "fake",
                "--method",
                "gradient",
                "--out",
                "x.json",
            ),
            "has no gradients",
        ),
        (("dial", "dial.json", "--out", "x.json"), "is a dial already"),
        (("dial", "ladder.json:1", "--out", "x.json"), "made of all rungs"),
        (("dial", "nothing", "--out", "x.json"), "nothing is neither"),
        (("encode", "--tables", "dial.json", "photos", "out"), "say which one, dial.json:85 or --quality 85"),
        (("encode", "--tables", "dial.json:0", "photos", "out"), "from 1 to 100, got '0'"),
        (("encode", "--tables", "ladder.json", "photos", "out"), "name one of its rungs, ladder.json:0"),
        (("encode", "--tables", "ladder.json:2", "photos", "out"), "has the rungs 0 to 1, got 2"),
        (("encode", "--tables", "ladder.json", "--quality", "50", "photos", "out"), "make a dial of it"),
        (("encode", "--tables", "standard:50", "--quality", "50", "photos", "out"), "standard:50 is none"),
        (("export", "demo", "--quality", "50", "--format", "json"), "demo is none"),
    ],
)
def test_wrong_input(cli: Cli, made_up: Path, arguments: tuple[str, ...], sentence: str) -> None:
    finished = cli(*arguments)
    assert finished.status == 2
    assert sentence in finished.sentence
    assert not Path("x.json").exists()


def test_a_ladder_per_image_names_no_tables(cli: Cli) -> None:
    assert cli("learn", "distortion", "--dataset", "fake", "--images", "2", "--quality", "50", "--per-image",
               "--workers", "1", "--out", "own.json").status == 0  # fmt: skip
    finished = cli("export", "own.json:0", "--format", "json")
    assert finished.status == 2
    assert "learn one without --per-image" in finished.sentence


def test_labels_may_be_the_networks_own_answers(cli: Cli, tmp_path: Path) -> None:
    asked = ("learn", "accuracy", "--dataset", "fake", "--classifier", "fake", *RUNGS, "--out", "ladder.json")
    finished = cli(*asked, "--labels", "predicted")
    assert finished.status == 0, finished.stderr
    assert read_ladder(tmp_path / "ladder.json").settings.dataset.labels == "predicted"
