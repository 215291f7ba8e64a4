"""Contenders: tables learned from the images of a search, among which its pick is made too."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from qsearch.analysis.candidates import LEARNED
from qsearch.datasets.base import Dataset
from qsearch.evaluation.evaluator import Evaluator
from qsearch.learning.ladder import drawn
from qsearch.learning.learn import learn_ladder
from qsearch.learning.sensitivity import QUESTIONS, frequency_weights
from qsearch.learning.settings import LearningSettings, Objective
from qsearch.search.steering import sizes_of
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables

SHARE = 0.1
"""Of the evaluations of a search, so many are spent at most on asking its networks what errors cost them."""
MOST_IMAGES = 1000
"""So many are learned from where there are more, which bounds the time."""
MOST_PIXELS = 100_000_000
"""Of large images fewer are learned from, of so many pixels in all, which bounds the memory."""
MOST_ASKED = 200
"""Networks are asked about no more images than this: one process asks, while all cores search."""
FEWEST_ASKED = 32
"""They are asked about so many at least, or not at all: few images tell the bands apart by luck."""


def images_asked(images: int, trials: int) -> int:
    """Of how many of a search's ``images`` each network is asked beside so many ``trials``; 0 where it is not."""
    affordable = min(images, MOST_ASKED, int(SHARE * trials * images / QUESTIONS))
    return affordable if affordable >= FEWEST_ASKED else 0


def contenders(evaluator: Evaluator, ratio: float, trials: int) -> Iterator[Seed]:
    """Tables of about the compression ``ratio``, learned from the images of ``evaluator``.

    They are learned for small errors, which asks no network, and, beside a search of enough ``trials``, for accuracy:
    its networks say, without labels, what errors of :func:`images_asked` images cost them, and count alike. Tables
    make the trade-off of the finest standard quality that compresses by ``ratio`` or more.

    InputError where none can be learned of these images or of their subsampling, or where a network answers the same
    whatever errors images have. EvaluationError where an answer is not one.
    """
    dataset, subsampling = evaluator.dataset, evaluator.codec.encoder.subsampling
    images = len(dataset)
    from_images = min(MOST_IMAGES, max(1, MOST_PIXELS // (dataset.height * dataset.width)))
    quality = _quality_of(evaluator, ratio)

    def learned(objective: Objective, weights: npt.NDArray[np.float64] | None = None) -> Seed:
        ladder = learn_ladder(
            dataset,
            LearningSettings(
                objective=objective,
                qualities=(quality,),
                subsampling=subsampling,
                images=from_images if images > from_images else None,
                label_free=weights is not None,
            ),
            classifier=None if weights is None else evaluator.classifiers[0],
            network_weights=weights,
        )
        return Seed(f"{LEARNED}{objective}", ladder.tables[0])

    yield learned("distortion")
    asked = images_asked(images, trials)
    if asked and evaluator.classifiers:
        yield learned("accuracy", _costs(evaluator, drawn(dataset, LearningSettings(images=asked))))


def _costs(evaluator: Evaluator, asked: Dataset) -> npt.NDArray[np.float64]:
    """float64 [3, 8, 8], the mean over networks of what errors cost each."""
    subsampling = evaluator.codec.encoder.subsampling
    costs = [frequency_weights(each, asked, subsampling, label_free=True, seed=0) for each in evaluator.classifiers]
    return np.asarray(np.mean(costs, axis=0))


def _quality_of(evaluator: Evaluator, ratio: float) -> int:
    """The finest standard quality that compresses by ``ratio`` or more, 1 where none does."""
    low, high = 1, 101
    while high - low > 1:
        middle = (low + high) // 2
        if sizes_of(evaluator, QuantTables.standard(middle)).ratio >= ratio:
            low = middle
        else:
            high = middle
    return low
