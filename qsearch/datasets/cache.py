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
from qsearch.datasets.stored import StoredBuilder, StoredImages
from qsearch.disk import keep_in_use, replacing, writing
from qsearch.errors import InputError

FORMAT = 3
IMAGES_FOLDER, NETWORKS_FOLDER, DOWNLOADS_FOLDER, METADATA_FOLDER = "images", "networks", "downloads", "imagenetv2"
"""What lies in the cache folder."""
STORED_SUFFIX = ".stored.npy"
"""Ends the name of the file that stored images lie in, after the entry's."""
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

    digest: that of the dataset without its stored images; computed from the rest where it is left empty.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    digest: str = ""
    source_identities: tuple[SourceIdentity, ...] = ()
    stored: StoredImages | None = None

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
            self.digest if self.stored is None else self.stored.digest_with(self.digest),
            self.notes,
            source_identities=self.source_identities,
            stored=self.stored,
        )


def cache_folder() -> Path:
    """Where prepared images are kept: ``QSEARCH_CACHE``, or else the platform's cache folder for qsearch."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("QSEARCH_CACHE") or user_cache_dir("qsearch")).expanduser().absolute()


def cached_pixels(key: str, build: Callable[[], PreparedImages]) -> PreparedImages:
    """What ``build`` returns, its images as read-only memory maps; ``build`` runs only where the cache lacks ``key``.

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


def stored_builder(size: int, fit: str) -> StoredBuilder:
    """Collects stored images in the cache, for ``build`` of :func:`cached_pixels`, which keeps them."""
    return StoredBuilder(cache_folder() / IMAGES_FOLDER, size, fit, CACHE_ADVICE)


@dataclass(frozen=True)
class _Entry:
    """Pixels as ``.npy``, those of stored images as ``.stored.npy``, and the rest as ``.json``, which is written last
    and so vouches for the pixels."""

    folder: Path
    key: str

    @property
    def pixels(self) -> Path:
        return self.folder / f"{self.key}.npy"

    @property
    def stored_pixels(self) -> Path:
        return self.folder / f"{self.key}{STORED_SUFFIX}"

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
                self._read_stored(description["stored"]) if "stored" in description else None,
            )
            untouched = description["pixels_stamp"] == file_stamp(self.pixels)
            if prepared.stored is not None and description["stored"]["stamp"] != file_stamp(self.stored_pixels):
                untouched = False
            prepared.named(self.key)  # refuses what does not fit together
        except UNREADABLE:
            return None
        # Hashing gigabytes at every start is too slow; a file that nobody wrote to since needs no second look.
        if untouched or _intact(prepared):
            keep_in_use(self.pixels)
            if prepared.stored is not None:
                keep_in_use(self.stored_pixels)
            return prepared
        return None

    def _read_stored(self, description: dict[str, Any]) -> StoredImages:
        pixels = np.lib.format.open_memmap(self.stored_pixels, mode="r")
        starts, sizes = (np.asarray(description[name], dtype=np.int64) for name in ("starts", "sizes"))
        digests = tuple(map(str, description["digests"]))
        return StoredImages(pixels, starts, sizes, digests, int(description["size"]), str(description["fit"]))

    def write(self, prepared: PreparedImages) -> None:
        with replacing(self.pixels, CACHE_ADVICE) as file:
            np.save(file, prepared.images, allow_pickle=False)
        if prepared.stored is not None:
            with replacing(self.stored_pixels, CACHE_ADVICE) as file:
                np.save(file, prepared.stored.pixels, allow_pickle=False)
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
        if prepared.stored is not None:
            description["stored"] = {
                "starts": prepared.stored.starts.tolist(),
                "sizes": prepared.stored.sizes.tolist(),
                "digests": prepared.stored.digests,
                "size": prepared.stored.size,
                "fit": prepared.stored.fit,
                "stamp": file_stamp(self.stored_pixels),
            }
        description["checksum"] = _checksum(description)
        with replacing(self.description, CACHE_ADVICE) as file:
            file.write(json.dumps(description).encode())


def _intact(prepared: PreparedImages) -> bool:
    found = digest_of(prepared.images, prepared.labels, prepared.class_names)
    return found == prepared.digest and (prepared.stored is None or prepared.stored.intact())


def file_stamp(path: Path) -> list[int]:
    """What changes when a file is written to: its size in bytes and its time in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _checksum(description: dict[str, Any]) -> str:
    """SHA-256 (hexadecimal) of what stands beside the pixels: labels that changed would be found by nothing else."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
