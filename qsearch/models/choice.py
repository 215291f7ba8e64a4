"""Ladder choice: each image takes the rung that suits how much its errors would move a network's answer."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.gradients import DifferentiableClassifier, differentiable
from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import answers_of
from qsearch.evaluation.measures import log_softmax
from qsearch.learning.differentiable import Frame, coefficient_tensor, decoded, quantised
from qsearch.learning.ladder import Ladder, drawn
from qsearch.learning.rates import steps_of
from qsearch.models.ladders import LadderModel, ladder_of
from qsearch.run.building import build_classifier, build_dataset, usable_cores
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import torch

SCORES = ("sensitivity", "entropy")
_SCORED_AT = QuantTables.standard(50)
_SMALLEST = 16
_REFERENCE_IMAGES = 64


class Scores:
    """How much errors in images move a network's answers, label-free. Picklable."""

    def __init__(self, classifier: Classifier, subsampling: str, score: str) -> None:
        """InputError for another score than those of :data:`SCORES`."""
        if score not in SCORES:
            raise InputError(f"a score is one of {', '.join(SCORES)}, got {score!r}.")
        self.classifier = classifier
        self.subsampling = subsampling
        self.score = score

    def of(self, pixels: npt.NDArray[np.uint8]) -> float:
        """At least 0, of the image ``pixels`` [H, W, 3]. InputError for one smaller than 16x16, and for ``sensitivity``
        of a network without gradients."""
        coefficients = Coefficients.of(np.ascontiguousarray(pixels[None]), self.subsampling)
        if self.score == "entropy":
            seen = coefficients.encode([_SCORED_AT])[1]
            log_probabilities = log_softmax(answers_of(seen, self.classifier))
            return float(-(np.exp(log_probabilities) * log_probabilities).sum())
        return self._sensitivity(coefficients)

    def mean(self, images: npt.NDArray[np.uint8]) -> float:
        """The geometric mean over the first of ``images``. InputError where all are 0."""
        found = np.array([self.of(image) for image in images[:_REFERENCE_IMAGES]])
        if not (found > 0).any():
            raise InputError(f"{self.classifier.name} answers the same whatever the images are: they cannot be scored.")
        return float(np.exp(np.log(found[found > 0]).mean()))

    def _sensitivity(self, coefficients: Coefficients) -> float:
        import torch

        frame = Frame(coefficients.height, coefficients.width, coefficients.subsampling)
        steps = torch.from_numpy(steps_of(_SCORED_AT)).float().repeat_interleave(torch.tensor(frame.blocks), dim=0)
        seen = quantised(coefficient_tensor(coefficients)[0], steps)[None].to(self._network.device).requires_grad_()
        logits = self._network(decoded(seen, frame))[0]
        (gradient,) = torch.autograd.grad((_direction(logits.detach()) * logits).sum(), seen)
        return float(gradient.double().square().sum())

    @cached_property
    def _network(self) -> DifferentiableClassifier:
        return differentiable(self.classifier)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_network"}


class LadderChoice(LadderModel):
    """A table of a ladder by a label-free score: images whose errors move a network more are quantized less.

    The squares of the steps are divided by (score / the geometric mean of scores)**exponent.

    scores: ``sensitivity``, the squared gradient, by coefficients, of the network's answer in a random direction,
        weighted as its own probabilities are uncertain; ``entropy``, of its probabilities. Both of the image at
        standard quality 50; neither needs a label. Images smaller than 16x16 take the ladder's tables.
    reference: that geometric mean, over images that the ladder was learned on.
    """

    name: ClassVar[str] = "ladder-choice"

    def __init__(
        self,
        ladder: Ladder,
        scores: Scores,
        reference: float,
        exponent: float = 0.5,
    ) -> None:
        """InputError for a reference or exponent that is none."""
        super().__init__(ladder)
        if not (np.isfinite(reference) and reference > 0 and np.isfinite(exponent)):
            raise InputError(f"the mean score is above 0 and the exponent finite, got {reference:g} and {exponent:g}.")
        self.scores = scores
        self.reference = reference
        self.exponent = exponent

    @classmethod
    def load(cls, argument: str, score: str = "sensitivity", exponent: float = 0.5) -> "LadderChoice":
        """A table of a ladder by how much an image's errors move the ladder's network; it needs no label."""
        ladder = ladder_of(argument, cls.name)
        if ladder.settings.classifier is None:
            raise InputError(f"{argument} was learned without a network, which scores images: learn one for accuracy.")
        classifier = build_classifier(ladder.settings.classifier, usable_cores())
        scores = Scores(classifier, ladder.settings.subsampling, score)
        dataset = drawn(build_dataset(ladder.settings.dataset), ladder.settings)
        if dataset.digest != ladder.learned_on.digest:
            raise InputError(
                f"the images of {dataset.name} are not those that {argument} was learned on, and the mean score is of "
                "those: learn the ladder again."
            )
        return cls(ladder, scores, scores.mean(dataset.images), exponent)

    def settings(self) -> dict[str, str | float]:
        """See :class:`LadderModel`."""
        return {
            "classifier": self.scores.classifier.digest,
            "reference": self.reference,
            "score": self.scores.score,
            "exponent": self.exponent,
        }

    def tables(self, pixels: npt.NDArray[np.uint8], strength: float) -> QuantTables:
        """See :class:`TableModel`."""
        self.checked(strength)
        if min(pixels.shape[:2]) < _SMALLEST:
            return self.rungs.tables(strength)
        score = self.scores.of(pixels)
        factor = (max(score, 1e-9 * self.reference) / self.reference) ** (-self.exponent / 2)
        return self.rungs.tables(self.rungs.scaled(strength, factor))


def _direction(logits: "torch.Tensor") -> "torch.Tensor":
    """Of which the squared slopes have the Fisher information in their mean: by sqrt(p) r - p (sqrt(p) . r)."""
    import torch

    probabilities = logits.softmax(dim=0)
    # One direction for all images, so that scores depend on pixels alone.
    draw = torch.randn(len(logits), generator=torch.Generator().manual_seed(0)).to(logits)
    root = probabilities.sqrt() * draw
    return root - probabilities * (probabilities.sqrt() * draw).sum()
