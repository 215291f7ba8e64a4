"""The Codec contract: pixels to JPEG files at given tables and back to pixels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.tables import QuantTables

Images = npt.NDArray[np.uint8]
"""uint8 [N, H, W, 3], RGB."""

SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")


@dataclass(frozen=True)
class Encoded:
    """What a codec made of N images: their files' sizes in bytes, int64 [N], and the decoded pixels [N, H, W, 3]."""

    size_bytes: npt.NDArray[np.int64]
    images: Images


@dataclass(frozen=True)
class Codec(ABC):
    """Encodes and decodes. Must be picklable, stateless and deterministic: the same answer in every process.

    A codec is made from the encoder settings that users choose, and refuses those it does not know with an InputError.
    """

    name: ClassVar[str]
    subsampling: str = "4:2:0"
    optimize: bool = False
    progressive: bool = False

    def __post_init__(self) -> None:
        if self.subsampling not in SUBSAMPLINGS:
            raise InputError(f"chroma subsampling is one of {', '.join(SUBSAMPLINGS)}, got {self.subsampling!r}.")

    @abstractmethod
    def encode(self, images: Images, tables: QuantTables) -> Encoded:
        """Encodes ``images`` uint8 [N, H, W, 3] at ``tables``, each as a file of its own, and decodes them again."""

    @abstractmethod
    def settings(self) -> dict[str, str | bool | int]:
        """Name, encoder settings and library versions: all that changes sizes or pixels. Recorded with every run."""
