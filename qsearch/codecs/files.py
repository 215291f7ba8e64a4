"""Codecs that make files: what they encode is what can be written to disk, and Pillow reads it back."""

import io
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from qsearch.codecs.base import Codec, Encoded, Images, check_tables
from qsearch.errors import EvaluationError
from qsearch.tables import QuantTables, Table
from qsearch.text import reason_of


@dataclass(frozen=True)
class FileCodec(Codec):
    """Encodes to JPEG files."""

    @abstractmethod
    def write(self, image: Image.Image, file: BinaryIO, tables: QuantTables, **metadata: Any) -> None:
        """Writes a greyscale (``L``) or RGB image as a JPEG file.

        ``metadata`` as Pillow takes it: ``exif`` and ``icc_profile``, bytes, and an empty ``comment``.
        """

    def compress(self, pixels: npt.NDArray[np.uint8], tables: QuantTables) -> bytes:
        """The JPEG file of one image uint8 [H, W, 3]; no metadata but the encoder's own header."""
        buffer = io.BytesIO()
        self.write(Image.fromarray(pixels), buffer, tables)
        return buffer.getvalue()

    def files(self, source: Images, tables: Sequence[QuantTables]) -> Iterator[bytes]:
        """The files of N images uint8 [N, H, W, 3], each at its tables."""
        for pixels, its_tables in zip(source, tables, strict=True):
            yield self.compress(pixels, its_tables)

    def encode(self, source: Images, tables: Sequence[QuantTables]) -> Encoded:
        """See :meth:`Codec.encode`. EvaluationError where a file cannot be decoded."""
        check_tables(len(source), tables)
        size_bytes = np.empty(len(source), dtype=np.int64)
        decoded = np.empty_like(source, subok=False)
        for index, data in enumerate(self.files(source, tables)):
            size_bytes[index] = len(data)
            try:
                with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                    decoded[index] = np.asarray(image)
            except (OSError, SyntaxError, ValueError) as error:  # all of them, of damaged files
                raise EvaluationError(f"Pillow cannot decode what {self.name} encoded ({reason_of(error)}).") from error
        return Encoded(size_bytes, decoded)

    def size_bytes(self, source: Images, tables: Sequence[QuantTables]) -> npt.NDArray[np.int64]:
        """See :meth:`Codec.size_bytes`; nothing is decoded."""
        check_tables(len(source), tables)
        return np.array([len(data) for data in self.files(source, tables)], dtype=np.int64)


def tables_of_components(tables: QuantTables, *, grey: bool = False) -> list[Table]:
    """The tables that a file carries: luma, then one for chroma, or Cb's and Cr's where these differ; grey luma alone.

    Chroma's is there also where it equals luma's, as in standard JPEG: a gain never comes from the 69 bytes that a
    shared table could leave out.
    """
    if grey:
        return [tables.luma]
    return [tables.luma, tables.cb, *([tables.cr] if tables.layout == "ycbcr" else [])]
