"""Images, tables and the oracle that the tests of the exact evaluator share."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from PIL import Image

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.pillow import PillowCodec
from qsearch.coefficients.arrays import Coefficients
from qsearch.tables import ZIGZAG, QuantTables

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


def bits_by_definition(levels: npt.NDArray[np.int64], lengths: tuple[dict[int, int], dict[int, int]]) -> int:
    """Bits of one block whose DC difference stands at 0, from code lengths by symbol (DC, AC)."""
    size = int(abs(levels[0])).bit_length()
    bits = lengths[0][size] + size
    run = 0
    last = max((k for k in range(1, 64) if levels[k]), default=0)
    for level in levels[1 : last + 1].tolist():
        if level == 0:
            run += 1
            continue
        size = abs(level).bit_length()
        bits += (run // 16) * lengths[1][0xF0] + lengths[1][16 * (run % 16) + size] + size
        run = 0
    return bits + (lengths[1][0] if last < 63 else 0)


def huffman_lengths(data: bytes) -> dict[int, dict[int, int]]:
    """Code length by symbol of each DHT segment, by the segment's class and number."""
    found, position = {}, data.find(b"\xff\xc4")
    while position >= 0:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        each = [bits + 1 for bits in range(16) for _ in range(body[1 + bits])]
        found[body[0]] = dict(zip(body[17:], each, strict=True))
        position = data.find(b"\xff\xc4", position + length)
    return found


def _code_lengths() -> list[tuple[dict[int, int], dict[int, int]]]:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=50)
    lengths = huffman_lengths(buffer.getvalue())
    return [(lengths[table], lengths[0x10 + table]) for table in (0, 1, 1)]


CODE_LENGTHS = _code_lengths()
"""Of Y, Cb and Cr: code lengths in bits by symbol, of DC and AC, as libjpeg writes them into its files."""


def levels_of(coefficients: Coefficients, tables: QuantTables) -> list[npt.NDArray[np.int64]]:
    """Of one image: the levels of Y, Cb and Cr, [rows, columns, 64] in zig-zag order, rounded as libjpeg rounds."""
    (values,) = coefficients.values.astype(np.int64)
    found = []
    for component, table in enumerate((tables.luma, tables.cb, tables.cr)):
        side = 16 if component and coefficients.subsampling == "4:2:0" else 8
        rows, columns = -(-coefficients.height // side), -(-coefficients.width // side)
        own, values = values[: rows * columns].reshape(rows, columns, 64), values[rows * columns :]
        steps = 8 * table.ravel()[ZIGZAG].astype(np.int64)
        found.append(np.sign(own) * ((np.abs(own) + steps // 2) // steps))
    return found


def bits_of_image(coefficients: Coefficients, tables: QuantTables) -> int:
    """The bits of the entropy-coded data of one image, block by block in the order of a file."""
    components = levels_of(coefficients, tables)
    factor = 2 if coefficients.subsampling == "4:2:0" else 1
    previous, bits = [0, 0, 0], 0
    for row, column in np.ndindex(components[1].shape[:2]):
        for component, own in enumerate(components):
            side = factor if component == 0 else 1
            for v, h in np.ndindex(side, side):
                block = np.zeros(64, dtype=np.int64)
                if side * row + v < own.shape[0] and side * column + h < own.shape[1]:
                    block = own[side * row + v, side * column + h].copy()
                    previous[component], block[0] = int(block[0]), block[0] - previous[component]
                bits += bits_by_definition(block, CODE_LENGTHS[component])
    return bits
