"""Quantizer: what a trial tries: for each image the quantization tables of its JPEG file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.tables import QuantTables


@runtime_checkable
class Quantizer(Protocol):
    """Chooses tables. :class:`~qsearch.tables.QuantTables` is the constant one: the same for every image.

    kind: one word for what it is; ``tables`` for constant ones.
    digest: hexadecimal, of all that decides its choice; two with one digest choose alike.
    Picklable, deterministic, and blind to labels: what it chooses for an image depends on the image's pixels alone.
    """

    @property
    def kind(self) -> str: ...

    @property
    def digest(self) -> str: ...

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        """One QuantTables for each of ``images`` uint8 [N, H, W, 3]."""
        ...

    def to_bytes(self) -> bytes:
        """What an archive keeps of it: with kind and digest, all that tells it from others."""
        ...


@dataclass(frozen=True)
class Uncompressed:
    """No quantization at all: the images as they are, 3 bytes a pixel. What networks answer on them is the measure of
    what compression costs."""

    kind: str = "uncompressed"
    digest: str = "0" * 64

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        """InputError: uncompressed images have no tables."""
        raise InputError("uncompressed images have no quantization tables.")

    def to_bytes(self) -> bytes:
        """Nothing."""
        return b""


UNCOMPRESSED = Uncompressed()


@dataclass(frozen=True)
class RecordedQuantizer:
    """A quantizer of which an archive kept what it is, but which it cannot rebuild."""

    kind: str
    digest: str
    data: bytes

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        """InputError: its model is not here."""
        raise InputError(f"the {self.kind} quantizer {self.digest[:12]} is known by its digest only: load its model.")

    def to_bytes(self) -> bytes:
        """What was kept."""
        return self.data


def restore(kind: str, digest: str, data: bytes) -> Quantizer:
    """The quantizer that an archive kept. InputError where ``data`` does not belong to ``digest``."""
    if kind == UNCOMPRESSED.kind and digest == UNCOMPRESSED.digest:
        return UNCOMPRESSED
    if UNCOMPRESSED.kind == kind or UNCOMPRESSED.digest == digest:
        raise InputError(f"quantizer {digest[:12]} is of kind {kind}, which is not that of its digest.")
    if kind != QuantTables.kind:
        return RecordedQuantizer(kind, digest, data)
    tables = QuantTables.from_bytes(data)
    if tables.digest != digest:
        raise InputError(f"the tables of quantizer {digest[:12]} are not those of its digest.")
    return tables


def constant_tables(quantizer: Quantizer) -> QuantTables:
    """The tables of a constant quantizer; InputError where each image has tables of its own."""
    if not isinstance(quantizer, QuantTables):
        raise InputError(f"a quantizer of kind {quantizer.kind} has no one set of tables: each image has its own.")
    return quantizer
