"""The drawn photographs: reproducible, as many as asked for, and two halves that share no class."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.datasets.imagenetv2.metadata import Photo
from qsearch.datasets.imagenetv2.selection import select
from qsearch.errors import InputError

PHOTOS = [
    Photo(f"{class_:02d}-{number}", f"n{class_:08d}", "1", "", None) for class_ in range(12) for number in range(10)
]


@given(st.integers(2, 10), st.integers(1, 10), st.integers(0, 2**32), st.permutations(PHOTOS))
def test_halves_are_disjoint_and_complete(classes: int, per_class: int, seed: int, photos: list[Photo]) -> None:
    drawn = select(photos, classes, per_class, seed, other_classes=False)
    others = select(photos, classes, per_class, seed, other_classes=True)
    counts = Counter(photo.wnid for photo in drawn), Counter(photo.wnid for photo in others)
    assert len(counts[0]) == classes
    assert len(counts[1]) == 12 - classes
    assert not counts[0].keys() & counts[1].keys()
    assert set((counts[0] + counts[1]).values()) == {per_class}
    assert drawn == sorted(drawn, key=lambda photo: (photo.wnid, photo.candidate))
    assert drawn == select(PHOTOS, classes, per_class, seed, other_classes=False)  # however the metadata is ordered


def test_a_seed_draws_the_same_in_every_version() -> None:
    drawn = select(PHOTOS, 3, 2, 7, other_classes=False)
    assert [photo.candidate for photo in drawn] == ["05-5", "05-7", "09-0", "09-2", "11-5", "11-8"]


def test_more_images_of_a_class_include_the_fewer() -> None:
    few, many = (set(select(PHOTOS, 4, number, 3, other_classes=False)) for number in (2, 6))
    assert few < many


@pytest.mark.parametrize(
    ("classes", "per_class", "other", "message"),
    [
        (13, 1, False, "--classes is a number from 1 to 12, got 13"),
        (0, 1, False, "--classes is a number from 1 to 12, got 0"),
        (1, 1, False, "--classes 1 leaves 1 of 12 classes: accuracy needs two or more"),
        (11, 1, True, "--classes 11 with --other-classes leaves 1 of 12 classes"),
        (2, 11, False, r"--per-class is a number from 1 to the 10 photos that class n\d{8} has, got 11"),
    ],
)
def test_more_than_there_is(classes: int, per_class: int, other: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(PHOTOS, classes, per_class, 0, other)
