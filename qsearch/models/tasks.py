"""What a network of tables is trained for: the error of decoded images, and the cost of error and bits together."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.gradients import differentiable
from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError
from qsearch.learning.differentiable import Frame, coefficient_tensor, compressed, some_at_a_time
from qsearch.learning.gradient import NetworkLoss
from qsearch.learning.rates import rounded_tables
from qsearch.models.settings import NetworkSettings
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import torch

    from qsearch.models.code_length import CodeLength

Images = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NEIGHBOURS = 6
"""Standard qualities to either side between which the standard curve's slope is taken."""
_LEAST_ERROR = 1 / 12
_LEAST_DISSIMILARITY = 1e-6


class Criterion(ABC):
    """The error of decoded images, which tables are to make small."""

    @property
    def device(self) -> "torch.device":
        """Where decoded images are to be."""
        import torch

        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @abstractmethod
    def __call__(self, pixels: "torch.Tensor", originals: "torch.Tensor", which: Positions) -> "torch.Tensor":
        """[n], of ``pixels`` [n, 3, H, W] decoded from ``originals`` [n, 3, H, W], images ``which`` of the dataset."""


class SquaredError(Criterion):
    """The logarithm of the mean squared error over RGB: a tenth of it is 0.43 dB, whatever the image."""

    def __call__(self, pixels: "torch.Tensor", originals: "torch.Tensor", which: Positions) -> "torch.Tensor":
        """See :class:`Criterion`."""
        return ((pixels - originals).square().mean(dim=(1, 2, 3)) + _LEAST_ERROR).log()


class Dissimilarity(Criterion):
    """The logarithm of 1 - MS-SSIM."""

    def __call__(self, pixels: "torch.Tensor", originals: "torch.Tensor", which: Positions) -> "torch.Tensor":
        """See :class:`Criterion`."""
        from qsearch.evaluation.ms_ssim import similarity

        return (1 - similarity(pixels, originals) + _LEAST_DISSIMILARITY).log()


class Loss(Criterion):
    """A classifier's loss in nats: of the truth, or, label-free, its divergence from its own clean answer."""

    def __init__(self, classifier: Classifier, dataset: Dataset, label_free: bool) -> None:
        """InputError as :class:`~qsearch.learning.gradient.NetworkLoss`."""
        self._loss = NetworkLoss(classifier, dataset, label_free)

    @property
    def device(self) -> "torch.device":
        """See :class:`Criterion`; the classifier's."""
        return self._loss.device

    def __call__(self, pixels: "torch.Tensor", originals: "torch.Tensor", which: Positions) -> "torch.Tensor":
        """See :class:`Criterion`."""
        return self._loss(pixels, which)


class LastLayer(Criterion):
    """How far a classifier's last layer moves: the mean squared difference of its logits from the clean ones."""

    def __init__(self, classifier: Classifier) -> None:
        """InputError for a network without gradients."""
        self._network = differentiable(classifier)

    @property
    def device(self) -> "torch.device":
        """See :class:`Criterion`; the classifier's."""
        return self._network.device

    def __call__(self, pixels: "torch.Tensor", originals: "torch.Tensor", which: Positions) -> "torch.Tensor":
        """See :class:`Criterion`."""
        return (self._network(pixels) - self._network(originals)).square().mean(dim=1)


def criterion_of(settings: NetworkSettings, dataset: Dataset, classifier: Classifier | None) -> Criterion:
    """What the settings ask for. InputError where it needs a classifier, or one with gradients."""
    if settings.task == "distortion":
        return SquaredError()
    if settings.task == "ms-ssim":
        return Dissimilarity()
    if classifier is None:
        raise InputError(f"the task {settings.task} asks a network: say which one with --classifier.")
    return Loss(classifier, dataset, settings.label_free) if settings.task == "accuracy" else LastLayer(classifier)


def price_at(error: Criterion, strength: float, images: Images, coefficients: Coefficients) -> float:
    """What a bit per pixel is worth, so that error + price x bits per pixel is level along the standard curve at
    ``strength``. InputError where the error does not fall there."""
    import torch

    ends = []
    for end in (max(1, round(strength) - NEIGHBOURS), min(100, round(strength) + NEIGHBOURS)):
        total = 0.0
        size_bytes = 0
        for part in some_at_a_time(len(images)):
            chosen = coefficients[part]
            sizes, decoded = chosen.encode([QuantTables.standard(end)] * len(chosen))
            size_bytes += int(sizes.sum())
            with torch.no_grad():
                seen, originals = (_planes(each, error.device) for each in (decoded, images[part]))
                total += float(error(seen, originals, np.arange(len(images))[part]).double().sum())
        ends.append((8 * size_bytes / (len(images) * images.shape[1] * images.shape[2]), total / len(images)))
    (coarse_bpp, coarse_error), (fine_bpp, fine_error) = ends
    if not (coarse_error > fine_error and fine_bpp > coarse_bpp):
        raise InputError(
            f"the error of the images does not fall along the standard tables at strength {strength:g}: train on more "
            "images, or at another strength."
        )
    return float((coarse_error - fine_error) / (fine_bpp - coarse_bpp))


