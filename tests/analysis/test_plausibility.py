"""Whether a network is as right on uncompressed images as it should be: what is said, and where nothing is."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qsearch.analysis.plausibility import better_normalisation, low_accuracy
from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.datasets.base import Dataset

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network(folder: Path, threshold: float, scale: float = 1.0) -> Path:
    """Two classes: whether the mean of an image's numbers is above the threshold, or below it."""
    weights = np.array([[scale, -scale]] * 3, dtype=np.float32)
    bias = np.array([-3 * scale * threshold, 3 * scale * threshold], dtype=np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["colour"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    path = folder / "bright.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def bright_and_dark(count: int = 60) -> Dataset:
    """Bright (label 0) and dark (1) images by turns, around the mean colour of ImageNet."""
    random = np.random.default_rng(3)
    noise = random.integers(-20, 21, (count, 16, 16, 3))
    offset = np.where(np.arange(count) % 2 == 0, 40, -40)[:, None, None, None]
    images = np.clip(np.array(MEAN) * 255 + offset + noise, 0, 255).astype(np.uint8)
    return Dataset.from_arrays(images, np.arange(count) % 2)


def load(path: Path, **options: Any) -> Classifier:
    return load_classifier(str(path), ClassifierOptions(**options))


def test_a_network_trained_on_normalised_pixels_is_told_its_options(tmp_path: Path) -> None:
    note = better_normalisation(load(network(tmp_path, threshold=0.0)), bright_and_dark())
    assert note is not None
    assert "is right on 50.0 % of 60 uncompressed images as it is, and on 100.0 % with --" in note


@pytest.mark.parametrize(("threshold", "option"), [(-0.1, "--input-range -1 1"), (115.0, "--input-range 0 255")])
def test_other_ranges_are_known_too(tmp_path: Path, threshold: float, option: str) -> None:
    note = better_normalisation(load(network(tmp_path, threshold)), bright_and_dark())
    assert note is not None
    assert option in note


def test_a_network_that_is_right_already_is_left_in_peace(tmp_path: Path) -> None:
    assert better_normalisation(load(network(tmp_path, threshold=0.45)), bright_and_dark()) is None


def test_a_network_whose_normalisation_was_given_is_left_in_peace(tmp_path: Path) -> None:
    path = network(tmp_path, threshold=0.0)
    assert better_normalisation(load(path, mean=(0.1, 0.1, 0.1)), bright_and_dark()) is None
    assert better_normalisation(load(path, input_range=(0, 2)), bright_and_dark()) is None


def test_so_few_images_that_it_may_be_luck_are_not_enough(tmp_path: Path) -> None:
    assert better_normalisation(load(network(tmp_path, threshold=0.0)), bright_and_dark(4)) is None


def test_networks_that_bring_their_own_are_left_in_peace() -> None:
    assert better_normalisation(load_classifier("textures-cnn"), bright_and_dark()) is None


def test_a_low_accuracy_names_what_may_be_mixed_up() -> None:
    note = low_accuracy("net.onnx", 0.123)
    assert note is not None
    assert "net.onnx is right on 12.3 % of the uncompressed images only" in note
    for option in ("--class-names", "--mean", "--std", "--input-range"):
        assert option in note
    assert low_accuracy("net.onnx", 0.5) is None
    assert low_accuracy("net.onnx", float("nan")) is None
