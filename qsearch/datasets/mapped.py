"""Memory maps that travel to other processes as the name of their file, so that pixels are shared and not copied."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class MappedFile:
    """Where the bytes of an array uint8 of ``shape`` lie."""

    path: str
    offset: int
    shape: tuple[int, ...]


def to_travel(pixels: npt.NDArray[np.uint8]) -> Any:
    """What to pickle in place of ``pixels``: the file that they are a map of, or else they themselves."""
    if isinstance(pixels, np.memmap):
        return MappedFile(str(pixels.filename), pixels.offset, pixels.shape)
    return pixels


def arrived(pixels: Any) -> npt.NDArray[np.uint8]:
    """The array that :func:`to_travel` was given."""
    if isinstance(pixels, MappedFile):
        return np.memmap(pixels.path, dtype=np.uint8, mode="r", offset=pixels.offset, shape=pixels.shape)
    found: npt.NDArray[np.uint8] = pixels
    return found
