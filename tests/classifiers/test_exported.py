"""Networks in files: what ONNX and torch.export programs mean, and what is no classifier."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.engines import TorchEngine
from qsearch.classifiers.exported import Pt2Network
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import align_labels, imagenet_synsets
from qsearch.datasets import load_dataset
from qsearch.datasets.base import DatasetOptions
from qsearch.errors import InputError
from qsearch.testing import ClassifierContract

WEIGHTS = np.random.default_rng(5).normal(size=(3, 7)).astype(np.float32)

Images = npt.NDArray[np.uint8]
Shape = list[int | str]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def random_images(count: int, height: int = 16, width: int = 16) -> Images:
    return np.random.default_rng(1).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def expected_logits(images: Images, white: float = 1.0) -> npt.NDArray[np.float32]:
    """What the networks below answer: the mean colour, white being ``white``, times WEIGHTS."""
    return np.asarray(images.mean(axis=(1, 2)) * (white / 255) @ WEIGHTS, dtype=np.float32)


def save_onnx(
    path: Path,
    shape: Shape = ["N", 3, 16, 16],  # noqa: B006 - never changed
    dtype: int = TensorProto.FLOAT,
    axes: tuple[int, ...] = (2, 3),
    answer: Shape = ["N", 7],  # noqa: B006
) -> Path:
    """A network that answers the mean colour times WEIGHTS (their first row where there is one channel)."""
    weights = WEIGHTS[:1] if shape[1] == 1 else WEIGHTS
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["colour"], axes=list(axes), keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", dtype, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, answer)
    graph = helper.make_graph(nodes, "mean", [image], [logits], [numpy_helper.from_array(weights, "weights")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def save_pt2(path: Path, batch: int | None = None, size: int = 16) -> Path:
    """The same in torch, for any batch or for one."""
    import torch

    class MeanColour(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.Parameter(torch.from_numpy(WEIGHTS))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean(dim=(2, 3)) @ self.weights

    shapes = None if batch else ({0: torch.export.Dim("batch", min=1, max=512)},)
    example = (torch.zeros(batch or 2, 3, size, size),)
    torch.export.save(torch.export.export(MeanColour(), example, dynamic_shapes=shapes), path)
    return path


def load(path: Path, **options: Any) -> InferenceClassifier:
    classifier = load_classifier(str(path), ClassifierOptions(**options))
    assert isinstance(classifier, InferenceClassifier)
    return classifier


class TestOnnxContract(ClassifierContract):
    @pytest.fixture
    def classifier(self, tmp_path: Path) -> Classifier:
        return load(save_onnx(tmp_path / "mean.onnx"))

    @pytest.fixture
    def images(self) -> Images:
        return random_images(6)


class TestPt2Contract(ClassifierContract):
    @pytest.fixture
    def classifier(self, tmp_path: Path) -> Classifier:
        return load(save_pt2(tmp_path / "mean.pt2"))

    @pytest.fixture
    def images(self) -> Images:
        return random_images(6)


class TestOnnx:
    @pytest.mark.parametrize(
        ("shape", "dtype", "axes", "white"),
        [
            (["N", 3, 16, 16], TensorProto.FLOAT, (2, 3), 1.0),
            ([5, 3, 16, 16], TensorProto.FLOAT, (2, 3), 1.0),
            (["N", 16, 16, 3], TensorProto.FLOAT, (1, 2), 1.0),
            (["N", 3, "H", "W"], TensorProto.FLOAT, (2, 3), 1.0),
            (["N", 16, 16, 3], TensorProto.UINT8, (1, 2), 255.0),
            (["N", 3, 16, 16], TensorProto.UINT8, (2, 3), 255.0),
        ],
    )
    def test_layouts_types_and_batches(
        self, tmp_path: Path, shape: Shape, dtype: int, axes: tuple[int, int], white: float
    ) -> None:
        classifier = load(save_onnx(tmp_path / "mean.onnx", shape, dtype, axes, [shape[0], 7]))
        images = random_images(7)
        np.testing.assert_allclose(classifier.logits(images), expected_logits(images, white), rtol=1e-4, atol=1e-5)
        assert classifier.classes == 7
        assert classifier.class_names is None

    def test_other_sizes_are_cropped(self, tmp_path: Path) -> None:
        classifier = load(save_onnx(tmp_path / "mean.onnx"))
        assert classifier.logits(random_images(2, 40, 30)).shape == (2, 7)
        with pytest.raises(InputError, match="smaller than the 16x16"):
            classifier.logits(random_images(2, 40, 12))

    def test_the_digest_is_of_the_file_and_of_weights_beside_it(self, tmp_path: Path) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        copy = Path(shutil.copy(path, tmp_path / "copy.onnx"))
        assert load(copy).digest == load(path).digest
        copy.with_name("copy.onnx.data").write_bytes(b"weights")
        assert load(copy).digest != load(path).digest

    def test_runs_on_the_cpu_only(self, tmp_path: Path) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        assert load(path, device="auto").device == "cpu"
        with pytest.raises(InputError, match=r"CPU only.*\.pt2"):
            load(path, device="cuda")


class TestPt2:
    @pytest.mark.parametrize("batch", [None, 3])
    def test_any_batch_or_one(self, tmp_path: Path, batch: int | None) -> None:
        classifier = load(save_pt2(tmp_path / "mean.pt2", batch))
        images = random_images(7)
        np.testing.assert_allclose(classifier.logits(images), expected_logits(images), rtol=1e-4, atol=1e-5)

    def test_the_torch_engine_agrees(self, tmp_path: Path) -> None:
        network = load(save_pt2(tmp_path / "mean.pt2")).network
        assert isinstance(network, Pt2Network)
        images = random_images(7)
        np.testing.assert_allclose(
            TorchEngine(network, "cpu", "float32")(images), expected_logits(images), rtol=1e-4, atol=1e-5
        )


class TestWhatIsNoClassifier:
    @pytest.mark.parametrize("suffix", ["onnx", "pt2"])
    def test_missing_file(self, tmp_path: Path, suffix: str) -> None:
        with pytest.raises(InputError, match="is missing: give a file"):
            load(tmp_path / f"nowhere.{suffix}")

    @pytest.mark.parametrize("suffix", ["onnx", "pt2"])
    @pytest.mark.parametrize("content", [b"", b"nothing of the kind " * 50])
    def test_another_file(self, tmp_path: Path, suffix: str, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / f"other.{suffix}"
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"other\.{suffix} (is not|takes nothing)"):
            load(path)
        assert capfd.readouterr() == ("", "")

    def test_a_torch_file_that_is_no_program(self, tmp_path: Path) -> None:
        import torch

        torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pt2")
        with pytest.raises(InputError, match=r"not a program of torch\.export"):
            load(tmp_path / "weights.pt2")

    def test_an_onnx_operator_nobody_knows(self, tmp_path: Path) -> None:
        model = onnx.load(save_onnx(tmp_path / "odd.onnx"))
        model.graph.node[2].op_type = "Divination"
        onnx.save(model, tmp_path / "odd.onnx")
        with pytest.raises(InputError, match="Divination"):
            load(tmp_path / "odd.onnx")

    @pytest.mark.parametrize(
        ("shape", "dtype", "axes", "sentence"),
        [
            (["N", 1, 16, 16], TensorProto.FLOAT, (2, 3), r"takes float32 \[\?, 1, 16, 16\]: a classifier takes"),
            (["N", 3, 16], TensorProto.FLOAT, (2,), r"takes float32 \[\?, 3, 16\]"),
            (["N", 3, 16, 16], TensorProto.INT32, (2, 3), r"takes i32 \[\?, 3, 16, 16\]"),
        ],
    )
    def test_wrong_input(self, tmp_path: Path, shape: Shape, dtype: int, axes: tuple[int, ...], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            load(save_onnx(tmp_path / "odd.onnx", shape, dtype, axes))

    def test_wrong_output(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"answers float32 \[4, 3, 7\]: a classifier answers logits"):
            load(save_onnx(tmp_path / "odd.onnx", ["N", 3, 3, 16], axes=(3,), answer=["N", 3, 7]))

    def test_weights_are_in_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds its own weights"):
            load(save_onnx(tmp_path / "mean.onnx"), weights="more.pth")


class TestMobileNet:
    """MobileNetV2, pretrained on ImageNet, on photographs: 81 % of them all when uncompressed."""

    def test_recognises_photos_and_is_the_same_in_both_formats(self, shared: Path) -> None:
        photos = load_dataset(f"folder:{shared}/data/photos/search", DatasetOptions(size=224, fit="stretch"))
        sample = photos.images[::5]
        onnx_network, pt2_network = (load(shared / "models" / f"mobilenet_v2.{suffix}") for suffix in ("onnx", "pt2"))
        logits = onnx_network.logits(sample)
        labels = align_labels(photos, onnx_network)[::5]
        assert (logits.argmax(axis=1) == labels).mean() > 0.65
        assert pt2_network.class_names == onnx_network.class_names == imagenet_synsets()
        np.testing.assert_allclose(pt2_network.logits(sample), logits, atol=1e-4)
