"""Halves of a dataset: disjoint, complete, always the same."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.datasets.base import Dataset
from qsearch.datasets.splits import FEWEST, half_of, other_half, share_of
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


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_share_is_disjoint_and_of_each_class_as_nearly_as_that_goes(sizes: list[int], share: float) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = round(share * len(labels))
    whole = Dataset.from_arrays(np.arange(len(labels) * 192).reshape(-1, 8, 8, 3).astype(np.uint8), labels)
    if min(count, len(labels) - count) < FEWEST:
        with pytest.raises(InputError, match=f"leaves {count} and {len(labels) - count}: each part holds 32 or more"):
            share_of(whole, share, "kept")
        return
    kept, searched = share_of(whole, share, "kept"), share_of(whole, share, "searched")
    assert len(kept) == count
    assert not set(kept.image_names) & set(searched.image_names)
    assert set(kept.image_names) | set(searched.image_names) == set(whole.image_names)
    of_each = np.bincount(kept.labels, minlength=len(sizes))
    assert (np.abs(of_each - np.array(sizes) * count / len(labels)) < 1).all()


def test_it_is_always_the_same_share() -> None:
    kept = share_of(dataset(4, 32), 0.25, "kept")
    assert kept.image_names == share_of(dataset(4, 32), 0.25, "kept").image_names
    # A golden draw: a run that is resumed next year must not pick on images that it has searched.
    assert [int(name) for name in kept.image_names[:6]] == [5, 9, 14, 15, 16, 19]
    assert kept.digest != share_of(dataset(4, 32), 0.25, "searched").digest
    assert [kept.labels[place] for place in range(len(kept))] == [int(name) % 4 for name in kept.image_names]


def test_predicted_labels_stay_predicted_in_a_share() -> None:
    from dataclasses import replace

    whole = replace(dataset(4, 32), truth="predicted")
    assert {share_of(whole, 0.25, part).truth for part in ("kept", "searched")} == {"predicted"}


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 7.0, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="so take another share, or 0"):
        share_of(dataset(4, 32), share, "kept")
