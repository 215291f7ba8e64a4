"""Photographs of sizes of their own, for tests of images that are compressed as they are stored."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions, EncodeSize, Fit
from qsearch.datasets.identity import pixel_digest
from qsearch.datasets.stored import StoredImages
from tests.fakes import SIDE

SIDES = ((1, 1), (2, 3), (33, 17), (40, 30), (64, 48), (48, 64), (24, 24), (101, 75), (8, 200), (31, 32))
"""Width and height in pixels: one pixel, no whole blocks, upright, longish, and the size that the network takes."""


def photograph(width: int, height: int, seed: int) -> Image.Image:
    """A slope with noise on it."""
    random = np.random.default_rng(seed)
    slope = 10 + np.linspace(0, 200, width)[:, None] * random.random(3) + np.linspace(0, 50, height)[:, None, None]
    return Image.fromarray(np.clip(slope + random.normal(0, 4 + 4 * seed, slope.shape), 0, 255).astype(np.uint8))


def photographs(folder: Path, *, first_seed: int = 0) -> Path:
    """Writes one of each of SIDES to ``folder``: the fourth as JPEG on its side, the fifth grey, the others as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (width, height) in enumerate(SIDES):
        image = photograph(width, height, first_seed + index)
        if index == 3:
            exif = Image.Exif()
            exif[0x0112] = 6  # turned by a quarter
            image.save(folder / f"{index:02d}.jpg", quality=90, exif=exif)
        else:
            (image.convert("L") if index == 4 else image).save(folder / f"{index:02d}.png")
    return folder


def stored_of_sizes(*sizes: tuple[int, int]) -> StoredImages:
    """Photographs of so many rows and columns, in memory."""
    return stored_images([np.asarray(photograph(width, height, index)) for index, (height, width) in enumerate(sizes)])


def stored_images(images: list[npt.NDArray[np.uint8]], size: int = SIDE) -> StoredImages:
    """``images`` [H, W, 3], in memory, shown whole at ``size``."""
    lengths = np.array([image.size for image in images], dtype=np.int64)
    pixels = np.concatenate([image.ravel() for image in images])
    digests = tuple(pixel_digest(image) for image in images)
    sizes = np.array([image.shape[:2] for image in images], dtype=np.int64)
    return StoredImages(pixels, np.cumsum(lengths) - lengths, sizes, digests, size, "stretch")


def loaded(folder: Path, encode_size: EncodeSize = "as-stored", fit: Fit = "stretch", size: int = SIDE) -> Dataset:
    """The photographs of ``folder`` as networks are shown them at ``size``."""
    return load_dataset(f"images:{folder}", DatasetOptions(size=size, fit=fit, encode_size=encode_size))
