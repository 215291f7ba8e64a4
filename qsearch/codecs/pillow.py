"""The reference codec: Pillow and the libjpeg-turbo it carries."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, features
from PIL import __version__ as pillow_version

from qsearch.codecs.base import Codec, Encoded, Images, check_tables
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class PillowCodec(Codec):
    """Baseline (or progressive) JPEG by Pillow.

    Every file carries a luma and a chroma table, also where the two are equal, as standard JPEG does: a gain never
    comes from the 69 bytes that a shared table could leave out. Where Cb and Cr differ it carries three.
    """

    name: ClassVar[str] = "pillow"

    def encode(self, source: Images, tables: Sequence[QuantTables]) -> Encoded:
        """See :meth:`Codec.encode`."""
        check_tables(len(source), tables)
        size_bytes = np.empty(len(source), dtype=np.int64)
        decoded = np.empty_like(source, subok=False)
        for index, (pixels, its_tables) in enumerate(zip(source, tables, strict=True)):
            data = self.compress(pixels, its_tables)
            size_bytes[index] = len(data)
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                decoded[index] = np.asarray(image)
        return Encoded(size_bytes, decoded)

    def size_bytes(self, source: Images, tables: Sequence[QuantTables]) -> npt.NDArray[np.int64]:
        """See :meth:`Codec.size_bytes`; nothing is decoded."""
        check_tables(len(source), tables)
        sizes = [len(self.compress(pixels, its_tables)) for pixels, its_tables in zip(source, tables, strict=True)]
        return np.array(sizes, dtype=np.int64)

    def compress(self, pixels: npt.NDArray[np.uint8], tables: QuantTables) -> bytes:
        """The JPEG file of one image uint8 [H, W, 3]; no metadata but JFIF's own header."""
        buffer = io.BytesIO()
        self.write(Image.fromarray(pixels), buffer, tables)
        return buffer.getvalue()

    def write(self, image: Image.Image, file: BinaryIO, tables: QuantTables, **metadata: Any) -> None:
        """Writes a greyscale (``L``) or RGB image as a JPEG file; ``metadata`` as Pillow takes it (exif, ...)."""
        grey = image.mode == "L"
        parts = [tables.luma] if grey else [tables.luma, tables.cb]
        if not grey and tables.layout == "ycbcr":
            parts.append(tables.cr)
        if self.encoder.optimize or self.encoder.progressive:
            # libjpeg then writes all at once, into a buffer that Pillow makes too small for fine tables.
            ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 12 * image.width * image.height)
        image.save(
            file,
            "JPEG",
            # Lists made here: Pillow rewrites the caller's. No `quality`: it would scale the tables.
            qtables=[part.ravel().tolist() for part in parts],
            # A lone component that says 2x2 is legal and confuses readers.
            subsampling="4:4:4" if grey else self.encoder.subsampling,
            optimize=self.encoder.optimize,
            progressive=self.encoder.progressive,
            **metadata,
        )

    def settings(self) -> dict[str, str | bool | int]:
        """See :meth:`Codec.settings`."""
        return {
            "name": self.name,
            **msgspec.to_builtins(self.encoder),
            "pillow": pillow_version,
            "libjpeg": _libjpeg_version(),
        }


def _libjpeg_version() -> str:
    turbo = features.version_feature("libjpeg_turbo")
    return f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version_codec('jpg')}"
