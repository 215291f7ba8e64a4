"""Two classes told apart by one mean of all pixels: networks whose loss is known on paper."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.function import FunctionClassifier
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import NetworkInput, TorchNetwork

if TYPE_CHECKING:
    import torch

GAIN = 30.0
Mix = tuple[float, float, float]
LUMA: Mix = (0.299, 0.587, 0.114)
CB: Mix = (-0.168736, -0.331264, 0.5)


def build(mix: Mix) -> "torch.nn.Module":
    import torch

    class TwoSides(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            mean = (pixels.mean(dim=(2, 3)) * torch.tensor(mix)).sum(dim=1) * 255 - 128 * sum(mix)
            return torch.stack([mean, -mean], dim=1) * GAIN / 255

    return TwoSides().eval()


def build_broken() -> "torch.nn.Module":
    import torch

    class Broken(torch.nn.Module):
        """Its root has no slope at 0."""

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return (pixels * 0).mean(dim=(2, 3)).sqrt()[:, :2] + pixels.mean(dim=(2, 3))[:, :2]

    return Broken().eval()


def in_torch(mix: Mix = LUMA) -> Classifier:
    """By the mean of ``mix`` of R, G and B; above grey it is the first class."""
    network = TorchNetwork("two sides", "a" * 64, 2, NetworkInput(None, None), partial(build, mix))
    return InferenceClassifier(network, ClassifierOptions(device="cpu"))


def broken() -> Classifier:
    """Answers numbers, and its gradients are none."""
    network = TorchNetwork("broken", "a" * 64, 2, NetworkInput(None, None), build_broken)
    return InferenceClassifier(network, ClassifierOptions(device="cpu"))


def in_numpy(mix: Mix = LUMA) -> Classifier:
    """The same without gradients."""

    def answer(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        mean = (pixels.mean(axis=(1, 2)) * mix).sum(axis=1) - 128 * sum(mix)
        return np.stack([mean, -mean], axis=1) * GAIN / 255

    return FunctionClassifier(answer, 2, name="two sides", version="1")
