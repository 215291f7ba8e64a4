"""The fastest codec that gives the installed Pillow's sizes and pixels, and how a run tells that it does."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from qsearch.codecs import CODECS
from qsearch.codecs.base import Codec, EncoderOptions, Images
from qsearch.codecs.pillow import PillowCodec
from qsearch.errors import InputError
from qsearch.tables import QuantTables

AUTO = "auto"
"""What users call this choice, where codecs are called by name."""
SAMPLE_SIDES = ((1, 1), (3, 2), (8, 8), (16, 17), (33, 50), (64, 48), (75, 101))
"""Height and width in pixels; odd ones too, for what libjpeg does at the edges."""


def choose_codec(encoder: EncoderOptions) -> tuple[Codec, str | None]:
    """The codec ``coefficient`` where it covers the options and equals the installed Pillow, else ``pillow``.

    With the latter comes one sentence that says why.
    """
    try:
        fast = CODECS.get("coefficient")(encoder)
    except InputError as error:
        return PillowCodec(encoder), f"Pillow encodes: {error}"
    difference = difference_from_pillow(encoder)
    if difference is not None:
        return PillowCodec(encoder), f"Pillow encodes: {difference}"
    return fast, None


def described(codec: Codec) -> dict[str, str | bool | int]:
    """The codec's settings; of ``coefficient`` also the Pillow whose files and pixels it gives, where that was checked.

    Measurements of two codecs that give the same files are comparable; this is how a run says that they do.
    """
    settings = codec.settings()
    if codec.name != "coefficient" or difference_from_pillow(codec.encoder) is not None:
        return settings
    return {**PillowCodec(codec.encoder).settings(), **settings, "equals": PillowCodec.name}


@cache
def difference_from_pillow(encoder: EncoderOptions) -> str | None:
    """None where ``coefficient`` and the installed Pillow agree on made-up images, else a sentence on the first case.

    They agree where every file's size and all decoded pixels are equal. InputError where the codec ``coefficient``
    does not cover the options or cannot be used.
    """
    exact, reference = CODECS.get("coefficient")(encoder), PillowCodec(encoder)
    for name, tables in _sample_tables():
        for images in _sample_images():
            each = [tables] * len(images)
            ours, theirs = exact.encode(images, each), reference.encode(images, each)
            height, width = images.shape[1:3]
            case = f"on a made-up image of {width}x{height} pixels at {encoder.subsampling} with {name}"
            for mine, other in zip(ours.size_bytes, theirs.size_bytes, strict=True):
                if mine != other:
                    return f"the codec coefficient says {mine} bytes and {_library(reference)} {other} {case}."
            if not np.array_equal(ours.images, theirs.images):
                return f"the codec coefficient decodes other pixels than {_library(reference)} {case}."
    return None


def _library(reference: PillowCodec) -> str:
    settings = reference.settings()
    return f"Pillow {settings['pillow']} with {settings['libjpeg']}"


def _sample_tables() -> Iterator[tuple[str, QuantTables]]:
    for quality in (10, 50, 75, 92, 100):
        yield f"standard tables of quality {quality}", QuantTables.standard(quality)
    for entry in (1, 255):
        yield f"tables of {entry} throughout", QuantTables.shared(np.full((8, 8), entry))
    draw = np.random.RandomState(1)
    luma, cb, cr = draw.randint(1, 256, (3, 8, 8))
    yield "three random tables", QuantTables(luma, cb=cb, cr=cr)


def _sample_images() -> Iterator[Images]:
    """Of each size a gradient, noise, a checkerboard, noise of black and white, and a flat colour."""
    draw = np.random.RandomState(0)
    for height, width in SAMPLE_SIDES:
        rows, columns = np.indices((height, width))
        slope = (rows[..., None] * np.array([2, 3, 5]) + columns[..., None] * np.array([3, 1, 4])) % 256
        board = np.repeat((rows + columns)[..., None] % 2 * 255, 3, axis=2)
        noise = draw.randint(0, 256, (height, width, 3))
        extremes = draw.randint(0, 2, (height, width, 3)) * 255
        flat = np.full((height, width, 3), (200, 30, 90))
        images: npt.NDArray[np.int64] = np.stack([slope, noise, board, extremes, flat])
        yield images.astype(np.uint8)
