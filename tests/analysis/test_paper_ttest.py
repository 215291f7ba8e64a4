"""The paper's test does what the paper says, and what that is worth."""

import numpy as np
import pytest

from qsearch.analysis.paper_ttest import CLASSES, IMAGES_PER_CLASS, paper_ttest
from qsearch.analysis.significance import mcnemar_p_value
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from tests.analysis.simulated import Images


def with_hits(hits: object) -> Measurement:
    ranks = 1 - np.asarray(hits, dtype=np.int32)[np.newaxis]
    return Measurement.of(np.full(ranks.shape[1], 1000), ranks, 1000)


def test_of_two_equal_tables_it_calls_far_too_many_different_and_mcnemar_does_not() -> None:
    classes = np.repeat([f"class {index}" for index in range(30)], 30).tolist()
    two_sample = paired = exact = 0
    for seed in range(80):
        images = Images(len(classes), seed)
        baseline, table = images.measure(20, 0.7), images.measure(20, 0.7)
        found = paper_ttest(baseline, table, classes, seed=seed)
        two_sample += found.two_sample_p < 0.05
        paired += found.paired_p < 0.05
        before, after = baseline.hits > 0, table.hits > 0
        exact += mcnemar_p_value(int((before & ~after).sum()), int((after & ~before).sum())) < 0.05
    # 4 of 80 are 5 %, and 9 or more come of it twice in a hundred times.
    assert exact <= 8
    assert two_sample >= 12
    assert paired >= 24


def test_a_sample_is_so_many_classes_of_so_many_images() -> None:
    classes, per_class, samples = CLASSES + 100, IMAGES_PER_CLASS + 1, 40
    shuffled = np.random.default_rng(0).permutation(classes * per_class)
    labels, place = shuffled // per_class, shuffled % per_class
    # Every third class is always right under one table, one image of each class under the other.
    found = paper_ttest(with_hits(place == 0), with_hits(labels % 3 == 0), [str(label) for label in labels], samples=40)
    assert (found.classes, found.images_per_class, found.samples) == (700, 4, samples)
    assert found.mean_top1 == pytest.approx(1 / 3, abs=0.01)
    assert found.mean_baseline_top1 == pytest.approx(1 / 5, abs=0.01)
    for mean, right_at_once in ((found.mean_top1, 4), (found.mean_baseline_top1, 1)):
        groups = mean * samples * CLASSES * IMAGES_PER_CLASS / right_at_once
        assert groups == pytest.approx(round(groups), abs=1e-6)
    assert found.mean_baseline_top1 != pytest.approx(1 / 5, abs=1e-9)


def test_fewer_classes_and_images_than_the_papers_are_taken_as_they_are() -> None:
    labels = ["a"] * 3 + ["b"] * 9 + ["c"] * 2
    found = paper_ttest(with_hits([1] * 14), with_hits([1] * 14), labels, samples=5)
    assert (found.classes, found.images_per_class) == (3, 4)
    assert (found.two_sample_p, found.paired_p) == (1, 1)


def test_a_clear_difference_is_found_and_the_samples_follow_the_seed() -> None:
    images = Images(200, seed=0)
    baseline, table = images.measure(20, 0.5), images.measure(20, 0.9)
    labels = [str(index % 10) for index in range(200)]
    first, again, other = (paper_ttest(baseline, table, labels, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first.two_sample_p < 1e-6
    assert first.mean_top1 > first.mean_baseline_top1 + 0.3


def test_samples_that_cannot_differ_are_refused() -> None:
    labels = [str(index // 4) for index in range(40)]
    with pytest.raises(InputError, match="no more than 10 of up to 4: every sample would be the same"):
        paper_ttest(with_hits([1] * 40), with_hits([0] * 40), labels)


def test_every_image_needs_its_class() -> None:
    with pytest.raises(InputError, match="2 classes were given for 3 and 3 images"):
        paper_ttest(with_hits([1, 1, 1]), with_hits([1, 0, 1]), ["a", "b"])
