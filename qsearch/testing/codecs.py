"""Codecs: sizes, pixels and settings that every one keeps to."""

import numpy as np
import numpy.typing as npt

from qsearch.codecs.base import Codec
from qsearch.datasets.identity import pixel_digest
from qsearch.datasets.stored import StoredImages
from qsearch.tables import QuantTables


class CodecContract:
    """What every codec keeps. Override the fixture ``codec``."""

    def images(self, height: int = 33, width: int = 50) -> npt.NDArray[np.uint8]:
        """Six images uint8 [6, height, width, 3]: noise, flat colours, gradients."""
        draw = np.random.RandomState(0)
        noise = draw.randint(0, 256, (2, height, width, 3))
        flat = np.broadcast_to(draw.randint(0, 256, (2, 1, 1, 3)), noise.shape)
        slope = np.linspace(0, 255, width)[None, None, :, None] * np.array([1, 0.5, 0.2])
        return np.concatenate([noise, flat, np.broadcast_to(slope, noise.shape)]).astype(np.uint8)

    def test_shapes_and_types(self, codec: Codec) -> None:
        """Sizes int64 [N], pixels uint8 of the same shape, also for odd sizes."""
        for height, width in ((33, 50), (8, 8), (1, 1), (17, 16)):
            images = self.images(height, width)
            encoded = codec.encode(images, [QuantTables.standard(50)] * len(images))
            assert encoded.size_bytes.shape == (len(images),)
            assert encoded.size_bytes.dtype == np.int64
            assert encoded.images.shape == images.shape
            assert encoded.images.dtype == np.uint8

    def test_images_are_independent(self, codec: Codec) -> None:
        """One at a time or all together, forwards or backwards: the same sizes and pixels."""
        images = self.images()
        tables = [QuantTables.standard(30)] * len(images)
        together = codec.encode(images, tables)
        backwards = codec.encode(images[::-1], tables)
        np.testing.assert_array_equal(together.size_bytes, backwards.size_bytes[::-1])
        np.testing.assert_array_equal(together.images, backwards.images[::-1])
        for index in range(len(images)):
            alone = codec.encode(images[index : index + 1], tables[:1])
            assert alone.size_bytes[0] == together.size_bytes[index]
            np.testing.assert_array_equal(alone.images[0], together.images[index])

    def test_coarser_tables_save_bytes_and_lose_detail(self, codec: Codec) -> None:
        """Quality 90, 50, 10: fewer bytes and more error each time."""
        images = self.images()
        encoded = [codec.encode(images, [QuantTables.standard(quality)] * len(images)) for quality in (90, 50, 10)]
        sizes = [e.size_bytes.sum() for e in encoded]
        errors = [((e.images.astype(float) - images) ** 2).mean() for e in encoded]
        assert sizes == sorted(sizes, reverse=True)
        assert errors == sorted(errors)

    def test_leaves_its_input_alone(self, codec: Codec) -> None:
        """Pixels may be a read-only memory map, and are not changed."""
        images = self.images()
        before = images.copy()
        images.flags.writeable = False
        codec.encode(images, [QuantTables.standard(50)] * len(images))
        np.testing.assert_array_equal(images, before)

    def test_distinguishes_all_three_tables(self, codec: Codec) -> None:
        """Luma, Cb and Cr tables each change the result."""
        images = self.images()[:2]
        fine, coarse = np.full((8, 8), 4), np.full((8, 8), 90)
        seen = [
            codec.encode(images, [QuantTables(luma, cb=cb, cr=cr)] * len(images)).images.tobytes()
            for luma, cb, cr in ((fine, fine, fine), (coarse, fine, fine), (fine, coarse, fine), (fine, fine, coarse))
        ]
        assert len(set(seen)) == 4

    def test_what_is_prepared_gives_the_same_as_images(self, codec: Codec) -> None:
        """Whole, sliced or by indices; and sizes alone are those that come with pixels."""
        images = self.images()
        tables = [QuantTables.standard(quality) for quality in (5, 40, 75, 90, 95, 100)]
        expected = codec.encode(images, tables)
        prepared = codec.prepare(images, "of these images")
        assert len(prepared) == len(images)
        for part in (slice(None), slice(1, 4), np.array([4, 0])):
            chosen = [tables[index] for index in np.arange(len(images))[part]]
            for source in (images[part], prepared[part]):
                encoded = codec.encode(source, chosen)
                np.testing.assert_array_equal(encoded.size_bytes, expected.size_bytes[part])
                np.testing.assert_array_equal(encoded.images, expected.images[part])
                np.testing.assert_array_equal(codec.size_bytes(source, chosen), expected.size_bytes[part])

    def test_what_is_prepared_of_stored_images_gives_the_same(self, codec: Codec) -> None:
        """Images of sizes of their own, also of one pixel, one at a time."""
        sides = ((33, 50), (1, 1), (8, 16), (17, 3), (64, 48))
        images = [self.images(height, width)[0] for height, width in sides]
        starts = np.cumsum([0, *(image.size for image in images[:-1])])
        pixels = np.concatenate([image.ravel() for image in images])
        stored = StoredImages(pixels, starts, np.array(sides), tuple(map(pixel_digest, images)), 24, "stretch")
        prepared = codec.prepare_stored(stored)
        for index, image in enumerate(images):
            tables = [QuantTables.standard(20 * index + 10)]
            expected, encoded = codec.encode(image[np.newaxis], tables), codec.encode(prepared.one(index), tables)
            assert encoded.size_bytes == expected.size_bytes
            assert codec.size_bytes(prepared.one(index), tables) == expected.size_bytes
            np.testing.assert_array_equal(encoded.images, expected.images)

    def test_what_is_prepared_on_a_device_gives_the_same_as_images(self, codec: Codec) -> None:
        """Where the codec decodes on devices: sizes and pixels are those of images, whole, sliced or by indices."""
        images = self.images()
        tables = [QuantTables.standard(quality) for quality in (5, 40, 75, 90, 95, 100)]
        prepared = codec.prepare_on("cpu", images, "of these images")
        if prepared is None:
            return
        for part in (slice(None), slice(1, 4), np.array([4, 0])):
            chosen = [tables[index] for index in np.arange(len(images))[part]]
            encoded, expected = codec.encode(prepared[part], chosen), codec.encode(images[part], chosen)
            np.testing.assert_array_equal(encoded.size_bytes, expected.size_bytes)
            np.testing.assert_array_equal(encoded.images, expected.images)

    def test_says_what_it_is(self, codec: Codec) -> None:
        """The settings name the codec and its encoder settings."""
        settings = codec.settings()
        assert settings["name"] == codec.name
        assert {"subsampling", "optimize", "progressive"} <= settings.keys()
