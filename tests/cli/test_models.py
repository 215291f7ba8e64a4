"""``qsearch evaluate``, ``learn network``, ``learn code-length`` and ``encode --model``, as users call them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.codecs.markers import read_frame
from qsearch.learning.ladder import write_ladder
from qsearch.models import load_model
from qsearch.tables import QuantTables
from tests.conftest import Finished
from tests.learning.images import waves
from tests.models.made_up import ladder

Cli = Callable[..., Finished]
EVALUATE = ("--dataset", "fake", "--workers", "1", "--executor", "serial")
TRAIN = ("learn", "network", "--task", "distortion", "--dataset", "fake:1", "--ladder", "ladder.json",
         "--epochs", "1", "--out", "model")  # fmt: skip


@pytest.fixture(autouse=True)
def _ladder(tmp_path: Path) -> None:
    write_ladder(ladder(), tmp_path / "ladder.json")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos" / "cats"
    folder.mkdir(parents=True)
    for number, pixels in enumerate(waves(2, 48)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    Image.fromarray(waves(1, 5)[0]).save(folder / "tiny.png")
    Image.fromarray(waves(1, 40)[0]).convert("L").save(folder / "grey.png")
    return folder.parent


def test_a_model_beside_what_it_is_to_beat(cli: Cli) -> None:
    finished = cli("evaluate", "per-image-descent:ladder.json", *EVALUATE, "--classifier", "fake", "--strength", "50",
                   "--measure", "ms_ssim", "--plot", "curves.png")  # fmt: skip
    assert finished.status == 0, finished.stderr
    assert "Measured on 15 images 24x24 of fake, fake" in finished.stdout
    assert "At strength 50, gains (95 %) at equal bytes:" in finished.stdout
    for words in ("MS-SSIM", "loss in nats", "divergence in nats", "top-1", "per-image-quality", "standard"):
        assert words in finished.stdout
    assert Path("curves.png").stat().st_size > 1000


def test_its_json_has_curves_and_both_gains(cli: Cli) -> None:
    finished = cli("evaluate", "constant:ladder.json", *EVALUATE, "--strength", "20", "--strength", "50", "--json")
    assert finished.status == 0, finished.stderr
    found = json.loads(finished.stdout)
    model, along = found["curves"]["model"], found["curves"]["ladder"]
    assert [point["strength"] for point in model] == [20, 50]
    assert all(point in along for point in model)
    assert {point["strength"]: point["bytes"] for point in found["curves"]["standard"]}[50] == model[1]["bytes"]
    own = [gain for gain in found["gains"] if gain["against"] == "ladder"]
    assert {gain["of"] for gain in own} == {"psnr_db"}
    assert [(gain["image_by_image"]["value"], gain["at_equal_mean_bytes"]["value"]) for gain in own] == [(0, 0)] * 2


def test_a_network_is_trained_gone_on_with_evaluated_and_encodes(cli: Cli, photos: Path) -> None:
    trained = cli(*TRAIN, "--strength", "20", "--strength", "80", "--hint")
    assert trained.status == 0, trained.stderr
    assert "Trained on 15 images 24x24 of fake:1" in trained.stdout
    again = cli(*TRAIN, "--strength", "20", "--strength", "80", "--hint", "--json")
    assert [one["strength"] for one in json.loads(again.stdout)] == [20, 80]
    evaluated = cli("evaluate", "model", "--ladder", "ladder.json", *EVALUATE, "--strength", "50")
    assert evaluated.status == 0, evaluated.stderr
    assert "Model model (distortion)" in evaluated.stdout
    encoded = cli("encode", "--model", "model", "--strength", "50", "photos", "out")
    assert encoded.status == 0, encoded.stderr
    assert "encoded: 4 files" in encoded.stdout
    model = load_model("model")
    for name in ("0", "1", "tiny"):
        frame = read_frame((Path("out/cats") / f"{name}.jpg").read_bytes())
        with Image.open(photos / "cats" / f"{name}.png") as image:
            assert frame.tables == model.tables(np.asarray(image), 50)
        assert frame.subsampling == "4:2:0"


def test_each_file_has_its_own_tables_and_is_not_encoded_twice(cli: Cli, photos: Path) -> None:
    encode = ("encode", "--model", "per-image-descent:ladder.json", "--strength", "50", "photos", "out")
    assert cli(*encode).status == 0
    tables = {path.name: read_frame(path.read_bytes()).tables for path in Path("out").rglob("*.jpg")}
    assert len(set(tables.values())) == 4
    assert "there already: 4 files" in cli(*encode).stdout
    other = cli("encode", "--model", "per-image-descent:ladder.json", "--strength", "60", "photos", "out")
    assert other.status == 1
    assert "encoded otherwise or older" in other.stderr


def test_constant_tables_of_a_model_are_those_of_its_ladder(cli: Cli, photos: Path) -> None:
    assert (
        cli("encode", "--model", "constant:ladder.json", "--strength", "50", "photos/cats/0.png", "a.jpg").status == 0
    )
    assert read_frame(Path("a.jpg").read_bytes()).tables == QuantTables.standard(50)


def test_a_predictor_of_code_lengths_is_trained_and_used(cli: Cli) -> None:
    trained = cli("learn", "code-length", "--dataset", "fake:1", "--steps", "3", "--out", "bits")
    assert trained.status == 0, trained.stderr
    assert "SMAPE" in trained.stdout
    assert "3 images held out" in trained.stdout
    finished = cli(*TRAIN, "--strength", "50", "--rate", "taqn", "--code-length", "bits")
    assert finished.status == 0, finished.stderr
    assert "rate taqn" in finished.stdout


def test_images_that_it_was_trained_on_are_refused(cli: Cli) -> None:
    assert cli(*TRAIN, "--strength", "50").status == 0
    finished = cli("evaluate", "model", "--ladder", "ladder.json", "--dataset", "fake:1", "--executor", "serial")
    assert finished.status == 2
    assert "was learned from" in finished.sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("evaluate", "constant:ladder.json"), "say on which images"),
        (("evaluate", "constant:no.json", *EVALUATE), "cannot be read"),
        (("evaluate", "nothing", *EVALUATE), "unknown model 'nothing'"),
        (("evaluate", "constant:ladder.json", *EVALUATE, "--strength", "90"), "strengths from 20 to 80, got 90"),
        (("evaluate", "constant:ladder.json", *EVALUATE, "--subsampling", "4:4:4"), "made for JPEG 4:2:0, and 4:4:4"),
        (("evaluate", "constant:ladder.json", *EVALUATE, "--model-option", "x=1"), "no option 'x'"),
        (("evaluate", "ladder.json", *EVALUATE), "ladder.json is no safetensors file"),
        (("encode", "photos", "out"), "say which tables: --tables TABLES, or --model MODEL"),
        (("encode", "--model", "constant:ladder.json", "photos", "out"), "--strength S"),
        (("encode", "--model", "constant:ladder.json", "--strength", "5", "photos", "out"), "from 20 to 80, got 5"),
        (("encode", "--tables", "standard:50", "--strength", "5", "photos", "out"), "give --model too"),
        (
            ("encode", "--model", "constant:ladder.json", "--strength", "50", "--in-place", "photos"),
            "one table for all images",
        ),
        (
            ("encode", "--model", "constant:ladder.json", "--strength", "50", "--subsampling", "4:4:4", "photos", "o"),
            "made for JPEG 4:2:0, and 4:4:4 is wanted",
        ),
        ((*TRAIN,), "Missing option '--strength'"),
        ((*TRAIN, "--strength", "90"), "strengths from 20 to 80"),
        ((*TRAIN, "--strength", "50", "--rate", "taqn"), "give --code-length"),
        ((*TRAIN, "--strength", "50", "--code-length", "ladder.json"), "no safetensors file"),
        ((*TRAIN, "--strength", "50", "--classifier", "fake"), "asks no network"),
        ((*TRAIN, "--strength", "50", "--crop", "99"), "no squares of 99"),
        (("learn", "nothing"), "No such command 'nothing'"),
    ],
)  # fmt: skip
def test_wrong_input(cli: Cli, photos: Path, arguments: tuple[str, ...], sentence: str) -> None:
    finished = cli(*arguments)
    assert finished.status == 2
    assert sentence in finished.sentence
    assert not Path("model").exists()
