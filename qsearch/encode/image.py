"""Images to JPEG files at given tables, with what belongs to a photograph: its colours, its orientation, its EXIF."""

import io
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from qsearch.codecs.files import FileCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.pixels import UnusableImageError, opaque, open_image, why_unreadable
from qsearch.disk import replacing
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from PIL.Image import Image

Tables = QuantTables | Callable[[npt.NDArray[np.uint8]], QuantTables]
"""The same for every image, or what chooses them for the pixels uint8 [H, W, 3] that are encoded."""
LARGEST_SIDE = 65500
"""Pixels; libjpeg encodes no more."""
JPEG_FORMATS = ("JPEG", "MPO")
"""Pillow's names: MPO is a JPEG file that carries further pictures (depth, gain map) behind the first."""

# Formats whose further frames are no animation and no pages: the first one is the whole picture.
_ONE_PICTURE = ("MPO", "PSD")
# Tags of a TIFF file that describe the photograph; the others describe where the file keeps its pixels.
_TIFF_TAGS = ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright")
_EXIF_PREFIX = b"Exif\0\0"


def encode_image(image: "Image", tables: Tables, codec: FileCodec | None = None, *, strip: bool = False) -> bytes:
    """The JPEG file of a PIL image at ``tables``.

    Greyscale images stay greyscale; all others become RGB: transparency shows white, 16 bits are scaled to 8, CMYK is
    converted by its colour profile where it has one. The EXIF data and a fitting colour profile are kept. ``strip``
    drops both, and turns pixels and colours so that the image looks the same without them (upright, sRGB).
    ``codec`` encodes, by default Pillow to 4:2:0 baseline files.

    Raises ValueError for an image of several frames and one that JPEG cannot hold, and what Pillow raises for damage.
    """
    _check(image)
    buffer = io.BytesIO()
    picture, metadata = _prepare(image, strip)
    _save(picture, metadata, buffer, chosen(tables, picture), codec or PillowCodec())
    return buffer.getvalue()


def chosen(tables: Tables, picture: "Image") -> QuantTables:
    """The tables of ``picture``; a grey one is looked at as RGB."""
    if isinstance(tables, QuantTables):
        return tables
    return tables(np.array(picture.convert("RGB")))


def tables_of_file(source: Path, tables: Tables, *, strip: bool = False) -> QuantTables:
    """What :func:`encode_file` encodes the file ``source`` at. UnusableImageError where it cannot be read."""
    if isinstance(tables, QuantTables):
        return tables
    try:
        with open_image(source) as image:
            _check(image)
            picture, _ = _prepare(image, strip)
    except Exception as error:  # on damaged files Pillow's readers raise nearly everything
        raise UnusableImageError(why_unreadable(source, error)) from error
    return chosen(tables, picture)


@dataclass(frozen=True)
class EncodedFile:
    """A file that became a JPEG file: what it was, as Pillow calls it, and the sizes of the two in bytes.

    written: whether it became one; else it would have been no smaller, and stayed as it was.
    """

    source_format: str
    bytes_before: int
    bytes_after: int
    written: bool = True


class _NotSmallerError(Exception):
    """The file is written, and larger than the one it was to replace."""


def encode_file(
    source: Path,
    target: Path,
    tables: Tables,
    codec: FileCodec | None = None,
    *,
    strip: bool = False,
    in_place: bool = False,
) -> EncodedFile:
    """Writes :func:`encode_image` of the file ``source`` to ``target``, whole or not at all.

    ``in_place``: the target is the source itself. What a JPEG file cannot replace is refused, and what would not become
    smaller is left as it is, unless ``strip`` is to drop data from it.
    Raises UnusableImageError, whose words end a sentence naming the source, and DiskError where the disk refuses.
    """
    try:
        with open_image(source) as image:
            source_format, bytes_before = image.format or "", source.stat().st_size
            if in_place:
                _check_replaceable(image)
            _check(image)
            picture, metadata = _prepare(image, strip)
    except Exception as error:  # on damaged files Pillow's readers raise nearly everything
        raise UnusableImageError(why_unreadable(source, error)) from error
    bytes_after = 0
    own = chosen(tables, picture)
    with suppress(_NotSmallerError), replacing(target) as file:
        _save(picture, metadata, file, own, codec or PillowCodec())
        bytes_after = _complete_size(file)
        if in_place and not strip and bytes_after >= bytes_before:
            raise _NotSmallerError
        return EncodedFile(source_format, bytes_before, bytes_after)
    return EncodedFile(source_format, bytes_before, bytes_after, written=False)


