"""Ladders learned from datasets: what they gain, that they go on where they stopped, and what is refused."""

import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError
from qsearch.learning import learn
from qsearch.learning.ladder import Ladder, LearningSettings, read_ladder
from qsearch.learning.learn import check_settings, learn_ladder
from qsearch.tables import QuantTables
from tests.fakes import FakeClassifier
from tests.learning.images import dataset_of

NETWORK = FakeClassifier("fake", {})
SETTINGS = LearningSettings(qualities=(20, 50, 80))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In place of measuring a network: one that minds luma's lowest frequencies. Filled with how it was asked."""
    asked: list[dict[str, Any]] = []

    def frequency_weights(classifier: Any, dataset: Any, subsampling: str, **how: Any) -> Any:
        asked.append({"images": len(dataset), "subsampling": subsampling, **how})
        weights = np.full((3, 8, 8), 0.01)
        weights[0, :2, :2] = 1
        return weights

    module = types.ModuleType("qsearch.learning.sensitivity")
    module.frequency_weights = frequency_weights  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def bits_at_equal_error(ladder: Ladder, dataset: Dataset, quality: int) -> float:
    """The bits of a rung against those of standard tables of the same mean PSNR on the same images."""
    coefficients = Coefficients.of(dataset.images, ladder.settings.subsampling)

    def place(tables: QuantTables) -> tuple[float, float]:
        found = statistics(coefficients, [tables] * len(dataset))
        return float(np.log(found.distortion()).mean()), float(found.bpp.mean())

    standard = np.array([place(QuantTables.standard(each)) for each in range(5, 99)])
    error, bpp = place(ladder.tables[ladder.settings.qualities.index(quality)])
    return bpp / float(np.interp(-error, -standard[:, 0], standard[:, 1]))


def test_rungs_take_fewer_bits_than_standard_tables_of_the_same_error() -> None:
    dataset = dataset_of(4, 64)
    ladder = learn_ladder(dataset, SETTINGS)
    assert [rung.quality for rung in ladder.rungs] == [20, 50, 80]
    assert [rung.bpp for rung in ladder.rungs] == sorted(rung.bpp for rung in ladder.rungs)
    for quality in SETTINGS.qualities:
        assert bits_at_equal_error(ladder, dataset, quality) < 0.93


def test_a_ladder_says_where_it_comes_from(tmp_path: Path) -> None:
    dataset = dataset_of(3)
    ladder = learn_ladder(dataset, SETTINGS, out=tmp_path / "ladder.json")
    assert ladder.learned_on.digest == dataset.digest
    assert (ladder.learned_on.images, ladder.learned_on.width) == (3, 40)
    assert [image.name for image in ladder.images] == list(dataset.image_names)
    assert ladder.title == "distortion, learned on 3 images, JPEG 4:2:0"
    size_bytes = Coefficients.of(dataset.images, "4:2:0").size_bytes([ladder.tables[1]] * 3)
    assert ladder.rungs[1].bpp == pytest.approx(8 * size_bytes.mean() / 1600)
    assert len(ladder.digest) == 64


