"""The reference codec: Pillow and the libjpeg-turbo it carries."""

from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import msgspec
from PIL import Image, ImageFile, features
from PIL import __version__ as pillow_version

from qsearch.codecs.files import FileCodec, tables_of_components
from qsearch.tables import QuantTables


@dataclass(frozen=True)
class PillowCodec(FileCodec):
    """Baseline (or progressive) JPEG by Pillow, each file with the tables of :func:`tables_of_components`."""

    name: ClassVar[str] = "pillow"

    def write(self, image: Image.Image, file: BinaryIO, tables: QuantTables, **metadata: Any) -> None:
        """See :meth:`FileCodec.write`."""
        grey = image.mode == "L"
        if self.encoder.optimize or self.encoder.progressive:
            # libjpeg then writes all at once, into a buffer that Pillow makes too small for fine tables.
            ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 12 * image.width * image.height)
        image.save(
            file,
            "JPEG",
            # Lists made here: Pillow rewrites the caller's. No `quality`: it would scale the tables.
            qtables=[table.ravel().tolist() for table in tables_of_components(tables, grey=grey)],
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