def _check(image: "Image") -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in _ONE_PICTURE:
        raise UnusableImageError(f"animated or of several pages: only the first of {frames} would survive")
    if max(image.size) > LARGEST_SIDE:
        raise UnusableImageError(
            f"{image.width}x{image.height} pixels; a JPEG file has at most {LARGEST_SIDE} on each side"
        )


def _check_replaceable(image: "Image") -> None:
    if image.format == "MPO":
        raise UnusableImageError("a JPEG file of several pictures (MPO), of which only the first would remain")
    if image.format not in JPEG_FORMATS:
        raise UnusableImageError(f"{image.format} in spite of its name: only JPEG files are replaced in place")


def _prepare(image: "Image", strip: bool) -> tuple["Image", dict[str, Any]]:
    """The picture to encode, mode L or RGB, and the metadata that Pillow is to write."""
    from PIL import ImageOps

    image.load()
    exif, profile = _exif(image), image.info.get("icc_profile") or b""
    if strip:
        image = ImageOps.exif_transpose(image)
    if image.mode == "CMYK" and _colour_space(profile) == "CMYK":
        image = _to_srgb(image, profile)
    picture = opaque(image)
    if _colour_space(profile) != {"L": "GRAY", "RGB": "RGB"}[picture.mode]:
        profile = b""
    if strip:
        return (_to_srgb(picture, profile).convert(picture.mode) if profile else picture), {}
    return picture, {name: data for name, data in (("exif", exif), ("icc_profile", profile)) if data}


def _exif(image: "Image") -> bytes:
    """The EXIF data as a JPEG file holds it, empty where there is none."""
    from PIL import ExifTags
    from PIL import Image as ImageModule

    raw = image.info.get("exif")
    if isinstance(raw, bytes) and raw:
        return raw if raw.startswith(_EXIF_PREFIX) else _EXIF_PREFIX + raw
    found = image.getexif()
    if image.format == "TIFF":
        everything, found = found, ImageModule.Exif()
        for tag in (ExifTags.Base[name] for name in _TIFF_TAGS):
            if tag in everything:
                found[tag] = everything[tag]
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if everything.get_ifd(directory):
                found[directory] = everything.get_ifd(directory)
    return found.tobytes() if len(found) else b""


def _colour_space(profile: bytes) -> str:
    return profile[16:20].decode("latin-1").strip()


def _to_srgb(image: "Image", profile: bytes) -> "Image":
    """``image`` as it looks on an sRGB screen; as it is where it is sRGB, or where its profile cannot be applied."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image  # a damaged profile, which viewers ignore too
    return image if converted is None else converted


def _save(
    picture: "Image", metadata: dict[str, Any], file: BinaryIO | io.BytesIO, tables: QuantTables, codec: FileCodec
) -> None:
    try:
        # Without a comment Pillow writes the source's, which mostly names the encoder before.
        codec.write(picture, file, tables, comment=b"", **metadata)
    except ValueError as error:
        if "too long" not in str(error):
            raise
        raise UnusableImageError("its EXIF data does not fit into a JPEG file: drop it with --strip") from error


def _complete_size(file: BinaryIO) -> int:
    """Bytes of ``file``; OSError where it does not end as JPEG files do: Pillow misses a last write cut short."""
    file.seek(-2, os.SEEK_END)
    if file.read() != b"\xff\xd9":
        raise OSError("it could be written only in part: is the disk full?")
    return file.tell()
