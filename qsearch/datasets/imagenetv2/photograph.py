"""What came for a photograph: verified to be that photograph, and prepared as Li 2020 did."""

import hashlib
import io
import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qsearch.datasets.download import Answer, DamagedError, UnavailableError
from qsearch.datasets.pixels import open_image, read_rgb
from qsearch.datasets.preparation import resize_and_crop, shorter_side

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

PREPARED_SIZE = 224
"""Pixels, of the crop; the shorter side is brought to 256 first."""
PROPORTION_TOLERANCE = 0.03
"""Relative, of width to height: rounded thumbnails differ by less, other pictures nearly always by more."""

_PLACEHOLDER = re.compile(r"photo[_-]?unavailable|image[_-]?unavailable", re.IGNORECASE)


@dataclass(frozen=True)
class Photograph:
    """An image file and what it becomes.

    content: the file's bytes. suffix: ``.jpeg``, ``.png``, ... as its format is, whatever its name was. width, height:
    pixels, upright. prepared: a PNG of PREPARED_SIZE squared.
    """

    content: bytes
    suffix: str
    width: int
    height: int
    prepared: bytes

    @property
    def sha256(self) -> str:
        """Of the file, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def prepared_sha256(self) -> str:
        """Of the prepared file, hexadecimal."""
        return hashlib.sha256(self.prepared).hexdigest()


def photograph_of(answer: Answer, shape: tuple[int, int] | None) -> Photograph:
    """The photograph in a server's answer, whose (width, height) should be ``shape``, or a scaled ``shape``.

    UnavailableError where it is Flickr's placeholder or another picture, DamagedError where it is no whole image.
    """
    if any(_PLACEHOLDER.search(address) for address in answer.addresses):
        raise UnavailableError("replaced by Flickr's placeholder")
    photograph = photograph_from(answer.content, answer.content_type)
    if shape is not None and not _same_proportions((photograph.width, photograph.height), shape):
        raise UnavailableError("replaced by a picture of other proportions")
    return photograph


def photograph_from(content: bytes, described: str = "") -> Photograph:
    """The photograph in a file. DamagedError, naming the type it was ``described`` as, where there is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # originals are large
            with open_image(io.BytesIO(content)) as image:
                format_ = image.format or "image"
                upright = read_rgb(image)
    except Exception as error:  # on damaged files Pillow's readers raise nearly everything
        kind = f" of type {described}" if described else ""
        raise DamagedError(f"a file{kind} that is no whole image") from error
    return Photograph(content, f".{format_.lower()}", upright.width, upright.height, _prepare(upright))


def _prepare(image: "PILImage") -> bytes:
    from PIL import Image

    square = resize_and_crop(image, shorter_side(PREPARED_SIZE), (PREPARED_SIZE, PREPARED_SIZE))
    file = io.BytesIO()
    Image.fromarray(np.asarray(square)).save(file, "PNG")  # pixels alone: no colour profile, no comment
    return file.getvalue()


def _same_proportions(left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Up to a turn by 90 degrees, which EXIF may ask for and an API leaves out."""
    turned = (right[1], right[0])
    return any(
        abs(math.log(left[0] / left[1]) - math.log(other[0] / other[1])) <= PROPORTION_TOLERANCE
        for other in (right, turned)
    )
