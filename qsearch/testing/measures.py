"""Measures: one number for each image, and columns of their own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from qsearch.codecs.pillow import PillowCodec
from qsearch.errors import EvaluationError
from qsearch.evaluation.measures import MEASURES, Measure, Seen
from qsearch.tables import QuantTables


class MeasureContract:
    """What every measure keeps. Override the fixture ``measure``."""

    def seen(self, quality: int) -> Seen:
        """Eight images encoded at ``quality``, and a network of two classes that is sure where they are little changed.

        On the uncompressed images it is right about all; errors of 20 levels, root mean square, leave it undecided.
        """
        draw = np.random.RandomState(0)
        images = draw.randint(0, 256, (8, 32, 32, 3)).astype(np.uint8)
        encoded = PillowCodec().encode(images, [QuantTables.standard(quality)] * len(images))
        error = np.sqrt(((images - encoded.images.astype(float)) ** 2).mean(axis=(1, 2, 3)))
        truth = np.arange(8) % 2
        sign = np.where(np.arange(2) == truth[:, None], 1.0, -1.0)
        logits = (sign * (20 - error)[:, None] / 4).astype(np.float32)
        return Seen(images, encoded.size_bytes, encoded.images, logits, truth, lambda: (5 * sign).astype(np.float32))

    def test_one_number_of_its_type_for_each_image(self, measure: Measure) -> None:
        """And it is one."""
        for quality in (5, 50, 95):
            values = measure.of(self.seen(quality))
            assert values.shape == (8,)
            assert values.dtype == np.dtype(measure.dtype)
            assert not np.isnan(values.astype(float)).any()

    def test_an_image_does_not_change_the_number_of_another(self, measure: Measure) -> None:
        """Batches may be cut anywhere."""
        seen = self.seen(30)
        assert seen.decoded is not None
        assert seen.logits is not None
        assert seen.truth is not None
        assert seen.answer_uncompressed is not None
        clean = seen.answer_uncompressed()
        parts = [
            Seen(
                seen.images[one],
                seen.size_bytes[one],
                seen.decoded[one],
                seen.logits[one],
                seen.truth[one],
                lambda one=one: clean[one],  # type: ignore[misc]
            )
            for one in (slice(0, 3), slice(3, 8))
        ]
        np.testing.assert_array_equal(np.concatenate([measure.of(part) for part in parts]), measure.of(seen))

    def test_more_compression_is_better_for_sizes_alone(self, measure: Measure) -> None:
        """Where images are nearly destroyed, what they are worth is not better than where they are nearly kept."""
        coarse, fine = (float(measure.of(self.seen(quality)).astype(float).mean()) for quality in (3, 98))
        if measure.needs == "sizes":
            coarse, fine = fine, coarse
        assert coarse >= fine if measure.better == "lower" else coarse <= fine

    def test_numbers_that_are_none_and_other_shapes_are_refused(self, measure: Measure) -> None:
        """As EvaluationError: a trial fails, and no archive holds them."""
        seen = self.seen(50)
        broken: list[Callable[[Seen], Any]] = [lambda seen: np.zeros(3)]
        if np.dtype(measure.dtype).kind == "f":
            broken.append(lambda seen: np.full(8, np.nan))
        for compute in broken:
            try:
                replace(measure, compute=compute).of(seen)
            except EvaluationError:
                continue
            raise AssertionError("EvaluationError was expected")

    def test_its_columns_are_nobody_elses(self, measure: Measure) -> None:
        """Sums are columns by their names, which no other measure has."""
        own = [total.name for total in measure.totals]
        others = [
            total.name for name in MEASURES.names() if name != measure.name for total in MEASURES.get(name).totals
        ]
        assert own
        assert len(set(own)) == len(own)
        assert not set(own) & set(others)
