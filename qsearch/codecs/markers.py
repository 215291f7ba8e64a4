"""What the markers of a JPEG file say: its frame (SOF) and quantization tables (DQT), without decoding a pixel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.tables import ZIGZAG, QuantTables

# T.81 Table B.1: SOF0..SOF15 less DHT, JPG and DAC, which share their range; and the markers without a length.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_SOI, _EOI, _SOS, _DQT = 0xD8, 0xD9, 0xDA, 0xDB

_SUBSAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}


@dataclass(frozen=True)
class Component:
    """One component of a frame: its sampling factors and the number of the table it uses."""

    horizontal: int
    vertical: int
    table: int


@dataclass(frozen=True, eq=False)
class Frame:
    """How a JPEG file was encoded.

    sof: the frame's kind, 0 baseline, 1 extended, 2 progressive, ... (SOFn of T.81).
    quantization: the file's tables by number, int64 [8, 8] in raster order; a 16-bit table may exceed 255.
    """

    sof: int
    height: int
    width: int
    components: tuple[Component, ...]
    quantization: dict[int, npt.NDArray[np.int64]]

    @property
    def tables(self) -> QuantTables:
        """The tables as its components use them; a greyscale file's one table stands for all three.

        InputError for files that are neither greyscale nor of three components, and for entries above 255.
        """
        used = [self.quantization[component.table] for component in self.components]
        if len(used) == 1:
            return QuantTables.shared(used[0])
        if len(used) != 3:
            raise InputError(f"quantization tables are those of 1 or 3 components, this JPEG file has {len(used)}.")
        return QuantTables(used[0], cb=used[1], cr=used[2])

    @property
    def subsampling(self) -> str | None:
        """``4:4:4``, ``4:2:2`` or ``4:2:0``; None for greyscale and for anything else."""
        if len(self.components) != 3:
            return None
        luma, *chroma = self.components
        if any((component.horizontal, component.vertical) != (1, 1) for component in chroma):
            return None
        return _SUBSAMPLINGS.get((luma.horizontal, luma.vertical))


def read_frame(data: bytes) -> Frame:
    """The frame and the tables of a JPEG file up to its first scan. InputError where ``data`` is no such file."""
    frame: tuple[int, int, int, tuple[Component, ...]] | None = None
    quantization: dict[int, npt.NDArray[np.int64]] = {}
    try:
        if data[0] != 0xFF or data[1] != _SOI:
            raise InputError("a JPEG file starts with the bytes FF D8, this one does not.")
        position = 2
        while True:
            marker, position = _next_marker(data, position)
            if marker in (_SOS, _EOI):
                break
            if marker in _BARE:
                continue
            length = int.from_bytes(data[position : position + 2])
            body = data[position + 2 : position + length]
            if length < 2 or len(body) != length - 2:
                raise IndexError
            if marker == _DQT:
                quantization.update(_quantization(body))
            elif marker in _FRAMES:
                frame = _frame(marker - 0xC0, body)
            position += length
    except (IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("the JPEG file is cut short or damaged before its first scan.") from error
    if frame is None or any(component.table not in quantization for component in frame[3]):
        raise InputError("the JPEG file has no frame with quantization tables before its first scan.")
    return Frame(*frame, quantization)


def _next_marker(data: bytes, position: int) -> tuple[int, int]:
    if data[position] != 0xFF:
        raise IndexError
    while data[position] == 0xFF:  # any number of fill bytes
        position += 1
    return data[position], position + 1


def _quantization(body: bytes) -> dict[int, npt.NDArray[np.int64]]:
    tables = {}
    position = 0
    while position < len(body):
        wide, number = divmod(body[position], 16)
        size = 128 if wide else 64
        entries = np.frombuffer(body[position + 1 : position + 1 + size], dtype=">u2" if wide else "u1")
        raster = np.empty(64, dtype=np.int64)
        raster[ZIGZAG] = entries
        tables[number] = raster.reshape(8, 8)
        position += 1 + size
    return tables


def _frame(sof: int, body: bytes) -> tuple[int, int, int, tuple[Component, ...]]:
    height, width, count = int.from_bytes(body[1:3]), int.from_bytes(body[3:5]), body[5]
    components = tuple(Component(*divmod(body[7 + 3 * index], 16), table=body[8 + 3 * index]) for index in range(count))
    return sof, height, width, components
