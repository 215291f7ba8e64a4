"""The Codec contract: pixels to JPEG files at given tables and back to pixels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.datasets.stored import StoredImages
from qsearch.errors import InputError
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    import torch

Images = npt.NDArray[np.uint8]
"""uint8 [N, H, W, 3], RGB."""

Subsampling = Literal["4:2:0", "4:2:2", "4:4:4"]
SUBSAMPLINGS: tuple[str, ...] = get_args(Subsampling)


class EncoderOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What users choose of an encoder, tables aside; settings, command line and codecs read it from here."""

    subsampling: Annotated[Subsampling, msgspec.Meta(description="Chroma subsampling.")] = "4:2:0"
    optimize: Annotated[bool, msgspec.Meta(description="Huffman tables of each image's own.")] = False
    progressive: Annotated[bool, msgspec.Meta(description="Progressive JPEG.")] = False


@dataclass(frozen=True)
class Encoded:
    """What a codec made of N images: their files' sizes in bytes, int64 [N], and the decoded pixels [N, H, W, 3].

    pixels: where they were left: a torch tensor only if the source was made by :meth:`Codec.prepare_on`.
    """

    size_bytes: npt.NDArray[np.int64]
    pixels: "Images | torch.Tensor"

    @cached_property
    def images(self) -> Images:
        """The pixels as an array; those on a device are copied once."""
        return as_array(self.pixels)


def as_array(pixels: "Images | torch.Tensor") -> Images:
    """``pixels`` as an array, copied where they are on a device."""
    return pixels if isinstance(pixels, np.ndarray) else pixels.cpu().numpy()


@dataclass(frozen=True)
class Codec(ABC):
    """Encodes and decodes. Must be picklable, stateless and deterministic: the same answer in every process.

    encoder: the options every codec takes or refuses. Options of its own are further fields with defaults, which
    users set with ``--codec-option NAME=VALUE``. What it cannot do it refuses with an InputError when it is made.
    """

    name: ClassVar[str]
    executes: ClassVar[bool] = False
    """Whether options of its own say what program runs: such options are not taken from a file without being asked."""
    encoder: EncoderOptions = field(default_factory=EncoderOptions)

    def __post_init__(self) -> None:
        if self.encoder.subsampling not in SUBSAMPLINGS:
            raise InputError(
                f"chroma subsampling is one of {', '.join(SUBSAMPLINGS)}, got {self.encoder.subsampling!r}."
            )

    @classmethod
    def settings_in(cls, argument: str) -> dict[str, Any]:
        """What ``NAME:ARGUMENT`` sets, fields by name. InputError where the codec takes no argument."""
        raise InputError(f"the codec {cls.name} takes no argument, got {argument!r}: give --codec-option NAME=VALUE.")

    def prepare(self, images: Images, digest: str) -> Any:
        """What :meth:`encode` reads ``images`` from, made once per dataset and process.

        ``digest`` is the dataset's. What is returned is sliced and indexed as ``images`` are; by default it is them.
        """
        return images

    def prepare_on(self, device: str, images: Images, digest: str) -> Any | None:
        """As :meth:`prepare`, for :meth:`encode` to leave the pixels on ``device``, as torch calls it.

        None where the codec does not decode there; by default it does not.
        """
        return None

    def prepare_stored(self, images: StoredImages) -> Any:
        """As :meth:`prepare`, for images of sizes of their own: its ``one(index)`` is what :meth:`encode` reads image
        ``index`` alone from; by default it is them."""
        return images

    @abstractmethod
    def encode(self, source: Any, tables: Sequence[QuantTables]) -> Encoded:
        """Encodes N images, ``source`` (uint8 [N, H, W, 3] or what was prepared of them), and decodes them again.

        ``tables`` has one QuantTables per image; each image becomes a file of its own. InputError where there are not
        as many tables as images.
        """

    def size_bytes(self, source: Any, tables: Sequence[QuantTables]) -> npt.NDArray[np.int64]:
        """The sizes [N] that :meth:`encode` would tell, in bytes."""
        return self.encode(source, tables).size_bytes

    @abstractmethod
    def settings(self) -> dict[str, str | bool | int]:
        """Name, encoder settings and library versions: all that changes sizes or pixels. Recorded with every run."""


def check_tables(images: int, tables: Sequence[QuantTables]) -> None:
    """InputError where there is not one QuantTables per image."""
    if len(tables) != images:
        raise InputError(f"each image has tables of its own: {images} images came with {len(tables)} tables.")
