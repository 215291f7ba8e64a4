"""Networks that torch differentiates: the classifier's own answers, and gradients by pixels."""

from pathlib import Path

import numpy as np
import pytest

from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.exported import load_onnx, load_pt2
from qsearch.classifiers.function import FunctionClassifier
from qsearch.classifiers.gradients import DifferentiableClassifier, differentiable, has_gradients
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import NetworkInput, Normalisation
from qsearch.datasets.preparation import INTERPOLATIONS
from qsearch.errors import InputError
from tests.classifiers.test_exported import WEIGHTS, save_onnx, save_pt2
from tests.classifiers.test_inference import Images, network, random_images


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def answers(classifier: DifferentiableClassifier, images: Images) -> np.ndarray:
    import torch

    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    return classifier(pixels).numpy()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_answers_are_the_classifiers(layout: str) -> None:
    takes = NetworkInput(32, 32, normalisation=Normalisation((0.5, 0.4, 0.3), (0.2, 0.2, 0.3), -1, 1))
    classifier = InferenceClassifier(network(takes))
    images = random_images(5)
    np.testing.assert_allclose(answers(differentiable(classifier), images), classifier.logits(images), atol=2e-5)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_images_of_another_size_are_prepared_as_the_classifiers(interpolation: str) -> None:
    classifier = InferenceClassifier(network(NetworkInput(32, 32, 37, interpolation=interpolation)))
    images = random_images(3, 61, 50)
    expected = classifier.logits(images)
    # But for the rounding to whole levels in between.
    np.testing.assert_allclose(answers(differentiable(classifier), images), expected, atol=0.004)
    assert np.abs(expected - expected.mean(axis=0)).max() > 0.02


def test_of_a_file_with_a_batch_of_its_own(tmp_path: Path) -> None:
    import torch

    classifier = load_pt2(str(save_pt2(tmp_path / "fixed.pt2", batch=4)), ClassifierOptions(device="cpu"))
    pixels = torch.from_numpy(random_images(6, 16, 16)).permute(0, 3, 1, 2).float().requires_grad_()
    logits = differentiable(classifier)(pixels)
    np.testing.assert_allclose(logits.detach().numpy(), classifier.logits(random_images(6, 16, 16)), atol=1e-5)
    (gradient,) = torch.autograd.grad(logits[:, 2].sum(), pixels)
    # A logit is the mean colour in 0..1 times the weights of its class.
    expected = WEIGHTS[:, 2] / (16 * 16 * 255)
    np.testing.assert_allclose(gradient.numpy(), np.broadcast_to(expected[:, None, None], (6, 3, 16, 16)), rtol=1e-5)


def test_too_small_images_are_told() -> None:
    classifier = differentiable(InferenceClassifier(network(NetworkInput(32, 32, 37))))
    with pytest.raises(InputError, match="are 20x40 pixels, smaller than the 32x32 that small takes"):
        answers(classifier, random_images(1, 40, 20))


def test_networks_without_gradients_are_refused(tmp_path: Path) -> None:
    onnx = load_onnx(str(save_onnx(tmp_path / "mean.onnx")), ClassifierOptions())
    of_bytes = InferenceClassifier(network(NetworkInput(32, 32, dtype="uint8")))
    function = FunctionClassifier(lambda images: np.zeros((len(images), 3)), 3)
    for classifier in (onnx, of_bytes, function):
        assert not has_gradients(classifier)
        with pytest.raises(
            InputError, match=f"{classifier.name} has no gradients by its pixels: ask what quantization"
        ):
            differentiable(classifier)


def test_a_network_that_cuts_gradients_off_is_told(tmp_path: Path) -> None:
    import torch

    class Detached(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.detach().mean(dim=(2, 3))

    path = tmp_path / "detached.pt2"
    torch.export.save(torch.export.export(Detached(), (torch.zeros(2, 3, 16, 16),)), path)
    classifier = differentiable(load_pt2(str(path), ClassifierOptions(device="cpu")))
    pixels = torch.zeros(2, 3, 16, 16, requires_grad=True)
    with pytest.raises(InputError, match="passes no gradients"):
        classifier(pixels)
