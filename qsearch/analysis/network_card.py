"""Network card: what a classifier is, how fast it is here, and how right it is on images as they are."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import align_labels
from qsearch.datasets.base import Dataset
from qsearch.errors import InputError
from qsearch.evaluation.measures import true_class_ranks

ANY_SIDE = 224
"""Pixels of the square images that time a network which takes any size."""
TIMED_S = 2.0
BATCH = 64


@dataclass(frozen=True)
class Accuracy:
    """Top-1 and top-5 (0..1) on the ``images`` images of ``dataset``, uncompressed."""

    dataset: str
    images: int
    top1: float
    top5: float


@dataclass(frozen=True)
class Flips:
    """Of ``images`` images, how many have another first answer than the same network gives in float32."""

    images: int
    flipped: int


@dataclass(frozen=True)
class NetworkCard:
    """What ``qsearch classifier show`` says.

    settings: the classifier's own, as a run records them.
    images_per_s: on this machine, preprocessing included; None where nothing says what size it takes.
    """

    name: str
    digest: str
    classes: int
    class_names: tuple[str, ...] | None
    settings: dict[str, str | int | float | bool]
    images_per_s: float | None
    accuracy: Accuracy | None
    flips: Flips | None = None


def network_card(
    classifier: Classifier, dataset: Dataset | None = None, reference: Classifier | None = None
) -> NetworkCard:
    """The card of ``classifier``, with its accuracy on ``dataset`` where one is given.

    reference: the same network in float32, whose first answers on the dataset are compared.

    InputError where the dataset's classes or sizes do not suit it.
    """
    accuracy = None if dataset is None else accuracy_on(classifier, dataset)
    images = _sample(classifier) if dataset is None else dataset.images[:BATCH]
    return NetworkCard(
        name=classifier.name,
        digest=classifier.digest,
        classes=classifier.classes,
        class_names=classifier.class_names,
        settings=classifier.settings(),
        images_per_s=None if images is None else images_per_s(classifier, images),
        accuracy=accuracy,
        flips=None if reference is None or dataset is None else flips_of(classifier, reference, dataset),
    )


def accuracy_on(classifier: Classifier, dataset: Dataset) -> Accuracy:
    """How right ``classifier`` is on ``dataset`` as it is. InputError where they do not suit each other."""
    if dataset.truth != "labels":
        raise InputError(f"{dataset.name} has no labels: choose images with classes to measure accuracy on.")
    labels = align_labels(dataset, classifier)
    ranks = np.concatenate(
        [
            true_class_ranks(classifier.logits(dataset.images[start : start + BATCH]), labels[start : start + BATCH])
            for start in range(0, len(dataset), BATCH)
        ]
    )
    return Accuracy(dataset.name, len(dataset), float((ranks < 1).mean()), float((ranks < 5).mean()))


def flips_of(classifier: Classifier, reference: Classifier, dataset: Dataset) -> Flips:
    """How many first answers of ``classifier`` on ``dataset`` are others than those of ``reference``."""
    flipped = 0
    for start in range(0, len(dataset), BATCH):
        images = dataset.images[start : start + BATCH]
        flipped += int((classifier.logits(images).argmax(axis=1) != reference.logits(images).argmax(axis=1)).sum())
    return Flips(len(dataset), flipped)


def images_per_s(classifier: Classifier, images: npt.NDArray[np.uint8], timed_s: float = TIMED_S) -> float:
    """Images a second, one batch after another for ``timed_s``; the first, which compiles, is not timed."""
    classifier.logits(images)
    start = time.perf_counter()
    done = 0
    while (passed := time.perf_counter() - start) < timed_s:
        classifier.logits(images)
        done += len(images)
    return done / passed


def _sample(classifier: Classifier) -> npt.NDArray[np.uint8] | None:
    """Noise of the size it takes, where that is known."""
    if not isinstance(classifier, InferenceClassifier):
        return None
    takes = classifier.network.input
    shape = (BATCH, takes.height or ANY_SIDE, takes.width or ANY_SIDE, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
