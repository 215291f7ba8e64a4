"""Classes of a dataset to logits of a classifier."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.classifiers.base import Classifier
from qsearch.classifiers.labels import align_labels, imagenet_class_names
from qsearch.datasets.base import UNLABELLED, Dataset, Truth
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError


class Named(Classifier):
    """Knows classes by name or, without names, by order."""

    def __init__(self, names: tuple[str, ...] | None, classes: int) -> None:
        self.name, self.class_names, self.classes, self.digest = "named", names, classes, "0" * 64

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.zeros((len(images), self.classes), dtype=np.float32)

    def settings(self) -> dict[str, str | int | float | bool]:
        return {"name": self.name, "digest": self.digest}


def dataset(*class_names: str) -> Dataset:
    """One image of each class, last class first."""
    labels = np.arange(len(class_names))[::-1]
    return Dataset.from_arrays(np.zeros((len(class_names), 8, 8, 3), np.uint8), labels, class_names, "photos")


def test_known_names_go_by_name() -> None:
    classifier = Named(("ant", "bee", "cat", "dog"), 4)
    assert align_labels(dataset("bee", "dog"), classifier).tolist() == [3, 1]


def test_synsets_find_their_place_among_the_thousand() -> None:
    classifier = Named(imagenet_class_names(1000), 1000)
    labels = align_labels(dataset("n01443537", "n15075141"), classifier)
    assert labels.tolist() == [999, 1]
    assert labels.dtype == np.int64


def test_classes_go_by_order_where_the_network_names_none() -> None:
    assert align_labels(dataset("x", "y", "z"), Named(None, 3)).tolist() == [2, 1, 0]


def test_classes_that_are_numbers_go_by_order() -> None:
    assert align_labels(dataset("0", "1"), Named(("ant", "bee", "cat"), 3)).tolist() == [1, 0]


@pytest.mark.parametrize("names", [("x", "y"), ("0", "1", "10", "2")])
def test_a_network_that_knows_none_of_the_names_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"knows none of the .* classes .* --class-names FILE.* --labels predicted"):
        align_labels(dataset(*names), Named(("ant", "bee", "cat", "dog"), 4))


def test_names_of_which_some_are_known_are_refused() -> None:
    with pytest.raises(InputError, match=r"knows 2 of the 3 classes of photos, but not zebra"):
        align_labels(dataset("ant", "bee", "zebra"), Named(("ant", "bee", "cat"), 3))


def test_more_classes_than_logits_are_refused() -> None:
    with pytest.raises(InputError, match="has 3 classes and named tells only 2 apart"):
        align_labels(dataset("x", "y", "z"), Named(None, 2))


def test_the_synsets_are_imagenets() -> None:
    synsets = imagenet_synsets()
    assert len(set(synsets)) == 1000
    assert synsets == tuple(sorted(synsets))
    assert (synsets[0], synsets[207], synsets[-1]) == ("n01440764", "n02099601", "n15075141")  # tench, golden retriever
    assert imagenet_class_names(10) is None


@pytest.mark.parametrize("truth", ["unknown", "predicted"])
def test_images_without_labels_have_none_to_align(truth: Truth) -> None:
    """Not even where their labels are predicted: those are indices into the logits already."""
    with pytest.raises(InputError, match="photos has no labels to classify by"):
        align_labels(replace(dataset(UNLABELLED), truth=truth), Named(None, 3))