@pytest.mark.parametrize("per_image", [False, True])
def test_an_interrupted_ladder_goes_on_to_the_same_end(
    tmp_path: Path, per_image: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn, "KEEP_EVERY_S", 0.0)
    dataset = dataset_of(3)
    settings = msgspec.structs.replace(SETTINGS, per_image=per_image)
    stage = "images" if per_image else "rungs"
    heard: list[tuple[str, int, int]] = []

    def interrupting(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    def listening(stage: str, done: int, total: int) -> None:
        heard.append((stage, done, total))

    path = tmp_path / "ladder.json"
    with pytest.raises(KeyboardInterrupt):
        learn_ladder(dataset, settings, out=path, on_progress=interrupting)
    assert not read_ladder(path).is_complete
    ended = learn_ladder(dataset, settings, out=path, on_progress=listening)
    assert heard == [(stage, done, 3) for done in (1, 2, 3)]
    whole = learn_ladder(dataset, settings, out=tmp_path / "other.json")
    assert [rung.tables for rung in ended.rungs] == [rung.tables for rung in whole.rungs]
    assert [rung.bpp for rung in ended.rungs] == pytest.approx([rung.bpp for rung in whole.rungs])
    before = path.read_bytes()
    assert learn_ladder(dataset, settings, out=path).digest == ended.digest
    assert path.read_bytes() == before


def test_tables_of_each_image_are_learned_from_it_alone() -> None:
    dataset = dataset_of(3)
    settings = msgspec.structs.replace(SETTINGS, per_image=True)
    ladder = learn_ladder(dataset, settings)
    for index in range(3):
        alone = replace(
            dataset,
            images=dataset.images[index : index + 1],
            labels=dataset.labels[index : index + 1],
            image_names=("one",),
            digest=f"{index}",
        )
        own = learn_ladder(alone, SETTINGS)
        assert [rung.tables[index] for rung in ladder.rungs] == list(own.tables)


def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ladder.json"
    learn_ladder(dataset_of(2), SETTINGS, out=path)
    before = path.read_bytes()
    for dataset, settings in (
        (dataset_of(3), SETTINGS),
        (dataset_of(2), msgspec.structs.replace(SETTINGS, subsampling="4:4:4")),
    ):
        with pytest.raises(InputError, match="learned otherwise or from other images"):
            learn_ladder(dataset, settings, out=path)
    assert path.read_bytes() == before


def test_accuracy_keeps_what_the_network_minds(network: list[dict[str, Any]], tmp_path: Path) -> None:
    dataset, path = dataset_of(2, 64), tmp_path / "ladder.json"
    settings = msgspec.structs.replace(SETTINGS, objective="accuracy", label_free=True, seed=5, sensitivity="noise")
    ladder = learn_ladder(dataset, settings, classifier=NETWORK, out=path)
    (asked,) = network
    assert (asked["images"], asked["subsampling"], asked["label_free"], asked["seed"]) == (2, "4:2:0", True, 5)
    assert asked["method"] == "noise"
    luma = ladder.tables[1].luma.astype(float)
    assert luma[:2, :2].max() < luma[4:, 4:].min() / 3
    assert ladder.learned_on.classifier == {"name": NETWORK.name, "digest": NETWORK.digest}
    assert ladder.network_weights is not None
    learn_ladder(dataset, settings, classifier=NETWORK, out=path)
    assert len(network) == 1  # what a ladder holds is not measured again
    mix = learn_ladder(dataset, msgspec.structs.replace(settings, objective="mix"), classifier=NETWORK)
    low = [float(each.tables[1].luma[:2, :2].mean()) for each in (ladder, mix, learn_ladder(dataset, SETTINGS))]
    assert low == sorted(low)
    assert low[0] < low[2] / 1.5


def test_the_papers_weights_make_a_rung_each(network: list[dict[str, Any]]) -> None:
    settings = LearningSettings(
        objective="mix", qualities=(), loss_weights=((1000.0, 1.0, 0.0), (10.0, 1.0, 0.0), (10.0, 1.0, 1e5))
    )
    coarse, fine, minded = learn_ladder(dataset_of(2), settings, classifier=NETWORK).rungs
    assert coarse.quality is None
    assert (coarse.trade_off, fine.trade_off) == (1000.0, 10.0)
    assert coarse.bpp < fine.bpp < minded.bpp


def test_wrong_input(network: list[dict[str, Any]]) -> None:
    accuracy = msgspec.structs.replace(SETTINGS, objective="accuracy")
    with pytest.raises(InputError, match="needs a network: say which one with --classifier"):
        learn_ladder(dataset_of(2), accuracy)
    with pytest.raises(InputError, match="too little detail"):
        learn_ladder(Dataset.from_arrays(np.full((1, 1, 1, 3), 9, np.uint8), [0]), SETTINGS)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (LearningSettings(qualities=()), "one rung or more"),
        (LearningSettings(qualities=(50, 20)), "each once and rising, got 50, 20"),
        (LearningSettings(qualities=(0, 20)), "from 1 to 100"),
        (LearningSettings(loss_weights=((1, 1, 1),)), "distortion has no c_c"),
        (LearningSettings(objective="accuracy", loss_weights=((1, 1, 1),)), "accuracy has no c_d"),
    ],
)
def test_settings_that_contradict_themselves(settings: LearningSettings, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_settings(settings)
