"""Ladders learned from datasets: what they gain, that they go on where they stopped, and what is refused."""

import json
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
from qsearch.learning.ladder import Ladder, drawn, read_ladder
from qsearch.learning.learn import check_settings, learn_ladder
from qsearch.learning.settings import Adam, LearningSettings, Objective
from qsearch.tables import QuantTables
from tests.fakes import FakeClassifier
from tests.learning.images import dataset_of, waves
from tests.learning.networks import in_torch
from tests.stored_images import stored_images

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


class TestImagesAsStored:
    @pytest.fixture
    def dataset(self) -> Dataset:
        """Of two sizes, shown at another."""
        images = [*waves(2, 64), *waves(2, 48)]
        return replace(dataset_of(4, 24), stored=stored_images(images, 24))

    def test_tables_are_learned_for_what_is_compressed(self, dataset: Dataset, tmp_path: Path) -> None:
        path = tmp_path / "ladder.json"
        ladder = learn_ladder(dataset, SETTINGS, out=path)
        assert ladder.learned_on.size == "as stored (48x48 to 64x64 pixels)"
        whole = dataset_of(4, 64)
        assert bits_at_equal_error(ladder, whole, 50) < 0.97
        assert learn_ladder(dataset, SETTINGS, out=path).digest == ladder.digest  # it goes on, and nothing is left
        with pytest.raises(InputError, match="was learned otherwise or from other images"):
            learn_ladder(replace(dataset, stored=None), SETTINGS, out=path)

    def test_those_drawn_are_drawn_with_what_is_shown_of_them(self, dataset: Dataset) -> None:
        few = drawn(dataset, msgspec.structs.replace(SETTINGS, images=2, seed=3))
        assert few.stored is not None
        for index, name in enumerate(few.image_names):
            place = dataset.image_names.index(name)
            np.testing.assert_array_equal(few.compressed(index), dataset.compressed(place))
            np.testing.assert_array_equal(few.images[index], dataset.images[place])
        assert few.digest != drawn(replace(dataset, stored=None), msgspec.structs.replace(SETTINGS, images=2)).digest

    def test_the_network_is_asked_of_the_whole_images(self, dataset: Dataset, network: list[dict[str, Any]]) -> None:
        learn_ladder(dataset, msgspec.structs.replace(SETTINGS, objective="mix", label_free=True), classifier=NETWORK)
        assert [each["images"] for each in network] == [4]

    def test_a_network_that_was_asked_before_is_not_asked_again(
        self, dataset: Dataset, network: list[dict[str, Any]]
    ) -> None:
        settings = msgspec.structs.replace(SETTINGS, objective="mix", label_free=True)
        first = learn_ladder(dataset, settings, classifier=NETWORK)
        again = learn_ladder(dataset, settings, classifier=NETWORK, network_weights=first.network_weights)
        assert len(network) == 1
        assert again.tables == first.tables

    def test_what_takes_whole_images_is_refused(self, dataset: Dataset) -> None:
        for settings in (msgspec.structs.replace(SETTINGS, per_image=True), GRADIENT):
            with pytest.raises(InputError, match="are compressed as stored: leave --encode-size as-stored out"):
                learn_ladder(dataset, settings)

    def test_files_of_prepared_images_say_no_more_than_they_did(self, dataset: Dataset, tmp_path: Path) -> None:
        learn_ladder(replace(dataset, stored=None), SETTINGS, out=tmp_path / "ladder.json")
        assert "compressed" not in json.loads((tmp_path / "ladder.json").read_text())["learned_on"]


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


GRADIENT = msgspec.structs.replace(
    SETTINGS, qualities=(20, 70), method="gradient", adam=Adam(steps=20, batch=4, learning_rate=0.1)
)


