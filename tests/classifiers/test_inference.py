"""Networks at work: the same logits in every batch, process and engine, after the network's own preprocessing."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.classifiers import engines
from qsearch.classifiers.base import ClassifierOptions, Precision
from qsearch.classifiers.engines import TorchEngine, cpu_has_bfloat16
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import NetworkInput, TorchNetwork, file_digest, normalised
from qsearch.coefficients.compilation import can_compile
from qsearch.datasets.preparation import resize_and_crop
from qsearch.errors import DiskError, InputError
from qsearch.testing import ClassifierContract

if TYPE_CHECKING:
    import torch

Images = npt.NDArray[np.uint8]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 5


def build() -> "torch.nn.Module":
    """A small network with the usual parts, the same at every call."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 5),
        )
    return normalised(body, MEAN, STD)


def network(takes: NetworkInput, digest: str = "a" * 64) -> TorchNetwork:
    return TorchNetwork("small", digest, CLASSES, takes, build)


def random_images(count: int, height: int = 32, width: int = 32) -> Images:
    return np.random.default_rng(1).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def reference_logits(images: Images) -> npt.NDArray[np.float32]:
    """By the textbook: the body of the network on pixels normalised in numpy."""
    import torch

    pixels = (images / 255 - np.array(MEAN)) / np.array(STD)
    with torch.inference_mode():
        body = build().get_submodule("1")
        logits: npt.NDArray[np.float32] = body(torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()).numpy()
    return logits


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the conversion that most tests use; nobody changes it."""
    folder = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QSEARCH_CACHE", str(folder))
        InferenceClassifier(network(NetworkInput(32, 32))).logits(random_images(1))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, converted: Path) -> Path:
    """Of each test its own, with that conversion."""
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(converted, tmp_path / "cache"))


class TestContract(ClassifierContract):
    @pytest.fixture
    def classifier(self) -> InferenceClassifier:
        return InferenceClassifier(network(NetworkInput(32, 32, 37)))

    @pytest.fixture
    def images(self) -> Images:
        return random_images(7)


class TestLogits:
    def test_are_the_networks(self) -> None:
        images = random_images(6)
        classifier = InferenceClassifier(network(NetworkInput(32, 32)))
        np.testing.assert_allclose(classifier.logits(images), reference_logits(images), atol=1e-5)

    @pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
    def test_of_the_torch_engine_agree(self, precision: str, tolerance: float) -> None:
        images = random_images(6)
        engine = TorchEngine(network(NetworkInput(32, 32)), "cpu", precision)
        np.testing.assert_allclose(engine(images), reference_logits(images), atol=tolerance)

    def test_of_the_torch_engine_do_not_depend_on_the_batch(self) -> None:
        images = random_images(70)
        engine = TorchEngine(network(NetworkInput(32, 32)), "cpu", "float32")
        np.testing.assert_array_equal(engine(images)[65:], engine(images[65:]))

    def test_of_tensors_are_those_of_arrays(self) -> None:
        """Whole batches and parts, in the layout that a decoder leaves."""
        import torch

        images = random_images(70)
        classifier = InferenceClassifier(network(NetworkInput(32, 32)), engine="torch")
        expected = classifier.logits(images)
        np.testing.assert_array_equal(classifier.logits_of_tensor(torch.tensor(images)), expected)
        np.testing.assert_array_equal(classifier.logits_of_tensor(torch.tensor(images)[3:9]), expected[3:9])
        by_openvino = InferenceClassifier(network(NetworkInput(32, 32)))
        np.testing.assert_array_equal(by_openvino.logits_of_tensor(torch.tensor(images)), by_openvino.logits(images))

    @pytest.mark.skipif(not can_compile("cpu"), reason="torch.compile needs a C compiler")
    def test_of_the_compiled_torch_engine_agree(self) -> None:
        images = random_images(6)
        engine = TorchEngine(network(NetworkInput(32, 32)), "cpu", "float32", compiled=True)
        np.testing.assert_allclose(engine(images), reference_logits(images), atol=1e-5)

    def test_of_no_images_are_none(self) -> None:
        assert InferenceClassifier(network(NetworkInput(32, 32))).logits(random_images(0)).shape == (0, CLASSES)

    def test_do_not_depend_on_threads(self) -> None:
        images = random_images(5)
        one, two = (
            InferenceClassifier(network(NetworkInput(32, 32)), ClassifierOptions(threads=threads)).logits(images)
            for threads in (1, 2)
        )
        np.testing.assert_array_equal(one, two)

    def test_wrong_number_of_classes_is_told(self) -> None:
        wrong = TorchNetwork("small", "a" * 64, CLASSES + 1, NetworkInput(32, 32), build)
        with pytest.raises(InputError, match=r"answers \[4, 5\] where \[4, 6\]"):
            InferenceClassifier(wrong).logits(random_images(1))

    def test_another_file_of_weights_is_refused(self, tmp_path: Path) -> None:
        weights = tmp_path / "weights"
        weights.write_bytes(b"ours")
        ours = TorchNetwork("small", file_digest(weights), CLASSES, NetworkInput(32, 32), build, weights)
        assert InferenceClassifier(ours).logits(random_images(1)).shape == (1, CLASSES)
        weights.write_bytes(b"theirs")
        with pytest.raises(InputError, match="another file here"):
            ours.torch_module("cpu")


class TestPreprocessing:
    def test_other_sizes_are_resized_and_cropped(self) -> None:
        images = random_images(2, 50, 61)
        from PIL import Image

        cropped = np.stack([np.asarray(resize_and_crop(Image.fromarray(image), 37, (32, 32))) for image in images])
        classifier = InferenceClassifier(network(NetworkInput(32, 32, 37)))
        np.testing.assert_array_equal(classifier.logits(images), classifier.logits(cropped))

    def test_images_of_the_networks_size_go_in_as_they_are(self) -> None:
        images = random_images(2)
        assert NetworkInput(32, 32, 37).prepare(images, "small") is images

    def test_a_network_of_any_size_takes_every_image_as_it_is(self) -> None:
        classifier = InferenceClassifier(network(NetworkInput(None, None)))
        for height, width in ((32, 32), (40, 24), (32, 32)):
            images = random_images(3, height, width)
            np.testing.assert_allclose(classifier.logits(images), reference_logits(images), atol=1e-5)

    def test_small_images_are_refused_unless_enlarging_is_the_networks_own_way(self) -> None:
        images = random_images(2, 40, 20)
        with pytest.raises(InputError, match=r"are 20x40 pixels, smaller than the 32x32 that small takes.*--size 32"):
            NetworkInput(32, 32, 37).prepare(images, "small")
        assert NetworkInput(32, 32, 37, enlarge=True).prepare(images, "small").shape == (2, 32, 32, 3)

    def test_a_network_without_resize_takes_its_own_size_only(self) -> None:
        with pytest.raises(InputError, match="other than the 32x32"):
            NetworkInput(32, 32).prepare(random_images(2, 40, 40), "small")

    @pytest.mark.parametrize("images", [np.zeros((2, 32, 32, 3), np.float32), np.zeros((32, 32, 3), np.uint8)])
    def test_only_batches_of_uint8_rgb_are_images(self, images: npt.NDArray[Any]) -> None:
        with pytest.raises(InputError, match=r"uint8 \[N, H, W, 3\]"):
            NetworkInput(32, 32).prepare(images, "small")


WORKER = """
import pickle, sys
classifier, images = pickle.load(open(sys.argv[1], "rb"))
pickle.dump(classifier.logits(images), open(sys.argv[2], "wb"))
for module in ("torch", "openvino_telemetry"):
    assert not getattr(sys.modules.get(module), "__file__", None), f"{module} was imported"
