"""Prepared images on disk, by key: built once, then opened as a memory map by every process."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset, digest_of
from qsearch.datasets.identity import SourceIdentity
from qsearch.disk import keep_in_use, replacing, writing
from qsearch.errors import InputError

FORMAT = 3
IMAGES_FOLDER, NETWORKS_FOLDER, DOWNLOADS_FOLDER, METADATA_FOLDER = "images", "networks", "downloads", "imagenetv2"
"""What lies in the cache folder."""
KEY = re.compile(r"[\w.-]{1,150}", re.ASCII)
UNREADABLE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError),
    *(SyntaxError, TokenError, RecursionError, MemoryError),  # numpy on a damaged header, json on lists within lists
)
"""What reading a damaged entry may raise."""
CACHE_ADVICE = "make room there, or set QSEARCH_CACHE to another folder."


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """A dataset before it has a name; the fields are those of :class:`~qsearch.datasets.base.Dataset`.

    digest: computed from the rest where it is left empty.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    digest: str = ""
    source_identities: tuple[SourceIdentity, ...] = ()

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", digest_of(self.images, self.labels, self.class_names))

    def named(self, name: str) -> Dataset:
        """The dataset of these images under the name the user gave it."""
        return Dataset(
            name,
            self.images,
            self.labels,
            self.class_names,
            self.image_names,
            self.digest,
            self.notes,
            source_identities=self.source_identities,
        )


def cache_folder() -> Path:
    """Where prepared images are kept: ``QSEARCH_CACHE``, or else the platform's cache folder for qsearch."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("QSEARCH_CACHE") or user_cache_dir("qsearch")).expanduser().absolute()


def cached_pixels(key: str, build: Callable[[], PreparedImages]) -> PreparedImages:
    """What ``build`` returns, its images as a read-only memory map; ``build`` runs only where the cache lacks ``key``.

    ``key`` is a file name's stem (letters, digits, ``.``, ``_``, ``-``) that stands for everything the images depend
    on. Of several processes that ask for one key at once, one builds and the others wait for it. A damaged entry is
    built again. Errors of ``build`` pass through. DiskError where the cache cannot be written.
    """
    if not KEY.fullmatch(key):
        raise InputError(f"a cache key is 1 to 150 letters, digits, dots, dashes and underscores, got {key!r}.")
    from filelock import FileLock

    entry = _Entry(cache_folder() / IMAGES_FOLDER, key)
    found = entry.read()
    if found is not None:
        return found
    with writing(entry.folder, CACHE_ADVICE):
        entry.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(entry.folder / f"{key}.lock")
        lock.acquire()
    try:
        found = entry.read()
        if found is not None:
            return found
        entry.write(build())
    finally:
        lock.release()
    found = entry.read()
    if found is None:
        raise InputError(
            f"images were written to the cache folder {entry.folder} but do not read back as they were: "
            f"check that disk, or set QSEARCH_CACHE to another folder."
        )
    return found


@dataclass(frozen=True)
class _Entry:
    """Two files: pixels as ``.npy``, the rest as ``.json``, which is written last and so vouches for the pixels."""

    folder: Path
    key: str

    @property
    def pixels(self) -> Path:
        return self.folder / f"{self.key}.npy"

    @property
    def description(self) -> Path:
        return self.folder / f"{self.key}.json"

    def read(self) -> PreparedImages | None:
        """The entry, or None where there is none or it is damaged."""
        try:
            description = json.loads(self.description.read_text(encoding="utf-8"))
            images = np.lib.format.open_memmap(self.pixels, mode="r")
            if description["format"] != FORMAT or description.pop("checksum") != _checksum(description):
                return None
            if images.dtype != np.uint8:
                return None
            prepared = PreparedImages(
                images,
                np.asarray(description["labels"], dtype=np.int64),
                tuple(description["class_names"]),
                tuple(description["image_names"]),
                tuple(description["notes"]),
                str(description["digest"]),
                tuple(SourceIdentity(*identity) for identity in description["source_identities"]),
            )
            untouched = description["pixels_stamp"] == file_stamp(self.pixels)
            prepared.named(self.key)  # refuses what does not fit together
        except UNREADABLE:
            return None
        # Hashing gigabytes at every start is too slow; a file that nobody wrote to since needs no second look.
        if untouched or digest_of(images, prepared.labels, prepared.class_names) == prepared.digest:
            keep_in_use(self.pixels)
            return prepared
        return None

    def write(self, prepared: PreparedImages) -> None:
        with replacing(self.pixels, CACHE_ADVICE) as file:
            np.save(file, prepared.images, allow_pickle=False)
        description: dict[str, Any] = {
            "format": FORMAT,
            "digest": prepared.digest,
            "pixels_stamp": file_stamp(self.pixels),
            "notes": prepared.notes,
            "class_names": prepared.class_names,
            "labels": prepared.labels.tolist(),
            "image_names": prepared.image_names,
            "source_identities": prepared.source_identities,
        }
        description["checksum"] = _checksum(description)
        with replacing(self.description, CACHE_ADVICE) as file:
            file.write(json.dumps(description).encode())


def file_stamp(path: Path) -> list[int]:
    """What changes when a file is written to: its size in bytes and its time in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _checksum(description: dict[str, Any]) -> str:
    """SHA-256 (hexadecimal) of what stands beside the pixels: labels that changed would be found by nothing else."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
