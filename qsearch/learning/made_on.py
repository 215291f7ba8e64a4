"""The images that learned tables were made on, as their files keep them."""

from typing import Self

import msgspec

from qsearch.datasets.base import Dataset


class MadeOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the images were.

    dataset: its name; digest: SHA-256 of its pixels and labels. height, width: of what networks are shown, in pixels.
    compressed: in words, the size of the images that are compressed where these are others.
    """

    dataset: str
    digest: str
    images: int
    height: int
    width: int
    compressed: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """What ``dataset`` is."""
        return cls(
            dataset=dataset.name,
            digest=dataset.digest,
            images=len(dataset),
            height=dataset.height,
            width=dataset.width,
            compressed=msgspec.UNSET if dataset.stored is None else dataset.compressed_size,
        )

    @property
    def size(self) -> str:
        """In words, how large the images were that were compressed."""
        return self.compressed if isinstance(self.compressed, str) else f"{self.width}x{self.height}"