def test_gradients_save_bits_too_and_from_a_ladder_go_on_where_it_ended(tmp_path: Path) -> None:
    dataset = dataset_of(4, 64)
    ladder = learn_ladder(dataset, GRADIENT)
    for quality in GRADIENT.qualities:
        assert bits_at_equal_error(ladder, dataset, quality) < 0.97
    begun = learn_ladder(
        dataset, msgspec.structs.replace(SETTINGS, qualities=(20, 70)), out=tmp_path / "descended.json"
    )
    still = msgspec.structs.replace(GRADIENT, start=begun.digest, adam=Adam(steps=1, batch=4, learning_rate=1e-6))
    assert learn_ladder(dataset, still, start=begun).tables == begun.tables


@pytest.mark.parametrize("objective", ["accuracy", "mix"])
def test_gradients_of_a_network_are_gone_on_with(objective: Objective, tmp_path: Path) -> None:
    dataset, path = dataset_of(4, 64), tmp_path / "ladder.json"
    settings = msgspec.structs.replace(
        GRADIENT, objective=objective, qualities=(), loss_weights=((1.0, 0.0, 9e6), (1.0, 0.0, 2e7)), label_free=True
    )

    def interrupting(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("rungs", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_ladder(dataset, settings, classifier=in_torch(), out=path, on_progress=interrupting)
    ended = learn_ladder(dataset, settings, classifier=in_torch(), out=path)
    whole = learn_ladder(dataset, settings, classifier=in_torch())
    assert ended.tables == whole.tables
    # The network sees the mean alone.
    change = ended.tables[1].luma.astype(float) / QuantTables.standard(50).luma
    assert change[0, 0] < 1 < np.delete(change.ravel(), 0).mean()
    assert ended.network_weights is None


def test_a_start_of_another_kind_is_refused(tmp_path: Path) -> None:
    dataset = dataset_of(2)
    for settings, sentence in (
        (msgspec.structs.replace(SETTINGS, subsampling="4:4:4"), "learned for JPEG 4:4:4, and 4:2:0 is wanted"),
        (msgspec.structs.replace(SETTINGS, layout="ycbcr"), "learned for the layout ycbcr"),
        (SETTINGS, "has other rungs"),
    ):
        start = learn_ladder(dataset, settings, out=tmp_path / f"{settings.layout}-{settings.subsampling[2]}.json")
        with pytest.raises(InputError, match=sentence):
            learn_ladder(dataset, msgspec.structs.replace(GRADIENT, start=start.digest), start=start)
        with pytest.raises(InputError, match="give the one whose digest"):
            learn_ladder(dataset, GRADIENT, start=start)


def test_wrong_input(network: list[dict[str, Any]]) -> None:
    accuracy = msgspec.structs.replace(SETTINGS, objective="accuracy")
    with pytest.raises(InputError, match="needs a network: say which one with --classifier"):
        learn_ladder(dataset_of(2), accuracy)
    with pytest.raises(InputError, match="too little detail"):
        learn_ladder(Dataset.from_arrays(np.full((1, 16, 16, 3), 9, np.uint8), [0]), SETTINGS)
    with pytest.raises(InputError, match="images of 8x8 pixels are too small to learn from at 4:2:0"):
        learn_ladder(dataset_of(1, 8), SETTINGS)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (LearningSettings(qualities=()), "one rung or more"),
        (LearningSettings(qualities=(50, 20)), "each once and rising, got 50, 20"),
        (LearningSettings(qualities=(0, 20)), "from 1 to 100"),
        (LearningSettings(loss_weights=((1, 1, 1),)), "distortion has no c_c"),
        (LearningSettings(loss_weights=((1, 1, 0), (0, 1, 0))), "c_r above 0"),
        (LearningSettings(objective="accuracy", loss_weights=((1, 1, 1),)), "accuracy has no c_d"),
        (LearningSettings(method="gradient"), "told its steps"),
        (LearningSettings(method="gradient", adam=Adam(), per_image=True), "each image are learned by descent"),
        (LearningSettings(method="gradient", adam=Adam(), sensitivity="noise"), "asks the network itself"),
        (LearningSettings(rate="luo"), "the descent counts bits exactly"),
        (LearningSettings(adam=Adam()), "the descent counts bits exactly"),
    ],
)
def test_settings_that_contradict_themselves(settings: LearningSettings, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_settings(settings)
