"""The codec coefficient: Pillow's sizes and pixels from images or coefficients, and the choice that auto makes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.codecs import CODECS
from qsearch.codecs.auto import choose_codec, difference_from_pillow
from qsearch.codecs.base import Encoded, EncoderOptions
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.coefficients.arrays import FORMAT, Coefficients
from qsearch.errors import InputError
from qsearch.tables import QuantTables
from tests.coefficients.matrix import KINDS, made_up_image

IMAGES = np.stack([made_up_image(kind, 37, 50, 2) for kind in KINDS])
TABLES = [QuantTables.standard(quality) for quality in (1, 30, 60, 80, 95, 100)]
BOTH = [EncoderOptions(subsampling="4:2:0"), EncoderOptions(subsampling="4:4:4")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    difference_from_pillow.cache_clear()
    yield
    difference_from_pillow.cache_clear()


@pytest.mark.parametrize("encoder", BOTH, ids=str)
def test_images_and_prepared_coefficients_give_what_pillow_gives(encoder: EncoderOptions) -> None:
    codec = CoefficientCodec(encoder)
    expected = PillowCodec(encoder).encode(IMAGES, TABLES)
    prepared = codec.prepare(IMAGES, "digest")
    assert isinstance(prepared, Coefficients)
    for source in (IMAGES, IMAGES[::-1][::-1], np.asfortranarray(IMAGES), prepared):
        encoded = codec.encode(source, TABLES)
        np.testing.assert_array_equal(encoded.size_bytes, expected.size_bytes)
        np.testing.assert_array_equal(encoded.images, expected.images)
        np.testing.assert_array_equal(codec.size_bytes(source, TABLES), expected.size_bytes)
    part = codec.encode(prepared[2:4], TABLES[2:4])
    np.testing.assert_array_equal(part.images, expected.images[2:4])


def test_many_images_go_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = CoefficientCodec()
    whole = codec.encode(IMAGES, TABLES)
    monkeypatch.setattr("qsearch.coefficients.arrays.CHUNK_BYTES", 1)
    one_by_one = codec.encode(IMAGES, TABLES)
    np.testing.assert_array_equal(one_by_one.images, whole.images)
    np.testing.assert_array_equal(one_by_one.size_bytes, whole.size_bytes)
    np.testing.assert_array_equal(codec.size_bytes(IMAGES, TABLES), whole.size_bytes)


@pytest.mark.parametrize(
    ("encoder", "given"),
    [
        (EncoderOptions(progressive=True), "4:2:0, progressive"),
        (EncoderOptions(subsampling="4:4:4", optimize=True), "4:4:4, optimize"),
        (EncoderOptions(subsampling="4:2:2"), "4:2:2"),
    ],
)
def test_what_it_does_not_cover_is_refused_and_left_to_pillow(encoder: EncoderOptions, given: str) -> None:
    with pytest.raises(InputError, match=f"baseline JPEG at 4:2:0 or 4:4:4 .* got {given}: use the codec pillow"):
        CoefficientCodec(encoder)
    codec, note = choose_codec(encoder)
    assert codec == PillowCodec(encoder)
    assert note is not None
    assert given in note


def test_one_table_set_per_image() -> None:
    prepared = CoefficientCodec().prepare(IMAGES, "digest")
    for source in (IMAGES, prepared):
        with pytest.raises(InputError, match="6 images came with 5 tables"):
            CoefficientCodec().encode(source, TABLES[:5])
        with pytest.raises(InputError, match="6 images came with 5 tables"):
            CoefficientCodec().size_bytes(source, TABLES[:5])


def test_coefficients_of_the_other_subsampling_are_refused() -> None:
    prepared = CoefficientCodec().prepare(IMAGES, "digest")
    other = CoefficientCodec(EncoderOptions(subsampling="4:4:4"))
    for ask in (other.encode, other.size_bytes):
        with pytest.raises(InputError, match=r"of 4:2:0 and the codec is of 4:4:4"):
            ask(prepared, TABLES)


def test_settings_name_all_that_changes_sizes() -> None:
    assert CoefficientCodec(EncoderOptions(subsampling="4:4:4")).settings() == {
        "name": "coefficient",
        "subsampling": "4:4:4",
        "optimize": False,
        "progressive": False,
        "kernel": FORMAT,
        "exact_for": "libjpeg-turbo 3.2.0",
    }


@pytest.mark.parametrize("encoder", BOTH, ids=str)
def test_auto_takes_it_where_it_equals_the_installed_pillow(encoder: EncoderOptions) -> None:
    assert difference_from_pillow(encoder) is None
    assert choose_codec(encoder) == (CoefficientCodec(encoder), None)


@pytest.mark.parametrize(
    ("larger", "darker", "sentence"),
    [(1, 0, r"coefficient says \d+ bytes and Pillow .* \d+ on"), (0, 1, "decodes other pixels than Pillow")],
)
def test_auto_leaves_it_where_the_installed_pillow_differs(
    monkeypatch: pytest.MonkeyPatch, larger: int, darker: int, sentence: str
) -> None:
    """In one image of each batch, by one byte or by one step of one sample."""
    encode = PillowCodec.encode

    def differently(codec: PillowCodec, source: Any, tables: Any) -> Encoded:
        encoded = encode(codec, source, tables)
        encoded.size_bytes[-1] += larger
        encoded.images[-1, -1, -1, -1] ^= darker
        return encoded

    monkeypatch.setattr(PillowCodec, "encode", differently)
    codec, note = choose_codec(EncoderOptions())
    assert codec == PillowCodec()
    assert note is not None
    assert re.search(sentence, note)


WITHOUT_EXTENSION = """
import sys
sys.modules["qsearch.coefficients._kernel"] = None
from qsearch.codecs import CODECS
from qsearch.codecs.auto import choose_codec
from qsearch.codecs.base import EncoderOptions
from qsearch.errors import InputError
codec, note = choose_codec(EncoderOptions())
print(codec.name)
print(note)
try:
    CODECS.get("coefficient")
except InputError as error:
    print(error)
"""


def test_without_the_extension_pillow_serves_and_the_codec_explains() -> None:
    finished = subprocess.run([sys.executable, "-c", WITHOUT_EXTENSION], capture_output=True, text=True, check=True)
    name, note, error = finished.stdout.splitlines()
    assert name == "pillow"
    assert note == f"Pillow encodes: {error}"
    assert "needs the C extension of qsearch" in error
    assert "install a C compiler and install qsearch again, or use the codec pillow" in error


def test_it_is_registered() -> None:
    assert CODECS.get("coefficient") is CoefficientCodec
