"""Weights of a network's loss: known for networks whose answers are known, by gradients and without."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.codec import made_up
from qsearch.classifiers import load_classifier
from qsearch.classifiers.function import FunctionClassifier
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.coefficients.arrays import Coefficients
from qsearch.datasets.base import UNLABELLED, Dataset
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.measures import kullback_leibler, log_softmax
from qsearch.learning.sensitivity import frequency_weights
from qsearch.learning.settings import Sensitivity
from qsearch.tables import QuantTables
from tests.learning.networks import CB, GAIN, LUMA, broken, in_numpy, in_torch
from tests.stored_images import stored_images

SIDE = 24


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def images(count: int = 48) -> npt.NDArray[np.uint8]:
    """Grey on average, and never near black or white, so that nothing is clipped."""
    draw = np.random.default_rng(2)
    flat = draw.normal(128, 8, (count, 1, 1, 3))
    return np.clip(flat + draw.normal(0, 10, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def dataset(count: int = 48) -> Dataset:
    return Dataset.from_arrays(images(count), np.arange(count) % 2)


def stored(prepared: Dataset, *times: int) -> Dataset:
    """``prepared`` as shown of images so many ``times`` as large, in turn."""
    found = [
        image.repeat(times[index % len(times)], axis=0).repeat(times[index % len(times)], axis=1)
        for index, image in enumerate(prepared.images)
    ]
    return replace(prepared, stored=stored_images(found, SIDE))


def unlabelled() -> Dataset:
    return replace(
        Dataset.from_arrays(images(4), np.zeros(4), (UNLABELLED,)),
        truth="unknown",
    )


def expected_at_dc(mix: tuple[float, float, float], label_free: bool, subsampling: str) -> float:
    """The mean squared slope of the loss by one DC coefficient: 64 samples each change by an eighth."""
    mean = (images().mean(axis=(1, 2)) * mix).sum(axis=1) - 128 * sum(mix)
    probability = 1 / (1 + np.exp(-2 * mean * GAIN / 255))
    if label_free:
        squared = probability * (1 - probability)
    else:
        squared = np.where(np.arange(len(mean)) % 2 == 0, 1 - probability, probability) ** 2
    pixels_of_sample = 4 if mix == CB and subsampling == "4:2:0" else 1
    by_coefficient = 2 * GAIN / 255 * 8 * pixels_of_sample / SIDE**2
    return float(squared.mean() * by_coefficient**2)


@pytest.mark.parametrize("label_free", [True, False])
@pytest.mark.parametrize(("mix", "component", "subsampling"), [(LUMA, 0, "4:4:4"), (CB, 1, "4:4:4"), (CB, 1, "4:2:0")])
class TestNetworkThatSeesOneMeanOnly:
    def test_its_fisher_information(
        self, mix: tuple[float, float, float], component: int, subsampling: str, label_free: bool
    ) -> None:
        weights = frequency_weights(
            in_torch(mix), dataset(), subsampling, label_free=label_free, seed=1, method="fisher"
        )
        assert weights.shape == (3, 8, 8)
        # At 4:2:0 three chroma blocks of four reach over the edge of 24x24 pixels.
        covered = 1.0 if subsampling == "4:4:4" else np.mean([1, 0.5**2, 0.5**2, 0.25**2])
        expected = expected_at_dc(mix, label_free, subsampling)
        # Where random signs stand for the answers, there is chance in it.
        assert weights[component, 0, 0] / covered == pytest.approx(expected, rel=0.3 if label_free else 0.05)
        rest = weights.copy()
        rest[component] = 0
        assert rest.max() < 1e-3 * weights[component, 0, 0]
        if subsampling == "4:4:4":
            assert np.delete(weights[component].ravel(), 0).max() < 1e-6 * weights[component, 0, 0]

    def test_measured_by_noise(
        self, mix: tuple[float, float, float], component: int, subsampling: str, label_free: bool
    ) -> None:
        weights = frequency_weights(
            in_numpy(mix), dataset(), subsampling, label_free=label_free, seed=1, method="noise"
        )
        covered = 1.0 if subsampling == "4:4:4" else np.mean([1, 0.5**2, 0.5**2, 0.25**2])
        if label_free:
            expected = expected_at_dc(mix, label_free, subsampling)
            assert weights[component, 0, 0] / covered == pytest.approx(expected, rel=0.4)
        assert weights[component].argmax() == 0
        assert np.delete(weights, component, axis=0).max() < 0.2 * weights[component, 0, 0]
        assert (weights > 0).all()


class TestQuantization:
    def test_it_is_what_files_of_a_coarse_step_cost(self) -> None:
        few = dataset(16)
        weights = frequency_weights(in_numpy(), few, "4:4:4", label_free=True, seed=0, method="quantization")
        finest, coarse = np.ones((8, 8), dtype=np.int64), np.ones((8, 8), dtype=np.int64)
        coarse[0, 0] = QuantTables.standard(30).luma[0, 0]
        codec = PillowCodec(EncoderOptions(subsampling="4:4:4"))
        decoded = [codec.encode(few.images, [QuantTables(luma, finest)] * len(few)).images for luma in (finest, coarse)]
        before, after = (log_softmax(in_numpy().logits(images).astype(np.float32)) for images in decoded)
        dc = Coefficients.of(few.images, "4:4:4").values[:, : (SIDE // 8) ** 2, 0] / 8.0
        power = np.square(dc - coarse[0, 0] * np.rint(dc / coarse[0, 0])).sum(axis=1)
        expected = 2 * kullback_leibler(before, after).mean() / power.mean()
        assert weights[0, 0, 0] == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize(("mix", "component"), [(LUMA, 0), (CB, 1)])
    def test_what_the_network_does_not_see_costs_little(self, mix: tuple[float, float, float], component: int) -> None:
        weights = frequency_weights(in_numpy(mix), dataset(), "4:4:4", label_free=True, seed=0, method="quantization")
        assert weights[component].argmax() == 0
        assert np.delete(weights, component, axis=0).max() < 0.2 * weights[component, 0, 0]

    def test_where_there_is_nothing_to_lose_nothing_is_asked(self) -> None:
        grey = Dataset.from_arrays(images(8).mean(axis=3, keepdims=True).astype(np.uint8).repeat(3, axis=3), [0, 1] * 4)
        weights = frequency_weights(in_numpy(), grey, "4:2:0", label_free=False, seed=0, method="quantization")
        assert weights[0, 0, 0] > 0
        assert np.isfinite(weights).all()
        assert not weights[1:].any()


class TestImagesAsStored:
    """Of which the network sees a mean of all pixels, so that what it makes of each is known."""

    def test_as_large_as_they_are_shown_they_are_as_prepared(self) -> None:
        weights = [
            frequency_weights(in_torch(), each, "4:4:4", label_free=False, seed=1, method="fisher")
            for each in (dataset(8), stored(dataset(8), 1))
        ]
        np.testing.assert_allclose(weights[1][0, 0, 0], weights[0][0, 0, 0], rtol=1e-3)

    def test_each_coefficient_of_a_larger_one_counts_less(self) -> None:
        weights = frequency_weights(
            in_torch(), stored(dataset(), 3), "4:4:4", label_free=False, seed=1, method="fisher"
        )
        # A DC coefficient changes one block of nine times as many.
        assert 81 * weights[0, 0, 0] == pytest.approx(expected_at_dc(LUMA, False, "4:4:4"), rel=0.05)

    def test_the_mean_is_over_the_blocks_of_all(self) -> None:
        weights = frequency_weights(
            in_torch(), stored(dataset(), 1, 2), "4:4:4", label_free=False, seed=1, method="fisher"
        )
        # Of five blocks one is of a small image; those of large ones count a sixteenth.
        share = (1 + 4 / 16) / 5
        assert weights[0, 0, 0] / share == pytest.approx(expected_at_dc(LUMA, False, "4:4:4"), rel=0.1)

    def test_measured_by_noise(self) -> None:
        weights = frequency_weights(in_numpy(), stored(dataset(), 2), "4:4:4", label_free=True, seed=1, method="noise")
        assert 16 * weights[0, 0, 0] == pytest.approx(expected_at_dc(LUMA, True, "4:4:4"), rel=0.4)
        assert weights[0].argmax() == 0


@pytest.mark.parametrize("method", ["fisher", "noise"])
def test_a_seed_says_it_all_and_progress_ends_at_the_end(method: Sensitivity) -> None:
    heard: list[tuple[int, int]] = []
    weights = [
        frequency_weights(
            in_torch(),
            dataset(20),
            "4:4:4",
            label_free=True,
            seed=seed,
            method=method,
            on_progress=lambda done, total: heard.append((done, total)),
        )
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert heard == [(16, 20), (20, 20)] * 3


def test_networks_are_asked_by_quantization_unless_told_otherwise() -> None:
    by_default, by_quantization = (
        frequency_weights(in_torch(), dataset(8), "4:4:4", label_free=True, seed=0, method=method)
        for method in ("auto", "quantization")
    )
    np.testing.assert_array_equal(by_default, by_quantization)


def test_predicted_labels_are_labels() -> None:
    predicted = replace(unlabelled(), truth="predicted")
    assert frequency_weights(in_torch(), predicted, "4:4:4", label_free=False, seed=0)[0, 0, 0] > 0


class TestRefused:
    def test_fisher_without_gradients(self) -> None:
        with pytest.raises(InputError, match="two sides has no gradients by its pixels: ask what quantization"):
            frequency_weights(in_numpy(), dataset(4), "4:2:0", label_free=True, seed=0, method="fisher")

    def test_a_loss_without_labels(self) -> None:
        for classifier in (in_torch(), in_numpy()):
            with pytest.raises(InputError, match="no labels for the loss of two sides: take the divergence"):
                frequency_weights(classifier, unlabelled(), "4:2:0", label_free=False, seed=0)

    def test_images_without_a_whole_block(self) -> None:
        small = Dataset.from_arrays(np.zeros((2, 12, 40, 3), np.uint8), [0, 1])
        with pytest.raises(InputError, match="40x12 pixels are too small to learn from at 4:2:0"):
            frequency_weights(in_torch(), small, "4:2:0", label_free=True, seed=0, method="fisher")

    def test_an_unknown_method(self) -> None:
        with pytest.raises(InputError, match="auto, fisher, noise, quantization, got 'guess'"):
            frequency_weights(in_torch(), dataset(2), "4:2:0", label_free=True, seed=0, method="guess")  # type: ignore[arg-type]

    def test_a_gradient_that_is_none(self) -> None:
        with pytest.raises(EvaluationError, match="gradient of broken on 000000 is not a number"):
            frequency_weights(broken(), dataset(2), "4:2:0", label_free=True, seed=0, method="fisher")

    def test_answers_that_are_none(self) -> None:
        silent = FunctionClassifier(lambda pixels: np.full((len(pixels), 2), np.nan), 2, version="1")
        with pytest.raises(EvaluationError, match="not finite"):
            frequency_weights(silent, dataset(2), "4:2:0", label_free=True, seed=0)

    def test_a_network_that_sees_nothing(self) -> None:
        blind = FunctionClassifier(lambda pixels: np.zeros((len(pixels), 2)), 2, name="blind", version="1")
        with pytest.raises(InputError, match="blind answers the same whatever"):
            frequency_weights(blind, dataset(2), "4:2:0", label_free=True, seed=0)


def test_the_embedded_network_has_weights_of_every_frequency() -> None:
    images = np.ascontiguousarray(made_up(8)[:, :96, :96])
    weights = frequency_weights(
        load_classifier("textures-cnn"),
        Dataset.from_arrays(images, np.zeros(8)),
        "4:2:0",
        label_free=True,
        seed=0,
    )
    assert (weights > 0).all()
    assert weights[0, :4, :4].mean() > 5 * weights[0, 4:, 4:].mean()


def test_a_file_of_torch_and_the_same_in_onnx(shared: Path, few_photographs: Dataset) -> None:
    few = Dataset.from_arrays(few_photographs.images[:3], few_photographs.labels[:3], few_photographs.class_names)
    for file in ("mobilenet_v2.pt2", "mobilenet_v2.onnx"):
        weights = frequency_weights(load_classifier(f"{shared}/models/{file}"), few, "4:2:0", label_free=True, seed=0)
        assert (weights > 0).all()
        assert np.isfinite(weights).all()
