"""The fast codec: libjpeg-turbo's sizes and pixels, computed from cached DCT coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.codecs.base import Codec, Encoded, Images, check_tables
from qsearch.coefficients.arrays import FACTORS, FORMAT, Coefficients, chunks_of
from qsearch.coefficients.cache import cached_coefficients, cached_stored_coefficients
from qsearch.datasets.stored import StoredImages
from qsearch.errors import InputError
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from qsearch.coefficients.on_device import DeviceCoefficients
    from qsearch.coefficients.stored import StoredCoefficients

EXACT_FOR = "libjpeg-turbo 3.2.0"
"""The library it was compared with; :func:`qsearch.codecs.auto.difference_from_pillow` compares it with any other."""


@dataclass(frozen=True)
class CoefficientCodec(Codec):
    """Baseline JPEG with the standard Huffman tables, without making files: only what depends on the tables is done.

    The files it tells the sizes of are those of :class:`~qsearch.codecs.pillow.PillowCodec`, header included. Raises
    MissingDependencyError on import where the C extension was not built, InputError for settings it does not cover.
    """

    name: ClassVar[str] = "coefficient"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder.optimize or self.encoder.progressive or self.encoder.subsampling not in FACTORS:
            raise InputError(
                f"the codec coefficient does baseline JPEG at {' or '.join(FACTORS)} with the standard Huffman tables, "
                f"got {_described(self)}: use the codec pillow."
            )

    def prepare(self, images: Images, digest: str) -> Coefficients:
        """See :meth:`Codec.prepare`; the coefficients, from the cache folder."""
        return cached_coefficients(images, digest, self.encoder.subsampling)

    def prepare_on(self, device: str, images: Images, digest: str) -> "DeviceCoefficients":
        """See :meth:`Codec.prepare_on`; the coefficients, from the cache folder, on ``device`` too."""
        from qsearch.coefficients.on_device import DeviceCoefficients

        return DeviceCoefficients.of(self.prepare(images, digest), device)

    def prepare_stored(self, images: StoredImages) -> "StoredCoefficients":
        """See :meth:`Codec.prepare_stored`; the coefficients, from the cache folder."""
        return cached_stored_coefficients(images, self.encoder.subsampling)

    def encode(self, source: "Images | Coefficients | DeviceCoefficients", tables: Sequence[QuantTables]) -> Encoded:
        """See :meth:`Codec.encode`."""
        check_tables(len(source), tables)
        if not isinstance(source, np.ndarray):
            self._check_subsampling(source.subsampling)
            return Encoded(*source.encode(tables))
        size_bytes = np.empty(len(source), dtype=np.int64)
        decoded = np.empty_like(source, subok=False, order="C")
        for part, coefficients in chunks_of(source, self.encoder.subsampling):
            size_bytes[part], decoded[part] = coefficients.encode(tables[part])
        return Encoded(size_bytes, decoded)

    def size_bytes(
        self, source: "Images | Coefficients | DeviceCoefficients", tables: Sequence[QuantTables]
    ) -> npt.NDArray[np.int64]:
        """See :meth:`Codec.size_bytes`; nothing is decoded."""
        check_tables(len(source), tables)
        if not isinstance(source, np.ndarray):
            self._check_subsampling(source.subsampling)
            return source.size_bytes(tables)
        size_bytes = np.empty(len(source), dtype=np.int64)
        for part, coefficients in chunks_of(source, self.encoder.subsampling):
            size_bytes[part] = coefficients.size_bytes(tables[part])
        return size_bytes

    def _check_subsampling(self, subsampling: str) -> None:
        if subsampling != self.encoder.subsampling:
            raise InputError(
                f"the coefficients are of {subsampling} and the codec is of {self.encoder.subsampling}: "
                f"prepare the images with this codec."
            )

    def settings(self) -> dict[str, str | bool | int]:
        """See :meth:`Codec.settings`."""
        return {"name": self.name, **msgspec.structs.asdict(self.encoder), "kernel": FORMAT, "exact_for": EXACT_FOR}


def _described(codec: Codec) -> str:
    named = [name for name in ("optimize", "progressive") if getattr(codec.encoder, name)]
    return ", ".join([codec.encoder.subsampling, *named])
