"""``qsearch classifier``, and the options that say what a network is."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.run.folder import Run
from tests.analysis.test_plausibility import bright_and_dark
from tests.analysis.test_plausibility import network as bright_network
from tests.classifiers.test_exported import save_onnx
from tests.conftest import Finished

Cli = Callable[..., Finished]

NAMES = tuple("abcdefg")


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """Two classes of four images each."""
    random = np.random.default_rng(0)
    for name in ("b", "e"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(4):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.png")
    return f"folder:{tmp_path / 'photos'}"


@pytest.fixture
def network(tmp_path: Path) -> str:
    """A network of seven classes in a file, and a file with their names beside it."""
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    return str(save_onnx(tmp_path / "net.onnx"))


def test_show_says_what_a_network_is(cli: Cli, network: str) -> None:
    printed = cli("classifier", "show", network, "--class-names", "names.txt", "--input-range", "-1", "1").stdout
    assert re.search(r"^Input: +16x16 pixels, RGB$", printed, re.MULTILINE)
    assert re.search(r"^Preprocessing: +shorter side 18 .* crop 16x16, .*range -1 to 1$", printed, re.MULTILINE)
    assert re.search(r"^Classes: +7, a, b, c, d, e, f, g$", printed, re.MULTILINE)
    assert re.search(r"^Digest: +[0-9a-f]{64}$", printed, re.MULTILINE)
    assert re.search(r"^Speed here: +\d+\.\d images/s", printed, re.MULTILINE)
    assert "Accuracy" not in printed


def test_show_measures_on_a_dataset(cli: Cli, network: str, photos: str) -> None:
    from qsearch.classifiers import load_classifier
    from qsearch.datasets import load_dataset

    arguments = ("classifier", "show", network, "--class-names", "names.txt", "--dataset", photos, "--json")
    found = json.loads(cli(*arguments).stdout)
    dataset = load_dataset(photos)
    answers = load_classifier(network).logits(dataset.images).argmax(axis=1)
    right = [NAMES[answer] == dataset.class_names[label] for answer, label in zip(answers, dataset.labels, strict=True)]
    assert found["accuracy"] == {**found["accuracy"], "images": 8, "top1": np.mean(right)}
    assert found["accuracy"]["top5"] >= found["accuracy"]["top1"]
    assert found["class_names"] == list(NAMES)
    assert found["settings"]["digest"] == found["digest"] == load_classifier(network).digest


def test_images_without_labels_measure_no_accuracy(cli: Cli, network: str, photos: str) -> None:
    folder = photos.removeprefix("folder:")
    finished = cli("classifier", "show", network, "--dataset", f"images:{folder}/b")
    assert finished.status == 2
    assert "has no labels: choose images with classes" in finished.sentence


def test_a_dataset_of_more_classes_does_not_fit(cli: Cli, network: str) -> None:
    finished = cli("classifier", "show", network, "--dataset", "textures:test")
    assert finished.status == 2
    assert "textures:test has 12 classes and" in finished.sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--mean", "0.5", "0.5"], "'--mean' requires 3 arguments"),
        (["--mean", "123", "116", "103"], "--mean and --std are of pixels in 0..1"),
        (["--std", "0", "1", "1"], "--mean and --std are of pixels in 0..1"),
        (["--input-range", "255", "0"], "give the lower one first"),
        (["--class-names", "nowhere.txt"], "--class-names takes a text file"),
        (["--weights", "w.pth"], "holds its own weights: leave --weights out"),
    ],
)
def test_options_that_make_no_sense(cli: Cli, network: str, arguments: list[str], sentence: str) -> None:
    finished = cli("classifier", "show", network, *arguments)
    assert finished.status == 2
    assert sentence in finished.sentence


def test_a_run_keeps_what_the_network_is(cli: Cli, network: str, photos: str, tmp_path: Path) -> None:
    options = ("--mean", ".5", ".4", ".3", "--std", ".2", ".2", ".1", "--class-names", "names.txt")
    finished = cli(
        *("run", "--name", "demo", "--trials", "2", "--executor", "serial", "--dataset", photos),
        *("--classifier", network, *options, "--input-range", "0", "255"),
    )
    assert finished.status == 0, finished.stderr
    (kept,) = Run.open(tmp_path / "runs" / "demo").settings.classifiers
    assert (kept.mean, kept.std, kept.input_range) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1), (0.0, 255.0))
    assert kept.class_names == str(tmp_path / "names.txt")
    assert cli("resume", "demo", "--trials", "3", "--executor", "serial").status == 0
    (tmp_path / "names.txt").write_text("\n".join(NAMES[::-1]))
    refused = cli("resume", "demo", "--trials", "4", "--executor", "serial")
    assert refused.status == 2
    assert "class_names was" in refused.sentence


def test_a_network_trained_on_normalised_pixels_is_told_wherever_it_measures(cli: Cli, tmp_path: Path) -> None:
    images = bright_and_dark()
    for index, (pixels, label) in enumerate(zip(images.images, images.labels, strict=True)):
        path = tmp_path / "half" / str(label) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    bright = str(bright_network(tmp_path, threshold=0.0))
    how = ("--classifier", bright, "--workers", "1", "--executor", "serial")
    told = "is right on 50.0 % of 60 uncompressed images as it is, and on 100.0 % with --"
    searched = cli("run", "--name", "demo", "--trials", "2", "--dataset", "folder:half", *how)
    assert told in searched.stderr
    (tmp_path / "half").rename(tmp_path / "others")
    for path in (tmp_path / "others").glob("*/*.png"):
        Image.fromarray(np.asarray(Image.open(path)) ^ 1).save(path)
    validated = cli("validate", "demo", "--dataset", "folder:others", *how)
    assert validated.status == 0, validated.stderr
    assert told in validated.stderr


def test_what_one_network_is_cannot_be_said_of_several(cli: Cli, network: str, photos: str) -> None:
    finished = cli(
        "run", "--dataset", photos, "--classifier", network, "--classifier", network, "--mean", "0", "0", "0"
    )
    assert finished.status == 2
    assert "--mean belongs to one classifier, and there are several" in finished.sentence


def test_a_table_for_a_fleet(cli: Cli, network: str) -> None:
    """Searched on the mean accuracy of two networks, with what each of them saw kept and told."""
    networks = ("fake", network)
    for name, wanted in (("fleet", networks), ("first", networks[:1]), ("second", networks[1:])):
        options = [part for spec in wanted for part in ("--classifier", spec)]
        finished = cli("run", "--name", name, "--trials", "4", "--executor", "serial", "--dataset", "fake", *options)
        assert finished.status == 0, finished.stderr
    fleet, first, second = (json.loads(cli("trials", name, "--json").stdout) for name in ("fleet", "first", "second"))
    assert len(fleet) == len(first) == len(second) > 4
    for both, one, other in zip(fleet, first, second, strict=True):
        assert both["network_top1"] == [one["top1"], other["top1"]]
        assert both["top1"] == pytest.approx((one["top1"] + other["top1"]) / 2)
    assert len({row["top1"] for row in first} | {row["top1"] for row in second}) > 2
    shown = cli("show", "fleet").stdout
    lines = shown.partition("Network by network")[2].splitlines()[1:3]
    for line, (spec, alone) in zip(lines, (("fake", first), ("net.onnx", second)), strict=True):
        (standard,) = (row["top1"] for row in alone if row["series"] == "reference" and row["number"] == 50)
        assert line.startswith(f"  {spec}: quality 50 {100 * standard:.2f} %")
    assert "Network by network" not in cli("show", "first").stdout
    summary = json.loads(cli("show", "fleet", "--json").stdout)["summary"]
    assert len(summary["networks"]) == 2


def test_list_names_networks_and_weight_sets(cli: Cli) -> None:
    printed = cli("classifier", "list", "torchvision", "resnet50*").stdout
    assert re.search(r"^resnet50 +IMAGENET1K_V1, IMAGENET1K_V2$", printed, re.MULTILINE)
    missing = cli("classifier", "list", "torchvision", "resnet5")
    assert missing.status == 2
    assert "did you mean resnet50" in missing.sentence


def test_list_names_timms_weight_sets(cli: Cli) -> None:
    pytest.importorskip("timm")
    found = json.loads(cli("classifier", "list", "timm", "resnet50", "--json").stdout)
    assert "a1_in1k" in found["resnet50"]
