"""Coefficients: what the quantizer reads of many images; sizes and decoded pixels follow from it for any tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError, MissingDependencyError
from qsearch.tables import QuantTables

try:
    from qsearch.coefficients import _kernel
except ImportError as error:
    raise MissingDependencyError(
        "JPEG in the coefficient domain needs the C extension of qsearch, which was not built or does not load here: "
        "install a C compiler and install qsearch again, or use the codec pillow."
    ) from error

FORMAT = _kernel.FORMAT
"""Changes whenever sizes, pixels or coefficients do."""

FACTORS = {"4:2:0": 2, "4:4:4": 1}
"""Supported subsamplings, and by how much each halves the chroma in both directions."""

CHUNK_BYTES = 1 << 20
"""Coefficients made at a time, where not all are kept: few enough to stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The DCT coefficients of N images of one size, scaled by 8, as libjpeg's integer transform computes them.

    values: int16 [N, blocks, 64]; the luma blocks row by row, then those of Cb, then of Cr; zig-zag order inside a
        block. May be a memory map, which travels to other processes as the name of its file.
    height, width: of the images, in pixels.
    subsampling: ``4:2:0`` or ``4:4:4``.
    """

    values: npt.NDArray[np.int16]
    height: int
    width: int
    subsampling: str

    def __post_init__(self) -> None:
        blocks = block_count(self.height, self.width, self.subsampling)
        if self.values.dtype != np.int16 or self.values.ndim != 3 or self.values.shape[1:] != (blocks, 64):
            raise InputError(
                f"coefficients of {self.width}x{self.height} images at {self.subsampling} are int16 [N, {blocks}, 64], "
                f"got {self.values.dtype} {list(self.values.shape)}."
            )

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], subsampling: str) -> "Coefficients":
        """Those of ``images`` uint8 [N, H, W, 3], RGB. InputError where they are of another type or too large."""
        check_images(images)
        count, height, width = images.shape[:3]
        values = np.empty((count, block_count(height, width, subsampling), 64), dtype=np.int16)
        _kernel.forward(count, height, width, FACTORS[subsampling], np.ascontiguousarray(images), values)
        return cls(values, height, width, subsampling)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, chosen: slice | npt.NDArray[np.integer[Any]] | Sequence[int]) -> "Coefficients":
        """Those of some of the images: a slice shares memory, indices copy."""
        if isinstance(chosen, int | np.integer):
            raise InputError(f"coefficients are taken by slices or arrays of indices, got the index {chosen}.")
        return Coefficients(self.values[chosen], self.height, self.width, self.subsampling)

    def size_bytes(self, tables: Sequence[QuantTables]) -> npt.NDArray[np.int64]:
        """[N] sizes in bytes of baseline JPEG files with the standard Huffman tables, one QuantTables per image."""
        size_bytes = np.empty(len(self), dtype=np.int64)
        _kernel.sizes(*self._shape(), np.ascontiguousarray(self.values), table_array(tables), size_bytes)
        return size_bytes

    def encode(self, tables: Sequence[QuantTables]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Those sizes, and the pixels uint8 [N, H, W, 3] that a decoder makes of the files."""
        size_bytes = np.empty(len(self), dtype=np.int64)
        pixels = np.empty((len(self), self.height, self.width, 3), dtype=np.uint8)
        values = np.ascontiguousarray(self.values)
        _kernel.encode(*self._shape(), values, table_array(tables), size_bytes, pixels)
        return size_bytes, pixels

    def _shape(self) -> tuple[int, int, int, int]:
        return len(self), self.height, self.width, FACTORS[self.subsampling]

    def __reduce__(self) -> tuple[Any, ...]:
        values: Any = self.values
        if isinstance(values, np.memmap) and values.flags.c_contiguous:
            values = _mapped_part(values)
        return (_unpickle, (values, self.height, self.width, self.subsampling))


@dataclass(frozen=True)
class _MappedPart:
    path: str
    offset: int
    shape: tuple[int, ...]


def _mapped_part(values: npt.NDArray[np.int16]) -> _MappedPart:
    whole = values
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    # A slice of a map says the offset of the whole.
    assert isinstance(whole, np.memmap)
    return _MappedPart(str(whole.filename), whole.offset + values.ctypes.data - whole.ctypes.data, values.shape)


def _unpickle(values: Any, height: int, width: int, subsampling: str) -> Coefficients:
    if isinstance(values, _MappedPart):
        values = np.memmap(values.path, dtype=np.int16, mode="r", offset=values.offset, shape=values.shape)
    return Coefficients(values, height, width, subsampling)


def chunks_of(images: npt.NDArray[np.uint8], subsampling: str) -> Iterator[tuple[slice, Coefficients]]:
    """The coefficients of ``images`` in parts of about CHUNK_BYTES, each with the images it is of."""
    check_images(images)
    image_bytes = 128 * block_count(images.shape[1], images.shape[2], subsampling)
    step = max(1, CHUNK_BYTES // image_bytes)
    for start in range(0, len(images), step):
        part = slice(start, min(start + step, len(images)))
        yield part, Coefficients.of(images[part], subsampling)


def block_count(height: int, width: int, subsampling: str) -> int:
    """8x8 blocks of one image, those that only fill up its last MCUs left out. InputError for a size without JPEG."""
    if subsampling not in FACTORS:
        raise InputError(f"coefficients are kept at {' or '.join(FACTORS)}, got {subsampling!r}.")
    try:
        return _kernel.blocks(height, width, FACTORS[subsampling])
    except ValueError as error:
        raise InputError(f"{error}.") from error


def check_images(images: npt.NDArray[np.uint8]) -> None:
    """InputError unless ``images`` are uint8 [N, H, W, 3]."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise InputError(f"images are uint8 [N, H, W, 3], got {images.dtype} {list(images.shape)}.")


def table_array(tables: Sequence[QuantTables]) -> npt.NDArray[np.uint8]:
    """uint8 [N, 3, 64]: luma, Cb and Cr of each, in raster order."""
    data = b"".join(one.to_bytes() for one in tables)
    return np.frombuffer(data, dtype=np.uint8).reshape(len(tables), 3, 64)
