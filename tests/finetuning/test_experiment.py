"""Experiments: both tables trained in the same way, on images kept apart, and resumed to the same result."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.function import FunctionClassifier
from qsearch.classifiers.textures_cnn import load
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.task import Task
from qsearch.finetuning import experiment
from qsearch.finetuning.experiment import (
    FinetuneSettings,
    Parts,
    Row,
    draw,
    harm,
    open_experiment,
    parts_of,
    run_experiment,
)
from qsearch.run.folder import Run
from qsearch.run.settings import ClassifierSettings, CodecSettings, DatasetSettings
from qsearch.tables import QuantTables

FOUND = QuantTables.shared(np.full((8, 8), 40))


def dataset(seed: int, count: int = 24) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Dataset.from_arrays(images, np.arange(count) % 3, ("dots", "stripes", "wood"), f"noise-{seed}")


@pytest.fixture
def demo_run(demo: Path) -> Run:
    return Run.open(demo)


@pytest.fixture
def parts(demo_run: Run) -> Parts:
    classifier = load("", ClassifierOptions(device="cpu"))
    return parts_of(classifier, dataset(1), dataset(2), PillowCodec(), demo_run)


@pytest.fixture
def settings(parts: Parts) -> FinetuneSettings:
    return FinetuneSettings(
        classifier=ClassifierSettings(),
        dataset=DatasetSettings(spec="a"),
        held_out=DatasetSettings(spec="b"),
        codec=CodecSettings(),
        found="trial 3",
        standard="standard:50",
        tables=(FOUND.to_bytes().hex(), QuantTables.standard(50).to_bytes().hex()),
        train_images=24,
        epochs=2,
        batch=8,
        learning_rate=0.01,
        seed=0,
        threads=1,
        recorded=parts.recorded,
    )


def silent(stage: str, done: int, total: int) -> None:
    """Hears nothing."""


def test_both_tables_are_trained_and_measured(
    tmp_path: Path, demo_run: Run, settings: FinetuneSettings, parts: Parts
) -> None:
    folder, settings = open_experiment(demo_run, "one", settings)
    heard: list[tuple[str, int, int]] = []
    result = run_experiment(folder, settings, parts, lambda *stage: heard.append(stage))
    assert heard == [(f"training at {label}", step, 6) for label in ("trial 3", "standard:50") for step in range(1, 7)]
    assert [(row.network, row.tables, len(row.losses)) for row in result.rows] == [
        ("as it was", "trial 3", 0),
        ("as it was", "standard:50", 0),
        ("fine-tuned", "trial 3", 2),
        ("fine-tuned", "standard:50", 2),
    ]
    assert result.held_out_images == 24
    for row in result.rows:
        tables = FOUND if row.tables == "trial 3" else QuantTables.standard(50)
        assert (
            row.total_bytes
            == PillowCodec().encode(parts.held_out.images, tables.tables_for(parts.held_out.images)).size_bytes.sum()
        )
    top1 = {(row.network, row.tables): row.top1 for row in result.rows}
    for words, comparison in (("as it was", result.as_it_was), ("fine-tuned", result.tuned)):
        (test,) = comparison.tests
        expected = 100 * (top1[words, "trial 3"] - top1[words, "standard:50"])
        assert test.difference_points == pytest.approx(expected)
        assert test.low_points <= test.difference_points <= test.high_points


def test_the_network_as_it_was_is_what_a_search_measures(
    demo_run: Run, settings: FinetuneSettings, parts: Parts
) -> None:
    folder, settings = open_experiment(demo_run, "one", settings)
    rows = run_experiment(folder, settings, parts, silent).rows
    classifier = load("", ClassifierOptions(device="cpu"))
    measured = Evaluator(parts.held_out, PillowCodec(), [classifier]).evaluate(Task(FOUND))
    assert (rows[0].ratio, rows[0].top1) == (measured.ratio, measured.top1)


class Killed(BaseException):
    """What a signal would do."""


@pytest.mark.parametrize("killed_at", [2, 5, 8, 11])
def test_a_killed_experiment_ends_as_if_never_killed(
    demo_run: Run, settings: FinetuneSettings, parts: Parts, killed_at: int
) -> None:
    """Three steps an epoch, two epochs a table: killed in each of the four."""
    whole = run_experiment(open_experiment(demo_run, "whole", settings)[0], settings, parts, silent)
    steps = 0

    def kill(stage: str, done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == killed_at:
            raise Killed

    folder, kept = open_experiment(demo_run, "killed", settings)
    with pytest.raises(Killed):
        run_experiment(folder, kept, parts, kill)
    folder, kept = open_experiment(demo_run, "killed", settings)
    assert run_experiment(folder, kept, parts, silent) == whole


def test_an_experiment_has_a_name_that_is_found_again(demo_run: Run, settings: FinetuneSettings) -> None:
    with pytest.raises(InputError, match="the name of a fine-tuning has no slash"):
        open_experiment(demo_run, "a/b", settings)
    assert not (demo_run.path / "finetune").exists()


def test_a_finished_experiment_is_read_back(
    demo_run: Run, settings: FinetuneSettings, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, settings = open_experiment(demo_run, "one", settings)
    result = run_experiment(folder, settings, parts, silent)
    monkeypatch.setattr(experiment, "train", None)
    assert run_experiment(folder, settings, parts, silent) == result


def test_another_experiment_of_the_same_name_is_refused(demo_run: Run, settings: FinetuneSettings) -> None:
    open_experiment(demo_run, "one", settings)
    threads = msgspec.structs.replace(settings, threads=7)
    assert open_experiment(demo_run, "one", threads)[1].threads == 1  # as it began
    other = msgspec.structs.replace(settings, epochs=5, recorded={**settings.recorded, "network": "other"})
    with pytest.raises(InputError, match=r"begun otherwise \(epochs, recorded changed\): choose another --name"):
        open_experiment(demo_run, "one", other)


def test_images_are_kept_apart(demo_run: Run, parts: Parts) -> None:
    classifier = load("", ClassifierOptions(device="cpu"))
    mixed = Dataset.from_arrays(
        np.concatenate([parts.train.images[:2], parts.held_out.images]), np.zeros(26), ("dots", "stripes", "wood")
    )
    with pytest.raises(InputError, match="2 of the 26 held-out images are also trained on"):
        parts_of(classifier, parts.train, mixed, PillowCodec(), demo_run)
    from qsearch.datasets.base import DatasetOptions
    from tests.fakes import load_dataset as fake_dataset

    searched = fake_dataset("", DatasetOptions())
    with pytest.raises(InputError, match="are among those that run demo searched on"):
        parts_of(classifier, parts.train, searched, PillowCodec(), demo_run)


def test_networks_that_cannot_be_trained(demo_run: Run, parts: Parts) -> None:
    def answer(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.zeros((len(images), 3), dtype=np.float32)

    with pytest.raises(InputError, match="mine cannot be trained: choose textures-cnn, torchvision:NAME or timm"):
        parts_of(FunctionClassifier(answer, 3, name="mine"), parts.train, parts.held_out, PillowCodec(), demo_run)


def test_classes_have_to_fit(demo_run: Run, parts: Parts) -> None:
    classifier = load("", ClassifierOptions(device="cpu"))
    many = replace(parts.train, class_names=tuple(f"class-{index}" for index in range(13)))
    with pytest.raises(InputError, match="has 13 classes and textures-cnn tells only 12 apart"):
        parts_of(classifier, many, parts.held_out, PillowCodec(), demo_run)


def test_images_without_labels_teach_nothing(demo_run: Run, parts: Parts) -> None:
    classifier = load("", ClassifierOptions(device="cpu"))
    unlabelled = replace(parts.train, truth="predicted")
    for train, held_out in ((unlabelled, parts.held_out), (parts.train, unlabelled)):
        with pytest.raises(InputError, match="noise-1 has no labels: choose images with classes"):
            parts_of(classifier, train, held_out, PillowCodec(), demo_run)


def test_images_are_drawn_by_the_seed() -> None:
    whole = dataset(1)
    drawn = draw(whole, 7, seed=3)
    assert len(drawn) == 7
    assert drawn.digest == draw(whole, 7, seed=3).digest != draw(whole, 7, seed=4).digest
    for name, image, label in zip(drawn.image_names, drawn.images, drawn.labels, strict=True):
        origin = whole.image_names.index(name)
        np.testing.assert_array_equal(image, whole.images[origin])
        assert label == whole.labels[origin]
    assert draw(whole, 24, seed=3) is whole


def test_torchvision_networks_are_trained_too(
    tmp_path: Path, demo_run: Run, settings: FinetuneSettings, parts: Parts
) -> None:
    """At their own size, behind their normalisation."""
    from qsearch.classifiers import load_classifier
    from tests.classifiers.test_torchvision import save

    path = save(tmp_path, "squeezenet1_1", num_classes=3)
    options = ClassifierOptions(device="cpu", weights=str(path))
    classifier = load_classifier("torchvision:squeezenet1_1", options)
    train, held_out = (draw(part, 4, 0) for part in (parts.train, parts.held_out))
    parts = parts_of(classifier, train, held_out, PillowCodec(), demo_run)
    settings = msgspec.structs.replace(settings, epochs=1, batch=4, recorded=parts.recorded)
    folder, settings = open_experiment(demo_run, "one", settings)
    result = run_experiment(folder, settings, parts, silent)
    losses = [row.losses for row in result.rows if row.network == "fine-tuned"]
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]  # of other pixels


def test_a_network_that_training_made_worse_is_told() -> None:
    rows = [
        Row("as it was", "trial 3", 20.0, 1, 0.875),
        Row("fine-tuned", "trial 3", 20.0, 1, 0.775, (0.9, 0.4)),
        Row("as it was", "standard:50", 20.0, 1, 0.80),
        Row("fine-tuned", "standard:50", 20.0, 1, 0.85, (0.9, 0.4)),
    ]
    (note,) = harm(rows)
    assert note.startswith("Training hurt: top-1 fell from 87.50 to 77.50 % at trial 3. ")
    assert "--learning-rate" in note
    assert harm(rows[2:]) == []
