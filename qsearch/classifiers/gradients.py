"""Networks as functions that torch differentiates: from pixels as real numbers to logits."""

from functools import cache
from typing import TYPE_CHECKING

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import Network
from qsearch.datasets.preparation import resize_and_crop_matrices
from qsearch.errors import InputError

if TYPE_CHECKING:
    import torch


WITHOUT_GRADIENTS = (
    "ask what quantization costs it instead (--sensitivity quantization), or give a network that torch runs (FILE.pt2)"
)
"""What to do without them."""


class DifferentiableClassifier:
    """A network in torch, in float32, preprocessing included. Its weights stay as they are and have no gradients.

    device: where its pixels and logits are.
    """

    def __init__(self, network: Network, device: str) -> None:
        import torch

        self.name = network.name
        self.classes = network.classes
        self.device = torch.device(device)
        self._input = network.input
        self._module = network.torch_module(device).requires_grad_(False)
        self._resizing = cache(self._matrices)

    def __call__(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Logits float32 [N, classes] of ``pixels`` float32 [N, 3, H, W] RGB in 0..255.

        They are the classifier's to rounding; images of another size are resized without rounding to whole levels.
        InputError where images are too small for the network, or it passes no gradients to pixels that want them.
        """
        import torch

        height, width = pixels.shape[2:]
        matrices = self._resizing(height, width)
        fitted = pixels
        if matrices is not None:
            rows, columns = matrices
            fitted = (rows @ pixels @ columns.T).clamp(0, 255)
        batch = self._input.batch or max(1, len(pixels))
        answers = [self._answers(part, batch) for part in torch.split(fitted, batch)]
        logits = torch.cat(answers) if answers else pixels.new_zeros(0, self.classes)
        if pixels.requires_grad and torch.is_grad_enabled() and not logits.requires_grad and len(pixels):
            raise InputError(f"{self.name} passes no gradients to its pixels: {WITHOUT_GRADIENTS}.")
        return logits

    def _answers(self, pixels: "torch.Tensor", batch: int) -> "torch.Tensor":
        """Filled up with black images where the network takes no other number of them."""
        import torch

        count = len(pixels)
        if count < batch:
            pixels = torch.cat([pixels, pixels.new_zeros(batch - count, *pixels.shape[1:])])
        logits: torch.Tensor = self._module(self._input.as_taken(pixels))
        if logits.shape != (batch, self.classes):
            raise InputError(f"the network answers {list(logits.shape)} where {[batch, self.classes]} was expected.")
        return logits[:count].to(torch.float32)

    def _matrices(self, height: int, width: int) -> "tuple[torch.Tensor, torch.Tensor] | None":
        import torch

        how = self._input.fitted(height, width, self.name)
        if how is None:
            return None
        crop = (how.width, how.height)
        rows, columns = resize_and_crop_matrices((width, height), how.resize, crop, self._input.interpolation)
        return torch.tensor(rows, device=self.device), torch.tensor(columns, device=self.device)


def has_gradients(classifier: Classifier) -> bool:
    """Whether :func:`differentiable` takes it: it runs in torch and does not read bytes."""
    if not isinstance(classifier, InferenceClassifier):
        return False
    return classifier.network.in_torch and classifier.network.input.dtype != "uint8"


def differentiable(classifier: Classifier) -> DifferentiableClassifier:
    """The network of ``classifier`` on its device, with gradients by pixels. InputError where it has none."""
    if not has_gradients(classifier):
        raise InputError(f"{classifier.name} has no gradients by its pixels: {WITHOUT_GRADIENTS}.")
    assert isinstance(classifier, InferenceClassifier)
    return DifferentiableClassifier(classifier.network, classifier.device)
