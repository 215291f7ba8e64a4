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
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.engines import TorchEngine
from qsearch.classifiers.exported import Pt2Network
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import align_labels
from qsearch.classifiers.network import file_digest
from qsearch.classifiers.onnx_weights import external_files
from qsearch.datasets.base import Dataset
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError

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
    size: int | None = None,
) -> Path:
    """A network that answers the mean colour times WEIGHTS (their first row where there is one channel)."""
    shape = shape if size is None else ["N", 3, size, size]
    weights = WEIGHTS[:1] if shape[1] == 1 else WEIGHTS
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["colour"], axes=list(axes), keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", dtype, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, answer)
    graph = helper.make_graph(nodes, "mean", [image], [logits], [numpy_helper.from_array(weights, "weights")])
    path.parent.mkdir(exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def keep_outside(tensor: TensorProto, location: str) -> None:
    """Has ``tensor`` say that its numbers lie in the file ``location``."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def move_weights(path: Path, location: str, write: bool = True) -> Path:
    """Has the network in ``path`` keep its weights in the file ``location`` beside it."""
    model = onnx.load(path)
    keep_outside(model.graph.initializer[0], location)
    path.write_bytes(model.SerializeToString())
    weights = path.parent / location
    if write:
        weights.parent.mkdir(exist_ok=True)
        weights.write_bytes(WEIGHTS.tobytes())
    return weights


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

    def test_the_digest_is_of_the_file_whatever_lies_beside_it(self, tmp_path: Path) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        copy = Path(shutil.copy(path, tmp_path / "copy.onnx"))
        copy.with_name("copy.onnx.data").write_bytes(b"of another network")
        assert load(copy).digest == load(path).digest == file_digest(path)

    @pytest.mark.parametrize("location", ["mean.onnx.data", "other/weights.bin"])
    def test_weights_in_other_files_are_part_of_the_digest(self, tmp_path: Path, location: str) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        weights = move_weights(path, location)
        images = random_images(5)
        before = load(path)
        np.testing.assert_allclose(before.logits(images), expected_logits(images), rtol=1e-4, atol=1e-5)
        kept = load(path)
        weights.write_bytes((2 * WEIGHTS).tobytes())
        after = load(path)
        np.testing.assert_allclose(after.logits(images), 2 * expected_logits(images), rtol=1e-4, atol=1e-5)
        assert after.digest != before.digest
        with pytest.raises(InputError, match="was changed while it was in use"):
            kept.logits(images)

    @pytest.mark.parametrize(
        "location", ["../weights.bin", "a/../../weights.bin", "/etc/passwd", "C:\\weights.bin", "..\\weights.bin", ""]
    )
    def test_weights_outside_the_folder_are_refused(self, tmp_path: Path, location: str) -> None:
        path = save_onnx(tmp_path / "network" / "mean.onnx")
        (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
        (tmp_path / "network" / "a").mkdir()
        move_weights(path, location, write=False)
        with pytest.raises(InputError, match=r"mean\.onnx keeps weights in .*, outside its own folder"):
            load(path)

    @pytest.mark.parametrize("location", ["weights.bin", "*/_ORT_MEM_ADDR_/*"])
    def test_weights_that_are_no_file_are_refused(self, tmp_path: Path, location: str) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        move_weights(path, location, write=False)
        with pytest.raises(InputError, match=r"mean\.onnx keeps weights in .*, which is not there"):
            load(path)

    def test_weights_of_constants_and_of_graphs_within_count(self, tmp_path: Path) -> None:
        """Where nobody would look first: a constant in a branch of an If."""
        tensor = numpy_helper.from_array(WEIGHTS, "w")
        keep_outside(tensor, "../weights.bin")
        constant = helper.make_node("Constant", [], ["w"], value=tensor)
        answer = helper.make_tensor_value_info("w", TensorProto.FLOAT, None)
        branch = helper.make_graph([constant], "branch", [], [answer])
        node = helper.make_node("If", ["image"], ["w"], then_branch=branch, else_branch=branch)
        path = tmp_path / "if.onnx"
        path.write_bytes(helper.make_model(helper.make_graph([node], "outer", [], [])).SerializeToString())
        with pytest.raises(InputError, match="outside its own folder"):
            external_files(path)

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


class TestNormalisation:
    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def expected(self, images: Images, low: float = 0.0, high: float = 1.0) -> npt.NDArray[np.float32]:
        """What the networks answer to pixels brought to 0..1, normalised, then stretched to ``low`` .. ``high``."""
        pixels = low + (high - low) * (images / 255 - self.MEAN) / self.STD
        return np.asarray(pixels.mean(axis=(1, 2)) @ WEIGHTS, dtype=np.float32)

    @pytest.mark.parametrize(("shape", "axes"), [(["N", 3, 16, 16], (2, 3)), (["N", 16, 16, 3], (1, 2))])
    def test_mean_and_std_are_per_channel_in_both_layouts(
        self, tmp_path: Path, shape: Shape, axes: tuple[int, int]
    ) -> None:
        path = save_onnx(tmp_path / "mean.onnx", shape, axes=axes)
        images = random_images(5)
        classifier = load(path, mean=self.MEAN, std=self.STD)
        np.testing.assert_allclose(classifier.logits(images), self.expected(images), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("input_range", [(0.0, 255.0), (-1.0, 1.0)])
    def test_the_range_is_what_black_and_white_become(self, tmp_path: Path, input_range: tuple[float, float]) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        flat = np.stack([np.zeros((16, 16, 3)), np.full((16, 16, 3), 255)]).astype(np.uint8)
        expected = np.outer(input_range, WEIGHTS.sum(axis=0))
        np.testing.assert_allclose(load(path, input_range=input_range).logits(flat), expected, rtol=1e-4, atol=1e-4)
        images = random_images(5)
        classifier = load(path, mean=self.MEAN, std=self.STD, input_range=input_range)
        np.testing.assert_allclose(classifier.logits(images), self.expected(images, *input_range), rtol=1e-3, atol=1e-3)

    def test_the_torch_engine_agrees(self, tmp_path: Path) -> None:
        images = random_images(7)
        for input_range in ((0.0, 1.0), (-1.0, 1.0)):
            classifier = load(save_pt2(tmp_path / "mean.pt2"), mean=self.MEAN, std=self.STD, input_range=input_range)
            engine = TorchEngine(classifier.network, "cpu", "float32")
            np.testing.assert_allclose(engine(images), self.expected(images, *input_range), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(classifier.logits(images), engine(images), rtol=1e-4, atol=1e-4)

    def test_it_is_recorded(self, tmp_path: Path) -> None:
        path = save_onnx(tmp_path / "mean.onnx")
        plain = load(path).settings()
        given = load(path, mean=self.MEAN, input_range=(0, 255)).settings()
        assert plain["preprocessing"] == "shorter side 18 bilinear, centre crop 16x16"
        assert given["preprocessing"] == f"{plain['preprocessing']}, mean 0.485 0.456 0.406, std 1 1 1, range 0 to 255"

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"mean": (123.7, 116.3, 103.5)}, "of pixels in 0..1, got mean 123.7 .*: divide"),
            ({"std": (0.2, 0.0, 0.2)}, "of pixels in 0..1"),
            ({"std": (0.2, -0.1, 0.2)}, "of pixels in 0..1"),
            ({"mean": (float("nan"), 0, 0)}, "finite numbers"),
            ({"input_range": (1, 0)}, "got 1 0: give the lower one first"),
            ({"input_range": (0, float("inf"))}, "finite numbers"),
        ],
    )
    def test_numbers_that_make_no_sense(self, tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            load(save_onnx(tmp_path / "mean.onnx"), **options)

    @pytest.mark.parametrize("option", ["mean", "std", "input_range"])
    def test_a_network_of_bytes_has_it_inside(self, tmp_path: Path, option: str) -> None:
        path = save_onnx(tmp_path / "bytes.onnx", dtype=TensorProto.UINT8)
        with pytest.raises(InputError, match=f"reads bytes, does not take --{option.replace('_', '-')}: leave it out"):
            load(path, **{option: (0.5, 0.6, 0.7)[: 2 if option == "input_range" else 3]})

    @pytest.mark.parametrize("option", ["mean", "std", "input_range", "class_names"])
    def test_networks_that_know_themselves_refuse_it(self, option: str) -> None:
        with pytest.raises(InputError, match=f"textures-cnn does not take --{option.replace('_', '-')}"):
            load_classifier("textures-cnn", ClassifierOptions(**{option: "x"}))  # type: ignore[arg-type]


class TestClassNames:
    NAMES = ("apple", "banana", "cherry", "date", "elder", "fig", "grape")

    def names_file(self, folder: Path, *names: str) -> str:
        (folder / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        return str(folder / "classes.txt")

    def test_they_match_the_datasets_by_name(self, tmp_path: Path) -> None:
        classifier = load(save_onnx(tmp_path / "mean.onnx"), class_names=self.names_file(tmp_path, *self.NAMES))
        assert classifier.class_names == self.NAMES
        dataset = Dataset.from_arrays(random_images(3), [0, 1, 0], ("grape", "banana"))
        np.testing.assert_array_equal(align_labels(dataset, classifier), [6, 1, 6])

    def test_a_run_can_tell_other_names(self, tmp_path: Path) -> None:
        path = save_pt2(tmp_path / "mean.pt2")
        before = load(path, class_names=self.names_file(tmp_path, *self.NAMES)).settings()
        after = load(path, class_names=self.names_file(tmp_path, *self.NAMES[::-1])).settings()
        assert before["class_names"] != after["class_names"]
        assert {**before, "class_names": ""} == {**after, "class_names": ""}

    @pytest.mark.parametrize(
        ("names", "sentence"),
        [
            (("apple", "banana"), "names 2 classes and .* tells 7 apart"),
            (("apple", *NAMES[:6]), "names the class 'apple' twice"),
        ],
    )
    def test_each_logit_has_one(self, tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            load(save_onnx(tmp_path / "mean.onnx"), class_names=self.names_file(tmp_path, *names))

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot be read .*: --class-names takes a text file"):
            load(save_onnx(tmp_path / "mean.onnx"), class_names=str(tmp_path / "nowhere.txt"))


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

    def test_recognises_photos_and_is_the_same_in_both_formats(self, shared: Path, few_photographs: Dataset) -> None:
        onnx_network, pt2_network = (load(shared / "models" / f"mobilenet_v2.{suffix}") for suffix in ("onnx", "pt2"))
        logits = onnx_network.logits(few_photographs.images)
        assert (logits.argmax(axis=1) == align_labels(few_photographs, onnx_network)).mean() > 0.65
        assert pt2_network.class_names == onnx_network.class_names == imagenet_synsets()
        np.testing.assert_allclose(pt2_network.logits(few_photographs.images), logits, atol=1e-4)
