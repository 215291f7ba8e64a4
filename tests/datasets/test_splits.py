"""Halves of a dataset: disjoint, complete, always the same."""

from pathlib import Path

import numpy as np
import pytest

from qsearch.datasets.base import Dataset
from qsearch.datasets.splits import half_of, other_half
from qsearch.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))


def dataset(classes: int = 7, per_class: int = 5) -> Dataset:
    count = classes * per_class
    images = np.random.RandomState(0).randint(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    return Dataset.from_arrays(images, np.arange(count) % classes)


@pytest.mark.parametrize("kind", ["classes", "images"])
def test_halves_are_disjoint_and_complete(kind: str) -> None:
    whole = dataset()
    first, second = (half_of(whole, f"{kind}:{number}") for number in (1, 2))
    names = [set(half.image_names) for half in (first, second)]
    assert not names[0] & names[1]
    assert names[0] | names[1] == set(whole.image_names)
    assert first.digest != second.digest


def test_by_class_no_class_is_in_both() -> None:
    first, second = (half_of(dataset(), f"classes:{number}") for number in (1, 2))
    assert len(set(first.labels)) == 4
    assert len(set(second.labels)) == 3
    assert not set(first.labels) & set(second.labels)


def test_by_image_every_class_is_in_both() -> None:
    first, second = (half_of(dataset(), f"images:{number}") for number in (1, 2))
    assert np.bincount(first.labels).tolist() == [3] * 7
    assert np.bincount(second.labels).tolist() == [2] * 7


def test_pixels_labels_and_names_stay_together() -> None:
    whole = dataset()
    half = half_of(whole, "images:2")
    for image, label, name in zip(half.images, half.labels, half.image_names, strict=True):
        index = whole.image_names.index(name)
        np.testing.assert_array_equal(image, whole.images[index])
        assert label == whole.labels[index]
    assert half.class_names == whole.class_names


def test_it_is_always_the_same_half() -> None:
    assert half_of(dataset(), "classes:1").image_names == half_of(dataset(), "classes:1").image_names
    # A golden draw: runs of the two halves must mean the same next year.
    assert sorted(set(half_of(dataset(12, 1), "classes:1").labels.tolist())) == [2, 3, 6, 8, 10, 11]


def test_the_other_half() -> None:
    assert other_half("classes:1") == "classes:2"
    assert other_half("images:2") == "images:1"


@pytest.mark.parametrize("split", ["", "classes", "classes:3", "rows:1"])
def test_other_splits_are_refused(split: str) -> None:
    with pytest.raises(InputError, match="a split is"):
        half_of(dataset(), split)


def test_an_empty_half_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be split by images"):
        half_of(dataset(3, 1), "images:2")
