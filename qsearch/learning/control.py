"""Control: tables learned for small errors of the images searched: no network is asked, and a search may pick them."""

from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import SUBSAMPLINGS, LearningSettings
from qsearch.search.steering import sizes_of
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables

LABEL = "learned:distortion"
IMAGES = 1000
"""So many are learned from where there are more: what is learned hardly changes, and memory is bounded."""


def learned_control(evaluator: Evaluator, ratio: float) -> Seed:
    """Tables learned for small errors from the images of ``evaluator``, of about the compression ``ratio``.

    They make the trade-off of the standard quality whose ratio is nearest. InputError where none can be learned of
    these images or of their subsampling.
    """
    subsampling = evaluator.codec.encoder.subsampling
    if subsampling not in SUBSAMPLINGS:
        raise InputError(f"tables are learned for JPEG {' and '.join(SUBSAMPLINGS)}, got {subsampling}.")
    dataset = evaluator.dataset
    ladder = learn_ladder(
        dataset,
        LearningSettings(
            objective="distortion",
            qualities=(_quality_of(evaluator, ratio),),
            subsampling=subsampling,
            images=IMAGES if len(dataset) > IMAGES else None,
        ),
    )
    return Seed(LABEL, ladder.tables[0])


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
