"""Quantizers: tables for each image, known again by a digest."""

import numpy as np
import numpy.typing as npt

from qsearch.quantizer import Quantizer, restore
from qsearch.tables import QuantTables


class QuantizerContract:
    """What every quantizer keeps. Override the fixtures ``quantizer`` and ``images`` (uint8 [N, H, W, 3], N >= 3)."""

    def test_each_image_has_its_tables(self, quantizer: Quantizer, images: npt.NDArray[np.uint8]) -> None:
        """The same ones alone, among others and in another order: its pixels alone decide."""
        chosen = list(quantizer.tables_for(images))
        assert len(chosen) == len(images)
        assert all(isinstance(tables, QuantTables) for tables in chosen)
        assert list(quantizer.tables_for(images[::-1]))[::-1] == chosen
        for index, tables in enumerate(chosen):
            assert list(quantizer.tables_for(images[index : index + 1])) == [tables]

    def test_leaves_its_images_alone(self, quantizer: Quantizer, images: npt.NDArray[np.uint8]) -> None:
        """They may be a read-only memory map."""
        kept = images.copy()
        kept.flags.writeable = False
        quantizer.tables_for(kept)
        np.testing.assert_array_equal(kept, images)

    def test_is_known_by_its_digest(self, quantizer: Quantizer) -> None:
        """Hexadecimal, of at least 128 bits; the kind is a word of its own."""
        assert len(quantizer.digest) >= 32
        int(quantizer.digest, 16)
        assert quantizer.kind == quantizer.kind.lower().strip()
        assert not any(letter.isspace() for letter in quantizer.kind)

    def test_travels_to_workers(self, quantizer: Quantizer, images: npt.NDArray[np.uint8]) -> None:
        """Pickled, it chooses the same."""
        import pickle

        copy: Quantizer = pickle.loads(pickle.dumps(quantizer))
        assert (copy.kind, copy.digest) == (quantizer.kind, quantizer.digest)
        assert list(copy.tables_for(images)) == list(quantizer.tables_for(images))

    def test_an_archive_knows_it_again(self, quantizer: Quantizer) -> None:
        """By kind, digest and bytes."""
        kept = restore(quantizer.kind, quantizer.digest, quantizer.to_bytes())
        assert (kept.kind, kept.digest, kept.to_bytes()) == (quantizer.kind, quantizer.digest, quantizer.to_bytes())
