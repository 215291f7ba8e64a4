"""Gradient: tables by Adam on the logarithms of their entries, through JPEG in torch, a rate model and a network.

The pipeline of Luo 2021 with every part exchangeable. What is minimised is error and loss in units of what bits are
worth on the standard curve, plus bits per pixel; or their own c_r B + c_d |error|**2 + c_c CE.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.gradients import DifferentiableClassifier, differentiable
from qsearch.coefficients.arrays import Coefficients
from qsearch.datasets.base import Dataset
from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.evaluator import checked_logits, truth_of
from qsearch.evaluation.measures import cross_entropy, kullback_leibler, log_softmax
from qsearch.learning.descent import COMPONENTS_OF
from qsearch.learning.differentiable import Frame, coefficient_tensor, compressed, some_at_a_time
from qsearch.learning.objectives import checked_loss_weights
from qsearch.learning.rates import RateModel, rounded_tables, steps_of
from qsearch.learning.settings import Adam, Objective
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
LARGEST = math.log(255)
_NEIGHBOURS = 6
"""Standard qualities to either side between which the standard curve's slope is taken."""
_LEAST_ERROR = 1 / 12


@dataclass(frozen=True)
class Weights:
    """What is minimised: ``bits`` per pixel + ``log_error`` ln D + ``error`` D + ``network`` L, means over images.

    D is the mean squared error over RGB in levels**2, L the loss of the network in nats.
    """

    bits: float
    log_error: float = 0.0
    error: float = 0.0
    network: float = 0.0

    @property
    def trade_off(self) -> float:
        """What a bit per pixel is worth, in units of ln D and L."""
        return self.bits / (self.log_error + self.error + self.network)


@dataclass(frozen=True)
class Learned:
    """Where Adam ended: the tables, and what each step's images cost before it."""

    tables: QuantTables
    costs: tuple[float, ...]


class NetworkLoss:
    """The loss of a network's answers on decoded images, in nats.

    label_free: the divergence from its answers on the uncompressed images, else the cross-entropy of the truth.
    """

    def __init__(self, classifier: Classifier, dataset: Dataset, label_free: bool) -> None:
        """InputError for a network without gradients, and where labels are needed and not there."""
        self.name = classifier.name
        self._classifier = classifier
        self._network: DifferentiableClassifier = differentiable(classifier)
        self._truth = None if label_free else truth_of(dataset, classifier)
        self._clean = None if not label_free else self._log_probabilities(dataset.images)

    @property
    def device(self) -> "torch.device":
        """Where decoded images are to be."""
        return self._network.device

    def __call__(self, pixels: "torch.Tensor", which: npt.NDArray[np.int64]) -> "torch.Tensor":
        """[n] of ``pixels`` [n, 3, H, W] decoded from the images ``which`` [n] of the dataset."""
        import torch

        answers = self._network(pixels).log_softmax(dim=1)
        if self._truth is not None:
            truth = torch.from_numpy(self._truth[which]).to(answers.device)
            return -answers.gather(1, truth[:, None])[:, 0]
        assert self._clean is not None
        clean = torch.from_numpy(self._clean[which]).to(answers)
        return (clean.exp() * (clean - answers)).sum(dim=1)

    def measured(self, images: npt.NDArray[np.uint8]) -> float:
        """The mean of the whole dataset, decoded to ``images``, by the classifier itself."""
        answers = self._log_probabilities(images)
        if self._truth is not None:
            return float(cross_entropy(answers, self._truth).mean())
        assert self._clean is not None
        return float(kullback_leibler(self._clean, answers).mean())

    def _log_probabilities(self, images: npt.NDArray[np.uint8]) -> Floats:
        parts = [
            checked_logits(self._classifier.logits(images[part]), len(images[part]), self._classifier.classes)
            for part in some_at_a_time(len(images))
        ]
        return log_softmax(np.concatenate(parts))


def weights_at(
    objective: Objective,
    quality: int,
    images: npt.NDArray[np.uint8],
    coefficients: Coefficients,
    network_loss: NetworkLoss | None = None,
) -> Weights:
    """The objective at the trade-off of standard ``quality``: what is minimised falls along the standard curve there
    by as much as the bits rise.

    ``distortion`` is ln D, ``accuracy`` the network's loss, ``mix`` half of each. InputError where an objective needs a
    network and none is given, and where it does not fall with bits: the images have too little detail, or are too few.
    """
    if objective != "distortion" and network_loss is None:
        raise InputError(f"the objective {objective} needs a network: say which one with --classifier.")
    ends = []
    for end in (max(1, quality - _NEIGHBOURS), min(100, quality + _NEIGHBOURS)):
        size_bytes, decoded = coefficients.encode([QuantTables.standard(end)] * len(coefficients))
        bpp = 8 * float(size_bytes.mean()) / (coefficients.height * coefficients.width)
        log_error = float(np.log(np.maximum(_squared_error(images, decoded), _LEAST_ERROR)).mean())
        loss = 0.0 if objective == "distortion" or network_loss is None else network_loss.measured(decoded)
        ends.append((bpp, log_error, loss))
    coarse, fine = ends

    def worth(column: int, what: str) -> float:
        fall = coarse[column] - fine[column]
        if not (fall > 0 and fine[0] > coarse[0]):
            raise InputError(
                f"{what} of the images does not fall from standard quality {max(1, quality - _NEIGHBOURS)} to "
                f"{min(100, quality + _NEIGHBOURS)}: learn from more images, or at another quality."
            )
        return (fine[0] - coarse[0]) / fall

    share = 0.5 if objective == "mix" else 1.0
    return Weights(
        bits=1.0,
        log_error=0.0 if objective == "accuracy" else share * worth(1, "the error"),
        network=0.0 if objective == "distortion" else share * worth(2, "the network's loss"),
    )


