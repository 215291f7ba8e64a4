"""Classifiers: logits that depend on nothing but the image."""

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier


class ClassifierContract:
    """What every classifier keeps. Override the fixtures ``classifier`` and ``images`` (uint8 [N, H, W, 3], N >= 5)."""

    def test_logits_are_finite_numbers_per_class(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """float32 [N, classes]."""
        logits = classifier.logits(images)
        assert logits.shape == (len(images), classifier.classes)
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()

    def test_logits_do_not_depend_on_the_batch(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """To the bit: alone, together, and in another order."""
        together = classifier.logits(images)
        np.testing.assert_array_equal(classifier.logits(images[::-1])[::-1], together)
        for index in range(len(images)):
            np.testing.assert_array_equal(classifier.logits(images[index : index + 1])[0], together[index])

    def test_travels_to_workers(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """Pickled, it answers the same."""
        import pickle

        copy: Classifier = pickle.loads(pickle.dumps(classifier))
        assert copy.digest == classifier.digest
        np.testing.assert_array_equal(copy.logits(images), classifier.logits(images))

    def test_says_what_it_is(self, classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
        """Name and digest are recorded; class names, where there are any, are one per logit."""
        settings = classifier.settings()
        assert settings["name"] == classifier.name
        assert settings["digest"] == classifier.digest
        assert classifier.class_names is None or len(classifier.class_names) == classifier.classes
