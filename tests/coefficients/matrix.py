"""Images, tables and the oracle that the tests of the exact evaluator share."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from PIL import Image

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.tables import QuantTables

KINDS = ("noise", "extremes", "checkerboard", "flat", "grey", "waves")


def made_up_image(kind: str, height: int, width: int, seed: int) -> npt.NDArray[np.uint8]:
    """uint8 [height, width, 3]."""
    draw = np.random.default_rng(seed)
    rows, columns = np.indices((height, width))
    pixels: npt.NDArray[Any]
    if kind == "noise":
        pixels = draw.integers(0, 256, (height, width, 3))
    elif kind == "extremes":
        pixels = draw.integers(0, 2, (height, width, 3)) * 255
    elif kind == "checkerboard":
        pixels = np.repeat((rows + columns)[..., None] // (1 + seed % 9) % 2 * 255, 3, axis=2)
    elif kind == "flat":
        pixels = np.broadcast_to(draw.integers(0, 256, 3), (height, width, 3))
    elif kind == "grey":
        pixels = np.repeat(draw.integers(0, 256, (height, width, 1)), 3, axis=2)
    else:
        phase = rows[..., None] / 9 + columns[..., None] / 7 + np.arange(3)
        pixels = np.clip(128 + 100 * np.sin(phase) + draw.normal(0, 9, (height, width, 3)), 0, 255)
    return pixels.astype(np.uint8)


SIDES = st.integers(1, 12) | st.integers(1, 67)
IMAGES = st.builds(made_up_image, st.sampled_from(KINDS), SIDES, SIDES, st.integers(0, 10**6))


def _table(seed: int, largest: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(1, largest + 1, (8, 8))


def _tables(seed: int, largest: int, count: int) -> QuantTables:
    parts = [_table(seed + part, largest) for part in range(count)]
    return QuantTables(parts[0], cb=parts[min(1, count - 1)], cr=parts[-1])


TABLES = (
    st.builds(QuantTables.standard, st.integers(1, 100))
    | st.builds(lambda entry: QuantTables.shared(np.full((8, 8), entry)), st.sampled_from([1, 2, 16, 254, 255]))
    | st.builds(_tables, st.integers(0, 10**6), st.sampled_from([3, 12, 60, 255]), st.integers(1, 3))
)
"""Of every quality; all entries alike; one, two and three random tables, finer and coarser."""

SUBSAMPLINGS = st.sampled_from(["4:2:0", "4:4:4"])


def by_pillow(
    pixels: npt.NDArray[np.uint8], tables: QuantTables, subsampling: Any
) -> tuple[int, npt.NDArray[np.uint8]]:
    """Size in bytes and decoded pixels of the file that Pillow makes of one image."""
    data = PillowCodec(EncoderOptions(subsampling=subsampling)).compress(pixels, tables)
    with Image.open(io.BytesIO(data)) as image:
        return len(data), np.asarray(image)