"""


class TestProcesses:
    def test_a_worker_answers_the_same_without_torch_or_usage_reports(self, tmp_path: Path) -> None:
        classifier, images = InferenceClassifier(network(NetworkInput(32, 32))), random_images(5)
        expected = classifier.logits(images)
        (tmp_path / "task").write_bytes(pickle.dumps((classifier, images)))
        subprocess.run([sys.executable, "-c", WORKER, tmp_path / "task", tmp_path / "answer"], check=True)
        np.testing.assert_array_equal(pickle.loads((tmp_path / "answer").read_bytes()), expected)

    def test_the_recipe_travels_without_the_compiled_network(self) -> None:
        classifier = InferenceClassifier(network(NetworkInput(32, 32)))
        before = pickle.dumps(classifier)
        classifier.logits(random_images(1))
        assert pickle.dumps(classifier) == before

    def test_a_network_is_converted_once_for_each_digest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        takes = NetworkInput(32, 32)
        InferenceClassifier(network(takes)).logits(random_images(1))
        monkeypatch.setattr(TorchNetwork, "torch_module", refuse)
        monkeypatch.setattr("qsearch.classifiers.openvino_models.exported_program", refuse)
        InferenceClassifier(network(takes)).logits(random_images(1))
        with pytest.raises(AssertionError, match="converted again"):
            InferenceClassifier(network(takes, digest="b" * 64)).logits(random_images(1))

    def test_a_cache_that_cannot_be_written_is_told(self, cache: Path) -> None:
        shutil.rmtree(cache)
        cache.write_text("not a folder")
        with pytest.raises(DiskError, match="QSEARCH_CACHE"):
            InferenceClassifier(network(NetworkInput(32, 32))).logits(random_images(1))

    @pytest.mark.parametrize("name", ["model.xml", "model.bin", "digests.json"])
    @pytest.mark.parametrize("damage", ["flipped", "cut", "lost"])
    def test_a_damaged_conversion_is_made_again(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
    ) -> None:
        expected = InferenceClassifier(network(NetworkInput(32, 32))).logits(random_images(1))
        (file,) = cache.glob(f"networks/*/{name}")
        whole = file.read_bytes()
        file.unlink()
        if damage != "lost":
            middle = len(whole) // 2
            rest = bytes([whole[middle] ^ 0x41]) + whole[middle + 1 :] if damage == "flipped" else b""
            file.write_bytes(whole[:middle] + rest)
        answer = InferenceClassifier(network(NetworkInput(32, 32))).logits(random_images(1))
        np.testing.assert_array_equal(answer, expected)
        assert len(list(cache.glob("networks/*/model.bin"))) == 1
        monkeypatch.setattr(TorchNetwork, "torch_module", refuse)
        monkeypatch.setattr("qsearch.classifiers.openvino_models.exported_program", refuse)
        again = InferenceClassifier(network(NetworkInput(32, 32))).logits(random_images(1))
        np.testing.assert_array_equal(again, expected)


def refuse(*arguments: object) -> None:
    raise AssertionError("the network was converted again")


class TestDevices:
    @pytest.fixture
    def gpus(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "_has_nvidia_driver", lambda: request.param > 0)
        monkeypatch.setattr(engines, "_torch_gpus", lambda: request.param)

    @pytest.mark.parametrize(
        ("gpus", "asked", "chosen"),
        [(0, "auto", "cpu"), (1, "auto", "cuda"), (1, "cpu", "cpu"), (2, "cuda:1", "cuda:1")],
        indirect=["gpus"],
    )
    def test_auto_means_a_gpu_where_there_is_one(self, gpus: None, asked: str, chosen: str) -> None:
        options = ClassifierOptions(device=asked)  # type: ignore[arg-type]
        assert InferenceClassifier(network(NetworkInput(32, 32)), options).device == chosen

    @pytest.mark.parametrize(
        ("gpus", "device", "precision", "sentence"),
        [
            (0, "cuda", "float32", "GPU that torch does not see"),
            (1, "cuda:1", "float32", "GPU that torch does not see"),
            (0, "auto", "bfloat16", "bfloat16 needs a GPU"),
            (1, "cpu", "bfloat16", "bfloat16 needs a GPU"),
            (1, "tpu", "float32", "unknown device 'tpu'"),
            (1, "cuda:x", "float32", "unknown device 'cuda:x'"),
            (1, "cuda", "int8", "unknown precision 'int8'"),
        ],
        indirect=["gpus"],
    )
    def test_what_cannot_be_is_refused(
        self, gpus: None, device: str, precision: str, sentence: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("qsearch.classifiers.engines.cpu_has_bfloat16", lambda: False)
        options = ClassifierOptions(device=device, precision=precision)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=sentence):
            InferenceClassifier(network(NetworkInput(32, 32)), options)

    @pytest.mark.skipif(not cpu_has_bfloat16(), reason="this CPU does not compute in bfloat16")
    def test_bfloat16_on_a_cpu_is_near_float32(self) -> None:
        exact, rough = (
            InferenceClassifier(network(NetworkInput(32, 32)), ClassifierOptions(device="cpu", precision=precision))
            for precision in get_args(Precision)
        )
        images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
        difference = np.abs(exact.logits(images) - rough.logits(images)).max()
        assert 0 < difference < 0.05 * np.abs(exact.logits(images)).max()
        assert rough.settings()["precision"] == "bfloat16"

    @pytest.mark.parametrize("gpus", [1], indirect=True)
    @pytest.mark.parametrize(
        ("device", "able", "sentence"),
        [("cpu", True, "--compile is for networks on a GPU"), ("cuda", False, "--compile needs a C compiler, Triton")],
    )
    def test_compiling_is_refused_where_it_cannot_be(
        self, gpus: None, device: str, able: bool, sentence: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("qsearch.classifiers.inference.can_compile", lambda _: able)
        options = ClassifierOptions(device=device, compile=True)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=sentence):
            InferenceClassifier(network(NetworkInput(32, 32)), options)

    @pytest.mark.parametrize("gpus", [1], indirect=True)
    def test_settings_say_that_a_network_is_compiled(self, gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qsearch.classifiers.inference.can_compile", lambda _: True)
        plain, compiled = (
            InferenceClassifier(network(NetworkInput(32, 32)), ClassifierOptions(device="cuda", compile=wanted))
            for wanted in (False, True)
        )
        assert compiled.settings() == {**plain.settings(), "compiled": True}

    @pytest.mark.parametrize("gpus", [1], indirect=True)
    def test_pixels_are_best_decoded_where_torch_reads_them(self, gpus: None) -> None:
        on_gpu = InferenceClassifier(network(NetworkInput(32, 32, 37)), ClassifierOptions(device="cuda"))
        assert on_gpu.pixel_device(32, 32) == "cuda"
        assert on_gpu.pixel_device(40, 32) is None
        anything = InferenceClassifier(network(NetworkInput(None, None)), ClassifierOptions(device="cuda"))
        assert anything.pixel_device(5, 9) == "cuda"
        assert InferenceClassifier(network(NetworkInput(32, 32)), ClassifierOptions()).pixel_device(32, 32) == "cuda"
        by_cpu = InferenceClassifier(network(NetworkInput(32, 32)), ClassifierOptions(device="cpu"))
        assert by_cpu.pixel_device(32, 32) is None

    def test_settings_name_what_logits_depend_on(self) -> None:
        settings = InferenceClassifier(network(NetworkInput(32, 32, 37)), details={"weights": "own"}).settings()
        assert settings["input_size"] == "32x32"
        assert settings["preprocessing"] == "shorter side 37 bilinear, centre crop 32x32"
        assert (settings["engine"], settings["device"], settings["precision"]) == ("openvino", "cpu", "float32")
        assert {"openvino_version", "torch_version", "weights"} <= settings.keys()