def weights_of_loss(loss_weights: tuple[float, float, float], pixels: int) -> Weights:
    """Luo 2021: c_r bits + c_d squared error + c_c cross-entropy, summed over images of so many ``pixels``."""
    c_r, c_d, c_c = checked_loss_weights(loss_weights)
    return Weights(bits=c_r * pixels, error=3 * c_d * pixels, network=c_c)


def learn_by_gradient(
    images: npt.NDArray[np.uint8],
    coefficients: Coefficients,
    weights: Weights,
    rate_model: RateModel,
    start: QuantTables,
    *,
    layout: str = "luma-chroma",
    adam: Adam,
    seed: int,
    network_loss: NetworkLoss | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Learned:
    """Tables that Adam finds from ``start``, whose ``images`` uint8 [N, H, W, 3] have these ``coefficients``.

    Each step sees a batch of the images, all of them once before any is seen again. The tables are those of the
    logarithms' mean over the last half of the steps. on_progress: hears of steps done and in all.
    InputError where the weights ask for a network and there is none; EvaluationError where a gradient is not a number.
    """
    import torch

    if weights.network > 0 and network_loss is None:
        raise InputError("what is minimised holds a network's loss: say of which network.")
    if layout not in COMPONENTS_OF:
        raise InputError(f"the layout of tables is one of {', '.join(COMPONENTS_OF)}, got {layout!r}.")
    groups = COMPONENTS_OF[layout]
    table_of = [next(table for table, group in enumerate(groups) if component in group) for component in range(3)]
    logarithms = torch.tensor(np.log(steps_of(start))[[group[0] for group in groups]], requires_grad=True)
    optimiser = torch.optim.Adam([logarithms], lr=adam.learning_rate)
    batches = _batches(len(images), adam.batch, seed)
    costs, tail = [], []
    for step in range(adam.steps):
        steps = np.exp(logarithms.detach().numpy())[table_of]
        cost, gradient = _slope(images, coefficients, next(batches), steps, weights, rate_model, adam, network_loss)
        if not np.isfinite(gradient).all():
            raise EvaluationError(
                f"the gradient of {network_loss.name if network_loss else 'the error'} by the tables is not a number "
                f"in step {step + 1}: begin from other tables, or leave images out."
            )
        costs.append(cost)
        by_component = gradient * steps
        logarithms.grad = torch.tensor(np.stack([by_component[list(group)].sum(axis=0) for group in groups]))
        for parameters in optimiser.param_groups:
            parameters["lr"] = adam.learning_rate * (1 + math.cos(math.pi * step / adam.steps)) / 2
        optimiser.step()
        with torch.no_grad():
            logarithms.clamp_(0, LARGEST)
        if step >= adam.steps // 2:
            tail.append(logarithms.detach().numpy().copy())
        on_progress(step + 1, adam.steps)
    return Learned(rounded_tables(np.exp(np.mean(tail, axis=0))[table_of]), tuple(costs))


def _slope(
    images: npt.NDArray[np.uint8],
    coefficients: Coefficients,
    batch: npt.NDArray[np.int64],
    steps: Floats,
    weights: Weights,
    rate_model: RateModel,
    adam: Adam,
    network_loss: NetworkLoss | None,
) -> tuple[float, Floats]:
    """What the images ``batch`` cost at ``steps`` [3, 64], and the gradient [3, 64] by them; means over images."""
    import torch

    frame = Frame(coefficients.height, coefficients.width, coefficients.subsampling)
    device = network_loss.device if network_loss else torch.device("cpu")
    cost, gradient = 0.0, np.zeros((3, 64))
    for part in some_at_a_time(len(batch)):
        which = batch[part]
        chosen = coefficients[which]
        rate = rate_model.rate(chosen, steps)
        scale = weights.bits / (frame.height * frame.width)
        cost += scale * float(rate.bits.sum())
        gradient += scale * rate.gradient.sum(axis=0)
        variable = torch.tensor(steps, dtype=torch.float32, device=device, requires_grad=True)
        decoded = compressed(coefficient_tensor(chosen).to(device), variable, frame, adam.rounding)
        original = torch.from_numpy(images[which]).to(device).permute(0, 3, 1, 2)
        error = (decoded - original).square().mean(dim=(1, 2, 3))
        total = weights.log_error * error.clamp(min=_LEAST_ERROR).log() + weights.error * error
        if weights.network > 0 and network_loss is not None:
            total = total + weights.network * network_loss(decoded, which)
        cost += float(total.detach().sum())
        (by_steps,) = torch.autograd.grad(total.sum(), variable)
        gradient += by_steps.double().cpu().numpy()
    return cost / len(batch), gradient / len(batch)


def _batches(count: int, batch: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    draw = np.random.default_rng(seed)
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < min(batch, count):
            waiting = np.concatenate([waiting, draw.permutation(count)])
        yield np.sort(waiting[:batch])
        waiting = waiting[batch:]


def _squared_error(images: npt.NDArray[np.uint8], decoded: npt.NDArray[np.uint8]) -> Floats:
    """[N] mean over pixels and R, G and B."""
    return np.array(
        [np.square(one.astype(np.float64) - other).mean() for one, other in zip(images, decoded, strict=True)]
    )
