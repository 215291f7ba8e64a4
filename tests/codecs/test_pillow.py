"""The reference codec: the very files that Pillow writes by hand, with nothing in them that is not image."""

import io
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from qsearch.codecs.base import EncoderOptions, Subsampling
from qsearch.codecs.pillow import PillowCodec
from qsearch.errors import InputError
from qsearch.tables import QuantTables
from tests.fakes import fake_images
from tests.tables.test_quant import ANY_TABLES, quantization_segments

SOF0, SOF2 = b"\xff\xc0", b"\xff\xc2"


def by_hand(pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [10, 50, 90, 100])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_standard_tables_give_the_file_of_that_quality(quality: int, subsampling: Any) -> None:
    images = fake_images(6)
    encoded = PillowCodec(EncoderOptions(subsampling=subsampling)).encode(images, [QuantTables.standard(quality)] * 6)
    for index, pixels in enumerate(images):
        data = by_hand(pixels, quality=quality, subsampling=subsampling)
        assert encoded.size_bytes[index] == len(data)
        np.testing.assert_array_equal(encoded.images[index], np.asarray(Image.open(io.BytesIO(data))))


@settings(max_examples=25, deadline=None)
@given(ANY_TABLES, st.sampled_from(["4:2:0", "4:4:4"]))
def test_the_file_holds_the_tables_as_they_are(tables: QuantTables, subsampling: Subsampling) -> None:
    data = PillowCodec(EncoderOptions(subsampling=subsampling)).compress(fake_images(1)[0], tables)
    written = quantization_segments(data)
    assert QuantTables.from_zigzag(written[0]).luma.tolist() == tables.luma.tolist()
    assert QuantTables.from_zigzag(written[1]).luma.tolist() == tables.cb.tolist()
    assert QuantTables.from_zigzag(written[len(written) - 1]).luma.tolist() == tables.cr.tolist()
    assert len(written) == (3 if tables.layout == "ycbcr" else 2)
    assert SOF0 in data  # baseline: 8-bit tables


def test_a_shared_table_saves_no_bytes_by_standing_in_the_file_once() -> None:
    """Gains against the standard tables are the image's, not the header's."""
    pixels = fake_images(1)[0]
    shared = PillowCodec().compress(pixels, QuantTables.shared(np.full((8, 8), 20)))
    segments = quantization_segments(shared)
    assert segments[0] == segments[1]
    once = by_hand(pixels, qtables=[[20] * 64])
    assert len(shared) == len(once) + 69


def test_encoder_settings_reach_the_encoder() -> None:
    pixels, tables = fake_images(1)[0], QuantTables.standard(75)
    for optimize, progressive in itertools.product([False, True], repeat=2):
        data = PillowCodec(EncoderOptions(optimize=optimize, progressive=progressive)).compress(pixels, tables)
        assert data == by_hand(pixels, quality=75, subsampling="4:2:0", optimize=optimize, progressive=progressive)
        assert (SOF2 in data) == progressive


@pytest.mark.parametrize("setting", ["optimize", "progressive"])
@pytest.mark.parametrize("side", [224, 512])
def test_the_finest_tables_on_noise_fit_the_encoders_buffer(setting: str, side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    finest = QuantTables.shared(np.ones((8, 8), dtype=int))
    codec = PillowCodec(EncoderOptions(subsampling="4:4:4", **{setting: True}))
    assert codec.encode(noise, [finest]).size_bytes[0] > side * side


def test_an_unknown_subsampling_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"one of 4:2:0, 4:2:2, 4:4:4, got '4:1:1'"):
        PillowCodec(EncoderOptions(subsampling="4:1:1"))  # type: ignore[arg-type]


def test_settings_name_all_that_changes_sizes() -> None:
    settings = PillowCodec(EncoderOptions(optimize=True)).settings()
    assert settings["optimize"] is True
    assert settings["subsampling"] == "4:2:0"
    assert settings["pillow"] == Image.__version__  # type: ignore[attr-defined]
    libjpeg = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    assert str(libjpeg) in str(settings["libjpeg"])
