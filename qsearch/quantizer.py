"""Quantizer: what a trial tries: for each image the quantization tables of its JPEG file; TableModel: one for each of
many strengths."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

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


class TableModel(ABC):
    """Looks at an image's pixels and says the tables of its JPEG file, at any strength that it was made for.

    A strength is told as the standard quality whose trade-off between bits and errors the tables make: low ones
    compress strongly. No label is ever shown. Picklable, deterministic, and for pixels of any size.
    """

    name: ClassVar[str]
    """What it is registered as: lower case, without spaces."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Hexadecimal, of all that decides its tables."""

    @property
    @abstractmethod
    def strengths(self) -> tuple[float, float]:
        """The lowest and the highest that it was made for."""

    @property
    @abstractmethod
    def subsampling(self) -> str:
        """Of the chroma of the files that its tables are for."""

    @property
    def title(self) -> str:
        """In one line."""
        return self.name

    @abstractmethod
    def tables(self, pixels: npt.NDArray[np.uint8], strength: float) -> QuantTables:
        """Those of the image ``pixels`` uint8 [H, W, 3], RGB. InputError for a strength that it was not made for."""

    def at(self, strength: float) -> "AtStrength":
        """It as a quantizer. InputError for a strength that it was not made for."""
        return AtStrength(self, self.checked(strength))

    def checked(self, strength: float) -> float:
        """``strength`` as it is. InputError for one that it was not made for."""
        low, high = self.strengths
        if isinstance(strength, bool) or not low <= strength <= high:
            raise InputError(
                f"{self.title} has strengths from {low:g} to {high:g}, got {strength:g}: choose one there."
            )
        return float(strength)


@dataclass(frozen=True)
class AtStrength:
    """A table model at one strength: a quantizer."""

    model: TableModel
    strength: float

    @property
    def kind(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the model's and the strength."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def tables_for(self, images: npt.NDArray[np.uint8]) -> Sequence[QuantTables]:
        """One QuantTables for each of ``images`` uint8 [N, H, W, 3]."""
        return [self.model.tables(image, self.strength) for image in images]

    def to_bytes(self) -> bytes:
        """The model's name and digest, and the strength."""
        kept = {"model": self.model.name, "digest": self.model.digest, "strength": self.strength}
        return json.dumps(kept, sort_keys=True).encode()
