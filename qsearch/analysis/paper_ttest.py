"""The significance test of Li 2020, Table 1, as the paper describes it: for comparison with its numbers only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement

SAMPLES = 100
CLASSES = 700
IMAGES_PER_CLASS = 4

WARNING = (
    "not a valid test: its 100 samples are drawn from the same images and taken for independent ones, so it calls "
    "equal tables different far more often than the 5 % it states"
)


@dataclass(frozen=True)
class PaperTTest:
    """Student's t of a table's accuracies on ``samples`` samples against the baseline's.

    two_sample_p draws the samples of each table by themselves, paired_p the same ones for both: which of them the
    paper means, its text leaves open.
    classes and images_per_class are those drawn, fewer than the paper's where the images have fewer.
    """

    samples: int
    classes: int
    images_per_class: int
    mean_top1: float
    mean_baseline_top1: float
    two_sample_p: float
    paired_p: float


def paper_ttest(
    baseline: Measurement, table: Measurement, image_classes: Sequence[str], *, samples: int = SAMPLES, seed: int = 0
) -> PaperTTest:
    """The paper's test of ``table`` against ``baseline``, whose N images belong to ``image_classes`` (Li 2020).

    ``samples`` times 700 classes and of each 4 images are drawn without replacement; both tables' accuracies on each
    sample enter a Student's t-test. It calls equally accurate tables different, at a nominal 5 %, in 46 % of
    simulated pairs (paired) or 10 to 22 % (two-sample, for tables that differ on 8 to 16 % of the images) with the
    50,000 images of ImageNet's validation set to draw from; with 10,000 images in 73 % and 44 %.
    :func:`qsearch.analysis.significance.mcnemar_p_value` keeps its level.

    InputError where every sample would hold all images, so that samples do not differ, and for other lengths.
    """
    labels = np.unique(np.asarray(image_classes), return_inverse=True)[1]
    if not labels.shape == baseline.size_bytes.shape == table.size_bytes.shape:
        raise InputError(
            f"the t-test needs the classes of the images measured: {len(labels)} classes were given for "
            f"{baseline.images} and {table.images} images."
        )
    counts = np.bincount(labels)
    classes = min(CLASSES, len(counts))
    if classes == len(counts) and counts.max() <= IMAGES_PER_CLASS:
        raise InputError(
            f"the paper's t-test draws {CLASSES} classes of {IMAGES_PER_CLASS} images again and again, and these are "
            f"no more than {len(counts)} of up to {counts.max()}: every sample would be the same."
        )
    random = np.random.default_rng(seed)
    hits = np.stack([baseline.hits, table.hits])
    before, after = _accuracies(hits, labels, classes, samples, random)
    others = _accuracies(hits, labels, classes, samples, random)[1]
    two_sample_p, paired_p = _p_values(before, after, others)
    return PaperTTest(
        samples=samples,
        classes=classes,
        images_per_class=int(min(IMAGES_PER_CLASS, counts.max())),
        mean_top1=float(after.mean()),
        mean_baseline_top1=float(before.mean()),
        two_sample_p=two_sample_p,
        paired_p=paired_p,
    )


def _accuracies(
    hits: npt.NDArray[np.float64],
    labels: npt.NDArray[np.intp],
    classes: int,
    samples: int,
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Accuracies [2, samples] of two tables with ``hits`` [2, N] on the same samples of classes and images."""
    counts = np.bincount(labels)
    place_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    accuracies = np.empty((len(hits), samples))
    for sample in range(samples):
        by_class = np.argsort(labels + random.random(len(labels)))
        chosen = np.zeros(len(counts), dtype=bool)
        chosen[random.choice(len(counts), classes, replace=False)] = True
        images = by_class[(place_in_class < IMAGES_PER_CLASS) & chosen[labels[by_class]]]
        accuracies[:, sample] = hits[:, images].mean(axis=1)
    return accuracies


def _p_values(
    before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], others: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Two-sample (before, others) and paired (before, after); 1 where nothing differs and there is nothing to test."""
    from scipy.stats import ttest_ind, ttest_rel

    two_sample_p = 1.0 if np.ptp(np.concatenate([before, others])) == 0 else float(ttest_ind(others, before).pvalue)
    paired_p = 1.0 if np.array_equal(before, after) else float(ttest_rel(after, before).pvalue)
    return two_sample_p, paired_p