@dataclass(frozen=True)
class Batch:
    """Images uint8 [n, H, W, 3], their coefficients, and which of the dataset they are, [n]."""

    images: Images
    coefficients: Coefficients
    which: Positions

    @classmethod
    def of(cls, images: Images, which: Positions, subsampling: str) -> "Batch":
        """With the coefficients of ``images``."""
        images = np.ascontiguousarray(images)
        return cls(images, Coefficients.of(images, subsampling), which)


class Costs:
    """error + price x bits per pixel of images at their tables, and how it changes with every step.

    Squared errors and bits are exact with exact secants as gradients, in C, where the settings allow it: the task
    distortion with the rounding secant, and the rate exact. Else images are decoded in torch.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        error: Criterion,
        price: float,
        start: QuantTables,
        code_length: "CodeLength | None" = None,
    ) -> None:
        """price: shared by all images, and of those whose own cannot be told at the tables ``start``."""
        self._start = start if settings.price == "own" else None
        self._rounding = settings.rounding
        self._error = error
        self._price = price
        self._code_length = code_length
        self._counted = isinstance(error, SquaredError) and settings.rounding == "secant"

    def __call__(self, batch: Batch, steps: "torch.Tensor") -> "tuple[Floats, torch.Tensor]":
        """Of each image [n] at ``steps`` [n, 2, 64], of luma and chroma, rounded; and a number whose gradient by
        ``steps`` is that of the costs' mean."""
        import torch

        components = steps[:, [0, 1, 1]]
        rounded = components.detach().round().clamp(1, 255)
        tables = [rounded_tables(one) for one in rounded.double().cpu().numpy()]
        found = statistics(batch.coefficients, tables)
        pixels = batch.coefficients.height * batch.coefficients.width
        gradient = np.zeros((len(tables), 3, 64))
        costs = np.zeros(len(tables))
        total = steps.new_zeros(())
        prices = self._prices(batch.coefficients) / pixels
        if self._code_length is None:
            costs += prices * found.bits
            gradient += prices[:, None, None] * found.bits_gradient.reshape(-1, 3, 64)
        else:
            bits = self._code_length.bits(batch.coefficients, (components + (rounded - components).detach()).cpu())
            costs += prices * bits.detach().double().cpu().numpy()
            total = total + (torch.from_numpy(prices).to(bits) * bits).mean().to(total.device)
        if self._counted:
            distortion = found.distortion() + _LEAST_ERROR
            costs += np.log(distortion)
            gradient += (found.distortion_gradient() / distortion[:, None, None, None]).reshape(-1, 3, 64)
        else:
            frame = Frame(batch.coefficients.height, batch.coefficients.width, batch.coefficients.subsampling)
            decoded = compressed(
                coefficient_tensor(batch.coefficients).to(self._error.device),
                (components + (rounded - components).detach()).to(self._error.device),
                frame,
                self._rounding,
            )
            errors = self._error(decoded, _planes(batch.images, self._error.device), batch.which)
            costs += errors.detach().double().cpu().numpy()
            total = total + errors.mean().to(total.device)
        counted = torch.from_numpy(gradient).to(components)
        return costs, total + (counted * components).sum() / len(tables)

    def _prices(self, coefficients: Coefficients) -> Floats:
        """[n], of a bit per pixel: shared, or where ln error and bits trade if all entries are scaled together."""
        prices = np.full(len(coefficients), self._price)
        if self._start is not None:
            found = statistics(coefficients, [self._start] * len(coefficients))
            entries = np.stack([self._start.luma, self._start.cb, self._start.cr]).astype(np.float64)
            lost = (found.distortion_gradient() * entries).sum(axis=(1, 2, 3)) / (found.distortion() + _LEAST_ERROR)
            saved = -(found.bits_gradient * entries).sum(axis=(1, 2, 3)) / found.pixels
            known = (lost > 0) & (saved > 0)
            prices[known] = lost[known] / saved[known]
        return prices


def _planes(images: Images, device: "torch.device") -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device).float()
