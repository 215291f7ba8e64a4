"""One image file to the RGB pixels a dataset holds, whatever Pillow reads: turned upright, opaque, 8 bits."""

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from qsearch.datasets.identity import SourceIdentity, identity_of
from qsearch.datasets.preparation import (
    resize_and_crop,
    resize_and_crop_matrices,
    shorter_side,
    stretch,
    stretch_matrices,
)

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_FORMATS = (
    *("AVIF", "BMP", "DDS", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN"),
    *("TGA", "TIFF", "WEBP"),
)
"""What users' images may be, as Pillow calls it; MPO opens as JPEG. Of its others some run programs (EPS: Ghostscript)
or hand the file to the system (WMF), and that by what is in a file, whatever its name says."""
JPEG_FORMATS = ("JPEG", "MPO")
"""Pillow's names of what a JPEG encoder has written."""
LARGEST_SIDE = 65500
"""Pixels; libjpeg encodes no more."""
BACKGROUND = "white"
"""What shows through transparent pixels, as on a page."""
GREY_MODES = ("1", "L", "LA", "La")


class UnusableImageError(ValueError):
    """An image that cannot become pixels of a dataset; the message ends a sentence that names the file."""


@cache
def image_formats() -> tuple[str, ...]:
    """Those of :data:`IMAGE_FORMATS` that this Pillow reads."""
    from PIL import Image

    Image.init()
    return tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)


def open_image(source: Path | BinaryIO) -> "Image":
    """A user's image file, opened and not yet decoded. Raises what Pillow raises, for other formats too."""
    from PIL import Image

    return Image.open(source, formats=image_formats())


class PreparedImage(NamedTuple):
    """Pixels uint8 [H, W, 3] of a dataset, and what the file they come from is known by.

    stored: the pixels of the file as it is, where they were asked for; compressed: whether JPEG had been at them.
    """

    pixels: npt.NDArray[np.uint8]
    identity: SourceIdentity
    stored: npt.NDArray[np.uint8] | None = None
    compressed: bool = False


def prepared_image(path: Path, size: int | None, fit: str, *, as_stored: bool = False) -> PreparedImage | str:
    """What an image file gives, or the reason why it gives nothing.

    size: side in pixels of the square the image is brought to, or None; fit: ``crop`` (Li 2020) or ``stretch``.
    as_stored: whether its pixels are also wanted as they are, to be encoded so.
    """
    try:
        data = path.read_bytes()
        with open_image(io.BytesIO(data)) as image:
            compressed = image.format in JPEG_FORMATS
            source = read_rgb(image)
        if as_stored and max(source.size) > LARGEST_SIDE:
            raise UnusableImageError(
                f"{source.width}x{source.height} pixels, and JPEG has at most {LARGEST_SIDE} a side"
            )
        pixels, stored = np.asarray(sized(source, size, fit)), np.asarray(source)
        identity = identity_of(stored, hashlib.sha256(data).hexdigest())
        return PreparedImage(pixels, identity, stored if as_stored else None, compressed)
    except Exception as error:  # on damaged files Pillow's readers raise nearly everything
        return why_unreadable(path, error)


def why_unreadable(path: Path, error: Exception) -> str:
    """What ``error``, raised in reading the image file ``path``, means: words that end a sentence naming the file."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "empty" if path.stat().st_size == 0 else "not an image"
    reason = getattr(error, "strerror", None) or str(error)
    return " ".join(reason.split()).rstrip(".") or type(error).__name__


def read_rgb(image: "Image") -> "Image":
    """An opened image as mode RGB: the first frame, upright by its EXIF orientation, on white where transparent.

    16-bit pixels and floats (0..1, or else 0..255) are scaled to 8 bits. Colour profiles are not applied.
    """
    from PIL import ImageOps

    image.load()
    return opaque(ImageOps.exif_transpose(image)).convert("RGB")


def opaque(image: "Image") -> "Image":
    """``image`` with 8 bits and without transparency: mode L where it is grey, else RGB; as :func:`read_rgb` says."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(np.asarray(image), image.mode))
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.has_transparency_data:
        page = Image.new("RGBA", image.size, BACKGROUND)
        return Image.alpha_composite(page, image.convert("RGBA")).convert("RGB").convert(mode)
    return image.convert(mode)


def _to_8_bits(values: npt.NDArray[np.generic], mode: str) -> npt.NDArray[np.uint8]:
    """Grey values [H, W] of Pillow's modes I;16, I and F as uint8."""
    numbers = values.astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    white = (1.0 if high <= 1 else 255.0) if mode == "F" else 65535.0
    if not (low >= 0 and high <= white):  # also where they are not numbers
        raise UnusableImageError(f"pixels from {low:g} to {high:g}, expected 0 to {white:g}")
    return np.rint(numbers * (255 / white)).astype(np.uint8)


def sized_matrices(
    before: tuple[int, int], size: int, fit: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What :func:`sized` does to an image of ``before`` (width, height), as
    :func:`~qsearch.datasets.preparation.resize_and_crop_matrices` says it."""
    if fit == "stretch":
        return stretch_matrices(before, (size, size))
    return resize_and_crop_matrices(before, shorter_side(size), (size, size))


def sized(image: "Image", size: int | None, fit: str) -> "Image":
    """``image`` as :func:`prepared_image` says. UnusableImageError where it is smaller than the crop."""
    if size is None:
        return image
    if fit == "stretch":
        return stretch(image, (size, size))
    if min(image.size) < size:
        raise UnusableImageError(f"{image.width}x{image.height} pixels, smaller than the crop of {size}")
    return resize_and_crop(image, shorter_side(size), (size, size))
