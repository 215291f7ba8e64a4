"""Images as they are stored: each of its own size, as encoders read them, and what networks are shown of them."""

import hashlib
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.datasets.identity import pixel_digest
from qsearch.datasets.mapped import arrived, to_travel
from qsearch.datasets.pixels import sized, sized_matrices
from qsearch.disk import writing
from qsearch.errors import InputError


@dataclass(frozen=True, eq=False)
class StoredImages:
    """N images uint8 [H_i, W_i, 3], RGB.

    pixels: uint8 [M], images one after the other, maybe among others; a memory map is shared between processes.
    starts: int64 [N], where in ``pixels`` each begins; sizes: int64 [N, 2], height and width in pixels.
    digests: of each, as :func:`~qsearch.datasets.identity.pixel_digest` tells.
    size, fit: how an image, decoded, becomes what networks are shown; see :func:`~qsearch.datasets.pixels.sized`.
    """

    pixels: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    digests: tuple[str, ...]
    size: int
    fit: str

    def __post_init__(self) -> None:
        count = len(self.digests)
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 1:
            raise InputError(
                f"the pixels of stored images are uint8 [M], got {self.pixels.dtype} {list(self.pixels.shape)}."
            )
        if not count or self.starts.shape != (count,) or self.sizes.shape != (count, 2):
            raise InputError(
                f"{count} stored images, 1 or more, come with as many starts and sizes, got {list(self.starts.shape)} "
                f"and {list(self.sizes.shape)}."
            )
        ends = self.starts + 3 * self.sizes.prod(axis=1)
        if self.sizes.min() < 1 or self.starts.min() < 0 or ends.max() > len(self.pixels):
            raise InputError(f"stored images lie within their {len(self.pixels)} bytes and have at least one pixel.")

    def __len__(self) -> int:
        return len(self.digests)

    def one(self, index: int) -> npt.NDArray[np.uint8]:
        """Image ``index`` alone, uint8 [1, H, W, 3]."""
        start, (height, width) = int(self.starts[index]), self.sizes[index].tolist()
        return self.pixels[start : start + 3 * height * width].reshape(1, height, width, 3)

    def view(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """What networks are shown of ``image`` uint8 [H, W, 3], one of these or what a decoder made of it."""
        from PIL import Image

        return np.asarray(sized(Image.fromarray(image), self.size, self.fit))

    def view_matrices(self, height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """What :meth:`view` does to images of ``height`` x ``width`` pixels, unrounded: an image ``x`` becomes
        ``rows @ x @ columns.T``, with rows [size, height] and columns [size, width]."""
        return sized_matrices((width, height), self.size, self.fit)

    def at(self, chosen: npt.NDArray[np.integer[Any]]) -> "StoredImages":
        """Those at the positions ``chosen``; their pixels are not copied."""
        digests = tuple(self.digests[index] for index in chosen)
        return StoredImages(self.pixels, self.starts[chosen], self.sizes[chosen], digests, self.size, self.fit)

    @property
    def pixels_of_each(self) -> int:
        """Pixels of one image, or 0 where they have not all as many."""
        pixels = self.sizes.prod(axis=1)
        return int(pixels[0]) if (pixels == pixels[0]).all() else 0

    @property
    def extent(self) -> str:
        """Their sizes in words, from the fewest pixels to the most."""
        order = np.lexsort((self.sizes[:, 1], self.sizes.prod(axis=1)))
        smallest, largest = (f"{width}x{height}" for height, width in self.sizes[order[[0, -1]]].tolist())
        return f"{smallest} pixels" if smallest == largest else f"{smallest} to {largest} pixels"

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of all of them in their order."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()

    def digest_with(self, prepared: str) -> str:
        """SHA-256 (hexadecimal) of a dataset whose images, labels and class names have the digest ``prepared``."""
        return hashlib.sha256(
            repr(("qsearch.StoredImages.1", prepared, self.digest, self.size, self.fit)).encode()
        ).hexdigest()

    def intact(self) -> bool:
        """Whether the pixels are those of the digests; reads all of them."""
        return all(pixel_digest(self.one(index)[0]) == digest for index, digest in enumerate(self.digests))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickle, (to_travel(self.pixels), self.starts, self.sizes, self.digests, self.size, self.fit))


def _unpickle(pixels: Any, *rest: Any) -> StoredImages:
    return StoredImages(arrived(pixels), *rest)


class StoredBuilder:
    """Collects stored images in a file of no name in ``folder``: they may be more than fits into memory.

    DiskError, with the ``advice``, where the folder cannot be written.
    """

    def __init__(self, folder: Path, size: int, fit: str, advice: str) -> None:
        self._folder, self._advice = folder, advice
        with writing(folder, advice):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the images are in use
        self._sizes: list[tuple[int, ...]] = []
        self._digests: list[str] = []
        self._how = (size, fit)

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """One more image uint8 [H, W, 3]."""
        with writing(self._folder, self._advice):
            self._file.write(np.ascontiguousarray(image).data)
        self._sizes.append(image.shape[:2])
        self._digests.append(pixel_digest(image))

    def built(self) -> StoredImages:
        """All images so far, at least one."""
        with writing(self._folder, self._advice):
            self._file.flush()
        sizes = np.array(self._sizes, dtype=np.int64)
        lengths = 3 * sizes.prod(axis=1)
        pixels: Any = np.memmap(self._file, dtype=np.uint8, mode="r")
        return StoredImages(pixels, np.cumsum(lengths) - lengths, sizes, tuple(self._digests), *self._how)
