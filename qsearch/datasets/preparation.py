"""One image to the size that is wanted: centre crop or stretched whole, antialiased as torchvision's."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
"""Pillow's filters; all but ``nearest`` widen with the reduction, which is what torchvision calls antialiased."""


def shorter_side(size: int) -> int:
    """Pixels of the shorter side from which a crop of ``size`` is cut: 256 for 224 (Li 2020), others in this ratio."""
    return round(size * 256 / 224)


def resize_and_crop(image: "Image", resize: int, crop: tuple[int, int], interpolation: str = "bilinear") -> "Image":
    """``image`` with its shorter side brought to ``resize`` pixels, then the centre ``crop`` (width, height) of it.

    Sizes round as in torchvision's Resize and CenterCrop.
    """
    shorter = min(image.size)
    width, height = (resize * side // shorter for side in image.size)
    resized = stretch(image, (width, height), interpolation)
    left, top = round((width - crop[0]) / 2), round((height - crop[1]) / 2)
    return resized.crop((left, top, left + crop[0], top + crop[1]))


def stretch(image: "Image", size: tuple[int, int], interpolation: str = "bilinear") -> "Image":
    """The whole of ``image`` at ``size`` (width, height), whatever that does to its proportions."""
    from PIL import Image

    return image.resize(size, Image.Resampling[interpolation.upper()]) if image.size != size else image
