"""``qsearch finetune``: from a run's table to a comparison in words."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import DatasetOptions, identities
from qsearch.finetuning.experiment import Row, harm
from qsearch.learning.ladder import write_ladder
from qsearch.run.folder import Run
from tests.conftest import Finished
from tests.learning.test_ladder import made_ladder

Cli = Callable[..., Finished]


def photos(folder: Path, seed: int) -> str:
    """Three classes of five images each."""
    random = np.random.default_rng(seed)
    for name in ("dots", "stripes", "wood"):
        (folder / name).mkdir(parents=True)
        for index in range(5):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return f"folder:{folder}"


@pytest.fixture
def arguments(demo: Path, tmp_path: Path) -> list[str]:
    """A fine-tuning of a second."""
    images = ["--dataset", photos(tmp_path / "train", 1), "--held-out", photos(tmp_path / "held", 2)]
    return [
        "finetune",
        "demo",
        "--trial",
        "0",
        *images,
        "--classifier",
        "textures-cnn",
        "--epochs",
        "1",
        "--device",
        "cpu",
    ]


def test_one_epoch_on_a_handful_of_images(cli: Cli, arguments: list[str], demo: Path) -> None:
    finished = cli(*arguments)
    assert finished.status == 0, finished.stderr
    assert "training at standard:50: 1 of 1" in finished.stderr
    assert "1 epochs on 15 images of folder:" in finished.stdout
    assert "Measured on 15 images of folder:" in finished.stdout
    for network in ("as it was", "fine-tuned"):
        for table in ("trial 0", "standard:50"):
            assert re.search(
                rf"{network} +{table} +ratio +\d+\.\d\d \( *\d+\.\d\d bpp\), top-1 +\d+\.\d\d %", finished.stdout
            )
    assert re.search(r"fine-tuned: [+-]\d+\.\d\d points \(.* to .*\), p = ", finished.stdout)
    folder = demo / "finetune" / "trial-0-textures-cnn"
    assert {path.name for path in folder.iterdir()} >= {"finetune.json", "found.pt", "standard.pt", "result.json"}
    again = cli(*arguments)
    assert again.stdout == finished.stdout
    assert "training" not in again.stderr


def test_as_json(cli: Cli, arguments: list[str]) -> None:
    found = json.loads(cli(*arguments, "--json", "--train-images", "6", "--threads", "1").stdout)
    assert found["result"]["train_images"] == 6
    rows = found["result"]["rows"]
    assert [row["bpp"] for row in rows] == pytest.approx([24 / row["ratio"] for row in rows])
    assert found["notes"] == harm([Row(**{name: row[name] for name in row if name != "bpp"}) for row in rows])
    assert (found["settings"]["epochs"], found["settings"]["threads"]) == (1, 1)
    assert {row["tables"] for row in found["result"]["rows"]} == {"trial 0", "standard:50"}


def test_images_that_gave_the_run_its_seeds_are_not_held_out(cli: Cli, arguments: list[str], demo: Path) -> None:
    held = identities(load_dataset(arguments[arguments.index("--held-out") + 1], DatasetOptions()))
    write_ladder(replace(made_ladder(), images=tuple(held)), Path("seeds.json"))
    run = Run.open(demo)
    run.save(search=msgspec.structs.replace(run.settings.search, seeds_from=(str(Path("seeds.json").resolve()),)))
    finished = cli(*arguments)
    assert finished.status == 2
    assert "15 of 15 images are among those that seeds.json was learned from" in finished.sentence


def test_wrong_input(cli: Cli, arguments: list[str], demo: Path) -> None:
    images = arguments[4:8]
    cases = [
        ([*arguments, "--trial", "standard:50"], "standard quality 50 itself"),
        ([*arguments, "--trial", "99"], "run demo has no trial '99'"),
        ([*arguments, "--epochs", "0"], "0 is not in the range"),
        ([*arguments, "--learning-rate", "0"], "0"),
        ([*arguments, "--held-out", images[1]], "15 of the 15 held-out images are also trained on"),
        (["finetune", "demo", "--trial", "0", "--classifier", "textures-cnn"], "--dataset D --held-out D"),
        (["finetune", "demo", "--trial", "0", *images], "has several networks: say which one with --classifier"),
    ]
    for wrong, sentence in cases:
        finished = cli(*wrong)
        assert finished.status == 2
        assert sentence in finished.sentence
    assert not (demo / "finetune").exists()
