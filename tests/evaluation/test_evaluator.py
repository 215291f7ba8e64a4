"""The evaluator: what one table does to a dataset, the same in every batch, thread and order, and worked by hand."""

import io
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import NetworkInput, TorchNetwork
from qsearch.codecs.base import Encoded, EncoderOptions
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import Evaluator, checked_logits
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.measures import ALWAYS, psnr, true_class_ranks
from qsearch.evaluation.task import Subset, Task
from qsearch.quantizer import UNCOMPRESSED
from qsearch.tables import QuantTables
from tests import fakes

TABLES = QuantTables.standard(30)


def dataset() -> Dataset:
    return fakes.load_dataset("", DatasetOptions())


def evaluator(**changes: Any) -> Evaluator:
    fields: dict[str, Any] = {
        "dataset": dataset(),
        "codec": PillowCodec(),
        "classifiers": [fakes.FakeClassifier("fake", {})],
        "measures": (*ALWAYS, "psnr"),
    }
    return Evaluator(**{**fields, **changes})


def test_it_measures_what_a_user_would_by_hand() -> None:
    measured, images = evaluator().evaluate(Task(TABLES)), dataset()
    for index, (pixels, label) in enumerate(zip(images.images, images.labels, strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=30, subsampling="4:2:0")
        decoded = np.asarray(Image.open(buffer)).astype(np.int64)
        logits = decoded.reshape(-1) @ fakes.fake_weights()
        error = np.mean((decoded - pixels.astype(float)) ** 2)
        assert measured.size_bytes[index] == len(buffer.getvalue())
        assert measured.ranks[0, index] == int((logits > logits[label]).sum())
        assert measured.psnr_db is not None
        assert measured.psnr_db[index] == pytest.approx(20 * np.log10(255) - 10 * np.log10(error))
    assert measured.pixels == fakes.SIDE**2
    assert 0 < measured.top1 < 1


@pytest.mark.parametrize("batch_images", [1, 4, 15, 64])
@pytest.mark.parametrize("codec_threads", [1, 3])
def test_batches_and_threads_change_nothing(batch_images: int, codec_threads: int) -> None:
    changed = evaluator(batch_images=batch_images, codec_threads=codec_threads)
    assert changed.evaluate(Task(TABLES)) == evaluator().evaluate(Task(TABLES))


def test_the_order_of_evaluations_changes_nothing() -> None:
    tables = [QuantTables.standard(quality) for quality in (10, 50, 90)]
    one = evaluator()
    forwards = [one.evaluate(Task(each)) for each in tables]
    backwards = [one.evaluate(Task(each)) for each in reversed(tables)]
    assert forwards == backwards[::-1]


def test_it_travels_to_other_processes() -> None:
    copy: Evaluator = pickle.loads(pickle.dumps(evaluator()))
    assert copy.evaluate(Task(TABLES)) == evaluator().evaluate(Task(TABLES))


def test_psnr_is_measured_on_request() -> None:
    assert evaluator(measures=ALWAYS).evaluate(Task(TABLES)).psnr_db is None


def test_it_works_without_and_with_several_classifiers() -> None:
    assert np.isnan(evaluator(classifiers=[]).evaluate(Task(TABLES)).top1)
    twice = evaluator(classifiers=[fakes.FakeClassifier("a", {}), fakes.FakeClassifier("b", {})]).evaluate(Task(TABLES))
    once = evaluator().evaluate(Task(TABLES))
    np.testing.assert_array_equal(twice.ranks, np.concatenate([once.ranks, once.ranks]))
    assert twice.top1 == once.top1


def test_logits_that_are_no_numbers_fail_the_evaluation() -> None:
    broken = evaluator(classifiers=[fakes.FakeClassifier("fake", {"nan": "1"})])
    with pytest.raises(EvaluationError, match="not finite"):
        broken.evaluate(Task(TABLES))


def test_a_classifier_for_fewer_classes_is_refused_before_anything_is_measured() -> None:
    images = fakes.fake_images(7)
    many = Dataset.from_arrays(images, np.arange(7), name="many")
    with pytest.raises(InputError, match="many has 7 classes"):
        evaluator(dataset=many)


def test_ranks_count_the_classes_before_the_true_one() -> None:
    logits = np.array([[3, 1, 2], [3, 1, 2], [3, 1, 2]], dtype=np.float32)
    assert true_class_ranks(logits, np.array([0, 1, 2])).tolist() == [0, 2, 1]


def test_of_equal_logits_the_lower_class_comes_first() -> None:
    """So a network that always answers the same is right once, not always."""
    logits = np.zeros((3, 3), dtype=np.float32)
    assert true_class_ranks(logits, np.arange(3)).tolist() == [0, 1, 2]


@given(
    arrays(np.float32, (6, 4), elements=st.sampled_from([-1.0, 0.0, 0.5])),
    arrays(np.int64, 6, elements=st.integers(0, 3)),
)
def test_ranks_are_places_in_a_stable_order(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
    order = np.argsort(-logits, axis=1, kind="stable")
    expected = [row.tolist().index(label) for row, label in zip(order, labels, strict=True)]
    assert true_class_ranks(logits, labels).tolist() == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_infinite_or_missing_logits_are_refused(bad: float) -> None:
    logits = np.array([[1, 2], [bad, 3]], dtype=np.float32)
    with pytest.raises(EvaluationError, match="not finite"):
        checked_logits(logits, images=2, classes=2)


@pytest.mark.parametrize("shape", [(2,), (3, 4), (2, 5), (2, 4, 1)])
def test_there_is_one_row_of_logits_per_image_and_one_logit_per_class(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvaluationError, match="for 2 images"):
        checked_logits(np.zeros(shape, dtype=np.float32), images=2, classes=4)


def test_psnr_against_a_value_worked_by_hand() -> None:
    """An error of 5 in every third value: mean squared error 25/3."""
    image = np.full((1, 4, 4, 3), 100, dtype=np.uint8)
    other = image.copy()
    other[..., 0] += 5
    assert psnr(image, other)[0] == pytest.approx(10 * np.log10(255**2 / (25 / 3)))
    assert psnr(other, image)[0] == psnr(image, other)[0]


def test_psnr_is_infinite_where_nothing_was_lost_and_says_so_image_by_image() -> None:
    images = np.stack([np.full((8, 8, 3), 128), np.full((8, 8, 3), 0)]).astype(np.uint8)
    other = images.copy()
    other[1] = 255
    np.testing.assert_array_equal(psnr(images, other), [np.inf, 0])
    flat = Dataset.from_arrays(np.full((2, 16, 16, 3), 128, dtype=np.uint8), [0, 1])
    measured: Measurement = Evaluator(flat, PillowCodec(), measures=("bytes", "psnr")).evaluate(
        Task(QuantTables.standard(100))
    )
    assert measured.mean_psnr_db == np.inf


@pytest.mark.parametrize("answer", [np.zeros((15, 7), np.float32), np.full((15, 5), "x"), None])
def test_answers_that_are_no_logits_of_its_classes_are_refused(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = evaluator()
    monkeypatch.setattr(made.classifiers[0], "logits", lambda images: answer)
    with pytest.raises(EvaluationError, match="the classifier gave logits"):
        made.evaluate(Task(TABLES))


@pytest.mark.parametrize(
    ("sizes", "side", "sentence"),
    [
        (np.full(15, 2**31), fakes.SIDE, "files of 2147483648 to 2147483648 bytes"),
        (np.full(15, 0), fakes.SIDE, "files of 0 to 0 bytes"),
        (np.full(15, 9.5), fakes.SIDE, "sizes float64"),
        (np.full(3, 9), fakes.SIDE, r"sizes int64 \[3\]: integers \[15\] were expected"),
        (np.full(15, 9), 8, r"pixels uint8 \[15, 8, 8, 3\] for images"),
    ],
)
def test_what_no_encoder_can_have_made_is_refused(
    sizes: Any, side: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros((15, side, side, 3), np.uint8)
    monkeypatch.setattr(PillowCodec, "encode", lambda *_: Encoded(sizes, pixels))
    with pytest.raises(EvaluationError, match=sentence):
        evaluator().evaluate(Task(TABLES))


class Confident(fakes.FakeClassifier):
    """Another network with other answers."""

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return -super().logits(images)


class TestPredictedLabels:
    def unlabelled(self, truth: Any = "predicted") -> Dataset:
        images = fakes.fake_images()
        return replace(Dataset.from_arrays(images, np.zeros(len(images)), ("unlabelled",), "photos"), truth=truth)

    def test_accuracy_is_agreement_with_the_answer_on_the_uncompressed_image(self) -> None:
        """The fake dataset is labelled with the fake network's own answers, so that both must measure the same."""
        predicted = evaluator(dataset=self.unlabelled())
        assert predicted.evaluate(Task(TABLES)) == evaluator().evaluate(Task(TABLES))
        assert predicted.evaluate(Task(QuantTables.standard(5))).top1 < 1

    def test_each_network_is_compared_with_itself(self) -> None:
        networks = [fakes.FakeClassifier("a", {}), Confident("b", {})]
        both = evaluator(dataset=self.unlabelled(), classifiers=networks)
        assert (both.truths[0] != both.truths[1]).any()
        for index, network in enumerate(networks):
            alone = evaluator(dataset=self.unlabelled(), classifiers=[network]).evaluate(Task(TABLES))
            assert both.evaluate(Task(TABLES)).of_network(index) == alone

    def test_labels_that_are_there_do_not_count(self) -> None:
        given = dataset()
        wrong = replace(given, labels=(given.labels + 1) % fakes.CLASSES, truth="predicted")
        assert evaluator(dataset=wrong).evaluate(Task(TABLES)) == evaluator().evaluate(Task(TABLES))

    @pytest.mark.parametrize("batch_images", [1, 4, 64])
    def test_they_are_found_once_and_travel_to_workers(
        self, batch_images: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, expected = (
            evaluator(dataset=self.unlabelled(), batch_images=batch_images),
            evaluator().evaluate(Task(TABLES)),
        )
        monkeypatch.setattr("qsearch.evaluation.evaluator.truth_of", None)
        copy: Evaluator = pickle.loads(pickle.dumps(made))
        assert copy.evaluate(Task(TABLES)) == expected

    def test_without_them_images_without_labels_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"photos has no labels to classify by.*--labels predicted.*qsearch curve"):
            evaluator(dataset=self.unlabelled("unknown"))
        assert evaluator(dataset=self.unlabelled("unknown"), classifiers=[]).evaluate(Task(TABLES)).psnr_db is not None

    @pytest.mark.parametrize(
        ("behaviour", "expected"),
        [("fail", r"fake does not answer on the uncompressed images \(OSError: the network"), ("nan", "not finite")],
    )
    def test_a_network_that_does_not_answer_is_told(self, behaviour: str, expected: str) -> None:
        with pytest.raises(EvaluationError, match=expected):
            evaluator(dataset=self.unlabelled(), classifiers=[fakes.FakeClassifier("fake", {behaviour: "1"})])


def tiny_module() -> Any:
    """A network whose answers depend on every pixel, the same at every call."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 5))


def in_torch(takes: NetworkInput | None = None) -> InferenceClassifier:
    """That network in torch on the CPU, which stands for a GPU here."""
    takes = takes or NetworkInput(fakes.SIDE, fakes.SIDE)
    network = TorchNetwork("tiny", "a" * 64, fakes.CLASSES, takes, tiny_module)
    return InferenceClassifier(network, ClassifierOptions(device="cpu"), engine="torch")


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("codec_threads", [1, 3])
@pytest.mark.parametrize("batch_images", [4, 64])
def test_pixels_that_stay_on_a_device_measure_the_same(
    subsampling: Any, codec_threads: int, batch_images: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bit for bit, by all measures, also of a part of the images and with tables of each image's own."""
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    options = EncoderOptions(subsampling=subsampling)
    fields = {"classifiers": [in_torch(), in_torch()], "batch_images": batch_images, "codec_threads": codec_threads}
    by_pillow = evaluator(codec=PillowCodec(options), **fields)
    on_device = evaluator(codec=CoefficientCodec(options), **fields)
    tasks = [
        Task(TABLES),
        Task(fakes.BySmoothness()),
        Task(TABLES, subset=Subset("some", np.array([1, 2, 5, 11]))),
        Task(TABLES, networks=False),
        Task(UNCOMPRESSED),
    ]
    expected = [by_pillow.evaluate(task) for task in tasks]
    came = []

    def logits_of_tensor(classifier: InferenceClassifier, pixels: Any) -> Any:
        came.append((type(pixels).__name__, tuple(pixels.shape[1:])))
        return ask(classifier, pixels)

    ask = InferenceClassifier.logits_of_tensor
    monkeypatch.setattr(InferenceClassifier, "logits_of_tensor", logits_of_tensor)
    copy: Evaluator = pickle.loads(pickle.dumps(on_device))
    assert [one.evaluate(task) for one in (on_device, copy) for task in tasks] == expected * 2
    assert set(came) == {("Tensor", (fakes.SIDE, fakes.SIDE, 3))}


def test_pixels_leave_the_device_only_for_measures_that_compare_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    brought = []

    def as_array(pixels: Any) -> Any:
        brought.append(pixels)
        return pixels.numpy()

    monkeypatch.setattr("qsearch.evaluation.measures.as_array", as_array)
    monkeypatch.setattr("qsearch.codecs.base.as_array", as_array)
    evaluator(codec=CoefficientCodec(), classifiers=[in_torch()], measures=ALWAYS).evaluate(Task(TABLES))
    assert not brought
    evaluator(codec=CoefficientCodec(), classifiers=[in_torch()]).evaluate(Task(TABLES))
    assert len(brought) == 1


def test_sizes_alone_are_asked_without_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(CoefficientCodec, "prepare_on", None)
    sizes = evaluator(codec=CoefficientCodec(), classifiers=[in_torch()]).evaluate(Task(TABLES, networks=False))
    np.testing.assert_array_equal(sizes.size_bytes, evaluator().evaluate(Task(TABLES)).size_bytes)


def test_pixels_are_arrays_unless_every_network_reads_them_on_one_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not where one reads arrays, nor where images are brought to another size first."""
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(InferenceClassifier, "logits_of_tensor", None)
    for classifiers in ([in_torch(), fakes.FakeClassifier("fake", {})], [in_torch(NetworkInput(16, 16, resize=18))]):
        fields = {"classifiers": classifiers, "measures": ALWAYS}
        measured = evaluator(codec=CoefficientCodec(), **fields).evaluate(Task(TABLES))
        assert measured == evaluator(**fields).evaluate(Task(TABLES))
