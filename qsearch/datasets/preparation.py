"""One image to the size that is wanted: centre crop or stretched whole, antialiased as torchvision's."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
"""Pillow's filters; all but ``nearest`` widen with the reduction, which is what torchvision calls antialiased."""


def shorter_side(size: int) -> int:
    """Pixels of the shorter side from which a crop of ``size`` is cut: 256 for 224 (Li 2020), others in this ratio."""
    return round(size * 256 / 224)


class Placement(NamedTuple):
    """An image brought to ``width`` x ``height`` pixels, of which a crop begins at ``left``, ``top``."""

    width: int
    height: int
    left: int
    top: int


def placement(size: tuple[int, int], resize: int, crop: tuple[int, int]) -> Placement:
    """Where the centre ``crop`` of an image of ``size`` lies, its shorter side brought to ``resize`` pixels.

    Sizes are (width, height) and round as in torchvision's Resize and CenterCrop.
    """
    width, height = (resize * side // min(size) for side in size)
    return Placement(width, height, round((width - crop[0]) / 2), round((height - crop[1]) / 2))


def resize_and_crop(image: "Image", resize: int, crop: tuple[int, int], interpolation: str = "bilinear") -> "Image":
    """``image`` with its shorter side brought to ``resize`` pixels, then the centre ``crop`` (width, height) of it."""
    width, height, left, top = placement(image.size, resize, crop)
    resized = stretch(image, (width, height), interpolation)
    return resized.crop((left, top, left + crop[0], top + crop[1]))


def resize_and_crop_matrices(
    size: tuple[int, int], resize: int, crop: tuple[int, int], interpolation: str = "bilinear"
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What :func:`resize_and_crop` does to rows [crop height, height] and columns [crop width, width], unrounded.

    An image ``x`` [height, width] becomes ``rows @ x @ columns.T``.
    """
    place = placement(size, resize, crop)
    rows = _weights(size[1], place.height, interpolation)[place.top :][: crop[1]]
    columns = _weights(size[0], place.width, interpolation)[place.left :][: crop[0]]
    return rows, columns


def stretch_matrices(
    size: tuple[int, int], after: tuple[int, int], interpolation: str = "bilinear"
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """As :func:`resize_and_crop_matrices`, of what :func:`stretch` does to an image of ``size`` (width, height)."""
    return _weights(size[1], after[1], interpolation), _weights(size[0], after[0], interpolation)


def _weights(before: int, after: int, interpolation: str) -> npt.NDArray[np.float32]:
    """[after, before]: Pillow's own, as it shows them on an image with one white pixel in each column."""
    from PIL import Image

    return np.asarray(stretch(Image.fromarray(np.eye(before, dtype=np.float32)), (before, after), interpolation))


def stretch(image: "Image", size: tuple[int, int], interpolation: str = "bilinear") -> "Image":
    """The whole of ``image`` at ``size`` (width, height), whatever that does to its proportions."""
    from PIL import Image

    return image.resize(size, Image.Resampling[interpolation.upper()]) if image.size != size else image
