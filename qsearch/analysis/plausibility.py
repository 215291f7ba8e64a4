"""Plausibility: whether a network is as right on uncompressed images as labels and normalisation should let it be."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.exported import OnnxNetwork, Pt2Network
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import align_labels
from qsearch.classifiers.network import Normalisation
from qsearch.datasets.base import Dataset
from qsearch.errors import EvaluationError
from qsearch.evaluation.evaluator import answers_of

SUSPICIOUS_TOP1 = 0.5
"""A network that is right less often was rarely trained on such images: mostly something is mixed up."""
SAMPLE = 200
"""Images that normalisations are compared on."""
FEW = 16
"""Images that tell probabilities from logits: these lie from 0 to 1 and sum to 1 by chance on none."""
BATCH = 64
ROUNDING = 1e-3
"""By which probabilities may miss a sum of 1."""
CERTAINTY = 3.0
"""Standard errors by which another normalisation has to be better."""
OTHERS = {
    "--mean 0.485 0.456 0.406 --std 0.229 0.224 0.225": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "--input-range -1 1": Normalisation(low=-1),
    "--input-range 0 255": Normalisation(high=255),
}
"""What most other networks were trained on, by the options that ask for it."""


def low_accuracy(network: str, top1: float) -> str | None:
    """A sentence where the top-1 (0..1) of ``network`` on the uncompressed images is lower than labels explain."""
    if not top1 < SUSPICIOUS_TOP1:
        return None
    return (
        f"{network} is right on {100 * top1:.1f} % of the uncompressed images only: if it should know better, its "
        "classes may be in another order (--class-names), or its pixels normalised otherwise (--mean, --std, "
        "--input-range)."
    )


def answers_probabilities(classifier: Classifier, dataset: Dataset) -> str | None:
    """A sentence where ``classifier`` answers the first images of ``dataset`` with probabilities in place of logits.

    Cross-entropy and divergence take a softmax of the answers, and that of probabilities is nearly even over the
    classes, however sure the network is; which class comes first is told all the same.
    """
    try:
        answers = answers_of(dataset.images[:FEW], classifier).astype(np.float64)
    except EvaluationError:  # which the search tells of
        return None
    if answers.min() < 0 or answers.max() > 1 or np.abs(answers.sum(axis=1) - 1).max() > ROUNDING:
        return None
    return (
        f"{classifier.name} answers probabilities (from 0 to 1, of sum 1 for each image), from which neither loss nor "
        "divergence can be told: have it return logits or log-probabilities, as it does without its last softmax, or "
        "search by --objective top1."
    )


def better_normalisation(classifier: Classifier, dataset: Dataset) -> str | None:
    """A sentence where a network in a file would read the images of ``dataset`` better if normalised as others are.

    Compares hits on the same images, :data:`SAMPLE` of them, for networks whose normalisation the user left to the
    default; for others and without labels it is None.
    """
    if not isinstance(classifier, InferenceClassifier) or dataset.truth != "labels":
        return None
    network: Any = classifier.network
    left_to_default = isinstance(network, OnnxNetwork | Pt2Network) and network.input.normalisation == Normalisation()
    if not left_to_default or network.input.dtype == "uint8":
        return None
    positions = np.unique(np.linspace(0, len(dataset) - 1, min(SAMPLE, len(dataset))).astype(np.int64))
    images, labels = dataset.images[positions], align_labels(dataset, classifier)[positions]
    how = ClassifierOptions(
        device=classifier.device,  # type: ignore[arg-type]  # cuda:N is checked where it is chosen
        precision=classifier.precision,
        compile=classifier.compiled,
        threads=classifier.threads,
    )
    before = _hits(classifier, images, labels)
    found: list[tuple[int, float, str]] = []
    for option, normalisation in OTHERS.items():
        other = replace(network, input=replace(network.input, normalisation=normalisation))
        after = _hits(InferenceClassifier(other, how), images, labels)
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        if gained - lost > CERTAINTY * math.sqrt(gained + lost):
            found.append((gained - lost, float(after.mean()), option))
    if not found:
        return None
    best, top1, _ = max(found)
    options = " or with ".join(option for gain, _, option in found if gain == best)
    return (
        f"{classifier.name} is right on {100 * before.mean():.1f} % of {len(images)} uncompressed images as it is, and "
        f"on {100 * top1:.1f} % with {options}: begin anew with that if it was trained so."
    )


def _hits(
    classifier: Classifier, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    answers = [
        classifier.logits(images[start : start + BATCH]).argmax(axis=1) for start in range(0, len(images), BATCH)
    ]
    return np.asarray(np.concatenate(answers) == labels)
