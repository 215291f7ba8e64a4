"""Datasets: names, digests, labels and sources that every one keeps to."""

from pathlib import Path

import numpy as np

from qsearch.datasets.base import UNLABELLED, Dataset, digest_of


class DatasetContract:
    """What every dataset keeps. Override the fixture ``dataset``."""

    def test_digest_is_of_its_content(self, dataset: Dataset) -> None:
        """What was recorded with the run is what is there."""
        assert dataset.digest == digest_of(dataset.images, dataset.labels, dataset.class_names, dataset.stored)

    def test_networks_are_shown_the_stored_images(self, dataset: Dataset) -> None:
        """Where others are compressed, they are in order, and networks are shown them as they are brought to size."""
        assert dataset.stored is None or dataset.stored.intact()
        for index in range(len(dataset)):
            np.testing.assert_array_equal(dataset.shown(dataset.compressed(index)[0]), dataset.images[index])

    def test_names_are_unique(self, dataset: Dataset) -> None:
        """Images and classes can be told apart in reports."""
        assert len(set(dataset.image_names)) == len(dataset)
        assert len(set(dataset.class_names)) == len(dataset.class_names)

    def test_images_without_labels_are_not_taken_for_labelled_ones(self, dataset: Dataset) -> None:
        """Where the truth is unknown all are of the one class that says so, and nowhere else is there such a class."""
        assert (dataset.truth == "unknown") == (dataset.class_names == (UNLABELLED,))

    def test_sources_are_the_files_of_the_images(self, dataset: Dataset) -> None:
        """One for each image, and there; or none, where they are not known."""
        assert len(dataset.sources) in (0, len(dataset))
        assert len(dataset.source_identities) in (0, len(dataset))
        assert all(Path(source).is_file() for source in dataset.sources)

    def test_travels_to_workers_as_it_is(self, dataset: Dataset) -> None:
        """Pickled, it is the same dataset; a memory map stays one and is not copied."""
        import pickle

        data = pickle.dumps(dataset)
        copy: Dataset = pickle.loads(data)
        assert (copy.digest, copy.truth, copy.class_names) == (dataset.digest, dataset.truth, dataset.class_names)
        assert copy.source_identities == dataset.source_identities
        np.testing.assert_array_equal(copy.images, dataset.images)
        np.testing.assert_array_equal(copy.labels, dataset.labels)
        if isinstance(dataset.images, np.memmap):
            assert isinstance(copy.images, np.memmap)
            assert len(data) < dataset.images.nbytes
        for index in range(len(dataset)):
            np.testing.assert_array_equal(copy.compressed(index), dataset.compressed(index))
