"""Parts of a dataset's images: nested, stratified by class, the same for everybody."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.datasets.base import DatasetOptions
from qsearch.errors import InputError
from qsearch.evaluation.parts import nested_order, order_of
from tests.fakes import load_dataset

CLASSES = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=300)
DIGESTS = st.text("0123456789abcdef", min_size=1, max_size=64)


@given(CLASSES, DIGESTS)
def test_each_image_has_one_place(classes: list[str], digest: str) -> None:
    order = nested_order(classes, digest)
    assert sorted(order.positions.tolist()) == list(range(len(classes)))
    assert order.sizes[-1] == len(classes)
    assert all(size >= 32 for size in order.sizes[:-1])
    assert all(small < large <= 2 * small for small, large in zip(order.sizes, order.sizes[1:], strict=False))


@given(CLASSES, DIGESTS)
def test_a_part_holds_of_every_class_its_share(classes: list[str], digest: str) -> None:
    order = nested_order(classes, digest)
    of_all = Counter(classes)
    for divisor in (8, 4, 2, 1):
        part = order.part(-(-len(classes) // divisor))
        held = Counter(classes[position] for position in part.positions)
        assert all(images // divisor <= held[name] <= -(-images // divisor) for name, images in of_all.items())


@given(CLASSES, DIGESTS, st.data())
def test_parts_are_nested_and_what_is_new_is_the_rest(classes: list[str], digest: str, data: st.DataObject) -> None:
    order = nested_order(classes, digest)
    large = data.draw(st.integers(1, len(classes)))
    small = data.draw(st.integers(0, large - 1))
    seen = set(order.part(small).positions.tolist()) if small else set()
    new = set(order.between(small, large).positions.tolist())
    assert not seen & new
    assert seen | new == set(order.part(large).positions.tolist())


@given(st.integers(1, 700), DIGESTS)
def test_images_without_labels_are_taken_evenly_as_they_lie(images: int, digest: str) -> None:
    order = nested_order(["unlabelled"] * images, digest)
    for divisor in (8, 4, 2, 1):
        part = order.part(-(-images // divisor))
        assert part.positions.tolist() == list(range(0, images, divisor))


@given(st.integers(1, 700), st.data())
def test_any_prefix_lies_evenly(images: int, data: st.DataObject) -> None:
    part = nested_order([""] * images, "0").part(data.draw(st.integers(1, images)))
    gaps = np.diff([*part.positions, images])
    assert gaps.max() <= 2 * -(-images // len(part.positions))


def test_the_order_is_the_datasets_alone() -> None:
    classes = ["cat"] * 40 + ["dog"] * 24
    order = nested_order(classes, "12ab")
    assert nested_order(list(classes), "12ab").digest == order.digest
    assert nested_order(classes, "12ac").digest != order.digest
    assert nested_order(classes[::-1], "12ab").digest != order.digest


def test_the_sizes_of_parts_by_hand() -> None:
    sizes = {images: nested_order(["a"] * images, "0").sizes for images in (300, 250, 128, 40, 15)}
    assert sizes == {
        300: (38, 75, 150, 300),
        250: (32, 63, 125, 250),
        128: (32, 64, 128),
        40: (40,),
        15: (15,),
    }


def test_two_classes_of_two_by_hand() -> None:
    """Laid out a, a, b, b and visited 0, 2, 1, 3: the half holds one of each."""
    order = nested_order(["b", "a", "b", "a"], "0")
    assert [("b", "a", "b", "a")[position] for position in order.positions] == ["a", "b", "a", "b"]


def test_the_order_of_a_dataset_is_that_of_its_classes_and_digest() -> None:
    dataset = load_dataset("", DatasetOptions())
    classes = [dataset.class_names[label] for label in dataset.labels]
    assert order_of(dataset).digest == nested_order(classes, dataset.digest).digest


def test_there_is_no_part_of_nothing_or_of_more_than_all() -> None:
    order = nested_order(["a"] * 5, "0")
    for seen, images in ((0, 0), (3, 3), (0, 6), (-1, 2)):
        with pytest.raises(InputError, match="parts of 5 images hold 1 to 5"):
            order.between(seen, images)
    with pytest.raises(InputError, match="at least one image"):
        nested_order([], "0")
